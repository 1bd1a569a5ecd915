import { DTypeError, IndexError, ValueError } from '../errors.js'
import { Flag } from '../native.js'
import type { Tensor } from '../tensor.js'
import type { AtIndex } from '../types.js'
import { flagsOf, isTensor, located } from './base.js'
import { shown } from './create.js'

/** The part of a tensor that index entries describe, one after the other. */
export function at(tensor: Tensor, indices: readonly AtIndex[]): Tensor {
  const entries = spread(tensor, indices)
  let result: Tensor = tensor
  let axis = 0
  for (const entry of entries) {
    if (entry === null) axis += 1
    else if (typeof entry === 'number') result = result.select(axis, checkedIndex(entry, axis, result))
    else if (isTensor(entry)) {
      result = picked(result, axis, entry)
      axis += entry.rank
    } else {
      const [start, end, step] = range(entry)
      result = result.slice(axis, start, end, step)
      axis += 1
    }
  }
  return result
}

type Entry = Exclude<AtIndex, '...'>

/** The entries with `'...'` replaced by whole axes. */
function spread(tensor: Tensor, indices: readonly AtIndex[]): Entry[] {
  const dots = indices.indexOf('...')
  if (dots !== indices.lastIndexOf('...'))
    throw located(ValueError, "at: '...' twice; expected it once at most.")
  const given = dots < 0 ? indices.length : indices.length - 1
  if (given > tensor.rank)
    throw located(
      IndexError,
      `at: ${given} entries for a tensor of rank ${tensor.rank}; expected at most one per axis.`,
    )
  const entries = indices as readonly Entry[]
  if (dots < 0) return [...entries]
  const whole = Array.from({ length: tensor.rank - given }, () => null)
  return [...entries.slice(0, dots), ...whole, ...entries.slice(dots + 1)]
}

function checkedIndex(index: number, axis: number, tensor: Tensor): number {
  const size = tensor.shape[axis] as number
  if (!Number.isInteger(index)) throw located(ValueError, `at: index ${index}; expected an integer.`)
  if (index < -size || index >= size)
    throw located(
      IndexError,
      `at: index ${index} of an axis of size ${size}; expected ${-size} to ${size - 1}.`,
    )
  return index
}

function range(entry: unknown): [start: number, end: number, step: number] {
  if (!Array.isArray(entry))
    throw located(
      ValueError,
      `at: ${shown(entry)}; expected an integer, [start, end], [start, end, step], null, '...' or a tensor of i32 indices.`,
    )
  if (
    entry.length < 2 ||
    entry.length > 3 ||
    !entry.every((value) => Number.isInteger(value) || value === Infinity)
  )
    throw located(
      ValueError,
      `at: [${entry.map(shown).join(', ')}]; expected a range [start, end] or [start, end, step] of integers. ` +
        "A list of indices is a tensor: at(tensor([0, 2, 5], { dtype: 'i32' })).",
    )
  const [start, end, step = 1] = entry as [number, number, number?]
  if (step < 1) throw located(ValueError, `at: step ${step}; expected at least 1. Reverse an axis with flip.`)
  return [start, end, step]
}

/** Entries by a tensor of indices, whose axes take the place of the one axis. */
function picked(tensor: Tensor, axis: number, index: Tensor): Tensor {
  if (index.dtype === 'bool')
    throw located(
      DTypeError,
      'at: a bool tensor as index; expected i32. How many elements a mask picks is known only when it runs: use where(mask, x, other) or x.mul(mask).',
    )
  const weak = (flagsOf(index) & Flag.weak) !== 0
  if (index.dtype !== 'i32' && index.dtype !== 'u8' && !weak)
    throw located(DTypeError, `at: a tensor of ${index.dtype} as index; expected i32. Use index.cast('i32').`)
  const flat = index.cast('i32').reshape([-1])
  const shape = [...tensor.shape.slice(0, axis), ...index.shape, ...tensor.shape.slice(axis + 1)]
  const rows = tensor.indexSelect(axis, flat)
  return index.rank === 1 ? rows : rows.reshape(shape)
}

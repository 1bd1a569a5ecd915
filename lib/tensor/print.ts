import { DisposedError } from '../errors.js'
import { Flag, isTracing, native } from '../native.js'
import type { Tensor } from '../tensor.js'
import type { DType, NestedArray, Shape } from '../types.js'
import { DEAD, flagsOf, rawHandle, swapCreated } from './base.js'
import { arrayFor, nested } from './create.js'

/** Tensors with more elements show only their edges. */
const WHOLE = 1000

/** Entries shown at either edge of an axis. */
const EDGE = 3

const WIDTH = 80

let quiet = 0

/** Runs `body` while printing a tensor computes nothing, so that a checked step stays what it is. */
export function withoutReading<T>(body: () => T): T {
  quiet += 1
  try {
    return body()
  } finally {
    quiet -= 1
  }
}

/** A tensor as text. It reads at most the edges of a large one. */
export function formatted(tensor: Tensor): string {
  const handle = rawHandle(tensor)
  if (handle === DEAD) return 'tensor(disposed)'
  const { shape, dtype } = tensor
  const flags = flagsOf(tensor)
  const type = shape.length === 0 ? dtype : `${dtype}[${shape.join(', ')}]`
  const tail = `${type}${(flags & Flag.requiresGrad) === 0 ? '' : ', requiresGrad'}`
  if (isTracing() || quiet > 0) return `tensor(traced, ${tail})`
  if ((flags & Flag.traced) !== 0) return `tensor(of a trace that has ended, ${tail})`
  try {
    return withValues(tensor, tail)
  } catch (error) {
    if (error instanceof DisposedError) return `tensor(${goneBecause(flags)}, ${tail})`
    throw error
  }
}

function withValues(tensor: Tensor, tail: string): string {
  const { shape, dtype } = tensor
  const cut = tensor.numel > WHOLE
  const values = elements(tensor, cut)
  if (shape.length === 0) return `tensor(${scalar(values[0] as number, dtype)}, ${tail})`
  const shown = shape.map((size) => (cut && size > 2 * EDGE ? 2 * EDGE : size))
  return `tensor(${body(values, shown, shape, dtype)}, ${tail})`
}

function goneBecause(flags: number): string {
  return (flags & Flag.lent) === 0 ? 'freed' : 'overwritten by a later run, see clone()'
}

/** All elements, or those at the edges of every long axis, in row-major order. */
function elements(tensor: Tensor, cut: boolean): ArrayLike<number> {
  if (!cut) return valuesOf(tensor)
  const temporaries: Tensor[] = []
  const outer = swapCreated(temporaries)
  const gradients = native.gradEnabled(false)
  try {
    const indices = tensor.shape.map((size) => edgeIndices(size))
    return edges(tensor, indices)
  } finally {
    native.gradEnabled(gradients)
    swapCreated(outer)
    for (const temporary of temporaries) temporary.dispose()
  }
}

function edgeIndices(size: number): number[] {
  if (size <= 2 * EDGE) return Array.from({ length: size }, (_, i) => i)
  return [0, 1, 2, size - 3, size - 2, size - 1]
}

/** Selects along the outer axes and reads the innermost one at its two ends. */
function edges(tensor: Tensor, indices: readonly (readonly number[])[]): number[] {
  const [first, ...rest] = indices
  if (first === undefined) return []
  if (rest.length > 0) return first.flatMap((index) => edges(tensor.select(0, index), rest))
  const size = tensor.shape[0] as number
  if (size <= 2 * EDGE) return Array.from(valuesOf(tensor))
  return [tensor.narrow(0, 0, EDGE), tensor.narrow(0, size - EDGE, EDGE)].flatMap((part) =>
    Array.from(valuesOf(part)),
  )
}

function valuesOf(tensor: Tensor): ArrayLike<number> {
  const data = arrayFor(tensor.dtype, tensor.numel)
  native.read(rawHandle(tensor), data)
  return data
}

/** One value with the digits that its type has. */
function scalar(value: number, dtype: DType): string {
  if (dtype === 'bool') return String(value !== 0)
  return dtype === 'f32' && Number.isFinite(value) ? String(Number(value.toPrecision(7))) : String(value)
}

function body(values: ArrayLike<number>, shown: Shape, shape: Shape, dtype: DType): string {
  const words = aligned(values, dtype)
  const rows = nested(words, shown)
  const gaps = shape.map((size, axis) => size !== shown[axis])
  return rendered(rows, gaps, 0, 'tensor('.length)
}

function rendered(rows: NestedArray<string>, gaps: readonly boolean[], axis: number, indent: number): string {
  if (typeof rows === 'string') return rows
  const parts = rows.map((row) => rendered(row, gaps, axis + 1, indent + 1))
  if (gaps[axis] === true) parts.splice(EDGE, 0, '…')
  const innermost = axis === gaps.length - 1
  if (innermost) return `[${wrapped(parts, indent + 1)}]`
  const blankLines = gaps.length - axis - 2
  return `[${parts.join(`,${'\n'.repeat(1 + blankLines)}${' '.repeat(indent + 1)}`)}]`
}

function wrapped(words: readonly string[], indent: number): string {
  const lines: string[] = []
  let line = ''
  for (const word of words) {
    if (line !== '' && indent + line.length + word.length + 2 > WIDTH) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : `, ${word}`
  }
  lines.push(line)
  return lines.join(`,\n${' '.repeat(indent)}`)
}

/** Values as words of one width. */
function aligned(values: ArrayLike<number>, dtype: DType): string[] {
  const words =
    dtype === 'f32' || dtype === 'f64'
      ? fractions(Array.from(values))
      : Array.from(values, (value) => scalar(value, dtype))
  const width = Math.max(0, ...words.map((word) => word.length))
  return words.map((word) => word.padStart(width))
}

/** Numbers as integers where all are, else with four digits, else with exponents where the range is wide. */
function fractions(values: readonly number[]): string[] {
  const finite = values.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs)
  const largest = Math.max(0, ...finite)
  const smallest = Math.min(largest, ...finite)
  if (largest < 1e8 && values.every((value) => !Number.isFinite(value) || Number.isInteger(value)))
    return values.map((value) => (Object.is(value, -0) ? '-0' : String(value)))
  const wide = largest >= 1e5 || smallest < 1e-4 || largest / smallest > 1e6
  return values.map((value) => {
    if (!Number.isFinite(value)) return String(value)
    return wide ? value.toExponential(4) : value.toFixed(4)
  })
}

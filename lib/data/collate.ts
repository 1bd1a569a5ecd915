import { stack } from '../functional.js'
import type { Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { requireDType, shown } from '../tensor/create.js'
import { isRecord, strangeRecord } from './cell.js'
import { fromTypedArray, tensor } from '../tensor/factories.js'
import type { DType, NestedArray, TensorValues, TypedArray } from '../types.js'
import { DataError, reasonOf } from './data-error.js'

/** Element types by the path of what they are for: `y`, `x.image`, `1`. */
export type ElementTypes = Readonly<Record<string, DType>>

type Scalar = number | boolean

/** What a field of a row is in a batch: one tensor, or a record or tuple of them. */
export type BatchedField<T> = T extends number | boolean | Tensor | TypedArray
  ? Tensor
  : T extends readonly NestedArray<number | boolean>[]
    ? Tensor
    : T extends object
      ? { readonly [K in keyof T]: BatchedField<T[K]> }
      : never

/**
 * What a batch of rows is: numbers, typed arrays and tensors become a tensor with one axis more; records and tuples of
 * them keep their layout.
 */
export type Batched<T> = T extends number | boolean | Tensor | TypedArray | readonly (number | boolean)[]
  ? Tensor
  : T extends object
    ? { readonly [K in keyof T]: BatchedField<T[K]> }
    : never

/** Where rows come from, for messages. */
interface Group {
  readonly op: string
  /** The number of the first row. */
  readonly first: number
  readonly types: ElementTypes
}

/** Rows as one batch; a row whose layout is not that of the first is refused with its number. */
export function collate(op: string, rows: readonly unknown[], first: number, types: ElementTypes): unknown {
  return field({ op, first, types }, rows, '')
}

function problem({ op, first }: Group, at: number, path: string, given: string, expected: string): DataError {
  const row = first + at
  const where = path === '' ? '' : ` at ${path}`
  return new DataError(`${op}: row ${row}: ${given}${where}; expected ${expected}.`, { row })
}

function field(group: Group, values: readonly unknown[], path: string): unknown {
  const [like] = values
  if (isTensor(like)) return tensors(group, values, path, like)
  if (isTyped(like)) return typedArrays(group, values, path, like)
  if (Array.isArray(like)) {
    // A row of numbers is a vector; any other list at the top is a tuple such as [x, y]. Further in, lists of lists of
    // numbers are values too.
    const plain = path === '' ? like.every(isScalar) : isNested(like)
    if (plain) return vectors(group, values, path)
    return tuple(group, values as readonly (readonly unknown[])[], path, like.length)
  }
  if (isScalar(like)) return scalars(group, values, path, typeof like)
  if (isRecord(like)) return record(group, values, path, like)
  throw problem(
    group,
    0,
    path,
    strangeRecord(like),
    'numbers, booleans, typed arrays, tensors, or records and tuples of them',
  )
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'number' || typeof value === 'boolean'
}

function isNested(value: unknown): boolean {
  return isScalar(value) || (Array.isArray(value) && value.every(isNested))
}

function isTyped(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

function typeAt(group: Group, path: string): { readonly dtype?: DType } {
  const dtype = group.types[path]
  if (dtype === undefined) return {}
  requireDType(group.op, dtype)
  return { dtype }
}

function tensors(group: Group, values: readonly unknown[], path: string, like: Tensor): Tensor {
  for (const [at, value] of values.entries()) {
    const given = isTensor(value) ? `${value.dtype}[${value.shape.join(', ')}]` : shown(value)
    const wanted = `${like.dtype}[${like.shape.join(', ')}]`
    if (given !== wanted) throw problem(group, at, path, given, `${wanted}, as in row ${group.first}`)
  }
  const joined = stack(values as readonly Tensor[])
  const { dtype = joined.dtype } = typeAt(group, path)
  return dtype === joined.dtype ? joined : joined.to(dtype)
}

function typedArrays(group: Group, values: readonly unknown[], path: string, like: TypedArray): Tensor {
  const { constructor, length } = like
  const make = constructor as new (length: number) => TypedArray & { set(from: unknown, at: number): void }
  const all = new make(values.length * length)
  for (const [at, value] of values.entries()) {
    if (!isTyped(value) || value.constructor !== constructor || value.length !== length) {
      const given = isTyped(value) ? `a ${value.constructor.name} of ${value.length}` : shown(value)
      throw problem(group, at, path, given, `a ${constructor.name} of ${length}, as in row ${group.first}`)
    }
    all.set(value, at * length)
  }
  return fromTypedArray(all, [values.length, length], typeAt(group, path))
}

function scalars(group: Group, values: readonly unknown[], path: string, kind: string): Tensor {
  for (const [at, value] of values.entries())
    if (typeof value !== kind)
      throw problem(group, at, path, shown(value), `a ${kind}, as in row ${group.first}`)
  return made(group, values, path)
}

function vectors(group: Group, values: readonly unknown[], path: string): Tensor {
  const like = outline(values[0])
  for (const [at, value] of values.entries()) {
    const given = outline(value)
    if (given === null || like === null || given.join() !== like.join())
      throw problem(
        group,
        at,
        path,
        given === null ? shown(value) : `[${given.join(', ')}] values`,
        like === null ? 'rows of one length' : `[${like.join(', ')}] of them, as in row ${group.first}`,
      )
  }
  return made(group, values, path)
}

/** The sizes of nested arrays; null where they are no box of numbers. */
function outline(value: unknown): number[] | null {
  if (!Array.isArray(value)) return isScalar(value) ? [] : null
  const inner = value.map(outline)
  const [first = []] = inner
  if (first === null || inner.some((sizes) => sizes === null || sizes.join() !== first.join())) return null
  return [value.length, ...first]
}

function made(group: Group, values: readonly unknown[], path: string): Tensor {
  const options = typeAt(group, path)
  try {
    return tensor(values as TensorValues, options)
  } catch (error) {
    // All that can be left is a number that the element type does not hold: the first row that has one is looked for.
    const at = values.findIndex((value) => !fits(value, options))
    throw problem(
      group,
      Math.max(at, 0),
      path,
      reasonOf(error).replace(/^tensor: |;.*$/g, ''),
      `values of ${options.dtype ?? 'f32'}`,
    )
  }
}

function fits(value: unknown, options: { readonly dtype?: DType }): boolean {
  try {
    tensor(value as TensorValues, options)
    return true
  } catch {
    return false
  }
}

function tuple(
  group: Group,
  values: readonly (readonly unknown[])[],
  path: string,
  length: number,
): unknown[] {
  for (const [at, value] of values.entries())
    if (!Array.isArray(value) || value.length !== length)
      throw problem(group, at, path, shown(value), `a tuple of ${length}, as in row ${group.first}`)
  return Array.from({ length }, (_, i) =>
    field(
      group,
      values.map((value) => value[i]),
      path === '' ? String(i) : `${path}.${i}`,
    ),
  )
}

function record(
  group: Group,
  values: readonly unknown[],
  path: string,
  like: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const keys = Object.keys(like)
  for (const [at, value] of values.entries()) {
    const own = isRecord(value) ? Object.keys(value) : null
    if (own === null || own.length !== keys.length || keys.some((key) => !own.includes(key)))
      throw problem(
        group,
        at,
        path,
        own === null ? shown(value) : `a record of ${own.join(', ') || 'nothing'}`,
        `one of ${keys.join(', ')}, as in row ${group.first}`,
      )
  }
  const entries = keys.map((key) => [
    key,
    field(
      group,
      values.map((value) => (value as Record<string, unknown>)[key]),
      path === '' ? key : `${path}.${key}`,
    ),
  ])
  return Object.fromEntries(entries) as Record<string, unknown>
}

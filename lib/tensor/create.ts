import { DTypeError, ShapeError, ValueError } from '../errors.js'
import { Flag, Io, dtypes, io, native } from '../native.js'
import type { Tensor } from '../tensor.js'
import type { DType, NestedArray, Shape, TensorLike } from '../types.js'
import { adopt, blank, handleOf, isTensor, located, setFlag } from './base.js'
import { argumentName } from './guards.js'

/** The typed array that holds each element type; bool is a byte. */
const arrays = {
  bool: Uint8Array,
  u8: Uint8Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
} as const

type Data = Uint8Array | Int32Array | Float32Array | Float64Array

/** A typed array with room for `numel` elements. */
export function arrayFor(dtype: DType, numel: number): Data {
  return new arrays[dtype](numel)
}

export function isFloat(dtype: DType): boolean {
  return dtype === 'f32' || dtype === 'f64'
}

/** The core's shapes have room for no more. */
const MOST_AXES = 32

/** Number of elements of a shape; throws where it is none. */
export function sizeOf(op: string, shape: Shape): number {
  if (!Array.isArray(shape))
    throw located(ValueError, `${op}: ${shown(shape)} as shape; expected an array of sizes such as [2, 3].`)
  let count = 1
  for (const size of shape as Shape) {
    if (!Number.isSafeInteger(size) || size < 0)
      throw located(
        ShapeError,
        `${op}: shape [${shape.map(shown).join(', ')}]; expected sizes that are integers ≥ 0.`,
      )
    count *= size
  }
  if (shape.length > MOST_AXES)
    throw located(ShapeError, `${op}: a shape of ${shape.length} axes; expected at most ${MOST_AXES}.`)
  if (!Number.isSafeInteger(count))
    throw located(
      ShapeError,
      `${op}: shape [${shape.join(', ')}]; expected fewer elements than can be counted exactly, 2^53.`,
    )
  return count
}

/** A value as a message names it. */
export function shown(value: unknown): string {
  const argument = [value, ...(Array.isArray(value) ? (value as unknown[]) : [])]
    .map(argumentName)
    .find(Boolean)
  if (typeof argument === 'string')
    return `the argument ${argument} (a plain number only with jit(fn, { static: ['${argument}'] }))`
  if (value === null || value === undefined || typeof value === 'boolean') return String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return `an array of ${value.length}`
  const { constructor } = value as { constructor?: { name?: string } }
  return constructor?.name && constructor.name !== 'Object' ? `a ${constructor.name}` : 'an object'
}

/** Throws unless the element type exists. */
export function requireDType(op: string, dtype: unknown): asserts dtype is DType {
  if (!dtypes.includes(dtype as DType))
    throw located(
      DTypeError,
      `${op}: ${shown(dtype)} as dtype; expected one of ${dtypes.map((d) => `'${d}'`).join(', ')}.`,
    )
}

/** A tensor of the bytes of `data`, copied. */
export function fromData(data: ArrayBufferView, dtype: DType, shape: Shape): Tensor {
  const out = blank()
  for (let axis = 0; axis < shape.length; axis += 1) io[Io.attributes + axis] = shape[axis] as number
  return adopt(out, native.create(out, dtypes.indexOf(dtype), shape.length, data))
}

/** Makes a new tensor a leaf that gradients are wanted for. */
export function withGrad(op: string, tensor: Tensor, requiresGrad: boolean | undefined): Tensor {
  if (requiresGrad === undefined || requiresGrad === false) return tensor
  if (requiresGrad !== true)
    throw located(ValueError, `${op}: ${shown(requiresGrad)} as requiresGrad; expected true or false.`)
  if (!isFloat(tensor.dtype))
    throw located(
      DTypeError,
      `${op}: requiresGrad with dtype ${tensor.dtype}; expected f32 or f64. Integers have no gradients.`,
    )
  native.setRequiresGrad(handleOf(tensor), true)
  setFlag(tensor, Flag.requiresGrad, true)
  return tensor
}

/** Copies numbers into a typed array of an element type; throws where one does not fit. */
export function converted(op: string, values: ArrayLike<number | bigint>, dtype: DType): Data {
  const data = arrayFor(dtype, values.length)
  if (dtype === 'bool') for (let i = 0; i < values.length; i += 1) data[i] = Number(values[i]) === 0 ? 0 : 1
  else if (isFloat(dtype)) for (let i = 0; i < values.length; i += 1) data[i] = Number(values[i])
  else for (let i = 0; i < values.length; i += 1) data[i] = integer(op, values[i] as number | bigint, dtype)
  return data
}

/** An integer that the element type holds. */
export function integer(op: string, value: number | bigint, dtype: DType): number {
  const number = Number(value)
  const [low, high] = dtype === 'u8' ? [0, 255] : [-2_147_483_648, 2_147_483_647]
  if (!Number.isInteger(number) || number < low || number > high)
    throw located(ValueError, `${op}: ${value} as ${dtype}; expected an integer from ${low} to ${high}.`)
  return number
}

function isTypedArray(value: unknown): value is ArrayBufferView & ArrayLike<number | bigint> {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

/** The element type that a typed array keeps. */
function dtypeOfArray(values: ArrayBufferView): DType {
  if (values instanceof Float32Array) return 'f32'
  if (values instanceof Float64Array) return 'f64'
  if (values instanceof Uint8Array || values instanceof Uint8ClampedArray) return 'u8'
  return 'i32'
}

/** The elements of a typed array as a tensor of a shape. */
export function fromArray(
  op: string,
  values: ArrayBufferView & ArrayLike<number | bigint>,
  shape: Shape,
  dtype?: DType,
): Tensor {
  const own = dtypeOfArray(values)
  const wanted = dtype ?? own
  if (sizeOf(op, shape) !== values.length)
    throw located(
      ShapeError,
      `${op}: ${values.length} elements for shape [${shape.join(', ')}]; expected ${sizeOf(op, shape)}.`,
    )
  const fits = wanted === own && values.byteLength === values.length * arrays[own].BYTES_PER_ELEMENT
  const exact = fits && (own !== 'i32' || values instanceof Int32Array)
  return fromData(exact ? values : converted(op, values, wanted), wanted, shape)
}

/** Values as {@link tensor} takes them, as a tensor without history. */
export function fromValues(op: string, values: unknown, dtype?: DType): Tensor {
  if (dtype !== undefined) requireDType(op, dtype)
  if (isTypedArray(values)) return fromArray(op, values, [values.length], dtype)
  const shape = outline(op, values)
  const flat: number[] = []
  const kinds = { boolean: false, number: false }
  flatten(op, values, shape, 0, flat, kinds, '')
  const wanted = dtype ?? (kinds.boolean && !kinds.number ? 'bool' : 'f32')
  return fromData(wanted === 'f32' ? Float32Array.from(flat) : converted(op, flat, wanted), wanted, shape)
}

/** The sizes of nested arrays, taken from the first entry of each. */
function outline(op: string, values: unknown): number[] {
  const shape: number[] = []
  for (let inner = values; Array.isArray(inner); inner = inner[0]) {
    shape.push(inner.length)
    // An array that holds itself has no end.
    if (shape.length > MOST_AXES)
      throw located(
        ShapeError,
        `${op}: arrays nested deeper than ${MOST_AXES}; expected at most ${MOST_AXES}.`,
      )
  }
  return shape
}

function flatten(
  op: string,
  values: unknown,
  shape: readonly number[],
  depth: number,
  flat: number[],
  kinds: { boolean: boolean; number: boolean },
  place: string,
): void {
  if (depth === shape.length) {
    if (typeof values === 'number') kinds.number = true
    else if (typeof values === 'boolean') kinds.boolean = true
    else throw notAValue(op, values, place)
    flat.push(Number(values))
    return
  }
  if (!Array.isArray(values)) throw notAValue(op, values, place, shape[depth])
  if (values.length !== shape[depth])
    throw located(
      ShapeError,
      `${op}: ${values.length} entries at ${place}; expected ${shape[depth]}, as in the first row. All rows of a tensor are equally long.`,
    )
  for (let i = 0; i < values.length; i += 1)
    flatten(op, values[i], shape, depth + 1, flat, kinds, `${place}[${i}]`)
}

function notAValue(op: string, value: unknown, place: string, length?: number): Error {
  const where = place === '' ? '' : ` at ${place}`
  if (isTensor(value)) {
    const argument = argumentName(value)
    return located(
      ValueError,
      argument === null
        ? `${op}: a tensor${where}; expected numbers or booleans. Join tensors with stack or concat.`
        : `${op}: the argument ${argument}${where}; expected numbers that are the same in each call. Pass a tensor or a typed array for the whole list, or join its numbers with stack.`,
    )
  }
  if (Array.isArray(value) || length !== undefined)
    return located(
      ShapeError,
      `${op}: ${shown(value)}${where}; expected ${length === undefined ? 'a number' : `an array of ${length}`}, as in the first row.`,
    )
  const hint =
    typeof value === 'object' && value !== null
      ? ' A tensor that was cloned or sent to a worker is no tensor any more; send toTypedArray() and the shape.'
      : ''
  return located(
    ValueError,
    `${op}: ${shown(value)}${where}; expected a tensor, a number, a boolean or nested arrays of these.${hint}`,
  )
}

/** A tensor-like value as a tensor: tensors as they are, numbers and arrays made into one. */
export function asTensor(value: TensorLike, op = 'tensor', dtype?: DType): Tensor {
  return isTensor(value) ? value : fromValues(op, value, dtype)
}

/** An operand as it goes into a call: numbers stay numbers, so that they adapt to the tensor that they meet. */
export function operand(value: TensorLike, op: string): Tensor | number {
  if (typeof value === 'number' || isTensor(value)) return value
  return fromValues(op, value)
}

/** Nested arrays from elements in row-major order. */
export function nested<E>(elements: ArrayLike<E>, shape: Shape): NestedArray<E> {
  let at = 0
  const build = (axis: number): NestedArray<E> => {
    if (axis === shape.length) {
      at += 1
      return elements[at - 1] as E
    }
    const row: NestedArray<E>[] = []
    for (let i = 0; i < (shape[axis] as number); i += 1) row.push(build(axis + 1))
    return row
  }
  return build(0)
}

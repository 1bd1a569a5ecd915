import { DTypeError, ValueError } from '../errors.js'
import { NONE, dtypes, native } from '../native.js'
import { Code } from '../ops.generated.js'
import type { Tensor } from '../tensor.js'
import type {
  CreationOptions,
  DType,
  DTypeOfValues,
  Shape,
  ShapeOfValues,
  Sizes,
  TensorLike,
  TensorValues,
  TypedArray,
} from '../types.js'
import { adopt, apply1, attributes, blank, located } from './base.js'
import { requireInteger, requireOptions, requireTensor } from './checks.js'
import {
  asTensor,
  fromArray,
  fromValues,
  integer,
  isFloat,
  requireDType,
  shown,
  sizeOf,
  withGrad,
} from './create.js'

/** A tensor that an op without operands makes. */
function made(code: number, count: number): Tensor {
  const out = blank()
  return adopt(out, native.apply(out, code, NONE, NONE, NONE, count))
}

const creation = ['dtype', 'requiresGrad'] as const

function dtypeCode(op: string, dtype: DType): number {
  requireDType(op, dtype)
  return dtypes.indexOf(dtype)
}

function requireFinite(op: string, what: string, value: unknown): void {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw located(ValueError, `${op}: ${shown(value)} as ${what}; expected a finite number.`)
}

/**
 * Makes a tensor of values: numbers become f32, booleans bool, typed arrays keep their type.
 *
 * @param values - a number, a boolean, nested arrays of one length per level, or a typed array
 * @param options - `dtype` converts; `requiresGrad` makes it a leaf that gradients are computed for
 * @returns a tensor of the arrays' shape with storage of its own
 * @throws ShapeError where rows differ in length
 * @throws ValueError where a value is no number or boolean, or does not fit the integer type asked for
 * @example
 * ```ts
 * import { tensor } from 'neuroxide'
 * const x = tensor([[1, 2, 3], [4, 5, 6]])
 * console.log(x.shape, x.dtype, tensor([1, 2], { dtype: 'i32' }).dtype) // [ 2, 3 ] f32 i32
 * ```
 */
export function tensor<const V extends TensorValues>(
  values: V,
  options?: CreationOptions<DType> & { readonly dtype?: undefined },
): Tensor<ShapeOfValues<V>, DTypeOfValues<V>>
export function tensor<const V extends TensorValues, D extends DType>(
  values: V,
  options: CreationOptions<D> & { readonly dtype: D },
): Tensor<ShapeOfValues<V>, D>
export function tensor(values: TensorValues, options?: CreationOptions): Tensor
export function tensor(values: TensorValues, options: CreationOptions = {}): Tensor {
  requireOptions('tensor', options, creation)
  return withGrad('tensor', fromValues('tensor', values, options.dtype), options.requiresGrad)
}

/**
 * Makes a tensor of a typed array's elements under a shape; the elements are copied.
 *
 * @param values - as many elements as the shape has, in row-major order; 64-bit integers become i32, range-checked
 * @param shape - sizes of the axes; a vector when left out
 * @param options - `dtype` converts; `requiresGrad`
 * @returns a tensor with storage of its own
 * @throws ShapeError where the number of elements is another
 * @example
 * ```ts
 * import { fromTypedArray } from 'neuroxide'
 * console.log(fromTypedArray(new Uint8Array([1, 2, 3, 4]), [2, 2]).toArray()) // [ [ 1, 2 ], [ 3, 4 ] ]
 * ```
 */
export function fromTypedArray<
  const S extends Shape = [number],
  V extends TypedArray = TypedArray,
  D extends DType = DTypeOfValues<V>,
>(values: V, shape?: S, options: CreationOptions<D> = {}): Tensor<Sizes<S>, D> {
  requireOptions('fromTypedArray', options, creation)
  if (!ArrayBuffer.isView(values) || values instanceof DataView)
    throw located(ValueError, `fromTypedArray: ${shown(values)}; expected a typed array.`)
  if (options.dtype !== undefined) requireDType('fromTypedArray', options.dtype)
  const result = fromArray('fromTypedArray', values, shape ?? [(values as TypedArray).length], options.dtype)
  return withGrad('fromTypedArray', result, options.requiresGrad) as Tensor<never, never>
}

/**
 * Makes a tensor that holds one value everywhere.
 *
 * @param shape - sizes of the axes
 * @param value - a number or a boolean
 * @param options - `dtype` ('f32' for numbers, 'bool' for booleans); `requiresGrad`
 * @returns a tensor of the shape
 * @throws ValueError where the value does not fit an integer type asked for
 * @example
 * ```ts
 * import { full } from 'neuroxide'
 * console.log(full([2, 2], 7).toArray()) // [ [ 7, 7 ], [ 7, 7 ] ]
 * ```
 */
export function full<
  const S extends Shape,
  V extends number | boolean,
  D extends DType = V extends boolean ? 'bool' : 'f32',
>(shape: S, value: V, options: CreationOptions<D> = {}): Tensor<Sizes<S>, D> {
  return filledWith('full', shape, value, typeof value === 'boolean' ? 'bool' : 'f32', options) as Tensor<
    never,
    never
  >
}

function filledWith(
  op: string,
  shape: Shape,
  value: unknown,
  initial: DType,
  options: CreationOptions,
): Tensor {
  requireOptions(op, options, creation)
  const dtype = options.dtype ?? initial
  const code = dtypeCode(op, dtype)
  sizeOf(op, shape)
  if (typeof value !== 'number' && typeof value !== 'boolean')
    throw located(ValueError, `${op}: ${shown(value)} as value; expected a number or a boolean.`)
  const number = dtype === 'bool' ? Number(Boolean(value)) : Number(value)
  if (!isFloat(dtype)) integer(op, number, dtype)
  return withGrad(op, made(Code.full, attributes(number, code, shape.length, ...shape)), options.requiresGrad)
}

/**
 * Makes a tensor of zeros.
 *
 * @param shape - sizes of the axes
 * @param options - `dtype` ('f32'); `requiresGrad`
 * @returns a tensor of the shape
 * @throws ShapeError where a size is negative or no integer
 * @example
 * ```ts
 * import { zeros } from 'neuroxide'
 * console.log(zeros([2, 3]).toArray()) // [ [ 0, 0, 0 ], [ 0, 0, 0 ] ]
 * ```
 */
export function zeros<const S extends Shape, D extends DType = 'f32'>(
  shape: S,
  options: CreationOptions<D> = {},
): Tensor<Sizes<S>, D> {
  return filledWith('zeros', shape, 0, 'f32', options) as Tensor<never, never>
}

/**
 * Makes a tensor of ones.
 *
 * @param shape - sizes of the axes
 * @param options - `dtype` ('f32'); `requiresGrad`
 * @returns a tensor of the shape
 * @throws ShapeError where a size is negative or no integer
 * @example
 * ```ts
 * import { ones } from 'neuroxide'
 * console.log(ones([3], { dtype: 'i32' }).toArray()) // [ 1, 1, 1 ]
 * ```
 */
export function ones<const S extends Shape, D extends DType = 'f32'>(
  shape: S,
  options: CreationOptions<D> = {},
): Tensor<Sizes<S>, D> {
  return filledWith('ones', shape, 1, 'f32', options) as Tensor<never, never>
}

/**
 * Makes a tensor of zeros with the shape and element type of another.
 *
 * @param like - whose shape and element type to take
 * @param options - `dtype` for another element type; `requiresGrad`
 * @returns a tensor of the same shape
 * @throws DTypeError where the element type asked for does not exist
 * @example
 * ```ts
 * import { tensor, zerosLike } from 'neuroxide'
 * console.log(zerosLike(tensor([1, 2])).toArray()) // [ 0, 0 ]
 * ```
 */
export function zerosLike<S extends Shape, D extends DType, E extends DType = D>(
  like: Tensor<S, D>,
  options: CreationOptions<E> = {},
): Tensor<S, E> {
  requireTensor('zerosLike', 'pattern', like)
  return filledWith('zerosLike', like.shape, 0, like.dtype, options) as Tensor<never, never>
}

/**
 * Makes a tensor of ones with the shape and element type of another.
 *
 * @param like - whose shape and element type to take
 * @param options - `dtype` for another element type; `requiresGrad`
 * @returns a tensor of the same shape
 * @throws DTypeError where the element type asked for does not exist
 * @example
 * ```ts
 * import { onesLike, tensor } from 'neuroxide'
 * console.log(onesLike(tensor([1, 2])).toArray()) // [ 1, 1 ]
 * ```
 */
export function onesLike<S extends Shape, D extends DType, E extends DType = D>(
  like: Tensor<S, D>,
  options: CreationOptions<E> = {},
): Tensor<S, E> {
  requireTensor('onesLike', 'pattern', like)
  return filledWith('onesLike', like.shape, 1, like.dtype, options) as Tensor<never, never>
}

/**
 * Makes a tensor of one value with the shape and element type of another.
 *
 * @param like - whose shape and element type to take
 * @param value - a number or a boolean
 * @param options - `dtype` for another element type; `requiresGrad`
 * @returns a tensor of the same shape
 * @throws ValueError where the value does not fit the element type
 * @example
 * ```ts
 * import { fullLike, tensor } from 'neuroxide'
 * console.log(fullLike(tensor([1, 2]), 5).toArray()) // [ 5, 5 ]
 * ```
 */
export function fullLike<S extends Shape, D extends DType, E extends DType = D>(
  like: Tensor<S, D>,
  value: number | boolean,
  options: CreationOptions<E> = {},
): Tensor<S, E> {
  requireTensor('fullLike', 'pattern', like)
  return filledWith('fullLike', like.shape, value, like.dtype, options) as Tensor<never, never>
}

/**
 * Makes a tensor of random numbers, uniform in [0, 1).
 *
 * @param shape - sizes of the axes
 * @param options - `dtype` ('f32' or 'f64'); `requiresGrad`
 * @returns a tensor of the shape; the numbers follow from {@link manualSeed}
 * @throws DTypeError where the element type is no float
 * @example
 * ```ts
 * import { manualSeed, rand } from 'neuroxide'
 * manualSeed(1)
 * console.log(rand([2, 2]).lt(1).all().item()) // true
 * ```
 */
export function rand<const S extends Shape, D extends DType = 'f32'>(
  shape: S,
  options: CreationOptions<D> = {},
): Tensor<Sizes<S>, D> {
  return random('rand', Code.rand, shape, options) as Tensor<never, never>
}

/**
 * Makes a tensor of random numbers of the normal distribution with mean 0 and standard deviation 1.
 *
 * @param shape - sizes of the axes
 * @param options - `dtype` ('f32' or 'f64'); `requiresGrad`
 * @returns a tensor of the shape; the numbers follow from {@link manualSeed}
 * @throws DTypeError where the element type is no float
 * @example
 * ```ts
 * import { randn } from 'neuroxide'
 * console.log(randn([3, 4]).shape) // [ 3, 4 ]
 * ```
 */
export function randn<const S extends Shape, D extends DType = 'f32'>(
  shape: S,
  options: CreationOptions<D> = {},
): Tensor<Sizes<S>, D> {
  return random('randn', Code.randn, shape, options) as Tensor<never, never>
}

function random(op: string, code: number, shape: Shape, options: CreationOptions): Tensor {
  requireOptions(op, options, creation)
  const dtype = options.dtype ?? 'f32'
  const dtypeNumber = dtypeCode(op, dtype)
  if (!isFloat(dtype))
    throw located(
      DTypeError,
      `${op}: dtype ${dtype}; expected f32 or f64. Random integers come from randint.`,
    )
  sizeOf(op, shape)
  return withGrad(op, made(code, attributes(dtypeNumber, shape.length, ...shape)), options.requiresGrad)
}

/**
 * Makes a tensor of random integers, uniform in [low, high).
 *
 * @param shape - sizes of the axes
 * @param low - the smallest integer that occurs
 * @param high - the first integer that does not occur any more
 * @param options - `dtype` ('i32')
 * @returns a tensor of the shape; the numbers follow from {@link manualSeed}
 * @throws ValueError where the range is empty or leaves 32 bits
 * @example
 * ```ts
 * import { randint } from 'neuroxide'
 * console.log(randint([5], 0, 10).dtype) // i32
 * ```
 */
export function randint<const S extends Shape, D extends DType = 'i32'>(
  shape: S,
  low: number,
  high: number,
  options: CreationOptions<D> = {},
): Tensor<Sizes<S>, D> {
  requireOptions('randint', options, creation)
  const dtype = options.dtype ?? 'i32'
  const code = dtypeCode('randint', dtype)
  sizeOf('randint', shape)
  for (const bound of [low, high])
    if (!Number.isInteger(bound))
      throw located(ValueError, `randint: ${shown(bound)} as bound; expected integers low < high.`)
  if (!isFloat(dtype)) for (const value of [low, high - 1]) integer('randint', value, dtype)
  return withGrad(
    'randint',
    made(Code.randint, attributes(low, high, code, shape.length, ...shape)),
    options.requiresGrad,
  ) as Tensor<never, never>
}

/**
 * Makes a random order of the integers 0 … n - 1.
 *
 * @param n - how many
 * @returns an i32 vector of `n` elements, each integer once
 * @throws ValueError where `n` is negative or no integer
 * @example
 * ```ts
 * import { randperm } from 'neuroxide'
 * console.log(randperm(4).sum().item()) // 6
 * ```
 */
export function randperm(n: number): Tensor<[number], 'i32'> {
  if (!Number.isInteger(n) || n < 0)
    throw located(ValueError, `randperm: ${shown(n)}; expected an integer ≥ 0.`)
  return made(Code.permutation, attributes(n)) as Tensor<never, never>
}

/**
 * Draws ones with given probabilities and zeros otherwise.
 *
 * @param probabilities - floats from 0 to 1
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the probabilities are no floats
 * @example
 * ```ts
 * import { bernoulli, full } from 'neuroxide'
 * console.log(bernoulli(full([3], 1)).toArray()) // [ 1, 1, 1 ]
 * ```
 */
export function bernoulli(probabilities: TensorLike): Tensor {
  return apply1(Code.bernoulli, asTensor(probabilities, 'bernoulli'))
}

/**
 * Makes a vector of evenly spaced numbers: `arange(end)`, `arange(start, end)` or `arange(start, end, step)`.
 *
 * @param start - the first number; the end when it stands alone, and the first is 0
 * @param end - where it ends, exclusive
 * @param step - the distance (1); not zero, may be negative
 * @param options - `dtype`: 'i32' where all three are integers, else 'f32'
 * @returns a vector
 * @throws ValueError where the step is zero or an argument is not finite
 * @example
 * ```ts
 * import { arange } from 'neuroxide'
 * console.log(arange(4).toArray(), arange(1, 2, 0.5).toArray()) // [ 0, 1, 2, 3 ] [ 1, 1.5 ]
 * ```
 */
export function arange<D extends DType = 'i32' | 'f32'>(
  start: number,
  end?: number,
  step = 1,
  options: CreationOptions<D> = {},
): Tensor<[number], D> {
  requireOptions('arange', options, creation)
  const [first, last] = end === undefined ? [0, start] : [start, end]
  for (const value of [first, last, step]) requireFinite('arange', 'argument', value)
  if (step === 0) throw located(ValueError, 'arange: step 0; expected another one.')
  const integral = [first, last, step].every((value) => Number.isInteger(value))
  const dtype = options.dtype ?? (integral ? 'i32' : 'f32')
  const code = dtypeCode('arange', dtype)
  const count = Math.max(0, Math.ceil((last - first) / step))
  if (!isFloat(dtype) && count > 0) {
    requireInteger('arange', 'step', step)
    for (const value of [first, first + (count - 1) * step]) integer('arange', value, dtype)
  }
  return withGrad(
    'arange',
    made(Code.arange, attributes(first, step, count, code)),
    options.requiresGrad,
  ) as Tensor<never, never>
}

/**
 * Makes a vector of evenly spaced numbers with both ends included.
 *
 * @param start - the first number
 * @param end - the last number
 * @param count - how many; at least 0
 * @param options - `dtype` ('f32'); `requiresGrad`
 * @returns a vector of `count` elements
 * @throws ValueError where `count` is negative or no integer
 * @example
 * ```ts
 * import { linspace } from 'neuroxide'
 * console.log(linspace(0, 1, 3).toArray()) // [ 0, 0.5, 1 ]
 * ```
 */
export function linspace<D extends DType = 'f32'>(
  start: number,
  end: number,
  count: number,
  options: CreationOptions<D> = {},
): Tensor<[number], D> {
  requireOptions('linspace', options, creation)
  requireFinite('linspace', 'start', start)
  requireFinite('linspace', 'end', end)
  if (!Number.isInteger(count) || count < 0)
    throw located(ValueError, `linspace: ${shown(count)} as count; expected an integer ≥ 0.`)
  const code = dtypeCode('linspace', options.dtype ?? 'f32')
  return withGrad(
    'linspace',
    made(Code.linspace, attributes(start, end, count, code)),
    options.requiresGrad,
  ) as Tensor<never, never>
}

/**
 * Makes a matrix with ones on the diagonal and zeros elsewhere.
 *
 * @param rows - number of rows
 * @param columns - number of columns; as many as rows when left out
 * @param options - `dtype` ('f32'); `requiresGrad`
 * @returns a tensor of shape `[rows, columns]`
 * @throws ShapeError where a number is negative or no integer
 * @example
 * ```ts
 * import { eye } from 'neuroxide'
 * console.log(eye(2).toArray()) // [ [ 1, 0 ], [ 0, 1 ] ]
 * ```
 */
export function eye<D extends DType = 'f32'>(
  rows: number,
  columns = rows,
  options: CreationOptions<D> = {},
): Tensor<[number, number], D> {
  requireOptions('eye', options, creation)
  sizeOf('eye', [rows, columns])
  const code = dtypeCode('eye', options.dtype ?? 'f32')
  return withGrad('eye', made(Code.eye, attributes(rows, columns, code)), options.requiresGrad) as Tensor<
    never,
    never
  >
}

import { asTensor } from '../tensor/create.js'
import { axisOf, type Extreme } from '../tensor/reduce.js'
import type { Tensor } from '../tensor.js'
import type { Axes, DTypeOf, FloatOf, ReduceOptions, Shape, SumOf, TensorLike } from '../types.js'

/**
 * Adds elements up; bool, u8 and i32 give i32.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `keepDim` leaves the axes with size 1
 * @returns a tensor without the reduced axes
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { sum, tensor } from 'neuroxide'
 * console.log(sum(tensor([[1, 2], [3, 4]]), 0).toArray()) // [ 4, 6 ]
 * ```
 */
export function sum<const X extends TensorLike>(
  x: X,
  axis?: Axes | null,
  options?: ReduceOptions,
): Tensor<Shape, SumOf<DTypeOf<X>>> {
  return asTensor(x, 'sum').sum(axis, options) as Tensor<never, never>
}

/**
 * Averages elements.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `keepDim` leaves the axes with size 1
 * @returns a tensor without the reduced axes
 * @throws DTypeError where the elements are no floats
 * @example
 * ```ts
 * import { mean, tensor } from 'neuroxide'
 * console.log(mean(tensor([[1, 2], [3, 4]]), 0).toArray()) // [ 2, 3 ]
 * ```
 */
export function mean<const X extends TensorLike>(
  x: X,
  axis?: Axes | null,
  options?: ReduceOptions,
): Tensor<Shape, FloatOf<DTypeOf<X>>> {
  return asTensor(x, 'mean').mean(axis, options) as Tensor<never, never>
}

/**
 * Multiplies elements with each other.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `keepDim` leaves the axes with size 1
 * @returns a tensor without the reduced axes
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { prod, tensor } from 'neuroxide'
 * console.log(prod(tensor([[1, 2], [3, 4]]), 0).toArray()) // [ 3, 8 ]
 * ```
 */
export function prod<const X extends TensorLike>(
  x: X,
  axis?: Axes | null,
  options?: ReduceOptions,
): Tensor<Shape, SumOf<DTypeOf<X>>> {
  return asTensor(x, 'prod').prod(axis, options) as Tensor<never, never>
}

/**
 * Takes the largest elements; equal ones share the gradient.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `keepDim` leaves the axes with size 1
 * @returns a tensor without the reduced axes
 * @throws ShapeError where there are no elements
 * @example
 * ```ts
 * import { amax, tensor } from 'neuroxide'
 * console.log(amax(tensor([[1, 4], [3, 2]]), 0).toArray()) // [ 3, 4 ]
 * ```
 */
export function amax<const X extends TensorLike>(
  x: X,
  axis?: Axes | null,
  options?: ReduceOptions,
): Tensor<Shape, DTypeOf<X>> {
  return asTensor(x, 'amax').amax(axis, options) as Tensor<never, never>
}

/**
 * Takes the smallest elements; equal ones share the gradient.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `keepDim` leaves the axes with size 1
 * @returns a tensor without the reduced axes
 * @throws ShapeError where there are no elements
 * @example
 * ```ts
 * import { amin, tensor } from 'neuroxide'
 * console.log(amin(tensor([[1, 4], [3, 2]]), 0).toArray()) // [ 1, 2 ]
 * ```
 */
export function amin<const X extends TensorLike>(
  x: X,
  axis?: Axes | null,
  options?: ReduceOptions,
): Tensor<Shape, DTypeOf<X>> {
  return asTensor(x, 'amin').amin(axis, options) as Tensor<never, never>
}

/**
 * Tells whether any element is not zero.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `keepDim` leaves the axes with size 1
 * @returns a tensor without the reduced axes
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { any, tensor } from 'neuroxide'
 * console.log(any(tensor([[0, 0], [0, 1]]), 0).toArray()) // [ false, true ]
 * ```
 */
export function any(x: TensorLike, axis?: Axes | null, options?: ReduceOptions): Tensor<Shape, 'bool'> {
  return asTensor(x, 'any').any(axis, options)
}

/**
 * Tells whether no element is zero.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `keepDim` leaves the axes with size 1
 * @returns a tensor without the reduced axes
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { all, tensor } from 'neuroxide'
 * console.log(all(tensor([[1, 0], [1, 1]]), 0).toArray()) // [ true, false ]
 * ```
 */
export function all(x: TensorLike, axis?: Axes | null, options?: ReduceOptions): Tensor<Shape, 'bool'> {
  return asTensor(x, 'all').all(axis, options)
}

/**
 * Gives the variance, divided by the count less a correction.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `correction` (1), `keepDim`
 * @returns a tensor without the reduced axes
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { F, tensor } from 'neuroxide'
 * console.log(F.var(tensor([[1, 2], [3, 4]]), 0).toArray()) // [ 2, 2 ]
 * ```
 */
function variance<const X extends TensorLike>(
  x: X,
  axis?: Axes | null,
  options?: ReduceOptions & { readonly correction?: number | undefined },
): Tensor<Shape, FloatOf<DTypeOf<X>>> {
  return asTensor(x, 'var').var(axis, options) as Tensor<never, never>
}

export { variance as var }

/**
 * Gives the standard deviation, whose square is divided by the count less a correction.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `correction` (1; 0 in this example), `keepDim`
 * @returns a tensor without the reduced axes
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { std, tensor } from 'neuroxide'
 * console.log(std(tensor([[1, 2], [5, 6]]), 0, { correction: 0 }).toArray()) // [ 2, 2 ]
 * ```
 */
export function std<const X extends TensorLike>(
  x: X,
  axis?: Axes | null,
  options?: ReduceOptions & { readonly correction?: number | undefined },
): Tensor<Shape, FloatOf<DTypeOf<X>>> {
  return asTensor(x, 'std').std(axis, options) as Tensor<never, never>
}

/**
 * Gives the logarithm of the sum of exponentials, without overflow.
 *
 * @param x - a tensor or what becomes one
 * @param axis - one axis or several; all when left out
 * @param options - `keepDim` leaves the axes with size 1
 * @returns a tensor without the reduced axes
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { logSumExp, tensor } from 'neuroxide'
 * console.log(logSumExp(tensor([[1000], [-1000]]), 0).toArray()) // [ 1000 ]
 * ```
 */
export function logSumExp<const X extends TensorLike>(
  x: X,
  axis?: Axes | null,
  options?: ReduceOptions,
): Tensor<Shape, FloatOf<DTypeOf<X>>> {
  return asTensor(x, 'logSumExp').logSumExp(axis, options) as Tensor<never, never>
}

/**
 * Gives the p-norm of elements.
 *
 * @param x - a tensor or what becomes one
 * @param p - a number, `Infinity`, `-Infinity`, or 'fro' for 2 (2)
 * @param axis - one axis or several; all when left out
 * @param options - `keepDim` leaves the axes with size 1
 * @returns a tensor without the reduced axes
 * @throws ValueError where `p` is something else
 * @example
 * ```ts
 * import { norm, tensor } from 'neuroxide'
 * console.log(norm(tensor([3, 4])).item()) // 5
 * ```
 */
export function norm<const X extends TensorLike>(
  x: X,
  p: number | 'fro' = 2,
  axis?: Axes | null,
  options?: ReduceOptions,
): Tensor<Shape, FloatOf<DTypeOf<X>>> {
  return asTensor(x, 'norm').norm(p, axis, options) as Tensor<never, never>
}

/**
 * Gives the index of the largest element: the first NaN, else the first such.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis searched along; the flattened tensor when left out
 * @param options - `keepDim` leaves the axis with size 1
 * @returns an i32 tensor without the axis
 * @throws ShapeError where there are no elements
 * @example
 * ```ts
 * import { argmax, tensor } from 'neuroxide'
 * console.log(argmax(tensor([3, 1, 2])).item()) // 0
 * ```
 */
export function argmax(x: TensorLike, axis?: number | null, options?: ReduceOptions): Tensor<Shape, 'i32'> {
  return asTensor(x, 'argmax').argmax(axis, options)
}

/**
 * Gives the index of the smallest element: the first NaN, else the first such.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis searched along; the flattened tensor when left out
 * @param options - `keepDim` leaves the axis with size 1
 * @returns an i32 tensor without the axis
 * @throws ShapeError where there are no elements
 * @example
 * ```ts
 * import { argmin, tensor } from 'neuroxide'
 * console.log(argmin(tensor([3, 1, 2])).item()) // 1
 * ```
 */
export function argmin(x: TensorLike, axis?: number | null, options?: ReduceOptions): Tensor<Shape, 'i32'> {
  return asTensor(x, 'argmin').argmin(axis, options)
}

/**
 * Takes the largest elements along an axis, with their places; see {@link amax} for values alone.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis searched along
 * @param options - `keepDim` leaves the axis with size 1
 * @returns `values` and `indices`
 * @throws ShapeError where the axis is empty
 * @example
 * ```ts
 * import { max, tensor } from 'neuroxide'
 * const { values, indices } = max(tensor([[1, 4], [3, 2]]), 0)
 * console.log(values.toArray(), indices.toArray()) // [ 3, 4 ] [ 1, 0 ]
 * ```
 */
export function max<const X extends TensorLike>(
  x: X,
  axis: number,
  options?: ReduceOptions,
): Extreme<DTypeOf<X>> {
  return asTensor(x, 'max').max(axisOf('max', axis), options) as Extreme<never>
}

/**
 * Takes the smallest elements along an axis, with their places; see {@link amin} for values alone.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis searched along
 * @param options - `keepDim` leaves the axis with size 1
 * @returns `values` and `indices`
 * @throws ShapeError where the axis is empty
 * @example
 * ```ts
 * import { min, tensor } from 'neuroxide'
 * const { values, indices } = min(tensor([[1, 4], [3, 2]]), 0)
 * console.log(values.toArray(), indices.toArray()) // [ 1, 2 ] [ 0, 1 ]
 * ```
 */
export function min<const X extends TensorLike>(
  x: X,
  axis: number,
  options?: ReduceOptions,
): Extreme<DTypeOf<X>> {
  return asTensor(x, 'min').min(axisOf('min', axis), options) as Extreme<never>
}

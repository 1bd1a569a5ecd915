import { asTensor } from '../tensor/create.js'
import type { Tensor } from '../tensor.js'
import type { Axes, DTypeOf, Shape, TensorLike } from '../types.js'
import type { ShapeOf } from '../types/fit.js'
import type {
  FlattenedTo,
  Inserted,
  Permutes,
  PermutedTo,
  ReshapedTo,
  Reshapes,
  Transposed,
} from '../types/view.js'

/**
 * Gives the elements another shape, in row-major order.
 *
 * @param x - a tensor or what becomes one
 * @param shape - the sizes; one may be -1 and is computed
 * @returns a tensor with the same elements
 * @throws ShapeError where the number of elements is another
 * @example
 * ```ts
 * import { reshape, tensor } from 'neuroxide'
 * console.log(reshape(tensor([1, 2, 3, 4]), [2, -1]).toArray()) // [ [ 1, 2 ], [ 3, 4 ] ]
 * ```
 */
export function reshape<X extends TensorLike, const T extends Shape>(
  x: X,
  shape: T & Reshapes<ShapeOf<X>, T>,
): Tensor<ReshapedTo<ShapeOf<X>, T>, DTypeOf<X>> {
  return asTensor(x, 'reshape').reshape(shape) as Tensor<never, never>
}

/**
 * Joins neighbouring axes into one.
 *
 * @param x - a tensor or what becomes one
 * @param start - the first of them (0)
 * @param end - the last of them (-1)
 * @returns a tensor with the same elements
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { flatten, tensor } from 'neuroxide'
 * console.log(flatten(tensor([[1, 2], [3, 4]])).toArray()) // [ 1, 2, 3, 4 ]
 * ```
 */
export function flatten<X extends TensorLike, Start extends number = 0, End extends number = -1>(
  x: X,
  start?: Start,
  end?: End,
): Tensor<FlattenedTo<ShapeOf<X>, Start, End>, DTypeOf<X>> {
  return asTensor(x, 'flatten').flatten(start, end) as Tensor<never, never>
}

/**
 * Puts the axes into another order.
 *
 * @param x - a tensor or what becomes one
 * @param axes - every axis once
 * @returns a tensor with the same elements
 * @throws ShapeError where `axes` is no order of all axes
 * @example
 * ```ts
 * import { permute, tensor } from 'neuroxide'
 * console.log(permute(tensor([[1, 2]]), [1, 0]).shape) // [ 2, 1 ]
 * ```
 */
export function permute<X extends TensorLike, const Axes extends readonly number[]>(
  x: X,
  axes: Axes & Permutes<ShapeOf<X>, Axes>,
): Tensor<PermutedTo<ShapeOf<X>, Axes>, DTypeOf<X>> {
  return asTensor(x, 'permute').permute(axes) as Tensor<never, never>
}

/**
 * Exchanges two axes.
 *
 * @param x - a tensor or what becomes one
 * @param first - one axis (-2)
 * @param second - the other (-1)
 * @returns a tensor with the same elements
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { tensor, transpose } from 'neuroxide'
 * console.log(transpose(tensor([[1, 2]])).toArray()) // [ [ 1 ], [ 2 ] ]
 * ```
 */
export function transpose<X extends TensorLike, First extends number = -2, Second extends number = -1>(
  x: X,
  first?: First,
  second?: Second,
): Tensor<Transposed<ShapeOf<X>, First, Second>, DTypeOf<X>> {
  return asTensor(x, 'transpose').transpose(first, second) as Tensor<never, never>
}

/**
 * Repeats axes of size 1 without a copy.
 *
 * @param x - a tensor or what becomes one
 * @param shape - the sizes wanted; -1 keeps one
 * @returns a tensor with the same elements
 * @throws ShapeError where a size is neither 1 nor the one wanted
 * @example
 * ```ts
 * import { expand, tensor } from 'neuroxide'
 * console.log(expand(tensor([1, 2]), [2, 2]).toArray()) // [ [ 1, 2 ], [ 1, 2 ] ]
 * ```
 */
export function expand(x: TensorLike, shape: Shape): Tensor {
  return asTensor(x, 'expand').expand(shape)
}

/**
 * Drops axes of size 1.
 *
 * @param x - a tensor or what becomes one
 * @param axis - which; all of size 1 when left out
 * @returns a tensor with the same elements
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { squeeze, tensor } from 'neuroxide'
 * console.log(squeeze(tensor([[1], [2]])).shape) // [ 2 ]
 * ```
 */
export function squeeze(x: TensorLike, axis?: Axes): Tensor {
  return asTensor(x, 'squeeze').squeeze(axis)
}

/**
 * Adds an axis of size 1.
 *
 * @param x - a tensor or what becomes one
 * @param axis - where it goes
 * @returns a tensor with the same elements
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { tensor, unsqueeze } from 'neuroxide'
 * console.log(unsqueeze(tensor([1, 2]), 0).shape) // [ 1, 2 ]
 * ```
 */
export function unsqueeze<X extends TensorLike, Axis extends number>(
  x: X,
  axis: Axis,
): Tensor<Inserted<ShapeOf<X>, Axis, 1>, DTypeOf<X>> {
  return asTensor(x, 'unsqueeze').unsqueeze(axis) as Tensor<never, never>
}

/**
 * Takes a range of entries along an axis, by Python's rules.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis
 * @param start - the first entry
 * @param end - where it ends, exclusive
 * @param step - every how many-th (1); not zero
 * @returns a tensor with the same elements
 * @throws ValueError where the step is zero
 * @example
 * ```ts
 * import { slice, tensor } from 'neuroxide'
 * console.log(slice(tensor([0, 1, 2, 3]), 0, 1, null, 2).toArray()) // [ 1, 3 ]
 * ```
 */
export function slice(
  x: TensorLike,
  axis: number,
  start?: number | null,
  end?: number | null,
  step = 1,
): Tensor {
  return asTensor(x, 'slice').slice(axis, start, end, step)
}

/**
 * Takes a number of entries along an axis.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis
 * @param start - the first entry
 * @param length - how many
 * @returns a tensor with the same elements
 * @throws IndexError where the range leaves the axis
 * @example
 * ```ts
 * import { narrow, tensor } from 'neuroxide'
 * console.log(narrow(tensor([0, 1, 2, 3]), 0, 1, 2).toArray()) // [ 1, 2 ]
 * ```
 */
export function narrow(x: TensorLike, axis: number, start: number, length: number): Tensor {
  return asTensor(x, 'narrow').narrow(axis, start, length)
}

/**
 * Takes one entry along an axis, which goes away.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis
 * @param index - the entry; negative ones count from the end
 * @returns a tensor with the same elements
 * @throws IndexError where the index leaves the axis
 * @example
 * ```ts
 * import { select, tensor } from 'neuroxide'
 * console.log(select(tensor([[1, 2], [3, 4]]), 0, 1).toArray()) // [ 3, 4 ]
 * ```
 */
export function select(x: TensorLike, axis: number, index: number): Tensor {
  return asTensor(x, 'select').select(axis, index)
}

/**
 * Reverses the entries along axes.
 *
 * @param x - a tensor or what becomes one
 * @param axes - one axis or several
 * @returns a tensor with the same elements
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { flip, tensor } from 'neuroxide'
 * console.log(flip(tensor([1, 2, 3]), 0).toArray()) // [ 3, 2, 1 ]
 * ```
 */
export function flip(x: TensorLike, axes: Axes): Tensor {
  return asTensor(x, 'flip').flip(axes)
}

/**
 * Puts a value around the elements.
 *
 * @param x - a tensor or what becomes one
 * @param padding - before and after the last axis, then the one before it, and so on; negative numbers cut off
 * @param value - what is put there (0)
 * @returns a tensor with the same elements
 * @throws ShapeError where there are more pairs than axes
 * @example
 * ```ts
 * import { pad, tensor } from 'neuroxide'
 * console.log(pad(tensor([1, 2]), [1, 2]).toArray()) // [ 0, 1, 2, 0, 0 ]
 * ```
 */
export function pad(x: TensorLike, padding: readonly number[], value = 0): Tensor {
  return asTensor(x, 'pad').pad(padding, value)
}

/**
 * Cuts a tensor into pieces along an axis.
 *
 * @param x - a tensor or what becomes one
 * @param sizes - the size of each piece but the last, or the size of every one
 * @param axis - the axis (0)
 * @returns the pieces
 * @throws ShapeError where the sizes do not add up
 * @example
 * ```ts
 * import { split, tensor } from 'neuroxide'
 * console.log(split(tensor([1, 2, 3]), 2).length) // 2
 * ```
 */
export function split(x: TensorLike, sizes: number | readonly number[], axis = 0): Tensor[] {
  return asTensor(x, 'split').split(sizes, axis)
}

/**
 * Cuts a tensor into at most so many equal pieces along an axis.
 *
 * @param x - a tensor or what becomes one
 * @param count - how many
 * @param axis - the axis (0)
 * @returns the pieces
 * @throws ValueError where `count` is below 1
 * @example
 * ```ts
 * import { chunk, tensor } from 'neuroxide'
 * console.log(chunk(tensor([1, 2, 3, 4]), 2).length) // 2
 * ```
 */
export function chunk(x: TensorLike, count: number, axis = 0): Tensor[] {
  return asTensor(x, 'chunk').chunk(count, axis)
}

/**
 * Takes a tensor apart along an axis, which goes away.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis (0)
 * @returns one tensor per entry
 * @throws ShapeError where there is no such axis
 * @example
 * ```ts
 * import { tensor, unbind } from 'neuroxide'
 * console.log(unbind(tensor([[1, 2], [3, 4]])).length) // 2
 * ```
 */
export function unbind(x: TensorLike, axis = 0): Tensor[] {
  return asTensor(x, 'unbind').unbind(axis)
}

/**
 * Keeps the lower triangle of the last two axes.
 *
 * @param x - a tensor or what becomes one
 * @param diagonal - the last diagonal kept (0)
 * @returns a tensor of the same shape
 * @throws ShapeError where there are fewer than two axes
 * @example
 * ```ts
 * import { tensor, tril } from 'neuroxide'
 * console.log(tril(tensor([[1, 2], [3, 4]])).toArray()) // [ [ 1, 0 ], [ 3, 4 ] ]
 * ```
 */
export function tril(x: TensorLike, diagonal = 0): Tensor {
  return asTensor(x, 'tril').tril(diagonal)
}

/**
 * Keeps the upper triangle of the last two axes.
 *
 * @param x - a tensor or what becomes one
 * @param diagonal - the first diagonal kept (0)
 * @returns a tensor of the same shape
 * @throws ShapeError where there are fewer than two axes
 * @example
 * ```ts
 * import { tensor, triu } from 'neuroxide'
 * console.log(triu(tensor([[1, 2], [3, 4]])).toArray()) // [ [ 1, 2 ], [ 0, 4 ] ]
 * ```
 */
export function triu(x: TensorLike, diagonal = 0): Tensor {
  return asTensor(x, 'triu').triu(diagonal)
}

/**
 * Takes the diagonal of two axes as a new last axis.
 *
 * @param x - a tensor or what becomes one
 * @param offset - how far above the main diagonal (0)
 * @param first - one axis (0)
 * @param second - the other (1)
 * @returns a tensor with the same elements
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { diagonal, tensor } from 'neuroxide'
 * console.log(diagonal(tensor([[1, 2], [3, 4]])).toArray()) // [ 1, 4 ]
 * ```
 */
export function diagonal(x: TensorLike, offset = 0, first = 0, second = 1): Tensor {
  return asTensor(x, 'diagonal').diagonal(offset, first, second)
}

import { asTensor } from '../tensor/create.js'
import { select } from '../tensor/elementwise.js'
import type { Tensor } from '../tensor.js'
import type { DType, Shape, TensorLike } from '../types.js'

/**
 * Picks elements of `a` where a condition holds and of `b` elsewhere; all three broadcast.
 *
 * @param condition - a bool tensor
 * @param a - what is picked where it is true
 * @param b - what is picked elsewhere
 * @returns a tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { tensor, where } from 'neuroxide'
 * console.log(where(tensor([true, false]), 1, tensor([5, 6])).toArray()) // [ 1, 6 ]
 * ```
 */
export function where(condition: TensorLike, a: TensorLike, b: TensorLike): Tensor {
  return select(condition, a, b)
}

/**
 * Moves each element into a range; NaN stays NaN.
 *
 * @param x - a tensor or what becomes one
 * @param min - the lower bound, or null
 * @param max - the upper bound, or null
 * @returns a tensor of the same shape
 * @throws ShapeError where the bounds do not broadcast
 * @example
 * ```ts
 * import { clamp, tensor } from 'neuroxide'
 * console.log(clamp(tensor([-2, 0.5, 2]), 0, 1).toArray()) // [ 0, 0.5, 1 ]
 * ```
 */
export function clamp(x: TensorLike, min: TensorLike | null, max: TensorLike | null = null): Tensor {
  return asTensor(x, 'clamp').clamp(min, max)
}

/**
 * Converts the elements to another type: fractions are cut off, and what is not zero is true.
 *
 * @param x - a tensor or what becomes one
 * @param dtype - the element type wanted
 * @returns a tensor of the same shape
 * @throws DTypeError where the element type does not exist
 * @example
 * ```ts
 * import { cast, tensor } from 'neuroxide'
 * console.log(cast(tensor([1.5, 2.5]), 'i32').toArray()) // [ 1, 2 ]
 * ```
 */
export function cast<D extends DType>(x: TensorLike, dtype: D): Tensor<Shape, D> {
  return asTensor(x, 'cast').cast(dtype)
}

import { Code } from '../ops.generated.js'
import { asTensor } from '../tensor/create.js'
import { binary, select } from '../tensor/elementwise.js'
import type { Tensor } from '../tensor.js'
import type { Compared, DType, Divided, Joined, Shape, TensorLike } from '../types.js'

/**
 * Adds element by element, with broadcasting.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { add, tensor } from 'neuroxide'
 * console.log(add(tensor([1, 2]), 10).toArray()) // [ 11, 12 ]
 * ```
 */
export function add<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Joined<A, B> {
  return binary(Code.add, 'add', a, b) as Tensor as Joined<A, B>
}

/**
 * Subtracts element by element, with broadcasting.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { sub, tensor } from 'neuroxide'
 * console.log(sub(tensor([1, 2]), 1).toArray()) // [ 0, 1 ]
 * ```
 */
export function sub<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Joined<A, B> {
  return binary(Code.sub, 'sub', a, b) as Tensor as Joined<A, B>
}

/**
 * Multiplies element by element, with broadcasting.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { mul, tensor } from 'neuroxide'
 * console.log(mul(tensor([1, 2]), 3).toArray()) // [ 3, 6 ]
 * ```
 */
export function mul<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Joined<A, B> {
  return binary(Code.mul, 'mul', a, b) as Tensor as Joined<A, B>
}

/**
 * Divides element by element, with broadcasting; integers divide to f32.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a float tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { div, tensor } from 'neuroxide'
 * console.log(div(tensor([1, 2]), 2).toArray()) // [ 0.5, 1 ]
 * ```
 */
export function div<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Divided<A, B> {
  return binary(Code.div, 'div', a, b) as Tensor as Divided<A, B>
}

/**
 * Divides and rounds towards negative infinity.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a tensor of the broadcast shape
 * @throws ValueError where an integer is divided by zero
 * @example
 * ```ts
 * import { floorDiv, tensor } from 'neuroxide'
 * console.log(floorDiv(tensor([7, -7]), 2).toArray()) // [ 3, -4 ]
 * ```
 */
export function floorDiv<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Joined<A, B> {
  return binary(Code.floorDiv, 'floorDiv', a, b) as Tensor as Joined<A, B>
}

/**
 * Gives the remainder of a division, with the sign of the divisor.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a tensor of the broadcast shape
 * @throws ValueError where an integer is divided by zero
 * @example
 * ```ts
 * import { remainder, tensor } from 'neuroxide'
 * console.log(remainder(tensor([7, -7]), 3).toArray()) // [ 1, 2 ]
 * ```
 */
export function remainder<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Joined<A, B> {
  return binary(Code.remainder, 'remainder', a, b) as Tensor as Joined<A, B>
}

/**
 * Gives the remainder of a division, with the sign of the dividend.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a tensor of the broadcast shape
 * @throws ValueError where an integer is divided by zero
 * @example
 * ```ts
 * import { fmod, tensor } from 'neuroxide'
 * console.log(fmod(tensor([7, -7]), 3).toArray()) // [ 1, -1 ]
 * ```
 */
export function fmod<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Joined<A, B> {
  return binary(Code.fmod, 'fmod', a, b) as Tensor as Joined<A, B>
}

/**
 * Raises each element to a power.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { pow, tensor } from 'neuroxide'
 * console.log(pow(tensor([2, 3]), 2).toArray()) // [ 4, 9 ]
 * ```
 */
export function pow<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Joined<A, B> {
  return binary(Code.pow, 'pow', a, b) as Tensor as Joined<A, B>
}

/**
 * Takes the larger of each pair of elements; NaN wins.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { maximum, tensor } from 'neuroxide'
 * console.log(maximum(tensor([1, 5]), 3).toArray()) // [ 3, 5 ]
 * ```
 */
export function maximum<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Joined<A, B> {
  return binary(Code.maximum, 'maximum', a, b) as Tensor as Joined<A, B>
}

/**
 * Takes the smaller of each pair of elements; NaN wins.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { minimum, tensor } from 'neuroxide'
 * console.log(minimum(tensor([1, 5]), 3).toArray()) // [ 1, 3 ]
 * ```
 */
export function minimum<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Joined<A, B> {
  return binary(Code.minimum, 'minimum', a, b) as Tensor as Joined<A, B>
}

/**
 * Tells where elements are equal.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a bool tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { eq, tensor } from 'neuroxide'
 * console.log(eq(tensor([1, 2]), 2).toArray()) // [ false, true ]
 * ```
 */
export function eq<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Compared<A, B> {
  return binary(Code.eq, 'eq', a, b) as Tensor as Compared<A, B>
}

/**
 * Tells where elements differ.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a bool tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { ne, tensor } from 'neuroxide'
 * console.log(ne(tensor([1, 2]), 2).toArray()) // [ true, false ]
 * ```
 */
export function ne<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Compared<A, B> {
  return binary(Code.ne, 'ne', a, b) as Tensor as Compared<A, B>
}

/**
 * Tells where elements of `a` are below those of `b`.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a bool tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { lt, tensor } from 'neuroxide'
 * console.log(lt(tensor([1, 2]), 2).toArray()) // [ true, false ]
 * ```
 */
export function lt<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Compared<A, B> {
  return binary(Code.lt, 'lt', a, b) as Tensor as Compared<A, B>
}

/**
 * Tells where elements of `a` are at most those of `b`.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a bool tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { le, tensor } from 'neuroxide'
 * console.log(le(tensor([1, 3]), 2).toArray()) // [ true, false ]
 * ```
 */
export function le<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Compared<A, B> {
  return binary(Code.le, 'le', a, b) as Tensor as Compared<A, B>
}

/**
 * Tells where elements of `a` are above those of `b`.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a bool tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { gt, tensor } from 'neuroxide'
 * console.log(gt(tensor([1, 3]), 2).toArray()) // [ false, true ]
 * ```
 */
export function gt<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Compared<A, B> {
  return binary(Code.gt, 'gt', a, b) as Tensor as Compared<A, B>
}

/**
 * Tells where elements of `a` are at least those of `b`.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a bool tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { ge, tensor } from 'neuroxide'
 * console.log(ge(tensor([1, 2]), 2).toArray()) // [ false, true ]
 * ```
 */
export function ge<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Compared<A, B> {
  return binary(Code.ge, 'ge', a, b) as Tensor as Compared<A, B>
}

/**
 * Tells where both are true: zero is false, everything else true.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a bool tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { and, tensor } from 'neuroxide'
 * console.log(and(tensor([true, false]), tensor([true, true])).toArray()) // [ true, false ]
 * ```
 */
export function and<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Compared<A, B> {
  return binary(Code.and, 'and', a, b) as Tensor as Compared<A, B>
}

/**
 * Tells where at least one is true: zero is false, everything else true.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a bool tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { or, tensor } from 'neuroxide'
 * console.log(or(tensor([true, false]), tensor([false, false])).toArray()) // [ true, false ]
 * ```
 */
export function or<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Compared<A, B> {
  return binary(Code.or, 'or', a, b) as Tensor as Compared<A, B>
}

/**
 * Tells where exactly one is true: zero is false, everything else true.
 *
 * @param a - the left operand
 * @param b - the right operand; numbers adapt to the element type of the other
 * @returns a bool tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { tensor, xor } from 'neuroxide'
 * console.log(xor(tensor([true, false]), tensor([true, true])).toArray()) // [ false, true ]
 * ```
 */
export function xor<const A extends TensorLike, const B extends TensorLike>(a: A, b: B): Compared<A, B> {
  return binary(Code.xor, 'xor', a, b) as Tensor as Compared<A, B>
}

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

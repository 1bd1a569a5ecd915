import { asTensor } from '../tensor/create.js'
import type { Floating, Same, TensorLike, Truth } from '../types.js'

/**
 * Negates each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { neg, tensor } from 'neuroxide'
 * console.log(neg(tensor([1, -2])).toArray()) // [ -1, 2 ]
 * ```
 */
export function neg<const X extends TensorLike>(x: X): Same<X> {
  return asTensor(x, 'neg').neg() as Same<X>
}

/**
 * Takes the absolute value of each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { abs, tensor } from 'neuroxide'
 * console.log(abs(tensor([-1, 2])).toArray()) // [ 1, 2 ]
 * ```
 */
export function abs<const X extends TensorLike>(x: X): Same<X> {
  return asTensor(x, 'abs').abs() as Same<X>
}

/**
 * Gives -1, 0 or 1 by the sign of each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { sign, tensor } from 'neuroxide'
 * console.log(sign(tensor([-3, 0, 5])).toArray()) // [ -1, 0, 1 ]
 * ```
 */
export function sign<const X extends TensorLike>(x: X): Same<X> {
  return asTensor(x, 'sign').sign() as Same<X>
}

/**
 * Multiplies each element by itself.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { square, tensor } from 'neuroxide'
 * console.log(square(tensor([2, -3])).toArray()) // [ 4, 9 ]
 * ```
 */
export function square<const X extends TensorLike>(x: X): Same<X> {
  return asTensor(x, 'square').square() as Same<X>
}

/**
 * Replaces negative elements by zero; NaN stays NaN.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { relu, tensor } from 'neuroxide'
 * console.log(relu(tensor([-1, 2])).toArray()) // [ 0, 2 ]
 * ```
 */
export function relu<const X extends TensorLike>(x: X): Same<X> {
  return asTensor(x, 'relu').relu() as Same<X>
}

/**
 * Rounds each element down.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { floor, tensor } from 'neuroxide'
 * console.log(floor(tensor([1.5, -1.5])).toArray()) // [ 1, -2 ]
 * ```
 */
export function floor<const X extends TensorLike>(x: X): Same<X> {
  return asTensor(x, 'floor').floor() as Same<X>
}

/**
 * Rounds each element up.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { ceil, tensor } from 'neuroxide'
 * console.log(ceil(tensor([1.5, -1.5])).toArray()) // [ 2, -1 ]
 * ```
 */
export function ceil<const X extends TensorLike>(x: X): Same<X> {
  return asTensor(x, 'ceil').ceil() as Same<X>
}

/**
 * Rounds each element to the nearest integer, ties to the even one.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { round, tensor } from 'neuroxide'
 * console.log(round(tensor([0.5, 1.5, 2.6])).toArray()) // [ 0, 2, 3 ]
 * ```
 */
export function round<const X extends TensorLike>(x: X): Same<X> {
  return asTensor(x, 'round').round() as Same<X>
}

/**
 * Cuts the fraction off each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape and element type
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { tensor, trunc } from 'neuroxide'
 * console.log(trunc(tensor([1.5, -1.5])).toArray()) // [ 1, -1 ]
 * ```
 */
export function trunc<const X extends TensorLike>(x: X): Same<X> {
  return asTensor(x, 'trunc').trunc() as Same<X>
}

/**
 * Raises e to the power of each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { exp, tensor } from 'neuroxide'
 * console.log(exp(tensor([0])).toArray()) // [ 1 ]
 * ```
 */
export function exp<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'exp').exp() as Floating<X>
}

/**
 * Computes exp(x) - 1, exact near zero.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { expm1, tensor } from 'neuroxide'
 * console.log(expm1(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export function expm1<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'expm1').expm1() as Floating<X>
}

/**
 * Takes the natural logarithm of each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { log, tensor } from 'neuroxide'
 * console.log(log(tensor([1])).toArray()) // [ 0 ]
 * ```
 */
export function log<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'log').log() as Floating<X>
}

/**
 * Computes log(1 + x), exact near zero.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { log1p, tensor } from 'neuroxide'
 * console.log(log1p(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export function log1p<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'log1p').log1p() as Floating<X>
}

/**
 * Takes the logarithm to base two of each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { log2, tensor } from 'neuroxide'
 * console.log(log2(tensor([8])).toArray()) // [ 3 ]
 * ```
 */
export function log2<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'log2').log2() as Floating<X>
}

/**
 * Takes the square root of each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { sqrt, tensor } from 'neuroxide'
 * console.log(sqrt(tensor([4, 9])).toArray()) // [ 2, 3 ]
 * ```
 */
export function sqrt<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'sqrt').sqrt() as Floating<X>
}

/**
 * Computes one over the square root of each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { rsqrt, tensor } from 'neuroxide'
 * console.log(rsqrt(tensor([4])).toArray()) // [ 0.5 ]
 * ```
 */
export function rsqrt<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'rsqrt').rsqrt() as Floating<X>
}

/**
 * Computes one over each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { reciprocal, tensor } from 'neuroxide'
 * console.log(reciprocal(tensor([2, 4])).toArray()) // [ 0.5, 0.25 ]
 * ```
 */
export function reciprocal<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'reciprocal').reciprocal() as Floating<X>
}

/**
 * Takes the sine of each element, in radians.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { sin, tensor } from 'neuroxide'
 * console.log(sin(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export function sin<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'sin').sin() as Floating<X>
}

/**
 * Takes the cosine of each element, in radians.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { cos, tensor } from 'neuroxide'
 * console.log(cos(tensor([0])).toArray()) // [ 1 ]
 * ```
 */
export function cos<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'cos').cos() as Floating<X>
}

/**
 * Takes the tangent of each element, in radians.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { tan, tensor } from 'neuroxide'
 * console.log(tan(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export function tan<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'tan').tan() as Floating<X>
}

/**
 * Takes the arc tangent of each element, in radians.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { atan, tensor } from 'neuroxide'
 * console.log(atan(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export function atan<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'atan').atan() as Floating<X>
}

/**
 * Takes the hyperbolic tangent of each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { tanh, tensor } from 'neuroxide'
 * console.log(tanh(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export function tanh<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'tanh').tanh() as Floating<X>
}

/**
 * Computes the logistic function 1 / (1 + exp(-x)).
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { sigmoid, tensor } from 'neuroxide'
 * console.log(sigmoid(tensor([0])).toArray()) // [ 0.5 ]
 * ```
 */
export function sigmoid<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'sigmoid').sigmoid() as Floating<X>
}

/**
 * Takes the error function of each element.
 *
 * @param x - a tensor or what becomes one
 * @returns a tensor of the same shape; integers become f32
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { erf, tensor } from 'neuroxide'
 * console.log(erf(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export function erf<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'erf').erf() as Floating<X>
}

/**
 * Tells where the elements are NaN.
 *
 * @param x - a tensor or what becomes one
 * @returns a bool tensor of the same shape
 * @throws ValueError where `x` cannot become a tensor
 * @example
 * ```ts
 * import { isnan, tensor } from 'neuroxide'
 * console.log(isnan(tensor([1, NaN])).toArray()) // [ false, true ]
 * ```
 */
export function isnan<const X extends TensorLike>(x: X): Truth<X> {
  return asTensor(x, 'isnan').isnan() as Truth<X>
}

/**
 * Tells where the elements are infinite.
 *
 * @param x - a tensor or what becomes one
 * @returns a bool tensor of the same shape
 * @throws ValueError where `x` cannot become a tensor
 * @example
 * ```ts
 * import { isinf, tensor } from 'neuroxide'
 * console.log(isinf(tensor([1, -Infinity])).toArray()) // [ false, true ]
 * ```
 */
export function isinf<const X extends TensorLike>(x: X): Truth<X> {
  return asTensor(x, 'isinf').isinf() as Truth<X>
}

/**
 * Tells where the elements are neither NaN nor infinite.
 *
 * @param x - a tensor or what becomes one
 * @returns a bool tensor of the same shape
 * @throws ValueError where `x` cannot become a tensor
 * @example
 * ```ts
 * import { isfinite, tensor } from 'neuroxide'
 * console.log(isfinite(tensor([1, Infinity])).toArray()) // [ true, false ]
 * ```
 */
export function isfinite<const X extends TensorLike>(x: X): Truth<X> {
  return asTensor(x, 'isfinite').isfinite() as Truth<X>
}

/**
 * Gives the opposite of each truth value: zero is false, everything else true.
 *
 * @param x - a tensor or what becomes one
 * @returns a bool tensor of the same shape
 * @throws ValueError where `x` cannot become a tensor
 * @example
 * ```ts
 * import { not, tensor } from 'neuroxide'
 * console.log(not(tensor([true, false])).toArray()) // [ false, true ]
 * ```
 */
export function not<const X extends TensorLike>(x: X): Truth<X> {
  return asTensor(x, 'not').not() as Truth<X>
}

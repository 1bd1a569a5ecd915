import { Code } from '../ops.generated.js'
import type { Tensor } from '../tensor.js'
import type { Broadcast, DType, FloatOf, Promoted, Quotient, Shape, TensorLike } from '../types.js'
import { ValueError } from '../errors.js'
import { TensorBase, apply1, apply3, attributes, located } from './base.js'
import { requireNumber } from './checks.js'
import { asTensor, operand, requireDType, shown } from './create.js'
import { dtypes } from '../native.js'

// Each method says in one line which op it is; what the ops do, and on which element types, is the core's table.

function unary(code: number, x: TensorBase): Tensor<never, never> {
  return apply1(code, x) as Tensor<never, never>
}

/** An op of two operands, at least one of which is a tensor; numbers adapt to the tensor's element type. */
export function binary(
  code: number,
  op: string,
  a: TensorBase | TensorLike,
  b: TensorLike,
): Tensor<never, never> {
  return apply3(code, operand(a as TensorLike, op), operand(b, op), null) as Tensor<never, never>
}

/** Elements of `a` where `condition` is true, those of `b` elsewhere. */
export function select(
  condition: TensorLike,
  a: TensorBase | TensorLike,
  b: TensorBase | TensorLike,
): Tensor {
  const mask = asTensor(condition, 'where')
  return apply3(Code.where, mask, operand(a as TensorLike, 'where'), operand(b as TensorLike, 'where'))
}

/** Elementwise ops as methods. */
export abstract class ElementwiseTensor<S extends Shape = Shape, D extends DType = DType> extends TensorBase<
  S,
  D
> {
  /** e to the power of each element; integers become f32. */
  exp(): Tensor<S, FloatOf<D>> {
    return unary(Code.exp, this)
  }

  /** e to the power of each element, minus one, exact near zero; integers become f32. */
  expm1(): Tensor<S, FloatOf<D>> {
    return unary(Code.expm1, this)
  }

  /** The natural logarithm of each element; integers become f32. */
  log(): Tensor<S, FloatOf<D>> {
    return unary(Code.log, this)
  }

  /** The natural logarithm of one plus each element, exact near zero; integers become f32. */
  log1p(): Tensor<S, FloatOf<D>> {
    return unary(Code.log1p, this)
  }

  /** The logarithm of each element to base two; integers become f32. */
  log2(): Tensor<S, FloatOf<D>> {
    return unary(Code.log2, this)
  }

  /** The square root of each element; integers become f32. */
  sqrt(): Tensor<S, FloatOf<D>> {
    return unary(Code.sqrt, this)
  }

  /** One over the square root of each element; integers become f32. */
  rsqrt(): Tensor<S, FloatOf<D>> {
    return unary(Code.rsqrt, this)
  }

  /** One over each element; integers become f32. */
  reciprocal(): Tensor<S, FloatOf<D>> {
    return unary(Code.reciprocal, this)
  }

  /** The sine of each element, in radians; integers become f32. */
  sin(): Tensor<S, FloatOf<D>> {
    return unary(Code.sin, this)
  }

  /** The cosine of each element, in radians; integers become f32. */
  cos(): Tensor<S, FloatOf<D>> {
    return unary(Code.cos, this)
  }

  /** The tangent of each element, in radians; integers become f32. */
  tan(): Tensor<S, FloatOf<D>> {
    return unary(Code.tan, this)
  }

  /** The arc tangent of each element, in radians; integers become f32. */
  atan(): Tensor<S, FloatOf<D>> {
    return unary(Code.atan, this)
  }

  /** The hyperbolic tangent of each element; integers become f32. */
  tanh(): Tensor<S, FloatOf<D>> {
    return unary(Code.tanh, this)
  }

  /** The logistic function 1 / (1 + exp(-x)) of each element; integers become f32. */
  sigmoid(): Tensor<S, FloatOf<D>> {
    return unary(Code.sigmoid, this)
  }

  /** The error function of each element; integers become f32. */
  erf(): Tensor<S, FloatOf<D>> {
    return unary(Code.erf, this)
  }

  /** The negative of each element. */
  neg(): Tensor<S, D> {
    return unary(Code.neg, this)
  }

  /** The absolute value of each element. */
  abs(): Tensor<S, D> {
    return unary(Code.abs, this)
  }

  /** -1, 0 or 1 by the sign of each element. */
  sign(): Tensor<S, D> {
    return unary(Code.sign, this)
  }

  /** Each element times itself. */
  square(): Tensor<S, D> {
    return unary(Code.square, this)
  }

  /** Each element, or zero where it is negative; NaN stays NaN. */
  relu(): Tensor<S, D> {
    return unary(Code.relu, this)
  }

  /** The largest integer not above each element. */
  floor(): Tensor<S, D> {
    return unary(Code.floor, this)
  }

  /** The smallest integer not below each element. */
  ceil(): Tensor<S, D> {
    return unary(Code.ceil, this)
  }

  /** The nearest integer of each element, ties to the even one. */
  round(): Tensor<S, D> {
    return unary(Code.round, this)
  }

  /** Where the elements are NaN. */
  isnan(): Tensor<S, 'bool'> {
    return unary(Code.isnan, this)
  }

  /** The integer part of each element. */
  trunc(): Tensor<S, D> {
    return unary(Code.trunc, this)
  }

  /** Where the elements are infinite. */
  isinf(): Tensor<S, 'bool'> {
    return unary(Code.isinf, this)
  }

  /** Where the elements are neither NaN nor infinite. */
  isfinite(): Tensor<S, 'bool'> {
    return unary(Code.isfinite, this)
  }

  /** The opposite of each truth value; zero is false, everything else true. */
  not(): Tensor<S, 'bool'> {
    return unary(Code.not, this)
  }

  /** The sum with `other`, which broadcasts. */
  add<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Promoted<D, Other>> {
    return binary(Code.add, 'add', this, other)
  }

  /** The difference to `other`, which broadcasts. */
  sub<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Promoted<D, Other>> {
    return binary(Code.sub, 'sub', this, other)
  }

  /** The product with `other`, which broadcasts. */
  mul<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Promoted<D, Other>> {
    return binary(Code.mul, 'mul', this, other)
  }

  /** The quotient by `other`, which broadcasts; integers divide to f32. */
  div<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Quotient<D, Other>> {
    return binary(Code.div, 'div', this, other)
  }

  /** The quotient by `other`, rounded towards negative infinity; integers divided by zero throw. */
  floorDiv<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Promoted<D, Other>> {
    return binary(Code.floorDiv, 'floorDiv', this, other)
  }

  /** The remainder after division by `other`, with the sign of `other`. */
  remainder<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Promoted<D, Other>> {
    return binary(Code.remainder, 'remainder', this, other)
  }

  /** The remainder after division by `other`, with the sign of the dividend. */
  fmod<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Promoted<D, Other>> {
    return binary(Code.fmod, 'fmod', this, other)
  }

  /** Each element to the power of `other`. */
  pow<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Promoted<D, Other>> {
    return binary(Code.pow, 'pow', this, other)
  }

  /** The larger of each pair of elements; NaN wins. */
  maximum<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Promoted<D, Other>> {
    return binary(Code.maximum, 'maximum', this, other)
  }

  /** The smaller of each pair of elements; NaN wins. */
  minimum<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, Promoted<D, Other>> {
    return binary(Code.minimum, 'minimum', this, other)
  }

  /** Where the elements equal those of `other`. */
  eq<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, 'bool'> {
    return binary(Code.eq, 'eq', this, other)
  }

  /** Where the elements differ from those of `other`. */
  ne<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, 'bool'> {
    return binary(Code.ne, 'ne', this, other)
  }

  /** Where the elements are below those of `other`. */
  lt<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, 'bool'> {
    return binary(Code.lt, 'lt', this, other)
  }

  /** Where the elements are at most those of `other`. */
  le<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, 'bool'> {
    return binary(Code.le, 'le', this, other)
  }

  /** Where the elements are above those of `other`. */
  gt<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, 'bool'> {
    return binary(Code.gt, 'gt', this, other)
  }

  /** Where the elements are at least those of `other`. */
  ge<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, 'bool'> {
    return binary(Code.ge, 'ge', this, other)
  }

  /** Where neither is zero. */
  and<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, 'bool'> {
    return binary(Code.and, 'and', this, other)
  }

  /** Where at least one is not zero. */
  or<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, 'bool'> {
    return binary(Code.or, 'or', this, other)
  }

  /** Where exactly one is not zero. */
  xor<Other extends TensorLike>(other: Other): Tensor<Broadcast<S, Other>, 'bool'> {
    return binary(Code.xor, 'xor', this, other)
  }

  /** Elements of this tensor where `condition` is true, those of `other` elsewhere; all three broadcast. */
  where(condition: TensorLike, other: TensorLike): Tensor<Shape, DType> {
    return select(condition, this, other)
  }

  /** `value` where `mask` is true, this tensor's elements elsewhere. */
  maskedFill(mask: TensorLike, value: number | Tensor): Tensor<Shape, D> {
    return select(mask, value, this) as Tensor<Shape, D>
  }

  /** Each element, moved into `min … max`; `null` leaves that side open. NaN stays NaN. */
  clamp(min: TensorLike | null, max: TensorLike | null = null): Tensor<Shape, D> {
    const low = min === null ? null : operand(min, 'clamp')
    const high = max === null ? null : operand(max, 'clamp')
    return apply3(Code.clamp, this, low, high) as Tensor<Shape, D>
  }

  /** The elements in another type: fractions are cut off, and whatever is not zero is true. */
  cast<E extends DType>(dtype: E): Tensor<S, E> {
    requireDType('cast', dtype)
    return apply1(Code.cast, this, attributes(dtypes.indexOf(dtype))) as Tensor<S, E>
  }

  /** The same as {@link cast}, under the name that PyTorch gives it. */
  to<E extends DType>(dtype: E): Tensor<S, E> {
    return this.cast(dtype)
  }

  /** x · sigmoid(x). */
  silu(): Tensor<S, FloatOf<D>> {
    return unary(Code.silu, this)
  }

  /** The Gaussian error linear unit; `'tanh'` is the cheaper form. */
  gelu(approximate: 'none' | 'tanh' = 'none'): Tensor<S, FloatOf<D>> {
    if (approximate !== 'none' && approximate !== 'tanh')
      throw located(ValueError, `gelu: approximate ${shown(approximate)}; expected 'none' or 'tanh'.`)
    return apply1(Code.gelu, this, attributes(approximate === 'tanh' ? 1 : 0)) as Tensor<never, never>
  }

  /** log(1 + exp(beta · x)) / beta, and x itself where beta · x exceeds `threshold`. */
  softplus(beta = 1, threshold = 20): Tensor<S, FloatOf<D>> {
    requireNumber('softplus', 'beta', beta)
    requireNumber('softplus', 'threshold', threshold)
    return apply1(Code.softplus, this, attributes(beta, threshold)) as Tensor<never, never>
  }

  /** x where it is positive, alpha · (exp(x) - 1) elsewhere. */
  elu(alpha = 1): Tensor<S, FloatOf<D>> {
    requireNumber('elu', 'alpha', alpha)
    return apply1(Code.elu, this, attributes(alpha)) as Tensor<never, never>
  }

  /** x where it is positive, negativeSlope · x elsewhere. */
  leakyRelu(negativeSlope = 0.01): Tensor<S, FloatOf<D>> {
    requireNumber('leakyRelu', 'negativeSlope', negativeSlope)
    return apply1(Code.leakyRelu, this, attributes(negativeSlope)) as Tensor<never, never>
  }
}

import { Code } from '../ops.generated.js'
import type { Tensor } from '../tensor.js'
import type { DType, FloatOf, Shape, TensorLike } from '../types.js'
import { ValueError } from '../errors.js'
import { type TensorBase, apply1, apply3, attributes, located } from './base.js'
import { requireNumber } from './checks.js'
import { asTensor, operand, requireDType, shown } from './create.js'
import { TableTensor } from './elementwise.generated.js'
import { unary } from './operation.js'
import { dtypes } from '../native.js'

/** Elements of `a` where `condition` is true, those of `b` elsewhere. */
export function select(
  condition: TensorLike,
  a: TensorBase | TensorLike,
  b: TensorBase | TensorLike,
): Tensor {
  const mask = asTensor(condition, 'where')
  return apply3(Code.where, mask, operand(a as TensorLike, 'where'), operand(b as TensorLike, 'where'))
}

/** The elementwise methods that the op table does not make: those of three operands or with options. */
export abstract class ElementwiseTensor<S extends Shape = Shape, D extends DType = DType> extends TableTensor<
  S,
  D
> {
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
    return unary(approximate === 'tanh' ? Code.geluTanh : Code.gelu, this)
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

import { ValueError } from '../errors.js'
import { Code } from '../ops.generated.js'
import { apply1, apply2, apply3, attributes, located } from '../tensor/base.js'
import { requireAtLeast, requireFlag, requireNumber, requireOptions } from '../tensor/checks.js'
import { asTensor, shown } from '../tensor/create.js'
import { axisOf } from '../tensor/reduce.js'
import type { Tensor } from '../tensor.js'
import type { Floating, TensorLike } from '../types.js'
import type { ShapeOf } from '../types/fit.js'
import type { EntersWeight, AffineShape } from '../types/product.js'

/**
 * Gives exp(x) along an axis, divided by its sum.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis that sums to one
 * @returns a float tensor of the same shape
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { softmax, tensor } from 'neuroxide'
 * console.log(softmax(tensor([0, 0]), 0).toArray()) // [ 0.5, 0.5 ]
 * ```
 */
export function softmax<const X extends TensorLike>(x: X, axis: number): Floating<X> {
  return asTensor(x, 'softmax').softmax(axis) as Floating<X>
}

/**
 * Gives the logarithm of {@link softmax}, without overflow.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis along which the probabilities sum to one
 * @returns a float tensor of the same shape
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { logSoftmax, tensor } from 'neuroxide'
 * console.log(logSoftmax(tensor([0]), 0).toArray()) // [ 0 ]
 * ```
 */
export function logSoftmax<const X extends TensorLike>(x: X, axis: number): Floating<X> {
  return asTensor(x, 'logSoftmax').logSoftmax(axis) as Floating<X>
}

/**
 * Computes x · sigmoid(x).
 *
 * @param x - a tensor or what becomes one
 * @returns a float tensor of the same shape
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { silu, tensor } from 'neuroxide'
 * console.log(silu(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export function silu<const X extends TensorLike>(x: X): Floating<X> {
  return asTensor(x, 'silu').silu() as Floating<X>
}

/**
 * Computes the Gaussian error linear unit.
 *
 * @param x - a tensor or what becomes one
 * @param approximate - 'none' (default) is exact, 'tanh' cheaper
 * @returns a float tensor of the same shape
 * @throws ValueError where `approximate` is something else
 * @example
 * ```ts
 * import { gelu, tensor } from 'neuroxide'
 * console.log(gelu(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export function gelu<const X extends TensorLike>(x: X, approximate: 'none' | 'tanh' = 'none'): Floating<X> {
  return asTensor(x, 'gelu').gelu(approximate) as Floating<X>
}

/**
 * Computes log(1 + exp(beta · x)) / beta, and x itself where beta · x exceeds a threshold.
 *
 * @param x - a tensor or what becomes one
 * @param beta - how sharp the bend is (1)
 * @param threshold - where it is a straight line (20)
 * @returns a float tensor of the same shape
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { softplus, tensor } from 'neuroxide'
 * console.log(softplus(tensor([30])).toArray()) // [ 30 ]
 * ```
 */
export function softplus<const X extends TensorLike>(x: X, beta = 1, threshold = 20): Floating<X> {
  return asTensor(x, 'softplus').softplus(beta, threshold) as Floating<X>
}

/**
 * Gives x where it is positive and alpha · (exp(x) - 1) elsewhere.
 *
 * @param x - a tensor or what becomes one
 * @param alpha - the limit for small x, negated (1)
 * @returns a float tensor of the same shape
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { elu, tensor } from 'neuroxide'
 * console.log(elu(tensor([0, 2])).toArray()) // [ 0, 2 ]
 * ```
 */
export function elu<const X extends TensorLike>(x: X, alpha = 1): Floating<X> {
  return asTensor(x, 'elu').elu(alpha) as Floating<X>
}

/**
 * Gives x where it is positive and negativeSlope · x elsewhere.
 *
 * @param x - a tensor or what becomes one
 * @param negativeSlope - the slope for negative x (0.01)
 * @returns a float tensor of the same shape
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { leakyRelu, tensor } from 'neuroxide'
 * console.log(leakyRelu(tensor([-4, 2]), 0.25).toArray()) // [ -1, 2 ]
 * ```
 */
export function leakyRelu<const X extends TensorLike>(x: X, negativeSlope = 0.01): Floating<X> {
  return asTensor(x, 'leakyRelu').leakyRelu(negativeSlope) as Floating<X>
}

/**
 * Computes log(sigmoid(x)) without overflow.
 *
 * @param x - a tensor or what becomes one
 * @returns a float tensor of the same shape
 * @throws DTypeError where the element type has no such op
 * @example
 * ```ts
 * import { logSigmoid, tensor } from 'neuroxide'
 * console.log(logSigmoid(tensor([100])).lt(0.001).item()) // true
 * ```
 */
export function logSigmoid<const X extends TensorLike>(x: X): Floating<X> {
  return apply1(Code.logSigmoid, asTensor(x, 'logSigmoid')) as Tensor as Floating<X>
}

/**
 * Gives softmax of -x along an axis.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis that sums to one
 * @returns a float tensor of the same shape
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { softmin, tensor } from 'neuroxide'
 * console.log(softmin(tensor([0, 0]), 0).toArray()) // [ 0.5, 0.5 ]
 * ```
 */
export function softmin<const X extends TensorLike>(x: X, axis: number): Floating<X> {
  return apply1(
    Code.softmin,
    asTensor(x, 'softmin'),
    attributes(axisOf('softmin', axis)),
  ) as Tensor as Floating<X>
}

/**
 * Sets elements to zero at random and scales the others so that the mean stays.
 *
 * @param x - a tensor or what becomes one
 * @param p - the probability of zero (0.5)
 * @param training - `false` returns `x` as it is
 * @returns a float tensor of the same shape
 * @throws ValueError where `p` is not between 0 and 1
 * @example
 * ```ts
 * import { dropout, tensor } from 'neuroxide'
 * console.log(dropout(tensor([1, 2]), 0.5, false).toArray()) // [ 1, 2 ]
 * ```
 */
export function dropout<const X extends TensorLike>(x: X, p = 0.5, training = true): Floating<X> {
  requireFlag('dropout', 'training', training)
  if (typeof p !== 'number' || !(p >= 0 && p <= 1))
    throw located(ValueError, `dropout: ${shown(p)} as p; expected a number from 0 to 1.`)
  return apply1(
    Code.dropout,
    asTensor(x, 'dropout'),
    attributes(p, training ? 1 : 0),
  ) as Tensor as Floating<X>
}

/**
 * Computes x · weightᵀ + bias.
 *
 * @param x - `[*, in]`
 * @param weight - `[out, in]`
 * @param bias - `[out]`, or null
 * @returns a tensor `[*, out]`
 * @throws ShapeError where the sizes do not fit
 * @example
 * ```ts
 * import { linear, tensor } from 'neuroxide'
 * console.log(linear(tensor([1, 2]), tensor([[3, 4]]), tensor([5])).toArray()) // [ 16 ]
 * ```
 */
export function linear<X extends TensorLike, W extends TensorLike>(
  x: X,
  weight: W & EntersWeight<ShapeOf<X>, ShapeOf<W>>,
  bias: TensorLike | null = null,
): Tensor<AffineShape<ShapeOf<X>, ShapeOf<W>>> {
  const [input, matrix] = [asTensor(x, 'linear'), asTensor(weight, 'linear')]
  const offset = bias === null ? null : asTensor(bias, 'linear')
  return apply3(Code.linear, input, matrix, offset) as Tensor<never>
}

/**
 * Divides by the p-norm along an axis.
 *
 * @param x - a tensor or what becomes one
 * @param options - `p` (2), `axis` (1), `eps` (1e-12), the least norm divided by
 * @returns a tensor of the same shape
 * @throws IndexError where there is no such axis
 * @example
 * ```ts
 * import { normalize, tensor } from 'neuroxide'
 * console.log(normalize(tensor([[3, 4]]).mul(10)).mul(5).round().toArray()) // [ [ 3, 4 ] ]
 * ```
 */
export function normalize(
  x: TensorLike,
  options: {
    readonly p?: number | undefined
    readonly axis?: number | undefined
    readonly eps?: number | undefined
  } = {},
): Tensor {
  requireOptions('normalize', options, ['p', 'axis', 'eps'])
  const p = requireNumber('normalize', 'p', options.p ?? 2)
  const eps = requireAtLeast('normalize', 'eps', options.eps ?? 1e-12, 0)
  const axis = axisOf('normalize', options.axis ?? 1)
  return apply1(Code.normalize, asTensor(x, 'normalize'), attributes(p, axis, eps))
}

/**
 * Gives the cosine of the angle between vectors along an axis.
 *
 * @param a - a tensor
 * @param b - a tensor that broadcasts with `a`
 * @param options - `axis` (1), `eps` (1e-8), the least norm divided by
 * @returns a tensor without that axis
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { cosineSimilarity, tensor } from 'neuroxide'
 * console.log(cosineSimilarity(tensor([[1, 0]]), tensor([[0, 1]])).toArray()) // [ 0 ]
 * ```
 */
export function cosineSimilarity(
  a: TensorLike,
  b: TensorLike,
  options: { readonly axis?: number | undefined; readonly eps?: number | undefined } = {},
): Tensor {
  const [left, right] = [asTensor(a, 'cosineSimilarity'), asTensor(b, 'cosineSimilarity')]
  requireOptions('cosineSimilarity', options, ['axis', 'eps'])
  const axis = axisOf('cosineSimilarity', options.axis ?? 1)
  const eps = requireAtLeast('cosineSimilarity', 'eps', options.eps ?? 1e-8, 0)
  return apply2(Code.cosineSimilarity, left, right, attributes(axis, eps))
}

/**
 * Gives the p-norm of the differences along the last axis.
 *
 * @param a - a tensor
 * @param b - a tensor that broadcasts with `a`
 * @param options - `p` (2), `eps` (1e-6), added to the differences, `keepDim`
 * @returns a tensor without the last axis
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { pairwiseDistance, tensor } from 'neuroxide'
 * console.log(pairwiseDistance(tensor([0, 0]), tensor([3, 4])).round().item()) // 5
 * ```
 */
export function pairwiseDistance(
  a: TensorLike,
  b: TensorLike,
  options: {
    readonly p?: number | undefined
    readonly eps?: number | undefined
    readonly keepDim?: boolean | undefined
  } = {},
): Tensor {
  const [left, right] = [asTensor(a, 'pairwiseDistance'), asTensor(b, 'pairwiseDistance')]
  requireOptions('pairwiseDistance', options, ['p', 'eps', 'keepDim'])
  const p = requireNumber('pairwiseDistance', 'p', options.p ?? 2)
  const eps = requireNumber('pairwiseDistance', 'eps', options.eps ?? 1e-6)
  const keep = requireFlag('pairwiseDistance', 'keepDim', options.keepDim ?? false)
  return apply2(Code.pairwiseDistance, left, right, attributes(p, eps, keep ? 1 : 0))
}

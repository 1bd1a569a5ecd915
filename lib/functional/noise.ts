import { ValueError } from '../errors.js'
import { located } from '../tensor/base.js'
import { requireFlag } from '../tensor/checks.js'
import { asTensor, isFloat, shown } from '../tensor/create.js'
import { bernoulli, full } from '../tensor/factories.js'
import type { Tensor } from '../tensor.js'
import type { Floating, Shape, TensorLike } from '../types.js'

/** SELU's limit for large negative numbers, -λα, without its sign. */
const limit = 1.7580993408473766

/**
 * Sets elements to SELU's limit at random and scales and moves all, so that mean 0 and variance 1 stay what they are.
 *
 * @param x - a tensor or what becomes one
 * @param p - the probability of being dropped (0.5)
 * @param training - `false` returns `x` as it is
 * @returns a float tensor of the same shape
 * @throws ValueError where `p` is not between 0 and 1
 * @see Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks" (2017)
 * @example
 * ```ts
 * import { alphaDropout, tensor } from 'neuroxide'
 * console.log(alphaDropout(tensor([1, 2]), 0.5, false).toArray()) // [ 1, 2 ]
 * ```
 */
export function alphaDropout<const X extends TensorLike>(x: X, p = 0.5, training = true): Floating<X> {
  const op = 'alphaDropout'
  requireFlag(op, 'training', training)
  if (typeof p !== 'number' || !(p >= 0 && p <= 1))
    throw located(ValueError, `${op}: ${shown(p)} as p; expected a number from 0 to 1.`)
  const given = asTensor(x, op)
  const input: Tensor = isFloat(given.dtype) ? given : given.to('f32')
  if (!training || p === 0) return input as Floating<X>
  // As in PyTorch: nothing is left that could be scaled.
  if (p === 1) return input.mul(0) as Tensor as Floating<X>
  const scale = 1 / Math.sqrt((limit * limit * p + 1) * (1 - p))
  const kept = bernoulli(full(input.shape as Shape, 1 - p, { dtype: input.dtype as 'f32' }))
  // Dropped ones become -limit, then everything is scaled and moved by limit · p.
  const moved = kept.sub(1 - p).mul(limit * scale)
  return input.mul(kept.mul(scale)).add(moved) as Tensor as Floating<X>
}

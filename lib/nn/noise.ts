import { ValueError } from '../errors.js'
import * as F from '../functional.js'
import type { Tensor } from '../tensor.js'
import { requireNumber } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { randn } from '../tensor/factories.js'
import type { Shape } from '../types.js'
import type { JsonObject } from '../types/json.js'
import type { Keeps, Kept, flow } from '../types/layers.js'
import { requireFloat } from './linear.js'
import { Module } from './module.js'

/**
 * Adds numbers of a normal distribution around 0 while training; gives its input back otherwise.
 *
 * @param stddev - the standard deviation, at least 0
 * @throws ValueError for a standard deviation that is no finite number of at least 0
 * @see Bishop, "Training with Noise is Equivalent to Tikhonov Regularization" (1995)
 * @example
 * ```ts
 * import { nn, ones } from 'neuroxide'
 * const layer = new nn.GaussianNoise(0.1)
 * console.log(layer.forward(ones([3])).shape, layer.eval().forward(ones([3])).toArray()) // [ 3 ] [ 1, 1, 1 ]
 * ```
 */
export class GaussianNoise extends Module {
  /** @hidden */
  declare readonly [flow]: Keeps
  readonly stddev: number

  constructor(stddev: number) {
    super()
    const given = requireNumber('nn.GaussianNoise', 'stddev', stddev)
    if (!(given >= 0 && given < Infinity))
      throw new ValueError(`nn.GaussianNoise: ${given} as stddev; expected a finite number of at least 0.`)
    this.stddev = given
  }

  override forward<X extends Tensor>(x: X): Kept<X> {
    requireFloat(x, 'GaussianNoise')
    if (!this.training || this.stddev === 0) return x
    const noise = randn(x.shape as Shape, { dtype: x.dtype as 'f32' })
    return x.add(noise.mul(this.stddev))
  }

  override config(): JsonObject {
    return { stddev: this.stddev }
  }

  override describe(): string {
    return `GaussianNoise(${this.stddev})`
  }
}

/**
 * Dropout that keeps the mean 0 and the variance 1 of what SELU gives: elements that are dropped become SELU's limit
 * `-λα` and not 0, and everything is scaled and moved back. Gives its input back outside of training.
 *
 * @param p - the share that is dropped, in [0, 1]; `0.5` by default
 * @throws ValueError when `p` is not in [0, 1]
 * @see Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks" (2017)
 * @example
 * ```ts
 * import { nn, ones } from 'neuroxide'
 * const layer = new nn.AlphaDropout(0.2).eval()
 * console.log(layer.forward(ones([3])).toArray()) // [ 1, 1, 1 ]
 * ```
 */
export class AlphaDropout extends Module {
  /** @hidden */
  declare readonly [flow]: Keeps
  readonly p: number

  constructor(p = 0.5) {
    super()
    if (typeof p !== 'number' || !(p >= 0 && p <= 1))
      throw new ValueError(`nn.AlphaDropout: p is ${shown(p)}; expected a probability in [0, 1].`)
    this.p = p
  }

  override forward<X extends Tensor>(x: X): Kept<X> {
    requireFloat(x, 'AlphaDropout')
    return F.alphaDropout(x, this.p, this.training)
  }

  override config(): JsonObject {
    return { p: this.p }
  }

  override describe(): string {
    return `AlphaDropout(${this.p})`
  }
}

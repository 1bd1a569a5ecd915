import { ValueError } from '../errors.js'
import * as F from '../functional.js'
import { shown } from '../tensor/create.js'
import type { Tensor } from '../tensor.js'
import type { Keeps, Kept, flow } from '../types/layers.js'
import { requireFloat } from './linear.js'
import { Module } from './module.js'
import type { JsonObject } from '../types/json.js'

/**
 * Sets elements to zero at random while training and scales the others by `1 / (1 - p)`; gives its input back
 * otherwise.
 *
 * @throws ValueError when `p` is not in [0, 1]
 * @see Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014)
 * @example
 * ```ts
 * import { nn, ones } from 'neuroxide'
 * const layer = new nn.Dropout(0.5).eval()
 * console.log(layer.forward(ones([3])).toArray()) // [ 1, 1, 1 ]
 * ```
 */
export class Dropout extends Module {
  /** @hidden */
  declare readonly [flow]: Keeps
  readonly p: number

  constructor(p = 0.5) {
    super()
    if (typeof p !== 'number' || !(p >= 0 && p <= 1))
      throw new ValueError(`nn.Dropout: p is ${shown(p)}; expected a probability in [0, 1].`)
    this.p = p
  }

  override forward<X extends Tensor>(x: X): Kept<X> {
    requireFloat(x, 'Dropout')
    return F.dropout(x, this.p, this.training)
  }

  override config(): JsonObject {
    return { p: this.p }
  }

  override describe(): string {
    return `Dropout(${this.p})`
  }
}

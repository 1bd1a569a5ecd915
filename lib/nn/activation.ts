import { ValueError } from '../errors.js'
import * as F from '../functional.js'
import { requireInteger, requireNumber, requireTensor } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { Tensor } from '../tensor.js'
import type { Keeps, KeepsShape, Kept, KeptFloat, flow } from '../types/layers.js'
import { requireFloat } from './linear.js'
import { Module } from './module.js'
import type { JsonObject } from '../types/json.js'

/**
 * `max(x, 0)`.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.ReLU().forward(tensor([-1, 2])).toArray()) // [ 0, 2 ]
 * ```
 */
export class ReLU extends Module {
  /** @hidden */
  declare readonly [flow]: Keeps

  override forward<X extends Tensor>(x: X): Kept<X> {
    requireTensor('nn.ReLU', 'input', x)
    return x.relu()
  }
}

/**
 * `x` where it is positive, `negativeSlope · x` elsewhere; slope `0.01` by default.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.LeakyReLU(0.5).forward(tensor([-1, 2])).toArray()) // [ -0.5, 2 ]
 * ```
 */
export class LeakyReLU extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape
  readonly negativeSlope: number

  constructor(negativeSlope = 0.01) {
    super()
    this.negativeSlope = requireNumber('nn.LeakyReLU', 'negativeSlope', negativeSlope)
  }

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireFloat(x, 'LeakyReLU')
    return F.leakyRelu(x, this.negativeSlope)
  }

  override config(): JsonObject {
    return { negativeSlope: this.negativeSlope }
  }

  override describe(): string {
    return `LeakyReLU(${this.negativeSlope})`
  }
}

/**
 * `x` where it is positive, `alpha · (exp(x) − 1)` elsewhere; alpha `1` by default.
 *
 * @see Clevert, Unterthiner, Hochreiter, "Fast and Accurate Deep Network Learning by ELUs" (2016)
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.ELU().forward(tensor([0, 2])).toArray()) // [ 0, 2 ]
 * ```
 */
export class ELU extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape
  readonly alpha: number

  constructor(alpha = 1) {
    super()
    this.alpha = requireNumber('nn.ELU', 'alpha', alpha)
  }

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireFloat(x, 'ELU')
    return F.elu(x, this.alpha)
  }

  override config(): JsonObject {
    return { alpha: this.alpha }
  }

  override describe(): string {
    return `ELU(${this.alpha})`
  }
}

/** How {@link GELU} computes the normal distribution: exactly, or by the tanh formula of the original code. */
export type GeluApproximation = 'none' | 'tanh'

/**
 * `x · Φ(x)` with the distribution function of the normal distribution.
 *
 * @see Hendrycks, Gimpel, "Gaussian Error Linear Units" (2016)
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.GELU('tanh').forward(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export class GELU extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape
  readonly approximate: GeluApproximation

  constructor(approximate: GeluApproximation = 'none') {
    super()
    if (approximate !== 'none' && approximate !== 'tanh')
      throw new ValueError(`nn.GELU: ${shown(approximate)} as approximate; expected 'none' or 'tanh'.`)
    this.approximate = approximate
  }

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireFloat(x, 'GELU')
    return F.gelu(x, this.approximate)
  }

  override config(): JsonObject {
    return { approximate: this.approximate }
  }

  override describe(): string {
    return this.approximate === 'none' ? 'GELU()' : `GELU('${this.approximate}')`
  }
}

/**
 * `x · sigmoid(x)`, also called swish.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.SiLU().forward(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export class SiLU extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireFloat(x, 'SiLU')
    return F.silu(x)
  }
}

/**
 * `1 / (1 + exp(−x))`.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.Sigmoid().forward(tensor([0])).toArray()) // [ 0.5 ]
 * ```
 */
export class Sigmoid extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireFloat(x, 'Sigmoid')
    return x.sigmoid()
  }
}

/**
 * The hyperbolic tangent.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.Tanh().forward(tensor([0])).toArray()) // [ 0 ]
 * ```
 */
export class Tanh extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireFloat(x, 'Tanh')
    return x.tanh()
  }
}

/**
 * Exponentials that sum to 1 along an axis, the last one by default.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.Softmax().forward(tensor([0, 0])).toArray()) // [ 0.5, 0.5 ]
 * ```
 */
export class Softmax extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape
  readonly dim: number

  constructor(dim = -1) {
    super()
    this.dim = requireInteger('nn.Softmax', 'dim', dim)
  }

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireFloat(x, 'Softmax')
    return F.softmax(x, this.dim)
  }

  override config(): JsonObject {
    return { dim: this.dim }
  }

  override describe(): string {
    return `Softmax(${this.dim})`
  }
}

/**
 * The logarithm of softmax along an axis, the last one by default; what {@link losses.nll} takes.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.LogSoftmax().forward(tensor([3])).toArray()) // [ 0 ]
 * ```
 */
export class LogSoftmax extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape
  readonly dim: number

  constructor(dim = -1) {
    super()
    this.dim = requireInteger('nn.LogSoftmax', 'dim', dim)
  }

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireFloat(x, 'LogSoftmax')
    return F.logSoftmax(x, this.dim)
  }

  override config(): JsonObject {
    return { dim: this.dim }
  }

  override describe(): string {
    return `LogSoftmax(${this.dim})`
  }
}

/**
 * A smooth ReLU: `log(1 + exp(beta · x)) / beta`, and `x` itself where `beta · x` exceeds `threshold`.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.Softplus().forward(tensor([30])).toArray()) // [ 30 ]
 * ```
 */
export class Softplus extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape
  readonly beta: number
  readonly threshold: number

  constructor(beta = 1, threshold = 20) {
    super()
    this.beta = requireNumber('nn.Softplus', 'beta', beta)
    this.threshold = requireNumber('nn.Softplus', 'threshold', threshold)
  }

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireFloat(x, 'Softplus')
    return F.softplus(x, this.beta, this.threshold)
  }

  override config(): JsonObject {
    return { beta: this.beta, threshold: this.threshold }
  }

  override describe(): string {
    return `Softplus(${this.beta}, ${this.threshold})`
  }
}

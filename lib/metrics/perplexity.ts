import type { Tensor } from '../tensor.js'
import { requireFlag, requireInteger, requireOptions } from '../tensor/checks.js'
import type { ClassMetricOptions } from './accuracies.js'
import { Metric } from './metric.js'
import { classified, requireDim } from './operands.js'

export interface PerplexityOptions<N extends string = string> extends ClassMetricOptions<N> {
  /** Whether predictions are logits; `false` by default: they are probabilities. */
  readonly fromLogits?: boolean | undefined
  /** Targets of this class count for nothing: padding. None by default. */
  readonly ignoreIndex?: number | undefined
}

/** What probabilities are kept away from 0 by, so that one impossible token does not decide everything: Keras's. */
const epsilon = 1e-7

/**
 * The exponential of the mean cross-entropy: between how many classes a model is torn on average.
 *
 * @throws ShapeError when prediction and target do not belong together
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.Perplexity()
 * metric.update([[0.25, 0.75], [0.5, 0.5]], [0, 1])
 * console.log(metric.compute().toFixed(4)) // 2.8284
 * ```
 */
export class Perplexity<const N extends string = 'perplexity'> extends Metric<N> {
  readonly #logits: boolean
  readonly #ignored: number | undefined
  readonly #dim: number

  constructor(options: PerplexityOptions<N> = {}) {
    const op = 'metrics.Perplexity'
    requireOptions(op, options, ['name', 'dim', 'fromLogits', 'ignoreIndex'])
    super(options.name ?? ('perplexity' as N))
    this.#logits = requireFlag(op, 'fromLogits', options.fromLogits ?? false)
    this.#ignored =
      options.ignoreIndex === undefined ? undefined : requireInteger(op, 'ignoreIndex', options.ignoreIndex)
    this.#dim = requireDim('Perplexity', options.dim)
  }

  override statistics(prediction: Tensor, target: Tensor, weight?: Tensor): Tensor {
    const { scores, labels, weight: each } = classified('Perplexity', prediction, target, weight, this.#dim)
    const wide = scores.to('f64')
    const logs = this.#logits
      ? wide.logSoftmax(-1)
      : wide
          .div(wide.sum(-1, { keepDim: true }))
          .clamp(epsilon, 1 - epsilon)
          .log()
    const counted = this.#ignored === undefined ? null : labels.ne(this.#ignored)
    // A label that counts for nothing need not be a class.
    const safe = counted === null ? labels : labels.mul(counted.to('i32'))
    const own = logs.gather(-1, safe.unsqueeze(-1)).squeeze(-1)
    const w = counted === null ? each : each.mul(counted.to('f64'))
    return this.sums([own.mul(w).sum(), w.sum()])
  }

  override result(sums: readonly number[]): number {
    const [logs = 0, weights = 0] = this.totals(sums)
    return weights === 0 ? 0 : Math.exp(-logs / weights)
  }
}

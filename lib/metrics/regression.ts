import { ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { NamingOptions } from './accuracies.js'
import { alignedTarget } from './accuracy.js'
import { Metric } from './metric.js'
import { elements, requirePair, spreadWeight } from './operands.js'

function squared(difference: Tensor): Tensor {
  return difference.mul(difference)
}

/** A metric that is the mean of a number for each element, or made of that mean. */
abstract class MeanOfElements<N extends string> extends Metric<N> {
  readonly #label: string
  /** The number of each element, from differences. */
  readonly #each: (difference: Tensor) => Tensor
  /** What the mean becomes. */
  readonly #finish: (mean: number) => number

  constructor(
    of: string,
    name: N,
    options: NamingOptions<N>,
    each: (difference: Tensor) => Tensor,
    finish: (mean: number) => number = (mean) => mean,
  ) {
    requireOptions(`metrics.${of}`, options, ['name'])
    super(options.name ?? name)
    this.#label = of
    this.#each = each
    this.#finish = finish
  }

  override statistics(prediction: Tensor, target: Tensor, weight?: Tensor): Tensor {
    const { x, y, w } = elements(this.#label, prediction, target, weight)
    return this.sums([
      this.#each(x.to('f64').sub(y.to('f64')))
        .mul(w)
        .sum(),
      w.sum(),
    ])
  }

  override result(sums: readonly number[]): number {
    const [sum = 0, weights = 0] = this.totals(sums)
    return this.#finish(weights === 0 ? 0 : sum / weights)
  }
}

/**
 * The mean of squared differences over all elements.
 *
 * @example
 * ```ts
 * import { metrics, tensor } from 'neuroxide'
 * const metric = new metrics.MeanSquaredError()
 * metric.update(tensor([[1], [2]]), tensor([1, 4]))
 * console.log(metric.compute()) // 2
 * ```
 */
export class MeanSquaredError<const N extends string = 'meanSquaredError'> extends MeanOfElements<N> {
  constructor(options: NamingOptions<N> = {}) {
    super('MeanSquaredError', 'meanSquaredError' as N, options, squared)
  }
}

/**
 * The mean of absolute differences over all elements.
 *
 * @example
 * ```ts
 * import { metrics, tensor } from 'neuroxide'
 * const metric = new metrics.MeanAbsoluteError()
 * metric.update(tensor([1, 2]), tensor([1, 4]))
 * console.log(metric.compute()) // 1
 * ```
 */
export class MeanAbsoluteError<const N extends string = 'meanAbsoluteError'> extends MeanOfElements<N> {
  constructor(options: NamingOptions<N> = {}) {
    super('MeanAbsoluteError', 'meanAbsoluteError' as N, options, (difference) => difference.abs())
  }
}

/**
 * The root of the mean of squared differences over all elements.
 *
 * @example
 * ```ts
 * import { metrics, tensor } from 'neuroxide'
 * const metric = new metrics.RootMeanSquaredError()
 * metric.update(tensor([0, 0]), tensor([3, 3]))
 * console.log(metric.compute()) // 3
 * ```
 */
export class RootMeanSquaredError<const N extends string = 'rmse'> extends MeanOfElements<N> {
  constructor(options: NamingOptions<N> = {}) {
    super('RootMeanSquaredError', 'rmse' as N, options, squared, Math.sqrt)
  }
}

export interface R2Options<N extends string = string> extends NamingOptions<N> {
  /** How the numbers of several outputs become one: `'uniform'` (default) or `'varianceWeighted'`. */
  readonly average?: 'uniform' | 'varianceWeighted' | undefined
}

/**
 * The share of the targets' variance that predictions explain: 1 where they are exact, 0 where they do no better than the
 * mean, below 0 where they do worse.
 *
 * Predictions are `[n]` or `[n, outputs]`. Where a target is constant, 1 for exact predictions and else 0, as in
 * scikit-learn.
 *
 * @throws ShapeError when prediction and target do not belong together
 * @throws ValueError for an average that does not exist
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.R2()
 * metric.update([2.5, 0, 2, 8], [3, -0.5, 2, 7])
 * console.log(metric.compute().toFixed(4)) // 0.9486
 * ```
 */
export class R2<const N extends string = 'r2'> extends Metric<N> {
  readonly #average: 'uniform' | 'varianceWeighted'

  constructor(options: R2Options<N> = {}) {
    requireOptions('metrics.R2', options, ['name', 'average'])
    super(options.name ?? ('r2' as N))
    const { average = 'uniform' } = options
    if (average !== 'uniform' && average !== 'varianceWeighted')
      throw new ValueError(
        `metrics.R2: ${shown(average)} as average; expected 'uniform' or 'varianceWeighted'.`,
      )
    this.#average = average
  }

  override statistics(prediction: Tensor, target: Tensor, weight?: Tensor): Tensor {
    requirePair('R2', prediction, target)
    const aligned = alignedTarget('R2', prediction, target)
    const rows = prediction.shape[0] ?? 1
    const shape = [rows, prediction.numel / Math.max(rows, 1)]
    const x = prediction.to('f64').reshape(shape)
    const y = aligned.to('f64').reshape(shape)
    const w = spreadWeight('R2', weight, prediction.shape).reshape(shape)
    const wy = y.mul(w)
    const off = x.sub(y)
    return this.sums([w, wy, wy.mul(y), off.mul(off).mul(w)].map((part) => part.sum(0)))
  }

  override result(sums: readonly number[]): number {
    const all = this.totals(sums)
    const outputs = all.length / 4
    let [score, weights] = [0, 0]
    for (let i = 0; i < outputs; i++) {
      const [w = 0, wy = 0, wyy = 0, missed = 0] = [0, 1, 2, 3].map((part) => all[part * outputs + i])
      if (w === 0) return 0
      const variance = Math.max(wyy - (wy * wy) / w, 0)
      // What rounding leaves of a constant target is no variance.
      const constant = variance <= 1e-14 * wyy
      const own = constant ? Number(missed === 0) : 1 - missed / variance
      const share = this.#average === 'uniform' ? 1 : variance
      score += share * own
      weights += share
    }
    return weights === 0 ? score : score / weights
  }
}

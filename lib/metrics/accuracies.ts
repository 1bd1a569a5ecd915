import type { Tensor } from '../tensor.js'
import { requireInteger, requireNumber, requireOptions } from '../tensor/checks.js'
import { Metric } from './metric.js'
import { classified, elements, requireDim } from './operands.js'

/** What every metric of this module takes. */
export interface NamingOptions<N extends string = string> {
  /** The name in logs and histories; the class's own by default. */
  readonly name?: N | undefined
}

/** Whether each element or sample is right, and the weight of each. */
type Hits = (
  prediction: Tensor,
  target: Tensor,
  weight: Tensor | undefined,
) => { readonly right: Tensor; readonly weight: Tensor }

/** The share of what is right: sums are the weights of hits and of all. */
abstract class Share<N extends string> extends Metric<N> {
  readonly #hits: Hits

  constructor(name: N, hits: Hits) {
    super(name)
    this.#hits = hits
  }

  override statistics(prediction: Tensor, target: Tensor, weight?: Tensor): Tensor {
    const { right, weight: each } = this.#hits(prediction, target, weight)
    return this.sums([right.to('f64').mul(each).sum(), each.sum()])
  }

  override result(sums: readonly number[]): number {
    const [right = 0, all = 0] = this.totals(sums)
    return all === 0 ? 0 : right / all
  }
}

export interface BinaryMetricOptions<N extends string = string> extends NamingOptions<N> {
  /** Predictions above it count as 1; `0.5` by default. Logits want `0`. */
  readonly threshold?: number | undefined
}

/**
 * The share of elements on the right side of a threshold, over all batches.
 *
 * @throws ShapeError when prediction and target do not belong together
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.BinaryAccuracy()
 * metric.update([0.9, 0.2], [1, 0])
 * metric.update([0.6], [0])
 * console.log(metric.compute().toFixed(2)) // 0.67
 * ```
 */
export class BinaryAccuracy<const N extends string = 'binaryAccuracy'> extends Share<N> {
  constructor(options: BinaryMetricOptions<N> = {}) {
    requireOptions('metrics.BinaryAccuracy', options, ['name', 'threshold'])
    const threshold = requireNumber('metrics.BinaryAccuracy', 'threshold', options.threshold ?? 0.5)
    super(options.name ?? ('binaryAccuracy' as N), (prediction, target, weight) => {
      const { x, y, w } = elements('BinaryAccuracy', prediction, target, weight)
      return { right: x.gt(threshold).eq(y.gt(0.5)), weight: w }
    })
  }
}

export interface ClassMetricOptions<N extends string = string> extends NamingOptions<N> {
  /** The axis of the classes; the last one by default. */
  readonly dim?: number | undefined
}

/** The best class is the target's, given as one-hot or by its index. */
function best(of: string, options: ClassMetricOptions): Hits {
  requireOptions(`metrics.${of}`, options, ['name', 'dim'])
  const dim = requireDim(of, options.dim)
  return (prediction, target, weight) => {
    const { scores, labels, weight: each } = classified(of, prediction, target, weight, dim)
    return { right: scores.argmax(-1).eq(labels), weight: each }
  }
}

/**
 * The share of samples whose largest prediction is the class that a one-hot (or soft) target prefers, over all batches.
 *
 * @throws ShapeError when prediction and target do not belong together
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.CategoricalAccuracy()
 * metric.update([[1, 3], [2, 0]], [[0, 1], [0, 1]])
 * console.log(metric.compute()) // 0.5
 * ```
 */
export class CategoricalAccuracy<const N extends string = 'categoricalAccuracy'> extends Share<N> {
  constructor(options: ClassMetricOptions<N> = {}) {
    super(options.name ?? ('categoricalAccuracy' as N), best('CategoricalAccuracy', options))
  }
}

/**
 * The share of samples whose largest prediction is the class that the target names by its index, over all batches.
 *
 * @throws ShapeError when prediction and target do not belong together
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.SparseCategoricalAccuracy()
 * metric.update([[1, 3], [2, 0]], [1, 1])
 * console.log(metric.compute()) // 0.5
 * ```
 */
export class SparseCategoricalAccuracy<
  const N extends string = 'sparseCategoricalAccuracy',
> extends Share<N> {
  constructor(options: ClassMetricOptions<N> = {}) {
    super(options.name ?? ('sparseCategoricalAccuracy' as N), best('SparseCategoricalAccuracy', options))
  }
}

export interface TopKOptions<N extends string = string> extends ClassMetricOptions<N> {
  /** How many of the largest predictions count; `5` by default, at least 1. */
  readonly k?: number | undefined
}

/**
 * The target's class is among the k largest predictions: fewer than k are larger, so that ties count as hits. As in
 * Keras, a prediction that is not finite is no hit; a NaN elsewhere may be larger than anything.
 */
function among(of: string, options: TopKOptions): Hits {
  requireOptions(`metrics.${of}`, options, ['name', 'dim', 'k'])
  const dim = requireDim(of, options.dim)
  const k = requireInteger(`metrics.${of}`, 'k', options.k ?? 5, 1)
  return (prediction, target, weight) => {
    const { scores, labels, weight: each } = classified(of, prediction, target, weight, dim)
    const own = scores.gather(-1, labels.unsqueeze(-1))
    const larger = scores.gt(own).to('i32').add(scores.isnan().to('i32')).sum(-1)
    const finite = own.squeeze(-1).isfinite().to('i32')
    return { right: larger.lt(k).to('i32').mul(finite), weight: each }
  }
}

/**
 * The share of samples whose class, in a one-hot target, is among the k largest predictions.
 *
 * @throws ValueError for a k below 1
 * @throws ShapeError when prediction and target do not belong together
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.TopKCategoricalAccuracy({ k: 2 })
 * metric.update([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], [[0, 1, 0], [0, 0, 1]])
 * console.log(metric.compute()) // 0.5
 * ```
 */
export class TopKCategoricalAccuracy<const N extends string = 'topKCategoricalAccuracy'> extends Share<N> {
  constructor(options: TopKOptions<N> = {}) {
    super(options.name ?? ('topKCategoricalAccuracy' as N), among('TopKCategoricalAccuracy', options))
  }
}

/**
 * The share of samples whose class, named by its index, is among the k largest predictions.
 *
 * @throws ValueError for a k below 1
 * @throws ShapeError when prediction and target do not belong together
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.SparseTopKCategoricalAccuracy({ k: 2 })
 * metric.update([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], [1, 2])
 * console.log(metric.compute()) // 0.5
 * ```
 */
export class SparseTopKCategoricalAccuracy<
  const N extends string = 'sparseTopKCategoricalAccuracy',
> extends Share<N> {
  constructor(options: TopKOptions<N> = {}) {
    super(
      options.name ?? ('sparseTopKCategoricalAccuracy' as N),
      among('SparseTopKCategoricalAccuracy', options),
    )
  }
}

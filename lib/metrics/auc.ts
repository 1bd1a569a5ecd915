import { ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { requireFlag, requireInteger, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { zeros } from '../tensor/factories.js'
import type { ClassMetricOptions } from './accuracies.js'
import { Metric } from './metric.js'
import { classified, elements, isIndices, requireDim, requirePair, spreadWeight } from './operands.js'

export interface AUCOptions<N extends string = string> extends ClassMetricOptions<N> {
  /** `'roc'` (default): hits over false alarms. `'pr'`: precision over recall. */
  readonly curve?: 'roc' | 'pr' | undefined
  /** Thresholds, evenly spaced in [0, 1], that the curve is drawn with; `200` by default, at least 2. */
  readonly numThresholds?: number | undefined
  /** The height between two points: their mean (for `'pr'`, Davis' and Goadrich's), the smaller, or the larger one. */
  readonly summation?: 'interpolation' | 'minoring' | 'majoring' | undefined
  /** Whether predictions are logits; `false` by default: they are probabilities. */
  readonly fromLogits?: boolean | undefined
}

type Points = readonly number[]

/**
 * The area under a curve that a threshold on probabilities draws, approximated at evenly spaced ones as Keras does.
 *
 * Targets are zeros and ones for each element of the prediction; class indices count as the one-hot rows they stand for.
 *
 * @throws ValueError for options out of range
 * @throws ShapeError when prediction and target do not belong together
 * @see Davis, Goadrich, "The Relationship Between Precision-Recall and ROC Curves" (2006)
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.AUC()
 * metric.update([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
 * console.log(metric.compute()) // 0.75
 * ```
 */
export class AUC<const N extends string = 'auc'> extends Metric<N> {
  readonly #curve: 'roc' | 'pr'
  readonly #thresholds: number
  readonly #summation: 'interpolation' | 'minoring' | 'majoring'
  readonly #logits: boolean
  readonly #dim: number

  constructor(options: AUCOptions<N> = {}) {
    const op = 'metrics.AUC'
    requireOptions(op, options, ['name', 'dim', 'curve', 'numThresholds', 'summation', 'fromLogits'])
    super(options.name ?? ('auc' as N))
    const { curve = 'roc', summation = 'interpolation' } = options
    if (curve !== 'roc' && curve !== 'pr')
      throw new ValueError(`${op}: ${shown(curve)} as curve; expected 'roc' or 'pr'.`)
    if (!['interpolation', 'minoring', 'majoring'].includes(summation))
      throw new ValueError(
        `${op}: ${shown(summation)} as summation; expected 'interpolation', 'minoring' or 'majoring'.`,
      )
    this.#curve = curve
    this.#summation = summation
    this.#thresholds = requireInteger(op, 'numThresholds', options.numThresholds ?? 200, 2)
    this.#logits = requireFlag(op, 'fromLogits', options.fromLogits ?? false)
    this.#dim = requireDim('AUC', options.dim)
  }

  /** Weights of ones and of zeros by the last threshold that their predictions exceed. */
  override statistics(prediction: Tensor, target: Tensor, weight?: Tensor): Tensor {
    const { x, y, w } = this.#answers(prediction, target, weight)
    const count = this.#thresholds
    // What equals a threshold does not exceed it; nothing lies below the first one.
    const buckets = x
      .clamp(0, 1)
      .mul(count - 1)
      .ceil()
      .sub(1)
      .maximum(0)
      .to('i32')
    const empty = zeros([count], { dtype: 'f64' })
    const ones = y.mul(w)
    return this.sums([empty.scatterAdd(0, buckets, ones), empty.scatterAdd(0, buckets, w.sub(ones))])
  }

  #answers(
    prediction: Tensor,
    target: Tensor,
    weight: Tensor | undefined,
  ): { readonly x: Tensor; readonly y: Tensor; readonly w: Tensor } {
    requirePair('AUC', prediction, target)
    if (!isIndices('AUC', prediction, target, this.#dim)) {
      const { x, y, w } = elements('AUC', prediction, target, weight)
      return { x: this.#logits ? x.sigmoid() : x, y: y.ne(0).to('f64'), w }
    }
    const { scores, labels, weight: each } = classified('AUC', prediction, target, weight, this.#dim)
    const classes = scores.shape[1] ?? 1
    const probabilities = this.#logits ? scores.softmax(-1) : scores
    return {
      x: probabilities.reshape([scores.numel]),
      y: labels.oneHot(classes).to('f64').reshape([scores.numel]),
      w: spreadWeight('AUC', each, scores.shape),
    }
  }

  override result(sums: readonly number[]): number {
    const all = this.totals(sums)
    const count = all.length / 2
    const hits = fromAbove(all.slice(0, count))
    const alarms = fromAbove(all.slice(count))
    if (this.#curve === 'pr' && this.#summation === 'interpolation') return interpolated(hits, alarms)
    const recall = hits.map((hit) => ratio(hit, hits[0] ?? 0))
    const [x, y] =
      this.#curve === 'roc'
        ? [alarms.map((alarm) => ratio(alarm, alarms[0] ?? 0)), recall]
        : [recall, hits.map((hit, i) => ratio(hit, hit + (alarms[i] ?? 0)))]
    const height = { interpolation: mean, minoring: Math.min, majoring: Math.max }[this.#summation]
    return summed(x, (i) => ((x[i] ?? 0) - (x[i + 1] ?? 0)) * height(y[i] ?? 0, y[i + 1] ?? 0))
  }
}

function mean(a: number, b: number): number {
  return (a + b) / 2
}

function ratio(a: number, b: number): number {
  return b === 0 ? 0 : a / b
}

/** For each threshold, what exceeds it. */
function fromAbove(buckets: Points): number[] {
  let sum = 0
  return buckets.map((_, i) => (sum += buckets[buckets.length - 1 - i] ?? 0)).toReversed()
}

function summed(points: Points, of: (i: number) => number): number {
  let sum = 0
  for (let i = 0; i + 1 < points.length; i++) sum += of(i)
  return sum
}

/** The area under precision over recall, with false alarms growing evenly with hits between two thresholds. */
function interpolated(hits: Points, alarms: Points): number {
  return summed(hits, (i) => {
    const [hit = 0, nextHit = 0] = [hits[i], hits[i + 1]]
    const said = hit + (alarms[i] ?? 0)
    const nextSaid = nextHit + (alarms[i + 1] ?? 0)
    const slope = ratio(hit - nextHit, Math.max(said - nextSaid, 0))
    const intercept = nextHit - slope * nextSaid
    const growth = said > 0 && nextSaid > 0 ? said / nextSaid : 1
    return ratio(slope * (hit - nextHit + intercept * Math.log(growth)), hits[0] ?? 0)
  })
}

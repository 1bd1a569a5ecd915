import { ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { requireNumber, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { Metric } from './metric.js'
import type { BinaryMetricOptions } from './accuracies.js'
import { classified, elements, isIndices, requireDim, requirePair } from './operands.js'

/** How the numbers of classes become one. */
export type Average = 'binary' | 'macro' | 'micro' | 'weighted'

export interface CountOptions<N extends string = string> extends BinaryMetricOptions<N> {
  /**
   * `'binary'`: one question per element, decided by the threshold. `'macro'`: the mean over the classes that occur,
   * `'weighted'`: that mean weighted by how often they do, `'micro'`: all decisions counted together; the class of a
   * sample is that of its largest prediction. By default `'macro'` for targets that are class indices, else `'binary'`.
   */
  readonly average?: Average | undefined
  /** The axis of the classes; the last one by default. */
  readonly dim?: number | undefined
}

/** Right and wrong decisions for one class. */
interface Counts {
  readonly truePositives: number
  readonly falsePositives: number
  readonly falseNegatives: number
}

const averages: ReadonlySet<unknown> = new Set(['binary', 'macro', 'micro', 'weighted'])

/** The number of one class; 0 where it would be 0 / 0. */
type Formula = (counts: Counts) => number

/** Metrics made of true positives, false positives and false negatives, of one class or of each. */
abstract class Counting<N extends string> extends Metric<N> {
  readonly #threshold: number
  readonly #average: Average | undefined
  readonly #dim: number
  readonly #of: Formula
  readonly #label: string

  constructor(of: string, name: N, options: CountOptions<N>, formula: Formula) {
    const op = `metrics.${of}`
    requireOptions(op, options, ['name', 'threshold', 'average', 'dim'])
    super(options.name ?? name)
    if (options.average !== undefined && !averages.has(options.average))
      throw new ValueError(
        `${op}: ${shown(options.average)} as average; expected 'binary', 'macro', 'micro' or 'weighted'.`,
      )
    this.#threshold = requireNumber(op, 'threshold', options.threshold ?? 0.5)
    this.#average = options.average
    this.#dim = requireDim(of, options.dim)
    this.#of = formula
    this.#label = of
  }

  override statistics(prediction: Tensor, target: Tensor, weight?: Tensor): Tensor {
    requirePair(this.#label, prediction, target)
    const binary =
      this.#average === undefined
        ? !isIndices(this.#label, prediction, target, this.#dim)
        : this.#average === 'binary'
    if (binary) {
      const { x, y, w } = elements(this.#label, prediction, target, weight)
      return this.#counted(x.gt(this.#threshold).to('f64'), y.gt(0.5).to('f64'), w)
    }
    const { scores, labels, weight: each } = classified(this.#label, prediction, target, weight, this.#dim)
    const classes = scores.shape[1] ?? 1
    const said = scores.argmax(-1).oneHot(classes).to('f64')
    return this.#counted(said, labels.oneHot(classes).to('f64'), each.unsqueeze(-1))
  }

  #counted(said: Tensor, is: Tensor, weight: Tensor): Tensor {
    const right = said.mul(is)
    const sum = (counted: Tensor): Tensor => counted.mul(weight).sum(0)
    return this.sums([sum(right), sum(said.sub(right)), sum(is.sub(right))])
  }

  override result(sums: readonly number[]): number {
    const all = this.totals(sums)
    const count = all.length / 3
    const classes = Array.from({ length: count }, (_, i): Counts => ({
      truePositives: all[i] ?? 0,
      falsePositives: all[count + i] ?? 0,
      falseNegatives: all[2 * count + i] ?? 0,
    }))
    if (count === 1) return this.#of(classes[0] as Counts)
    if (this.#average === 'micro') return this.#of(classes.reduce(added))
    // As scikit-learn has it: a class that neither occurs nor is predicted says nothing.
    const met = classes.filter((c) => c.truePositives + c.falsePositives + c.falseNegatives > 0)
    const share = (c: Counts): number =>
      this.#average === 'weighted' ? c.truePositives + c.falseNegatives : 1
    const total = met.reduce((sum, c) => sum + share(c), 0)
    return ratio(
      met.reduce((sum, c) => sum + share(c) * this.#of(c), 0),
      total,
    )
  }
}

function added(a: Counts, b: Counts): Counts {
  return {
    truePositives: a.truePositives + b.truePositives,
    falsePositives: a.falsePositives + b.falsePositives,
    falseNegatives: a.falseNegatives + b.falseNegatives,
  }
}

/** a / b, and 0 where there is nothing to divide by. */
function ratio(a: number, b: number): number {
  return b === 0 ? 0 : a / b
}

/**
 * The share of what was predicted that is right.
 *
 * @throws ShapeError when prediction and target do not belong together
 * @throws ValueError for an average that does not exist
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.Precision()
 * metric.update([0.9, 0.8, 0.1], [1, 0, 1])
 * console.log(metric.compute()) // 0.5
 * ```
 */
export class Precision<const N extends string = 'precision'> extends Counting<N> {
  constructor(options: CountOptions<N> = {}) {
    super('Precision', 'precision' as N, options, ({ truePositives, falsePositives }: Counts) =>
      ratio(truePositives, truePositives + falsePositives),
    )
  }
}

/**
 * The share of what is there that was predicted.
 *
 * @throws ShapeError when prediction and target do not belong together
 * @throws ValueError for an average that does not exist
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.Recall({ average: 'macro' })
 * metric.update([[1, 0, 0], [0, 1, 0], [0, 1, 0]], [0, 1, 2])
 * console.log(metric.compute().toFixed(4)) // 0.6667
 * ```
 */
export class Recall<const N extends string = 'recall'> extends Counting<N> {
  constructor(options: CountOptions<N> = {}) {
    super('Recall', 'recall' as N, options, ({ truePositives, falseNegatives }: Counts) =>
      ratio(truePositives, truePositives + falseNegatives),
    )
  }
}

/**
 * The harmonic mean of precision and recall.
 *
 * @throws ShapeError when prediction and target do not belong together
 * @throws ValueError for an average that does not exist
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const metric = new metrics.F1()
 * metric.update([0.9, 0.8, 0.1], [1, 0, 1])
 * console.log(metric.compute()) // 0.5
 * ```
 */
export class F1<const N extends string = 'f1'> extends Counting<N> {
  constructor(options: CountOptions<N> = {}) {
    super('F1', 'f1' as N, options, ({ truePositives, falsePositives, falseNegatives }: Counts) =>
      ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives),
    )
  }
}

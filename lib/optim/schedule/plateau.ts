import { ValueError } from '../../errors.js'
import { shown } from '../../tensor/create.js'
import { OptimizerStateError } from '../optimizer.js'
import { Options } from '../../options.js'
import { LRScheduler, type Scheduled, type SchedulerState } from './scheduler.js'

export interface PlateauOptions {
  /** Whether the metric should fall (`'min'`, default) or rise. */
  readonly mode?: 'min' | 'max' | undefined
  /** By which factor the rates shrink, below 1; `0.1` by default. */
  readonly factor?: number | undefined
  /** Steps without improvement that are borne; `10` by default. */
  readonly patience?: number | undefined
  /** What counts as an improvement; `1e-4` by default. */
  readonly threshold?: number | undefined
  /** Whether the threshold is a share of the best value (`'rel'`, default) or a difference. */
  readonly thresholdMode?: 'rel' | 'abs' | undefined
  /** Steps after a reduction in which nothing is counted; `0` by default. */
  readonly cooldown?: number | undefined
  /** The smallest rate: one for all groups, or one for each; `0` by default. */
  readonly minLr?: number | readonly number[] | undefined
  /** Changes of the rate that are smaller are not made; `1e-8` by default. */
  readonly eps?: number | undefined
}

const known = ['mode', 'factor', 'patience', 'threshold', 'thresholdMode', 'cooldown', 'minLr', 'eps']

/**
 * Shrinks the rates when a metric has stopped to improve; its `step` takes the metric.
 *
 * PyTorch's, for loops of one's own and for the callback `LearningRateScheduler`; Keras's, whose defaults differ, is the
 * callback `ReduceLROnPlateau`.
 *
 * @throws ValueError for options out of range, and for a `step` without a number
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 1 })
 * for (const loss of [0.4, 0.3, 0.3, 0.3]) scheduler.step(loss)
 * console.log(optimizer.lr) // 0.5
 * ```
 */
export class ReduceLROnPlateau extends LRScheduler {
  readonly #rising: boolean
  readonly #factor: number
  readonly #patience: number
  readonly #threshold: number
  readonly #relative: boolean
  readonly #cooldown: number
  readonly #minLrs: readonly number[]
  readonly #eps: number
  /** Null before the first metric. */
  #best: number | null = null
  #bad = 0
  #cooling = 0

  constructor(optimizer: Scheduled, options: PlateauOptions = {}) {
    super(optimizer)
    const read = new Options('optim.lrScheduler.ReduceLROnPlateau', options, known)
    this.#rising = read.choice('mode', ['min', 'max'], 'min') === 'max'
    this.#factor = read.number('factor', 0.1, 0)
    if (this.#factor >= 1) read.fail('factor', 'a number below 1')
    this.#patience = read.integer('patience', 10, 0)
    this.#threshold = read.number('threshold', 1e-4, 0)
    this.#relative = read.choice('thresholdMode', ['rel', 'abs'], 'rel') === 'rel'
    this.#cooldown = read.integer('cooldown', 0, 0)
    this.#minLrs = read.perGroup('minLr', optimizer.paramGroups.length, 0)
    this.#eps = read.number('eps', 1e-8, 0)
    // It counts from 0 and changes nothing before the first metric.
    this.moveTo(0)
  }

  /** Whether a reduction was so short ago that nothing is counted. */
  get inCooldown(): boolean {
    return this.#cooling > 0
  }

  override step(metric?: number): void {
    if (typeof metric !== 'number')
      throw new ValueError(
        `optim.lrScheduler.ReduceLROnPlateau: step(${shown(metric)}); expected the metric, such as step(valLoss).`,
      )
    this.moveTo(this.lastEpoch + 1)
    if (this.#isBetter(metric)) {
      this.#best = metric
      this.#bad = 0
    } else this.#bad += 1
    if (this.#cooling > 0) {
      this.#cooling -= 1
      this.#bad = 0
    }
    if (this.#bad > this.#patience) {
      this.write(this.rates())
      this.#cooling = this.#cooldown
      this.#bad = 0
    } else this.write(this.optimizer.paramGroups.map(({ lr }) => lr))
  }

  #isBetter(metric: number): boolean {
    const best = this.#best
    if (best === null) return !Number.isNaN(metric)
    if (!this.#relative)
      return this.#rising ? metric > best + this.#threshold : metric < best - this.#threshold
    return this.#rising ? metric > best * (1 + this.#threshold) : metric < best * (1 - this.#threshold)
  }

  /** The reduced rates; too small a change is none. */
  protected override rates(): number[] {
    return this.optimizer.paramGroups.map(({ lr }, i) => {
      const reduced = Math.max(lr * this.#factor, this.#minLrs[i] ?? 0)
      return lr - reduced > this.#eps ? reduced : lr
    })
  }

  protected override saved(): SchedulerState {
    return { best: this.#best, bad: this.#bad, cooling: this.#cooling }
  }

  protected override restore({ best, bad, cooling }: SchedulerState): void {
    if (
      !(best === null || typeof best === 'number') ||
      typeof bad !== 'number' ||
      typeof cooling !== 'number'
    )
      throw new OptimizerStateError(
        'optim.lrScheduler.ReduceLROnPlateau: a state without counters; expected what stateDict() returned.',
      )
    this.#best = best
    this.#bad = bad
    this.#cooling = cooling
  }
}

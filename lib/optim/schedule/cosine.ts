import { OptimizerStateError } from '../optimizer.js'
import { Options } from '../../options.js'
import { LRScheduler, type Scheduled, type SchedulerState } from './scheduler.js'

export interface CosineAnnealingLROptions {
  /** Steps from the initial rate to the smallest. */
  readonly tMax: number
  /** The smallest rate; `0` by default. */
  readonly etaMin?: number | undefined
}

/**
 * Takes the rates down to `etaMin` along half a cosine in `tMax` steps, and up again in the next.
 *
 * @throws ValueError for options out of range
 * @see Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017)
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.CosineAnnealingLR(optimizer, { tMax: 10, etaMin: 0.25 })
 * for (let epoch = 0; epoch < 10; epoch++) scheduler.step()
 * console.log(optimizer.lr) // 0.25
 * ```
 */
export class CosineAnnealingLR extends LRScheduler {
  readonly #tMax: number
  readonly #etaMin: number

  constructor(optimizer: Scheduled, options: CosineAnnealingLROptions) {
    super(optimizer)
    const read = new Options('optim.lrScheduler.CosineAnnealingLR', options, ['tMax', 'etaMin'])
    this.#tMax = read.integer('tMax', undefined, 1)
    this.#etaMin = read.number('etaMin', 0, 0)
    this.begin()
  }

  protected override rates(first: boolean): number[] {
    const [epoch, tMax, least] = [this.lastEpoch, this.#tMax, this.#etaMin]
    const groups = this.optimizer.paramGroups
    if (first) return groups.map(({ lr }) => lr)
    if ((epoch - 1 - tMax) % (2 * tMax) === 0) {
      const rise = (1 - Math.cos(Math.PI / tMax)) / 2
      return groups.map(({ lr }, i) => lr + ((this.baseLrs[i] ?? lr) - least) * rise)
    }
    const factor = (1 + Math.cos((Math.PI * epoch) / tMax)) / (1 + Math.cos((Math.PI * (epoch - 1)) / tMax))
    return groups.map(({ lr }) => factor * (lr - least) + least)
  }

  protected override closedForm(): number[] {
    const height = (1 + Math.cos((Math.PI * this.lastEpoch) / this.#tMax)) / 2
    return this.baseLrs.map((lr) => this.#etaMin + (lr - this.#etaMin) * height)
  }
}

export interface CosineAnnealingWarmRestartsOptions {
  /** Steps until the first restart. */
  readonly t0: number
  /** By which factor the steps between restarts grow; `1` by default. */
  readonly tMult?: number | undefined
  /** The smallest rate; `0` by default. */
  readonly etaMin?: number | undefined
}

/**
 * Takes the rates down along half a cosine, again and again from the initial rate.
 *
 * @throws ValueError for options out of range
 * @see Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017)
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.CosineAnnealingWarmRestarts(optimizer, { t0: 2 })
 * const rates = [optimizer.lr]
 * for (let epoch = 0; epoch < 3; epoch++) {
 *   scheduler.step()
 *   rates.push(optimizer.lr)
 * }
 * console.log(rates) // [ 1, 0.5, 1, 0.5 ]
 * ```
 */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  readonly #first: number
  readonly #growth: number
  readonly #etaMin: number
  /** Steps since the last restart, and those from it to the next. */
  #since = 0
  #period: number

  constructor(optimizer: Scheduled, options: CosineAnnealingWarmRestartsOptions) {
    super(optimizer)
    const read = new Options('optim.lrScheduler.CosineAnnealingWarmRestarts', options, [
      't0',
      'tMult',
      'etaMin',
    ])
    this.#first = read.integer('t0', undefined, 1)
    this.#growth = read.integer('tMult', 1, 1)
    this.#etaMin = read.number('etaMin', 0, 0)
    this.#period = this.#first
    this.begin()
  }

  override step(metric?: number): void {
    const before = [this.#since, this.#period] as const
    this.#since += 1
    if (this.#since >= this.#period) {
      this.#since -= this.#period
      this.#period *= this.#growth
    }
    try {
      super.step(metric)
    } catch (error) {
      ;[this.#since, this.#period] = before
      throw error
    }
  }

  protected override rates(): number[] {
    const height = (1 + Math.cos((Math.PI * this.#since) / this.#period)) / 2
    return this.baseLrs.map((lr) => this.#etaMin + (lr - this.#etaMin) * height)
  }

  protected override saved(): SchedulerState {
    return { since: this.#since, period: this.#period }
  }

  protected override restore({ since, period }: SchedulerState): void {
    if (!Number.isSafeInteger(since) || !Number.isSafeInteger(period))
      throw new OptimizerStateError(
        'optim.lrScheduler.CosineAnnealingWarmRestarts: a state without restarts; expected what stateDict() returned.',
      )
    this.#since = since as number
    this.#period = period as number
  }
}

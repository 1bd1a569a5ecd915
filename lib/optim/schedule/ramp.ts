import { Options } from '../../options.js'
import { LRScheduler, type Scheduled } from './scheduler.js'

export interface ConstantLROptions {
  /** The factor of the first steps, from 0 to 1; `1 / 3` by default. */
  readonly factor?: number | undefined
  /** How many steps it lasts; `5` by default. */
  readonly totalIters?: number | undefined
}

/**
 * A factor on the rates for the first steps.
 *
 * @throws ValueError for options out of range
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.ConstantLR(optimizer, { factor: 0.5, totalIters: 2 })
 * const rates = [optimizer.lr]
 * for (let epoch = 0; epoch < 3; epoch++) {
 *   scheduler.step()
 *   rates.push(optimizer.lr)
 * }
 * console.log(rates) // [ 0.5, 0.5, 1, 1 ]
 * ```
 */
export class ConstantLR extends LRScheduler {
  readonly #factor: number
  readonly #totalIters: number

  constructor(optimizer: Scheduled, options: ConstantLROptions = {}) {
    super(optimizer)
    const read = new Options('optim.lrScheduler.ConstantLR', options, ['factor', 'totalIters'])
    this.#factor = read.number('factor', 1 / 3, 0, 1)
    this.#totalIters = read.integer('totalIters', 5, 0)
    this.begin()
  }

  protected override rates(): number[] {
    const epoch = this.lastEpoch
    // A rate that was multiplied by 0 cannot be brought back by a division.
    if (epoch === this.#totalIters && epoch > 0 && this.#factor === 0) return [...this.baseLrs]
    const factor = epoch === 0 ? this.#factor : epoch === this.#totalIters ? 1 / this.#factor : 1
    return this.optimizer.paramGroups.map(({ lr }) => lr * factor)
  }

  protected override closedForm(): number[] {
    return this.baseLrs.map((lr) => lr * (this.lastEpoch >= this.#totalIters ? 1 : this.#factor))
  }
}

export interface LinearLROptions {
  /** The factor of the first step, above 0 and at most 1; `1 / 3` by default. */
  readonly startFactor?: number | undefined
  /** The factor in the end, from 0 to 1; `1` by default. */
  readonly endFactor?: number | undefined
  /** How many steps it takes; `5` by default. */
  readonly totalIters?: number | undefined
}

/**
 * A factor on the rates that changes along a straight line: the usual warm-up.
 *
 * @throws ValueError for options out of range
 * @see {@link warmup} for a warm-up with something after it
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.LinearLR(optimizer, { startFactor: 0.5, totalIters: 2 })
 * const rates = [optimizer.lr]
 * for (let epoch = 0; epoch < 3; epoch++) {
 *   scheduler.step()
 *   rates.push(optimizer.lr)
 * }
 * console.log(rates) // [ 0.5, 0.75, 1, 1 ]
 * ```
 */
export class LinearLR extends LRScheduler {
  readonly #start: number
  readonly #end: number
  readonly #totalIters: number

  constructor(optimizer: Scheduled, options: LinearLROptions = {}) {
    super(optimizer)
    const read = new Options('optim.lrScheduler.LinearLR', options, [
      'startFactor',
      'endFactor',
      'totalIters',
    ])
    this.#start = read.number('startFactor', 1 / 3, Number.MIN_VALUE, 1)
    this.#end = read.number('endFactor', 1, 0, 1)
    this.#totalIters = read.integer('totalIters', 5, 1)
    this.begin()
  }

  protected override rates(first: boolean): number[] {
    const [epoch, total] = [this.lastEpoch, this.#totalIters]
    const change = this.#end - this.#start
    if (epoch === 0) return this.optimizer.paramGroups.map(({ lr }) => lr * this.#start)
    if (first || epoch > total) return this.optimizer.paramGroups.map(({ lr }) => lr)
    const factor = 1 + change / (total * this.#start + (epoch - 1) * change)
    return this.optimizer.paramGroups.map(({ lr }) => lr * factor)
  }

  protected override closedForm(): number[] {
    const done = Math.min(this.#totalIters, this.lastEpoch) / this.#totalIters
    return this.baseLrs.map((lr) => lr * (this.#start + (this.#end - this.#start) * done))
  }
}

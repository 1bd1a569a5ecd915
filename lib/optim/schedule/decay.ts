import { Options } from '../../options.js'
import { LRScheduler, type Scheduled } from './scheduler.js'

export interface StepLROptions {
  /** After how many steps the rate shrinks. */
  readonly stepSize: number
  /** By which factor; `0.1` by default. */
  readonly gamma?: number | undefined
}

/**
 * Multiplies the rates by `gamma` every `stepSize` steps.
 *
 * @throws ValueError for options out of range
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 0.5 })
 * const scheduler = new optim.lrScheduler.StepLR(optimizer, { stepSize: 2, gamma: 0.5 })
 * for (let epoch = 0; epoch < 4; epoch++) scheduler.step()
 * console.log(optimizer.lr) // 0.125
 * ```
 */
export class StepLR extends LRScheduler {
  readonly #stepSize: number
  readonly #gamma: number

  constructor(optimizer: Scheduled, options: StepLROptions) {
    super(optimizer)
    const read = new Options('optim.lrScheduler.StepLR', options, ['stepSize', 'gamma'])
    this.#stepSize = read.integer('stepSize', undefined, 1)
    this.#gamma = read.number('gamma', 0.1, 0)
    this.begin()
  }

  protected override rates(): number[] {
    const factor = this.lastEpoch === 0 || this.lastEpoch % this.#stepSize !== 0 ? 1 : this.#gamma
    return this.optimizer.paramGroups.map(({ lr }) => lr * factor)
  }

  protected override closedForm(): number[] {
    const factor = this.#gamma ** Math.floor(this.lastEpoch / this.#stepSize)
    return this.baseLrs.map((lr) => lr * factor)
  }
}

export interface MultiStepLROptions {
  /** The steps at which the rate shrinks; a number that stands there twice counts twice. */
  readonly milestones: readonly number[]
  /** By which factor; `0.1` by default. */
  readonly gamma?: number | undefined
}

/**
 * Multiplies the rates by `gamma` at each milestone: Keras's `PiecewiseConstantDecay` with a constant factor.
 *
 * @throws ValueError for options out of range
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.MultiStepLR(optimizer, { milestones: [1, 3], gamma: 0.5 })
 * for (let epoch = 0; epoch < 3; epoch++) scheduler.step()
 * console.log(optimizer.lr) // 0.25
 * ```
 */
export class MultiStepLR extends LRScheduler {
  readonly #milestones: readonly number[]
  readonly #gamma: number

  constructor(optimizer: Scheduled, options: MultiStepLROptions) {
    super(optimizer)
    const read = new Options('optim.lrScheduler.MultiStepLR', options, ['milestones', 'gamma'])
    const milestones = read.get('milestones')
    if (!Array.isArray(milestones) || !milestones.every((x) => Number.isSafeInteger(x) && x >= 0))
      read.fail('milestones', 'an array of integers of at least 0')
    this.#milestones = [...(milestones as number[])]
    this.#gamma = read.number('gamma', 0.1, 0)
    this.begin()
  }

  protected override rates(): number[] {
    const met = this.#milestones.filter((milestone) => milestone === this.lastEpoch).length
    return this.optimizer.paramGroups.map(({ lr }) => (met === 0 ? lr : lr * this.#gamma ** met))
  }

  protected override closedForm(): number[] {
    const passed = this.#milestones.filter((milestone) => milestone <= this.lastEpoch).length
    return this.baseLrs.map((lr) => lr * this.#gamma ** passed)
  }
}

export interface ExponentialLROptions {
  /** The factor of each step. */
  readonly gamma: number
}

/**
 * Multiplies the rates by `gamma` with each step.
 *
 * @throws ValueError for options out of range
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.ExponentialLR(optimizer, { gamma: 0.5 })
 * scheduler.step()
 * scheduler.step()
 * console.log(optimizer.lr) // 0.25
 * ```
 */
export class ExponentialLR extends LRScheduler {
  readonly #gamma: number

  constructor(optimizer: Scheduled, options: ExponentialLROptions) {
    super(optimizer)
    this.#gamma = new Options('optim.lrScheduler.ExponentialLR', options, ['gamma']).number(
      'gamma',
      undefined,
      0,
    )
    this.begin()
  }

  protected override rates(first: boolean): number[] {
    return this.optimizer.paramGroups.map(({ lr }) => (first ? lr : lr * this.#gamma))
  }

  protected override closedForm(): number[] {
    return this.baseLrs.map((lr) => lr * this.#gamma ** this.lastEpoch)
  }
}

export interface PolynomialLROptions {
  /** After how many steps the rate is 0; `5` by default. */
  readonly totalIters?: number | undefined
  /** The exponent; `1`, a straight line, by default. */
  readonly power?: number | undefined
}

/**
 * Takes the rates to 0 along a power of the way that is left.
 *
 * @throws ValueError for options out of range
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.PolynomialLR(optimizer, { totalIters: 4, power: 2 })
 * scheduler.step()
 * scheduler.step()
 * console.log(optimizer.lr) // 0.25
 * ```
 */
export class PolynomialLR extends LRScheduler {
  readonly #totalIters: number
  readonly #power: number

  constructor(optimizer: Scheduled, options: PolynomialLROptions = {}) {
    super(optimizer)
    const read = new Options('optim.lrScheduler.PolynomialLR', options, ['totalIters', 'power'])
    this.#totalIters = read.integer('totalIters', 5, 1)
    this.#power = read.number('power', 1, 0)
    this.begin()
  }

  protected override rates(first: boolean): number[] {
    const [epoch, total] = [this.lastEpoch, this.#totalIters]
    if (first || epoch > total) return this.optimizer.paramGroups.map(({ lr }) => lr)
    const decay = ((1 - epoch / total) / (1 - (epoch - 1) / total)) ** this.#power
    return this.optimizer.paramGroups.map(({ lr }) => lr * decay)
  }

  protected override closedForm(): number[] {
    const left = (1 - Math.min(this.#totalIters, this.lastEpoch) / this.#totalIters) ** this.#power
    return this.baseLrs.map((lr) => lr * left)
  }
}

/** The factor, or the rates' factor, of an epoch. */
export type RateFactor = (epoch: number) => number

export interface LambdaLROptions {
  /** One function for all groups, or one for each. */
  readonly lrLambda: RateFactor | readonly RateFactor[]
}

/**
 * The initial rates times what a function says of the epoch.
 *
 * @throws ValueError where the function gives no rate
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.LambdaLR(optimizer, { lrLambda: (epoch) => 1 / (1 + epoch) })
 * scheduler.step()
 * console.log(optimizer.lr) // 0.5
 * ```
 */
export class LambdaLR extends LRScheduler {
  readonly #lambdas: readonly RateFactor[]

  constructor(optimizer: Scheduled, options: LambdaLROptions) {
    super(optimizer)
    this.#lambdas = new Options('optim.lrScheduler.LambdaLR', options, ['lrLambda']).functions(
      'lrLambda',
      optimizer.paramGroups.length,
    )
    this.begin()
  }

  protected override rates(): number[] {
    return this.baseLrs.map((lr, i) => lr * (this.#lambdas[i]?.(this.lastEpoch) ?? Number.NaN))
  }
}

/**
 * The rates of the step before, times what a function says of the epoch.
 *
 * @throws ValueError where the function gives no rate
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.MultiplicativeLR(optimizer, { lrLambda: (epoch) => (epoch < 3 ? 0.5 : 1) })
 * for (let epoch = 0; epoch < 5; epoch++) scheduler.step()
 * console.log(optimizer.lr) // 0.25
 * ```
 */
export class MultiplicativeLR extends LRScheduler {
  readonly #lambdas: readonly RateFactor[]

  constructor(optimizer: Scheduled, options: LambdaLROptions) {
    super(optimizer)
    this.#lambdas = new Options('optim.lrScheduler.MultiplicativeLR', options, ['lrLambda']).functions(
      'lrLambda',
      optimizer.paramGroups.length,
    )
    this.begin()
  }

  protected override rates(first: boolean): number[] {
    return this.optimizer.paramGroups.map(({ lr }, i) =>
      first ? lr : lr * (this.#lambdas[i]?.(this.lastEpoch) ?? Number.NaN),
    )
  }
}

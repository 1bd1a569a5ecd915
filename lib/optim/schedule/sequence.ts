import { ValueError } from '../../errors.js'
import { shown } from '../../tensor/create.js'
import { requireFunction } from '../../tensor/checks.js'
import { OptimizerStateError } from '../optimizer.js'
import { Options } from '../../options.js'
import { LinearLR } from './ramp.js'
import {
  LRScheduler,
  type Scheduled,
  type SchedulerState,
  requireOptimizer,
  requireSchedulers,
  resetRates,
} from './scheduler.js'

/** A scheduler that is made of others. */
abstract class Composite extends LRScheduler {
  readonly #schedulers: readonly LRScheduler[]

  constructor(optimizer: Scheduled, schedulers: readonly LRScheduler[]) {
    super(optimizer)
    this.#schedulers = [...schedulers]
  }

  protected get schedulers(): readonly LRScheduler[] {
    return this.#schedulers
  }

  /** The rates are those that the schedulers have written. */
  protected override rates(): number[] {
    return this.optimizer.paramGroups.map(({ lr }) => lr)
  }

  override rewind(): void {
    for (const scheduler of this.#schedulers) scheduler.rewind()
  }

  protected override saved(): SchedulerState {
    return { schedulers: this.#schedulers.map((scheduler) => scheduler.stateDict()) }
  }

  protected override restore({ schedulers }: SchedulerState): void {
    const states: unknown = schedulers
    if (!Array.isArray(states) || states.length !== this.#schedulers.length)
      throw new OptimizerStateError(
        `optim.lrScheduler.${this.constructor.name}: ${shown(states)} as states of the schedulers; ` +
          `expected ${this.#schedulers.length}.`,
      )
    for (const [i, scheduler] of this.#schedulers.entries())
      scheduler.loadStateDict(states[i] as SchedulerState)
  }
}

export interface SequentialLROptions {
  /** The schedulers in their order, all made with the same optimizer. */
  readonly schedulers: readonly LRScheduler[]
  /** The steps at which the next one takes over: one fewer than schedulers. */
  readonly milestones: readonly number[]
}

/**
 * Schedulers one after the other, such as a warm-up and what follows; each counts from its own beginning.
 *
 * @throws ValueError for no schedulers, for those of other optimizers, and for milestones that do not fit or do not rise
 * @see {@link warmup} for the common case
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const { ConstantLR, ExponentialLR, SequentialLR } = optim.lrScheduler
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const schedulers = [new ConstantLR(optimizer, { factor: 0.5, totalIters: 9 }), new ExponentialLR(optimizer, { gamma: 0.5 })]
 * const scheduler = new SequentialLR(optimizer, { schedulers, milestones: [2] })
 * const rates = [optimizer.lr]
 * for (let epoch = 0; epoch < 4; epoch++) {
 *   scheduler.step()
 *   rates.push(optimizer.lr)
 * }
 * console.log(rates) // [ 0.5, 0.5, 1, 0.5, 0.25 ]
 * ```
 */
export class SequentialLR extends Composite {
  readonly #milestones: readonly number[]

  constructor(optimizer: Scheduled, options: SequentialLROptions) {
    requireOptimizer('SequentialLR', optimizer)
    const read = new Options('optim.lrScheduler.SequentialLR', options, ['schedulers', 'milestones'])
    const schedulers = read.get('schedulers')
    requireSchedulers('SequentialLR', optimizer, schedulers)
    const list = schedulers as readonly LRScheduler[]
    const milestones = read.get('milestones')
    if (
      !Array.isArray(milestones) ||
      milestones.length !== list.length - 1 ||
      !milestones.every((at, i) => Number.isSafeInteger(at) && at >= ((milestones[i - 1] as number) ?? 0))
    )
      read.fail('milestones', `${list.length - 1} integers that rise, for ${list.length} schedulers`)
    super(optimizer, list)
    this.#milestones = [...(milestones as number[])]
    resetRates(optimizer)
    super.rewind()
    this.start()
  }

  /** Whose turn it is. */
  get #turn(): number {
    return this.#milestones.filter((milestone) => milestone <= this.lastEpoch).length
  }

  override start(): void {
    this.moveTo(0)
    this.schedulers[this.#turn]?.start()
    this.write(this.rates())
  }

  override restart(): void {
    this.moveTo(0)
    this.schedulers[this.#turn]?.restart()
    this.write(this.rates())
  }

  override step(metric?: number): void {
    if (metric !== undefined) return super.step(metric)
    this.moveTo(this.lastEpoch + 1)
    const turn = this.#turn
    const scheduler = this.schedulers[turn]
    if (turn > 0 && this.#milestones[turn - 1] === this.lastEpoch) scheduler?.restart()
    else scheduler?.step()
    this.write(this.rates())
  }
}

/**
 * Several schedulers at once: each step is one of all of them, and their factors multiply.
 *
 * @throws ValueError for no schedulers, and for those of different optimizers
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const { ChainedScheduler, ConstantLR, ExponentialLR } = optim.lrScheduler
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new ChainedScheduler([
 *   new ConstantLR(optimizer, { factor: 0.5, totalIters: 2 }),
 *   new ExponentialLR(optimizer, { gamma: 0.5 }),
 * ])
 * scheduler.step()
 * console.log(optimizer.lr) // 0.25
 * scheduler.step()
 * console.log(optimizer.lr) // 0.25
 * ```
 */
export class ChainedScheduler extends Composite {
  constructor(schedulers: readonly LRScheduler[]) {
    const first: unknown = Array.isArray(schedulers) ? schedulers[0] : undefined
    const optimizer = first instanceof LRScheduler ? first.optimizer : undefined
    requireSchedulers('ChainedScheduler', optimizer, schedulers)
    super(optimizer as Scheduled, schedulers)
    this.moveTo(0)
  }

  override start(): void {
    this.moveTo(0)
    for (const scheduler of this.schedulers) scheduler.start()
    this.write(this.rates())
  }

  override restart(): void {
    this.moveTo(0)
    for (const scheduler of this.schedulers) scheduler.restart()
    this.write(this.rates())
  }

  override step(metric?: number): void {
    if (metric !== undefined) return super.step(metric)
    this.moveTo(this.lastEpoch + 1)
    for (const scheduler of this.schedulers) scheduler.step()
    this.write(this.rates())
  }
}

export interface WarmupOptions {
  /** Steps until the full rate. */
  readonly steps: number
  /** The factor of the first step, above 0 and at most 1; `1 / steps` by default. */
  readonly startFactor?: number | undefined
  /** Makes the scheduler that follows; it counts from the end of the warm-up. Without it the rate stays. */
  readonly next?: ((optimizer: Scheduled) => LRScheduler) | undefined
}

/**
 * A rise of the rates along a straight line, and a scheduler after it.
 *
 * @param optimizer - any optimizer
 * @param options - `steps`, `startFactor` (`1 / steps`), `next` (nothing)
 * @returns a `LinearLR`, or a `SequentialLR` of it and what `next` makes
 * @throws ValueError for options out of range
 * @see Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (2017)
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.AdamW(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = optim.lrScheduler.warmup(optimizer, {
 *   steps: 4,
 *   next: (optimizer) => new optim.lrScheduler.CosineAnnealingLR(optimizer, { tMax: 2 }),
 * })
 * const rates = [optimizer.lr]
 * for (let step = 0; step < 6; step++) {
 *   scheduler.step()
 *   rates.push(Math.round(optimizer.lr * 100) / 100)
 * }
 * console.log(rates.join(' ')) // 0.25 0.44 0.63 0.81 1 0.5 0
 * ```
 */
export function warmup(optimizer: Scheduled, options: WarmupOptions): LRScheduler {
  requireOptimizer('warmup', optimizer)
  const read = new Options('optim.lrScheduler.warmup', options, ['steps', 'startFactor', 'next'])
  const steps = read.integer('steps', undefined, 1)
  const startFactor = read.number('startFactor', 1 / steps, Number.MIN_VALUE, 1)
  const { next: follow } = options
  if (follow !== undefined) requireFunction('optim.lrScheduler.warmup', follow)
  const rise = new LinearLR(optimizer, { startFactor, totalIters: steps })
  if (follow === undefined) return rise
  const next: unknown = follow(optimizer)
  if (!(next instanceof LRScheduler))
    throw new ValueError(
      `optim.lrScheduler.warmup: next gave ${shown(next)}; expected a scheduler, such as a CosineAnnealingLR.`,
    )
  return new SequentialLR(optimizer, { schedulers: [rise, next], milestones: [steps] })
}

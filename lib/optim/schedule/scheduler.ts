import { TraceError, ValueError } from '../../errors.js'
import { isTracing } from '../../native.js'
import { shown } from '../../tensor/create.js'
import { Optimizer, OptimizerStateError } from '../optimizer.js'

/** A group of parameters, as a scheduler sees it. */
export interface ScheduledGroup {
  lr: number
}

/** What a scheduler writes the learning rates of: any optimizer of this package. */
export interface Scheduled {
  readonly paramGroups: readonly ScheduledGroup[]
}

/** What a scheduler knows, as plain JSON. */
export type SchedulerState = Record<string, unknown>

/** The rates that groups had before any scheduler wrote them: several schedulers of one optimizer start from the same. */
const initialRates = new WeakMap<ScheduledGroup, number>()

/**
 * The base class of learning rate schedulers; PyTorch's classes, formulas and defaults.
 *
 * A scheduler is made after the optimizer, writes its first rates at once and new ones with each `step()`, which is
 * called after the optimizer's: once an epoch, or once a batch where its numbers count batches. Programs that were
 * traced read the new rates without being traced again. A class of one's own implements `rates` and calls `begin()` at
 * the end of its constructor.
 *
 * @throws ValueError for what is no optimizer
 * @throws TraceError where `step` is called inside a traced function
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * class Halving extends optim.lrScheduler.LRScheduler {
 *   constructor(optimizer: optim.lrScheduler.Scheduled) {
 *     super(optimizer)
 *     this.begin()
 *   }
 *   protected override rates(): number[] {
 *     return this.baseLrs.map((lr) => lr / 2 ** this.lastEpoch)
 *   }
 * }
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
 * const scheduler = new Halving(optimizer)
 * scheduler.step()
 * console.log(optimizer.lr, scheduler.getLastLr()) // 0.5 [ 0.5 ]
 * ```
 */
export abstract class LRScheduler {
  readonly #name: string
  readonly #optimizer: Scheduled
  #baseLrs: readonly number[]
  #lastLr: readonly number[]
  #lastEpoch = -1

  /** @param prepare - is called with each group before its rate is taken for the initial one */
  protected constructor(optimizer: Scheduled, prepare?: (group: ScheduledGroup, index: number) => void) {
    this.#name = new.target.name
    requireOptimizer(this.#name, optimizer)
    if (isTracing()) throw traced(this.#name, 'made')
    this.#optimizer = optimizer
    for (const [i, group] of optimizer.paramGroups.entries()) {
      prepare?.(group, i)
      if (!initialRates.has(group)) initialRates.set(group, group.lr)
    }
    this.#baseLrs = optimizer.paramGroups.map(initialRate)
    this.#lastLr = this.#current()
  }

  /** The optimizer whose rates are written. */
  get optimizer(): Scheduled {
    return this.#optimizer
  }

  /** How many times `step` was called. */
  get lastEpoch(): number {
    return this.#lastEpoch
  }

  /** The rate that each group starts from. */
  protected get baseLrs(): readonly number[] {
    return this.#baseLrs
  }

  /**
   * The rate of each group at `lastEpoch`.
   *
   * @param _first - whether it is the call of `begin`
   */
  protected abstract rates(_first: boolean): number[]

  /** The rates at `lastEpoch` without knowledge of those before. */
  protected closedForm(): number[] {
    return this.rates(false)
  }

  /** The numbers of a class beside those of all classes, as JSON. */
  protected saved(): SchedulerState {
    return {}
  }

  /** Takes what `saved` returned. */
  protected restore(_state: SchedulerState): void {}

  /** Writes the first rates; the last line of a constructor. */
  protected begin(): void {
    this.#advance(this.#lastEpoch + 1, () => this.rates(true))
  }

  /** @internal Undoes `begin`, but for the rates. */
  rewind(): void {
    this.#lastEpoch -= 1
  }

  /** @internal The first step, of a scheduler whose turn it is at the beginning. */
  start(): void {
    this.begin()
  }

  /** @internal The first step of a scheduler whose turn it is after others. */
  restart(): void {
    this.#advance(0, () => this.closedForm())
  }

  /**
   * Writes the rates of the next epoch, or batch, after the optimizer's own step.
   *
   * @throws ValueError for an argument: there is none, but for `ReduceLROnPlateau`
   */
  step(metric?: number): void {
    if (metric !== undefined)
      throw new ValueError(
        `optim.lrScheduler.${this.#name}: step(${shown(metric)}); expected no argument. A scheduler counts its steps itself.`,
      )
    this.#advance(this.#lastEpoch + 1, () => this.rates(false))
  }

  #advance(epoch: number, rates: () => number[]): void {
    if (isTracing()) throw traced(this.#name, 'stepped')
    const before = this.#lastEpoch
    this.#lastEpoch = epoch
    try {
      this.write(rates())
    } catch (error) {
      this.#lastEpoch = before
      throw error
    }
  }

  /** Writes a rate for each group; what an optimizer refuses leaves all of them as they were. */
  protected write(rates: readonly number[]): void {
    const before = this.#current()
    try {
      for (const [i, group] of this.#optimizer.paramGroups.entries()) group.lr = rates[i] ?? Number.NaN
    } catch (error) {
      for (const [i, group] of this.#optimizer.paramGroups.entries()) group.lr = before[i] ?? Number.NaN
      throw error
    }
    this.#lastLr = this.#current()
  }

  /** Sets `lastEpoch`, where the rates are written elsewhere. */
  protected moveTo(epoch: number): void {
    if (isTracing()) throw traced(this.#name, 'stepped')
    this.#lastEpoch = epoch
  }

  #current(): number[] {
    return this.#optimizer.paramGroups.map(({ lr }) => lr)
  }

  /** The rates of the last step, one for each group. */
  getLastLr(): number[] {
    return [...this.#lastLr]
  }

  /**
   * Everything that changes, as plain JSON, with the optimizer's rates of now; options belong to the program.
   *
   * @example
   * ```ts
   * import { nn, optim } from 'neuroxide'
   * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { lr: 1 })
   * const { ExponentialLR } = optim.lrScheduler
   * const scheduler = new ExponentialLR(optimizer, { gamma: 0.5 })
   * scheduler.step()
   * const saved = JSON.stringify(scheduler.stateDict())
   * scheduler.step()
   * scheduler.loadStateDict(JSON.parse(saved))
   * console.log(optimizer.lr, scheduler.lastEpoch) // 0.5 1
   * ```
   */
  stateDict(): SchedulerState {
    return {
      scheduler: this.#name,
      lastEpoch: this.#lastEpoch,
      baseLrs: [...this.#baseLrs],
      lastLr: [...this.#lastLr],
      lr: this.#current(),
      momentum: this.#optimizer.paramGroups.map(momentumOf),
      ...this.saved(),
    }
  }

  /**
   * Goes on where another scheduler of the same class and options was; writes the optimizer's rates of then.
   *
   * @throws OptimizerStateError where the state is that of another class, or of other groups
   */
  loadStateDict(state: SchedulerState): void {
    const { lastEpoch, baseLrs, lastLr, lr, momentum } = requireState(this.#name, state)
    const groups = this.#optimizer.paramGroups
    for (const list of [baseLrs, lastLr, lr, momentum])
      if (list.length !== groups.length)
        throw new OptimizerStateError(
          `optim.lrScheduler.${this.#name}: a state of ${list.length} groups; expected one of ${groups.length}.`,
        )
    this.restore(state)
    this.write(lr)
    for (const [i, group] of groups.entries()) {
      const value = momentum[i]
      if (typeof value === 'number') setMomentum(group, value)
      initialRates.set(group, baseLrs[i] ?? group.lr)
    }
    this.#baseLrs = [...baseLrs]
    this.#lastLr = [...lastLr]
    this.#lastEpoch = lastEpoch
  }
}

function initialRate(group: ScheduledGroup): number {
  return initialRates.get(group) ?? group.lr
}

/** Writes the rates that the groups had before any scheduler. */
export function resetRates(optimizer: Scheduled): void {
  for (const group of optimizer.paramGroups) group.lr = initialRate(group)
}

/** Makes a rate the one that a group starts from. */
export function setInitialRate(group: ScheduledGroup, lr: number): void {
  initialRates.set(group, lr)
}

/** Momentum, or the first of the betas; null where an optimizer has neither, or none that is in use. */
export function momentumOf(group: ScheduledGroup): number | null {
  if ('betas' in group && Array.isArray(group.betas)) return Number(group.betas[0])
  if ('momentum' in group && typeof group.momentum === 'number' && group.momentum > 0) return group.momentum
  return null
}

export function setMomentum(group: ScheduledGroup, value: number): void {
  if ('betas' in group && Array.isArray(group.betas)) group.betas = [value, Number(group.betas[1])]
  else if ('momentum' in group) group.momentum = value
}

export function requireOptimizer(name: string, optimizer: unknown): void {
  if (!(optimizer instanceof Optimizer))
    throw new ValueError(
      `optim.lrScheduler.${name}: ${shown(optimizer)} as optimizer; expected one, such as new optim.SGD(model.parameters()).`,
    )
}

/** Refuses what is no list of schedulers of one optimizer; `ReduceLROnPlateau` takes a number that no list has. */
export function requireSchedulers(name: string, optimizer: unknown, schedulers: unknown): void {
  const op = `optim.lrScheduler.${name}`
  if (!Array.isArray(schedulers) || schedulers.length === 0)
    throw new ValueError(`${op}: ${shown(schedulers)} as schedulers; expected an array of at least one.`)
  for (const [i, scheduler] of schedulers.entries()) {
    if (!(scheduler instanceof LRScheduler))
      throw new ValueError(`${op}: ${shown(scheduler)} as scheduler ${i}; expected one, such as a StepLR.`)
    if (scheduler.constructor.name === 'ReduceLROnPlateau')
      throw new ValueError(
        `${op}: ReduceLROnPlateau as scheduler ${i}; expected one that needs no metric in step().`,
      )
    if (scheduler.optimizer !== optimizer)
      throw new ValueError(
        `${op}: scheduler ${i} is that of another optimizer; expected all to be those of one.`,
      )
  }
}

function traced(name: string, what: string): TraceError {
  return new TraceError(
    `optim.lrScheduler.${name}: ${what} inside a traced function; expected that between steps. It would happen once.`,
  )
}

interface CommonState {
  readonly lastEpoch: number
  readonly baseLrs: readonly number[]
  readonly lastLr: readonly number[]
  readonly lr: readonly number[]
  readonly momentum: readonly (number | null)[]
}

/** What was read from a file can be anything. */
function requireState(name: string, state: unknown): CommonState {
  const held = (typeof state === 'object' && state !== null ? state : {}) as Record<string, unknown>
  if (typeof held['scheduler'] === 'string' && held['scheduler'] !== name)
    throw new OptimizerStateError(
      `optim.lrScheduler.${name}: the state of a ${held['scheduler']}; expected that of a ${name}.`,
    )
  const numbers = (value: unknown): boolean =>
    Array.isArray(value) && value.every((x) => typeof x === 'number' && Number.isFinite(x) && x >= 0)
  const { lastEpoch, baseLrs, lastLr, lr, momentum } = held
  const momenta = Array.isArray(momentum) && momentum.every((x) => x === null || numbers([x]))
  if (!Number.isSafeInteger(lastEpoch) || !momenta || ![baseLrs, lastLr, lr].every(numbers))
    throw new OptimizerStateError(
      `optim.lrScheduler.${name}: ${shown(state)} as state; expected what stateDict() returned.`,
    )
  return held as unknown as CommonState
}

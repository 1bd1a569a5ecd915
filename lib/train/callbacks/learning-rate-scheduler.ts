import { ValueError } from '../../errors.js'
import { Options } from '../../options.js'
import { LRScheduler, ReduceLROnPlateau, type SchedulerState } from '../../optim/schedule/index.js'
import { shown } from '../../tensor/create.js'
import { Callback, type CallbackHooks, type Logs } from '../callback.js'
import { announce } from '../progress.js'
import { camelCase, mayCome, missing } from './monitor.js'
import { rateGroups } from './rates.js'
import { requireSaved } from './saved.js'

/** The learning rate of an epoch, or a batch of the training, from its number and the rate before; both count from 0. */
export type RateFunction = (index: number, lr: number) => number

export interface LearningRateSchedulerOptions {
  /** How often the rate changes; a scheduler has to count the same; `'epoch'` by default. */
  readonly per?: 'epoch' | 'batch' | undefined
  /** The number that a `ReduceLROnPlateau` scheduler is stepped with; `'valLoss'` by default. */
  readonly monitor?: string | undefined
  /** `1` tells of each epoch's rate on stderr; `0` by default. */
  readonly verbose?: 0 | 1 | undefined
}

interface State {
  readonly batches: number
  readonly scheduler: SchedulerState | null
}

const op = 'callbacks.LearningRateScheduler'

/**
 * Writes the learning rates before each epoch or batch: by a function, or by a scheduler of `optim.lrScheduler`, whose
 * state is saved with the training.
 *
 * @throws ValueError for options out of range, and from `fit` for a function that gives no number, and for a scheduler of
 * another optimizer
 * @see Keras's `LearningRateScheduler`
 * @example
 * ```ts
 * import { callbacks, nn, optim, randn } from 'neuroxide'
 * const net = new nn.Sequential(new nn.Linear(3, 1))
 * const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
 * const model = net.compile({ optimizer, loss: 'mse' })
 * const halving = new callbacks.LearningRateScheduler((epoch, lr) => (epoch === 0 ? lr : lr / 2))
 * await model.fit(randn([64, 3]), randn([64, 1]), { epochs: 3, callbacks: [halving], verbose: 0 })
 * console.log(optimizer.lr) // 0.025
 * const { warmup } = optim.lrScheduler
 * const warming = new callbacks.LearningRateScheduler(warmup(optimizer, { steps: 10 }), { per: 'batch' })
 * await model.fit(randn([64, 3]), randn([64, 1]), { epochs: 3, callbacks: [warming], verbose: 0 })
 * ```
 */
export class LearningRateScheduler extends Callback {
  readonly #schedule: RateFunction | LRScheduler
  readonly #monitor: string
  readonly #verbose: boolean
  /** Batches of the whole training so far, where rates change with each. */
  #batches = 0

  constructor(schedule: RateFunction | LRScheduler, options: LearningRateSchedulerOptions = {}) {
    super()
    if (typeof schedule !== 'function' && !(schedule instanceof LRScheduler))
      throw new ValueError(
        `${op}: ${shown(schedule)} as schedule; expected a function (epoch, lr) or a scheduler of optim.lrScheduler.`,
      )
    const read = new Options(op, options, ['per', 'monitor', 'verbose'])
    const per = read.choice('per', ['epoch', 'batch'], 'epoch')
    this.#schedule = schedule
    this.#monitor = camelCase(read.text('monitor', 'valLoss'))
    this.#verbose = read.number('verbose', 0, 0, 1) > 0
    if (per === 'batch' && schedule instanceof ReduceLROnPlateau)
      read.fail('per', "'epoch' for a ReduceLROnPlateau, which takes the number that an epoch ends with")
    // Only hooks that are there are called: none of a batch costs nothing.
    Object.assign(this, this.#hooks(schedule, per))
  }

  #hooks(schedule: RateFunction | LRScheduler, per: 'epoch' | 'batch'): CallbackHooks {
    const onEpochBegin = (epoch: number): void => this.#tell(epoch)
    if (schedule instanceof LRScheduler) {
      if (per === 'batch') return { onEpochBegin, onTrainBatchEnd: () => schedule.step() }
      return { onEpochBegin, onEpochEnd: (_, logs) => this.#step(schedule, logs) }
    }
    if (per === 'epoch')
      return {
        onEpochBegin: (epoch) => {
          this.#apply(schedule, epoch)
          this.#tell(epoch)
        },
      }
    return {
      onEpochBegin,
      onTrainBatchBegin: () => {
        this.#apply(schedule, this.#batches)
        this.#batches += 1
      },
    }
  }

  override onTrainBegin(): void {
    this.#batches = 0
    if (this.#schedule instanceof LRScheduler && !Object.is(this.#schedule.optimizer, this.model.optimizer))
      throw new ValueError(
        `${op}: a scheduler of another optimizer; expected one of the optimizer that compile was given.`,
      )
  }

  #step(schedule: LRScheduler, logs: Logs): void {
    if (!(schedule instanceof ReduceLROnPlateau)) return schedule.step()
    const value = logs[this.#monitor]
    if (value === undefined) {
      if (mayCome(this.#monitor, this.params)) return
      throw missing(op, this.#monitor, logs)
    }
    schedule.step(value)
  }

  #apply(schedule: RateFunction, index: number): void {
    for (const group of rateGroups(op, this.model)) {
      const lr: unknown = schedule(index, group.lr)
      if (typeof lr !== 'number')
        throw new ValueError(
          `${op}: the function gave ${shown(lr)} for ${index}; expected the learning rate, a number.`,
        )
      group.lr = lr
    }
  }

  #tell(epoch: number): void {
    if (!this.#verbose) return
    const rates = rateGroups(op, this.model).map(({ lr }) => lr)
    announce(`Epoch ${epoch + 1}: the learning rate is ${rates.join(', ')}`)
  }

  override state(): unknown {
    const scheduler = this.#schedule instanceof LRScheduler ? this.#schedule.stateDict() : null
    return { batches: this.#batches, scheduler } satisfies State
  }

  override loadState(state: unknown): void {
    const { batches, scheduler } = requireSaved<State>(op, state, { batches: 'number', scheduler: 'object?' })
    this.#batches = batches
    if (this.#schedule instanceof LRScheduler && scheduler !== null) this.#schedule.loadStateDict(scheduler)
  }
}

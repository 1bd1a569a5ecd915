import { Options } from '../../options.js'
import { Callback, type Logs } from '../callback.js'
import { announce } from '../progress.js'
import { Monitor, type MonitorOptions } from './monitor.js'
import { rateGroups } from './rates.js'
import { requireSaved } from './saved.js'

export interface ReduceLROnPlateauOptions extends MonitorOptions {
  /** By which factor learning rates shrink, below 1; `0.1` by default. */
  readonly factor?: number | undefined
  /** Epochs without improvement that are borne; `10` by default. */
  readonly patience?: number | undefined
  /** By how much a number has to be better to count as better; `1e-4` by default. */
  readonly minDelta?: number | undefined
  /** Epochs after a reduction in which nothing is counted; `0` by default. */
  readonly cooldown?: number | undefined
  /** The smallest learning rate; `0` by default. */
  readonly minLr?: number | undefined
  /** `1` tells of each reduction on stderr; `0` by default. */
  readonly verbose?: 0 | 1 | undefined
}

interface State {
  readonly wait: number
  readonly best: number | null
  readonly cooling: number
}

const op = 'callbacks.ReduceLROnPlateau'
const known = ['monitor', 'mode', 'factor', 'patience', 'minDelta', 'cooldown', 'minLr', 'verbose']

/**
 * Shrinks the learning rates of all groups when a number has stopped to improve.
 *
 * @throws ValueError for options out of range, and from `fit` where no epoch ends with the number
 * @see Keras's `ReduceLROnPlateau`, whose decisions it makes; PyTorch's is `optim.lrScheduler.ReduceLROnPlateau`
 * @example
 * ```ts
 * import { callbacks, nn, optim, randn } from 'neuroxide'
 * const net = new nn.Sequential(new nn.Linear(3, 1))
 * const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
 * const model = net.compile({ optimizer, loss: 'mse' })
 * const plateau = new callbacks.ReduceLROnPlateau({ monitor: 'loss', minDelta: 10, patience: 2, factor: 0.5 })
 * await model.fit(randn([64, 3]), randn([64, 1]), { epochs: 5, callbacks: [plateau], verbose: 0 })
 * console.log(optimizer.lr) // 0.025
 * ```
 */
export class ReduceLROnPlateau extends Callback {
  readonly #monitor: Monitor
  readonly #factor: number
  readonly #patience: number
  readonly #cooldown: number
  readonly #minLr: number
  readonly #verbose: boolean
  #wait = 0
  #best: number | null = null
  #cooling = 0

  constructor(options: ReduceLROnPlateauOptions = {}) {
    super()
    const read = new Options(op, options, known)
    this.#monitor = new Monitor(read, op, read.number('minDelta', 1e-4))
    this.#factor = read.number('factor', 0.1, 0)
    if (this.#factor >= 1) read.fail('factor', 'a number below 1')
    this.#patience = read.integer('patience', 10, 0)
    this.#cooldown = read.integer('cooldown', 0, 0)
    this.#minLr = read.number('minLr', 0, 0)
    this.#verbose = read.number('verbose', 0, 0, 1) > 0
  }

  /** Whether a reduction was so short ago that nothing is counted. */
  get inCooldown(): boolean {
    return this.#cooling > 0
  }

  override onTrainBegin(): void {
    this.#wait = 0
    this.#best = null
    this.#cooling = 0
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const value = this.#monitor.value(logs, this.params)
    if (value === null) return
    if (this.inCooldown) {
      this.#cooling -= 1
      this.#wait = 0
    }
    if (this.#monitor.isImprovement(value, this.#best)) {
      this.#best = value
      this.#wait = 0
    } else if (!this.inCooldown) {
      this.#wait += 1
      if (this.#wait >= this.#patience && this.#reduce(epoch)) {
        this.#cooling = this.#cooldown
        this.#wait = 0
      }
    }
  }

  #reduce(epoch: number): boolean {
    const groups = rateGroups(op, this.model).filter(({ lr }) => lr > this.#minLr)
    for (const group of groups) group.lr = Math.max(group.lr * this.#factor, this.#minLr)
    if (this.#verbose && groups.length > 0)
      announce(
        `Epoch ${epoch + 1}: ReduceLROnPlateau sets the learning rate to ${groups.map(({ lr }) => lr).join(', ')}`,
      )
    return groups.length > 0
  }

  override state(): unknown {
    return { wait: this.#wait, best: this.#best, cooling: this.#cooling } satisfies State
  }

  override loadState(state: unknown): void {
    const { wait, best, cooling } = requireSaved<State>(op, state, {
      wait: 'number',
      best: 'number?',
      cooling: 'number',
    })
    this.#wait = wait
    this.#best = best
    this.#cooling = cooling
  }
}

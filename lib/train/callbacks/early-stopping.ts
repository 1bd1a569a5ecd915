import { Options } from '../../options.js'
import type { Tensor } from '../../tensor.js'
import { Callback, type Logs } from '../callback.js'
import { announce } from '../progress.js'
import { Monitor, type MonitorOptions } from './monitor.js'
import { requireSaved } from './saved.js'
import { WeightSnapshot } from './weights.js'

export interface EarlyStoppingOptions extends MonitorOptions {
  /** By how much a number has to be better to count as better; `0` by default. */
  readonly minDelta?: number | undefined
  /** Epochs without improvement that are borne; `0` by default. */
  readonly patience?: number | undefined
  /** A number that has to be beaten, or the training ends after `patience`. */
  readonly baseline?: number | undefined
  /** Whether the weights of the best epoch are restored in the end; `false` by default. */
  readonly restoreBestWeights?: boolean | undefined
  /** The first epoch that counts; `0` by default. */
  readonly startFromEpoch?: number | undefined
  /** `1` tells on stderr why the training has ended; `0` by default. */
  readonly verbose?: 0 | 1 | undefined
}

interface State {
  readonly wait: number
  readonly best: number | null
  readonly bestEpoch: number
  readonly stoppedEpoch: number
}

const op = 'callbacks.EarlyStopping'
const known = [
  'monitor',
  'mode',
  'minDelta',
  'patience',
  'baseline',
  'restoreBestWeights',
  'startFromEpoch',
  'verbose',
]

/**
 * Ends the training when a number has stopped to improve.
 *
 * @throws ValueError for options out of range, and from `fit` where no epoch ends with the number
 * @see Keras's `EarlyStopping`, whose decisions it makes; NaN never counts as an improvement
 * @example
 * ```ts
 * import { callbacks, nn, randn } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'adam', loss: 'mse' })
 * const stopping = new callbacks.EarlyStopping({ monitor: 'loss', minDelta: 10, patience: 2 })
 * const history = await model.fit(randn([64, 3]), randn([64, 1]), { epochs: 50, callbacks: [stopping], verbose: 0 })
 * console.log(history.loss.length, stopping.stoppedEpoch) // 3 2
 * ```
 */
export class EarlyStopping extends Callback {
  readonly #monitor: Monitor
  readonly #patience: number
  readonly #baseline: number | null
  readonly #startFromEpoch: number
  readonly #verbose: boolean
  readonly #bestWeights: WeightSnapshot | null
  #wait = 0
  #best: number | null = null
  #bestEpoch = 0
  #stoppedEpoch = 0

  constructor(options: EarlyStoppingOptions = {}) {
    super()
    const read = new Options(op, options, known)
    this.#monitor = new Monitor(read, op, read.number('minDelta', 0))
    this.#patience = read.integer('patience', 0, 0)
    this.#baseline = read.has('baseline') ? read.number('baseline') : null
    this.#startFromEpoch = read.integer('startFromEpoch', 0, 0)
    this.#verbose = read.number('verbose', 0, 0, 1) > 0
    this.#bestWeights = read.flag('restoreBestWeights', false) ? new WeightSnapshot(op) : null
  }

  /** The best number so far; null before the first. */
  get best(): number | null {
    return this.#best
  }

  /** The epoch of the best number. */
  get bestEpoch(): number {
    return this.#bestEpoch
  }

  /** The epoch after which the training was ended; 0 where it was not. */
  get stoppedEpoch(): number {
    return this.#stoppedEpoch
  }

  override onTrainBegin(): void {
    this.#wait = 0
    this.#best = null
    this.#bestEpoch = 0
    this.#stoppedEpoch = 0
    this.#bestWeights?.free()
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const value = this.#monitor.value(logs, this.params)
    if (value === null || epoch < this.#startFromEpoch) return
    // Where nothing improves, the first epoch is the best.
    if (this.#bestWeights?.empty === true) {
      this.#bestWeights.take(this.model)
      this.#bestEpoch = epoch
    }
    this.#wait += 1
    if (this.#monitor.isImprovement(value, this.#best)) {
      this.#best = value
      this.#bestEpoch = epoch
      this.#bestWeights?.take(this.model)
      if (this.#baseline === null || this.#monitor.isImprovement(value, this.#baseline)) this.#wait = 0
    } else if (this.#wait >= this.#patience && epoch > 0) {
      this.#stoppedEpoch = epoch
      this.model.stopTraining = true
    }
  }

  override onTrainEnd(): void {
    if (this.#verbose && this.#stoppedEpoch > 0) announce(`Epoch ${this.#stoppedEpoch + 1}: early stopping`)
    if (this.#bestWeights === null || this.#bestWeights.empty) return
    if (this.#verbose) announce(`Restoring the weights of the best epoch: ${this.#bestEpoch + 1}`)
    this.#bestWeights.restore(this.model)
    this.#bestWeights.free()
  }

  override state(): unknown {
    return {
      wait: this.#wait,
      best: this.#best,
      bestEpoch: this.#bestEpoch,
      stoppedEpoch: this.#stoppedEpoch,
    } satisfies State
  }

  override loadState(state: unknown): void {
    const { wait, best, bestEpoch, stoppedEpoch } = requireSaved<State>(op, state, {
      wait: 'number',
      best: 'number?',
      bestEpoch: 'number',
      stoppedEpoch: 'number',
    })
    this.#wait = wait
    this.#best = best
    this.#bestEpoch = bestEpoch
    this.#stoppedEpoch = stoppedEpoch
  }

  /** The weights of the best epoch, where they are to be restored. */
  override stateTensors(): Record<string, Tensor> {
    return this.#bestWeights?.tensors() ?? {}
  }

  override loadStateTensors(tensors: Readonly<Record<string, Tensor>>): void {
    if (this.#bestWeights !== null && Object.keys(tensors).length > 0)
      this.#bestWeights.load(tensors, this.model)
  }
}

import { ValueError } from '../../errors.js'
import { Options } from '../../options.js'
import { shown } from '../../tensor/create.js'
import { Callback } from '../callback.js'
import { announce } from '../progress.js'
import { requireSaved } from './saved.js'

export interface TimerOptions {
  /** How long the training may take: seconds, or a text `'DD:HH:MM:SS'`; no limit by default. */
  readonly duration?: number | string | undefined
  /** Whether the time is looked at after each epoch (default) or each batch. */
  readonly interval?: 'epoch' | 'batch' | undefined
  /** `1` tells on stderr that the time was up; `0` by default. */
  readonly verbose?: 0 | 1 | undefined
}

interface State {
  readonly elapsed: number
  readonly epochTimes: readonly number[]
  /** Seconds of the epoch that has not ended. */
  readonly epoch: number
}

const op = 'callbacks.Timer'

/**
 * Takes the time of epochs and of the training, and ends it when its time is up; a resumed training has the time that
 * was left.
 *
 * @throws ValueError for options out of range
 * @see Lightning's `Timer`
 * @example
 * ```ts
 * import { callbacks, nn, randn } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'adam', loss: 'mse' })
 * const timer = new callbacks.Timer({ duration: '00:00:10:00' })
 * await model.fit(randn([64, 3]), randn([64, 1]), { epochs: 3, callbacks: [timer], verbose: 0 })
 * console.log(timer.epochTimes.length, timer.remaining() > 590) // 3 true
 * ```
 */
export class Timer extends Callback {
  readonly #limit: number
  readonly #verbose: boolean
  #epochTimes: number[] = []
  /** Seconds of the parts of this training that have ended. */
  #before = 0
  #began: number | null = null
  #epochBegan = 0

  constructor(options: TimerOptions = {}) {
    super()
    const read = new Options(op, options, ['duration', 'interval', 'verbose'])
    this.#limit = secondsOf(read)
    this.#verbose = read.number('verbose', 0, 0, 1) > 0
    const interval = read.choice('interval', ['epoch', 'batch'], 'epoch')
    if (interval === 'batch') Object.assign(this, { onTrainBatchEnd: () => this.#look() })
  }

  /** Seconds that each epoch took, with its validation. */
  get epochTimes(): readonly number[] {
    return this.#epochTimes
  }

  /** Seconds that the training has taken so far. */
  elapsed(): number {
    return this.#before + (this.#began === null ? 0 : (performance.now() - this.#began) / 1000)
  }

  /** Seconds that are left; infinitely many where there is no limit. */
  remaining(): number {
    return Math.max(this.#limit - this.elapsed(), 0)
  }

  override onTrainBegin(): void {
    this.#epochTimes = []
    this.#before = 0
    this.#began = performance.now()
  }

  override onEpochBegin(): void {
    this.#epochBegan = performance.now()
  }

  override onEpochEnd(): void {
    this.#epochTimes.push(this.#inEpoch())
    this.#look()
  }

  override onTrainEnd(): void {
    this.#before = this.elapsed()
    this.#began = null
  }

  #inEpoch(): number {
    return (performance.now() - this.#epochBegan) / 1000
  }

  #look(): void {
    if (this.remaining() > 0 || this.model.stopTraining) return
    if (this.#verbose) announce(`The time of ${this.#limit} s is up, the training ends`)
    this.model.stopTraining = true
  }

  override state(): unknown {
    return {
      elapsed: this.elapsed(),
      epochTimes: [...this.#epochTimes],
      epoch: this.#inEpoch(),
    } satisfies State
  }

  override loadState(state: unknown): void {
    const { elapsed, epochTimes, epoch } = requireSaved<State>(op, state, {
      elapsed: 'number',
      epochTimes: 'numbers',
      epoch: 'number',
    })
    this.#before = elapsed
    // A training that goes on within an epoch does not begin it again.
    this.#epochBegan = performance.now() - epoch * 1000
    this.#epochTimes = [...epochTimes]
  }
}

function secondsOf(read: Options): number {
  const given = read.get('duration')
  if (given === undefined) return Infinity
  if (typeof given === 'number' && given >= 0) return given
  const parts = typeof given === 'string' ? /^(\d+):(\d\d):(\d\d):(\d\d)$/.exec(given) : null
  if (parts === null)
    throw new ValueError(
      `${op}: ${shown(given)} as duration; expected seconds of at least 0, or a text such as '00:01:30:00' (days, hours, minutes, seconds).`,
    )
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1).map(Number)
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
}

import { join } from 'node:path'
import { ValueError } from '../../errors.js'
import { Options } from '../../options.js'
import { shown } from '../../tensor/create.js'
import { Callback, type Logs } from '../callback.js'
import { type Summary, histogramOf } from '../events/message.js'
import { EventWriter } from '../events/writer.js'
import { rateGroups } from './rates.js'
import { requireSaved } from './saved.js'

export interface TensorBoardOptions {
  /** Whether numbers of batches are written too: `'epoch'` (default) for none, `'batch'`, or each so many batches. */
  readonly updateFreq?: 'epoch' | 'batch' | number | undefined
  /** After how many epochs histograms of the weights are written; `0` (default) for none. */
  readonly histogramFreq?: number | undefined
  /** Whether steps per second are written; `false` by default. */
  readonly writeStepsPerSecond?: boolean | undefined
}

interface State {
  readonly batches: number
  readonly iterations: number
  /** Seconds of the epoch that has not ended. */
  readonly epoch: number
}

const op = 'callbacks.TensorBoard'
const known = ['updateFreq', 'histogramFreq', 'writeStepsPerSecond']
const validation = /^val(?=[A-Z])/

/**
 * Writes event files that TensorBoard shows, below the runs `train` and `validation` of a folder.
 *
 * The names are Keras's: `epoch_loss`, `epoch_learning_rate`, `batch_loss`, `evaluation_loss_vs_iterations`, and
 * `0.weight/histogram` for parameters; epochs count from 0, batches of the whole training from 1.
 *
 * @throws ValueError for options out of range
 * @see Keras's `TensorBoard`; there are no graphs, images, embeddings and profiles
 * @example
 * ```ts
 * import { mkdtempSync, readdirSync } from 'node:fs'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { callbacks, nn, randn } from 'neuroxide'
 * const folder = mkdtempSync(join(tmpdir(), 'logs-'))
 * const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'adam', loss: 'mse' })
 * const board = new callbacks.TensorBoard(folder, { histogramFreq: 1 })
 * const options = { epochs: 2, callbacks: [board], validationSplit: 0.25, verbose: 0 } as const
 * await model.fit(randn([64, 3]), randn([64, 1]), options)
 * console.log(readdirSync(folder).sort()) // [ 'train', 'validation' ]
 * ```
 */
export class TensorBoard extends Callback {
  readonly #folder: string
  readonly #every: number | null
  readonly #histogramFreq: number
  readonly #stepsPerSecond: boolean
  #train: EventWriter | null = null
  #validation: EventWriter | null = null
  /** Batches of the whole training so far, where each is told of. */
  #batches = 0
  /** Batches of the training when this epoch will have ended. */
  #iterations = 0
  #epochBegan = 0

  constructor(logDir = 'logs', options: TensorBoardOptions = {}) {
    super()
    if (typeof logDir !== 'string' || logDir === '')
      throw new ValueError(`${op}: ${shown(logDir)} as logDir; expected the path of a folder.`)
    const read = new Options(op, options, known)
    this.#folder = logDir
    this.#every = everyOf(read)
    this.#histogramFreq = read.integer('histogramFreq', 0, 0)
    this.#stepsPerSecond = read.flag('writeStepsPerSecond', false)
    if (this.#every !== null)
      Object.assign(this, { onTrainBatchEnd: (_: number, logs: Logs) => this.#batchEnd(logs) })
  }

  get #training(): EventWriter {
    return (this.#train ??= new EventWriter(join(this.#folder, 'train')))
  }

  get #validating(): EventWriter {
    return (this.#validation ??= new EventWriter(join(this.#folder, 'validation')))
  }

  override onTrainBegin(): void {
    this.#batches = 0
    this.#iterations = 0
    this.#train = null
    this.#validation = null
  }

  override onEpochBegin(epoch: number): void {
    this.#epochBegan = performance.now()
    // A loader that does not tell how many batches it has counts epochs.
    this.#iterations = (epoch + 1) * (this.params.steps ?? 1)
  }

  #batchEnd(logs: Logs): void {
    this.#batches += 1
    if (this.#every === null || this.#batches % this.#every !== 0) return
    this.#training.add(this.#batches, summaries('batch_', logs))
    if (this.#batches % flushBatches === 0) this.#training.flush()
  }

  override onTestEnd(logs: Logs): void {
    const step = this.#every === null ? this.#iterations : this.#batches
    this.#validating.add(
      step,
      Object.entries(logs).map(([name, value]) => ({ tag: `evaluation_${name}_vs_iterations`, value })),
    )
    this.#validating.flush()
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const names = Object.entries(logs)
    const trained = Object.fromEntries(names.filter(([name]) => !validation.test(name)))
    const validated = names.filter(([name]) => validation.test(name))
    this.#training.add(epoch, [...summaries('epoch_', trained), ...this.#rates(), ...this.#speed()])
    if (this.#histogramFreq > 0 && epoch % this.#histogramFreq === 0) this.#weights(epoch)
    this.#training.flush()
    if (validated.length === 0) return
    const own = validated.map(([name, value]): [string, number] => [unvalidated(name), value])
    this.#validating.add(epoch, summaries('epoch_', Object.fromEntries(own)))
    this.#validating.flush()
  }

  #rates(): Summary[] {
    const groups = rateGroups(op, this.model)
    return groups.map(({ lr }, i) => ({ tag: `epoch_learning_rate${i === 0 ? '' : `_${i}`}`, value: lr }))
  }

  #speed(): Summary[] {
    const { steps } = this.params
    if (!this.#stepsPerSecond || steps === null) return []
    return [{ tag: 'epoch_steps_per_second', value: steps / this.#inEpoch() }]
  }

  #inEpoch(): number {
    return (performance.now() - this.#epochBegan) / 1000
  }

  #weights(epoch: number): void {
    const all = this.model.namedParameters().map(([name, parameter]) => ({
      tag: `${name}/histogram`,
      value: histogramOf(parameter.toTypedArray() as ArrayLike<number>),
    }))
    this.#training.add(epoch, all)
  }

  override onTrainEnd(): void {
    this.#train?.flush()
    this.#validation?.flush()
  }

  override state(): unknown {
    return {
      batches: this.#batches,
      iterations: this.#iterations,
      epoch: this.#inEpoch(),
    } satisfies State
  }

  override loadState(state: unknown): void {
    const { batches, iterations, epoch } = requireSaved<State>(op, state, {
      batches: 'number',
      iterations: 'number',
      epoch: 'number',
    })
    this.#batches = batches
    // A training that goes on within an epoch does not begin it again.
    this.#iterations = iterations
    this.#epochBegan = performance.now() - epoch * 1000
  }
}

/** Events of so many batches are kept in memory at most. */
const flushBatches = 256

function everyOf(read: Options): number | null {
  const given = read.get('updateFreq') ?? 'epoch'
  if (given === 'epoch') return null
  if (given === 'batch') return 1
  return Number.isSafeInteger(given) && (given as number) > 0
    ? (given as number)
    : read.fail('updateFreq', "'epoch', 'batch' or a number of batches")
}

function summaries(prefix: string, logs: Logs): Summary[] {
  return Object.entries(logs).map(([name, value]) => ({ tag: prefix + name, value }))
}

/** `valLoss` → `loss`. */
function unvalidated(name: string): string {
  const rest = name.replace(validation, '')
  return rest.charAt(0).toLowerCase() + rest.slice(1)
}

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Options } from '../../options.js'
import { Callback, type Logs } from '../callback.js'
import { announce } from '../progress.js'
import { SaveCounter } from './counting.js'
import { Monitor, type MonitorOptions } from './monitor.js'
import { PathTemplate } from './path-template.js'
import { requireSaved } from './saved.js'

export interface ModelCheckpointOptions extends MonitorOptions {
  /** Whether only a number that is better than the best so far is saved; `false` by default. */
  readonly saveBestOnly?: boolean | undefined
  /** Whether the structure of the model is left out; `false` by default. */
  readonly saveWeightsOnly?: boolean | undefined
  /** Whether optimizer, schedules, random numbers and order are saved too, to go on with `resume`; `false` by default. */
  readonly optimizer?: boolean | undefined
  /** `'epoch'` (default) or a number of batches. */
  readonly saveFreq?: 'epoch' | number | undefined
  /** What the first number has to be better than, with `saveBestOnly`. */
  readonly initialValueThreshold?: number | undefined
  /** `1` tells of each file on stderr; `0` by default. */
  readonly verbose?: 0 | 1 | undefined
}

interface State {
  readonly best: number | null
  readonly seen: number
  readonly epoch: number
}

const op = 'callbacks.ModelCheckpoint'
const known = [
  'monitor',
  'mode',
  'saveBestOnly',
  'saveWeightsOnly',
  'optimizer',
  'saveFreq',
  'initialValueThreshold',
  'verbose',
]

/**
 * Saves the model after epochs or batches, with `model.save` or `model.saveWeights`; folders are made.
 *
 * Names in braces stand for numbers: `{epoch}` counts from 1, `{batch}` too, `{loss}`, `{valLoss}` and so on are those of
 * the epoch so far; `{epoch:02d}` and `{valLoss:.3f}` format them.
 *
 * @throws ValueError for options out of range, and from `fit` for names that no epoch ends with
 * @see Keras's `ModelCheckpoint`
 * @example
 * ```ts
 * import { existsSync, mkdtempSync } from 'node:fs'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { callbacks, nn, randn } from 'neuroxide'
 * const folder = mkdtempSync(join(tmpdir(), 'checkpoints-'))
 * const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'adam', loss: 'mse' })
 * const saving = new callbacks.ModelCheckpoint(join(folder, 'net-{epoch:02d}.safetensors'))
 * await model.fit(randn([64, 3]), randn([64, 1]), { epochs: 2, callbacks: [saving], verbose: 0 })
 * console.log(existsSync(join(folder, 'net-02.safetensors'))) // true
 * ```
 */
export class ModelCheckpoint extends Callback {
  readonly #path: PathTemplate
  readonly #monitor: Monitor | null
  readonly #weightsOnly: boolean
  readonly #optimizer: boolean
  readonly #counter: SaveCounter
  readonly #threshold: number | null
  readonly #verbose: boolean
  #best: number | null
  #epoch = 0

  constructor(path: string, options: ModelCheckpointOptions = {}) {
    super()
    const read = new Options(op, options, known)
    this.#path = new PathTemplate(op, path)
    this.#monitor = read.flag('saveBestOnly', false) ? new Monitor(read, op) : null
    this.#weightsOnly = read.flag('saveWeightsOnly', false)
    this.#optimizer = read.flag('optimizer', false)
    if (this.#weightsOnly && this.#optimizer)
      read.fail('optimizer', 'false with saveWeightsOnly: weights alone have no optimizer')
    this.#threshold = read.has('initialValueThreshold') ? read.number('initialValueThreshold') : null
    this.#best = this.#threshold
    this.#verbose = read.number('verbose', 0, 0, 1) > 0
    this.#counter = new SaveCounter(read)
    if (this.#counter.batches !== null) {
      const hook = (batch: number, logs: Logs): Promise<void> | undefined =>
        this.#counter.count() ? this.#save(batch, logs) : undefined
      Object.assign(this, { onTrainBatchEnd: hook })
    }
  }

  /** The best number so far; null before the first, or where all are saved. */
  get best(): number | null {
    return this.#best
  }

  override onEpochBegin(epoch: number): void {
    this.#epoch = epoch
  }

  override async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    this.#epoch = epoch
    if (this.#counter.batches === null) await this.#save(null, logs)
  }

  async #save(batch: number | null, logs: Logs): Promise<void> {
    if (!this.#isBest(logs)) return
    const path = this.#path.pathFor({
      epoch: this.#epoch + 1,
      ...(batch === null ? {} : { batch: batch + 1 }),
      ...logs,
    })
    await mkdir(dirname(path), { recursive: true })
    if (this.#weightsOnly) await this.model.saveWeights(path)
    else await this.model.save(path, { optimizer: this.#optimizer })
    if (this.#verbose) announce(`Epoch ${this.#epoch + 1}: saved ${path}`)
  }

  /** Whether the numbers are to be saved; takes the better one for the best. */
  #isBest(logs: Logs): boolean {
    if (this.#monitor === null) return true
    const value = this.#monitor.value(logs, this.params)
    if (value === null || !this.#monitor.isImprovement(value, this.#best)) return false
    this.#best = value
    return true
  }

  override state(): unknown {
    return { best: this.#best, seen: this.#counter.seen, epoch: this.#epoch } satisfies State
  }

  override loadState(state: unknown): void {
    const { best, seen, epoch } = requireSaved<State>(op, state, {
      best: 'number?',
      seen: 'number',
      epoch: 'number',
    })
    this.#best = best
    this.#epoch = epoch
    this.#counter.seen = seen
  }
}

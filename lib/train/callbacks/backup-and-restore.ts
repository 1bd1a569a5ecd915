import { existsSync, mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ValueError } from '../../errors.js'
import { Options } from '../../options.js'
import { shown } from '../../tensor/create.js'
import { Callback } from '../callback.js'
import { SaveCounter } from './counting.js'
import { requireSaved } from './saved.js'

export interface BackupAndRestoreOptions {
  /** `'epoch'` (default) or a number of batches. */
  readonly saveFreq?: 'epoch' | number | undefined
  /** Whether the file is removed when the training has ended well; `true` by default. */
  readonly deleteOnEnd?: boolean | undefined
}

const op = 'callbacks.BackupAndRestore'

/**
 * Saves the whole training after epochs or batches, and goes on from that file where it is there when `fit` begins: the
 * same program, started again after a crash, ends with the weights and the history of one that was never interrupted.
 *
 * It stands last among the callbacks, so that the file holds what the others have counted.
 *
 * @throws ValueError for options out of range
 * @see Keras's `BackupAndRestore`, which repeats the epoch that was interrupted
 * @example
 * ```ts
 * import { existsSync, mkdtempSync } from 'node:fs'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { callbacks, nn, randn } from 'neuroxide'
 * const path = join(mkdtempSync(join(tmpdir(), 'backup-')), 'training.safetensors')
 * const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'adam', loss: 'mse' })
 * const backup = new callbacks.BackupAndRestore(path, { deleteOnEnd: false })
 * await model.fit(randn([64, 3]), randn([64, 1]), { epochs: 2, callbacks: [backup], verbose: 0 })
 * console.log(existsSync(path)) // true
 * ```
 */
export class BackupAndRestore extends Callback {
  readonly #path: string
  readonly #counter: SaveCounter
  readonly #deleteOnEnd: boolean

  constructor(path: string, options: BackupAndRestoreOptions = {}) {
    super()
    if (typeof path !== 'string' || path === '')
      throw new ValueError(`${op}: ${shown(path)} as path; expected that of a file.`)
    const read = new Options(op, options, ['saveFreq', 'deleteOnEnd'])
    this.#path = path
    this.#counter = new SaveCounter(read)
    this.#deleteOnEnd = read.flag('deleteOnEnd', true)
    if (this.#counter.batches !== null) {
      const hook = (): Promise<void> | undefined => (this.#counter.count() ? this.#save() : undefined)
      Object.assign(this, { onTrainBatchEnd: hook })
    }
  }

  /** The file to go on from; null where there is none. `fit` asks before the first epoch. */
  override resumeFrom(): string | null {
    return existsSync(this.#path) ? this.#path : null
  }

  override async onEpochEnd(): Promise<void> {
    if (this.#counter.batches === null) await this.#save()
  }

  override async onTrainEnd(): Promise<void> {
    if (this.#deleteOnEnd) await rm(this.#path, { force: true })
  }

  async #save(): Promise<void> {
    // At once, so that the state is that of this moment.
    mkdirSync(dirname(this.#path), { recursive: true })
    await this.model.save(this.#path, { optimizer: true })
  }

  override state(): { readonly seen: number } {
    return { seen: this.#counter.seen }
  }

  override loadState(state: unknown): void {
    this.#counter.seen = requireSaved<{ seen: number }>(op, state, { seen: 'number' }).seen
  }
}

import type { Options } from '../../options.js'

/** Counts batches until it is time to save. */
export class SaveCounter {
  /** Batches between two times; null where epochs decide. */
  readonly batches: number | null
  #seen = 0

  constructor(read: Options) {
    const every = read.get('saveFreq') ?? 'epoch'
    if (every !== 'epoch' && (!Number.isSafeInteger(every) || (every as number) < 1))
      read.fail('saveFreq', "'epoch' or a number of batches")
    this.batches = every === 'epoch' ? null : (every as number)
  }

  /** Batches since the last time. */
  get seen(): number {
    return this.#seen
  }

  set seen(count: number) {
    this.#seen = count
  }

  /** Counts a batch; says whether it is time. */
  count(): boolean {
    this.#seen += 1
    if (this.batches === null || this.#seen < this.batches) return false
    this.#seen = 0
    return true
  }
}

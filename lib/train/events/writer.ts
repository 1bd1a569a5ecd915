import { appendFileSync, mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type Summary, summaryEvent, versionEvent } from './message.js'
import { record } from './record.js'

/** How many files this process has begun: two of one second need different names. */
let files = 0

/**
 * Writes an event file into a folder. Events are kept until `flush`, which appends them: there is nothing to close, and
 * what was flushed is there whatever happens to the process.
 */
export class EventWriter {
  /** The file; it is there after the first `flush` with events. */
  readonly path: string
  readonly #folder: string
  #pending: Uint8Array[]

  constructor(folder: string) {
    this.#folder = folder
    const seconds = Date.now() / 1000
    this.path = join(
      folder,
      `events.out.tfevents.${Math.floor(seconds)}.${hostname()}.${process.pid}.${files}.v2`,
    )
    files += 1
    this.#pending = [record(versionEvent(seconds))]
  }

  add(step: number, summaries: readonly Summary[]): void {
    this.#pending.push(record(summaryEvent(Date.now() / 1000, step, summaries)))
  }

  flush(): void {
    if (this.#pending.length === 0) return
    mkdirSync(this.#folder, { recursive: true })
    appendFileSync(this.path, Buffer.concat(this.#pending))
    this.#pending = []
  }
}

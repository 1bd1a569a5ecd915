import { setImmediate } from 'node:timers/promises'

/** Milliseconds after which a loop lets others run: with rows of a few milliseconds, and timers that miss a turn, that is every 8 ms. */
const LONGEST = 3

/** When a loop has to let timers, sockets and the rest of the program run: by the time that has passed, not by a count. */
export class Pace {
  #since = performance.now()

  /** Whether it is time to call {@link turn}. */
  get due(): boolean {
    return performance.now() - this.#since >= LONGEST
  }

  /** Ends when everything that was waiting has run. */
  async turn(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}

import { ValueError } from '../errors.js'
import type { EpochLogs } from './fit-options.js'
import type { History } from './history.js'

/** What the loop over a training is given after each epoch: its number and its logs. */
export type EpochResult = EpochLogs & { readonly epoch: number; readonly loss: number }

interface Waiting {
  readonly resolve: (result: IteratorResult<EpochResult, undefined>) => void
  readonly reject: (error: unknown) => void
}

const done: IteratorResult<EpochResult, undefined> = { done: true, value: undefined }

/** Hands epochs to a loop, one at a time: the training stands still while the loop's body runs. */
export class EpochChannel {
  #iterated = false
  #ended = false
  /** Calls of `next` that no epoch has answered yet, in their order. */
  readonly #waiting: Waiting[] = []
  #ready: EpochResult | null = null
  #goOn: ((stop: boolean) => void) | null = null
  #left = false
  #failure: { readonly error: unknown } | null = null

  /** Whether a loop takes the epochs. */
  get iterated(): boolean {
    return this.#iterated
  }

  /** Whether the training stands still until the loop's body has run. */
  get holding(): boolean {
    return this.#goOn !== null
  }

  /** Gives an epoch to the loop, if there is one, and waits until it wants the next; true where it was left. */
  put(result: EpochResult): Promise<boolean> | boolean {
    if (!this.#iterated) return false
    if (this.#left) return true
    const waiting = this.#waiting.shift()
    waiting?.resolve({ done: false, value: result })
    // The next one is wanted already.
    if (this.#waiting.length > 0) return false
    if (waiting === undefined) this.#ready = result
    return new Promise((resolve) => {
      this.#goOn = resolve
    })
  }

  /** The training has ended, or failed. */
  end(failure: { readonly error: unknown } | null): void {
    this.#ended = true
    this.#failure = failure
    const [first, ...others] = this.#waiting.splice(0)
    if (first === undefined) return
    this.#failure = null
    if (failure === null) first.resolve(done)
    else first.reject(failure.error)
    for (const waiting of others) waiting.resolve(done)
  }

  iterate(training: Promise<unknown>): AsyncIterator<EpochResult, undefined> {
    if (this.#iterated)
      throw new ValueError('fit: a second loop over one training; expected one. Call fit again for another.')
    this.#iterated = true
    // What goes wrong comes through the loop.
    training.catch(() => {})
    return {
      next: () => this.#next(),
      return: async () => {
        this.#left = true
        this.#ready = null
        this.#release(true)
        await training
        return done
      },
    }
  }

  async #next(): Promise<IteratorResult<EpochResult, undefined>> {
    const ready = this.#ready
    if (ready !== null) {
      this.#ready = null
      return { done: false, value: ready }
    }
    this.#release(false)
    if (this.#ended) {
      const failure = this.#failure
      this.#failure = null
      if (failure !== null) throw failure.error
      return done
    }
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
    })
  }

  #release(stop: boolean): void {
    const goOn = this.#goOn
    this.#goOn = null
    goOn?.(stop)
  }
}

/**
 * A training under way: a Promise of its {@link History}, and a loop over its epochs.
 *
 * In a `for await` the training stands still at the end of each epoch until the body has run, so that it may read the
 * weights, set the learning rate or leave: `break` ends the training there, and awaiting the same object then gives the
 * history so far. Errors come through the loop. Awaiting it in the body of its own loop is refused.
 *
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
 * const training = model.fit(zeros([8, 2]), zeros([8, 1]), { epochs: 100, verbose: 0 })
 * for await (const { epoch } of training) if (epoch === 2) break
 * console.log((await training).epoch) // [ 0, 1, 2 ]
 * ```
 */
export class Fitting<M extends string = string>
  extends Promise<History<M>>
  implements AsyncIterable<EpochResult>
{
  #channel: EpochChannel | null = null

  /** What `then` and `finally` give is a plain Promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  /** @internal */
  static begin<M extends string>(body: (channel: EpochChannel) => Promise<History<M>>): Fitting<M> {
    const channel = new EpochChannel()
    const fitting = new Fitting<M>((resolve, reject) => {
      const run = async (): Promise<void> => {
        try {
          const history = await body(channel)
          channel.end(null)
          resolve(history)
        } catch (error) {
          channel.end({ error })
          reject(error)
        }
      }
      void run()
    })
    fitting.#channel = channel
    return fitting
  }

  /** @hidden */
  // In the body of a loop over it a training would wait for itself, and for ever.
  // oxlint-disable-next-line unicorn/no-thenable -- a Promise has one
  override then<A = History<M>, B = never>(
    onFulfilled?: ((history: History<M>) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (this.#channel?.holding !== true) return super.then(onFulfilled, onRejected)
    const error = new ValueError(
      'fit: the training was awaited while the body of the loop over it runs, and it goes on only afterwards; expected that after the loop.',
    )
    return Promise.reject<History<M>>(error).then(onFulfilled, onRejected)
  }

  /** The epochs as they end. A training has one loop. */
  [Symbol.asyncIterator](): AsyncIterator<EpochResult, undefined> {
    if (this.#channel === null)
      throw new ValueError('fit: a loop over something that is no training; expected what fit returned.')
    return this.#channel.iterate(this)
  }
}

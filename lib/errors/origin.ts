import { showsUser, TensorError, translated } from '../errors.js'

/**
 * The line of the user's that began something which goes on by itself: errors that come later, from another thread,
 * have no frame of their own to show.
 */
export class Origin {
  readonly #frames: string

  /** To be made before anything was awaited, while the user's call is on the stack. */
  constructor() {
    const { stack = '' } = new TensorError('')
    this.#frames = stack
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n')
  }

  /** An error of the core or of this library's that shows no line of the user's begins at this one; any other passes as it is. */
  error(error: unknown): unknown {
    const known = translated(error)
    if (!(known instanceof TensorError) || (known === error && showsUser(known.stack ?? ''))) return error
    const stack = `${known.name}: ${known.message}\n${this.#frames}`
    Object.defineProperty(known, 'stack', { value: stack, writable: true, configurable: true })
    return known
  }

  /** Runs what was begun; each error that it ends with, sooner or later, shows the user's line. */
  async during<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body()
    } catch (error) {
      throw this.error(error)
    }
  }
}

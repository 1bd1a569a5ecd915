import { TensorError, translated } from '../errors.js'

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

  /** An error of the core as one of this library's that begins at the user's line; any other passes as it is. */
  error(error: unknown): unknown {
    const known = translated(error)
    if (known === error || !(known instanceof TensorError)) return error
    const stack = `${known.name}: ${known.message}\n${this.#frames}`
    Object.defineProperty(known, 'stack', { value: stack, writable: true, configurable: true })
    return known
  }
}

import { TraceError, ValueError } from './errors.js'
import { Io, io, isTracing, native } from './native.js'
import { located } from './tensor/base.js'
import { shown } from './tensor/create.js'

/** The position in the stream of random numbers. */
export interface RngState {
  /** What {@link manualSeed} was given. */
  readonly seed: number
  /** How far the stream has been used. */
  readonly offset: number
  /** How many trainings and evaluations have been given streams of their own from it; 0 where it is left out. */
  readonly forks?: number
}

function requireNatural(op: string, what: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw located(ValueError, `${op}: ${shown(value)} as ${what}; expected an integer from 0 to 2^53 - 1.`)
}

function requireNoTrace(op: string): void {
  if (isTracing())
    throw located(
      TraceError,
      `${op}: called inside a traced function; expected a call before it: the stream would move once, not at each call.`,
    )
}

/**
 * Starts the stream of random numbers of this thread from a seed.
 *
 * Everything random comes from it: creation, initialisation, dropout, shuffling. The same seed gives the same numbers,
 * jitted or not, on any number of threads and any machine.
 *
 * @param seed - an integer from 0 to 2^53 - 1
 * @throws ValueError where the seed is no such integer
 * @throws TraceError inside a jitted function
 * @example
 * ```ts
 * import { manualSeed, rand } from 'neuroxide'
 * manualSeed(7)
 * const first = rand([3]).toArray()
 * manualSeed(7)
 * console.log(String(rand([3]).toArray()) === String(first)) // true
 * ```
 */
export function manualSeed(seed: number): void {
  requireNatural('manualSeed', 'seed', seed)
  requireNoTrace('manualSeed')
  native.seed(seed)
}

/**
 * The present position in the stream of random numbers, to be given to {@link setRngState} later.
 *
 * @returns seed, offset and how many streams of trainings were made of it
 * @example
 * ```ts
 * import { rand, rngState, setRngState } from 'neuroxide'
 * const state = rngState()
 * const first = rand([]).item()
 * setRngState(state)
 * console.log(rand([]).item() === first) // true
 * ```
 */
export function rngState(): RngState {
  native.rngState()
  const [seed = 0, offset = 0, forks = 0] = io.subarray(Io.list, Io.list + 3)
  return { seed, offset, forks }
}

/**
 * Goes to a position in the stream of random numbers.
 *
 * @param state - what {@link rngState} returned
 * @throws ValueError where it holds no such integers
 * @throws TraceError inside a jitted function
 * @example
 * ```ts
 * import { rngState, setRngState } from 'neuroxide'
 * setRngState(rngState())
 * ```
 */
export function setRngState(state: RngState): void {
  requireNatural('setRngState', 'seed', state?.seed)
  requireNatural('setRngState', 'offset', state?.offset)
  requireNatural('setRngState', 'forks', state.forks ?? 0)
  requireNoTrace('setRngState')
  native.setRngState(state.seed, state.offset, state.forks ?? 0)
}

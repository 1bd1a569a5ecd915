import { ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { isTensor, located } from './base.js'
import { shown } from './create.js'

// Types are no guard for programs written in JavaScript, and none for what comes out of files: each argument that would
// otherwise be ignored or become NaN is refused here, with the name of the function that it was given to.

/** Refuses options that are no object, and those that nothing reads: a misspelt one would be ignored silently. */
export function requireOptions(op: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options) || isTensor(options))
    throw located(
      ValueError,
      `${op}: ${shown(options)} as options; expected an object with ${known.join(', ')}.`,
    )
  for (const key of Object.keys(options))
    if (!known.includes(key))
      throw located(
        ValueError,
        `${op}: there is no option ${shown(key)}; expected ${known.join(', ')} or none.`,
      )
}

/** Refuses what is no tensor where nothing is made into one. */
export function requireTensor(op: string, what: string, value: unknown): asserts value is Tensor {
  if (!isTensor(value)) throw located(ValueError, `${op}: ${shown(value)} as ${what}; expected a tensor.`)
}

/** A number, which may be infinite. */
export function requireNumber(op: string, what: string, value: unknown): number {
  if (typeof value !== 'number' || Number.isNaN(value))
    throw located(ValueError, `${op}: ${shown(value)} as ${what}; expected a number.`)
  return value
}

/** A number of at least `least`. */
export function requireAtLeast(op: string, what: string, value: unknown, least: number): number {
  if (typeof value !== 'number' || !(value >= least))
    throw located(ValueError, `${op}: ${shown(value)} as ${what}; expected a number of at least ${least}.`)
  return value
}

/** An integer of at least `least`. */
export function requireInteger(op: string, what: string, value: unknown, least = -Infinity): number {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    const bound = least === -Infinity ? '' : ` of at least ${least}`
    throw located(ValueError, `${op}: ${shown(value)} as ${what}; expected an integer${bound}.`)
  }
  return value as number
}

/** True or false: what is merely truthy is more often a mistake than meant, such as the text 'false'. */
export function requireFlag(op: string, what: string, value: unknown): boolean {
  if (typeof value !== 'boolean')
    throw located(ValueError, `${op}: ${shown(value)} as ${what}; expected true or false.`)
  return value
}

/** Refuses what cannot be called. */
export function requireFunction(op: string, value: unknown): void {
  if (typeof value !== 'function') throw located(ValueError, `${op}: ${shown(value)}; expected a function.`)
}

import { ValueError } from '../errors.js'
import type { Visit } from './source.js'

/** A positive integer, or the default where it is left out. */
export function positive(op: string, name: string, value: number | undefined, initial: number): number {
  if (value === undefined) return initial
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new ValueError(`${op}: ${name} is ${String(value)}; expected a positive integer.`)
  }
  return value
}

/** An integer of at least 0, or the default where it is left out. */
export function natural<T>(op: string, name: string, value: number | undefined, initial: T): number | T {
  if (value === undefined) return initial
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new ValueError(`${op}: ${name} is ${String(value)}; expected an integer of at least 0.`)
  }
  return value
}

/** Throws for an option that does not exist: a misspelt one would be ignored. */
export function requireOptions(op: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue
    throw new ValueError(`${op}: there is no option "${key}"; there are ${known.join(', ')}.`)
  }
}

/** Samples visited in order. */
export function inOrder(batchSize: number): Visit {
  return { batchSize, shuffle: false, seed: undefined }
}

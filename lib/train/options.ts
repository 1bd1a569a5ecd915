import { ValueError } from '../errors.js'
import { requireFlag } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { Visit } from './source.js'

/** A positive integer, or the default where it is left out. */
export function positive(op: string, name: string, value: number | undefined, initial: number): number {
  if (value === undefined) return initial
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new ValueError(`${op}: ${name} is ${shown(value)}; expected a positive integer.`)
  }
  return value
}

/** An integer of at least 0, or the default where it is left out. */
export function natural<T>(op: string, name: string, value: number | undefined, initial: T): number | T {
  if (value === undefined) return initial
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new ValueError(`${op}: ${name} is ${shown(value)}; expected an integer of at least 0.`)
  }
  return value
}

/** True or false, or the default where it is left out. */
export function flag(op: string, name: string, value: unknown, initial: boolean): boolean {
  return value === undefined ? initial : requireFlag(op, name, value)
}

/** Refuses what is no signal. */
export function requireSignal(op: string, signal: unknown): void {
  if (signal === undefined) return
  if (!(signal instanceof AbortSignal))
    throw new ValueError(`${op}: ${shown(signal)} as signal; expected that of an AbortController.`)
}

/** Samples visited in order. */
export function inOrder(batchSize: number): Visit {
  return { batchSize, shuffle: false, seed: undefined }
}

import { native, setRecording } from './native.js'
import { requireFunction } from './tensor/checks.js'

let depth = 0

/** Whether non-finite values are looked for at the moment. */
export function isDetectingAnomalies(): boolean {
  return depth > 0
}

function enter(): void {
  depth += 1
  setRecording(true)
  if (depth === 1) native.setMode('anomaly', true)
}

function leave(): void {
  depth -= 1
  setRecording(false)
  if (depth === 0) native.setMode('anomaly', false)
}

let switched = false

/**
 * Looks for the first NaN or infinite value, forward and backward, while a function runs, or from now on.
 *
 * Jitted functions run eagerly meanwhile, with the same bits, so that the error can name the op, the module and the line.
 * It is slow: each result is read.
 *
 * @param body - a function to run, or `true` / `false` to switch the search on or off
 * @returns what the function returns; nothing for a switch
 * @throws AnomalyError at the first non-finite value
 * @example
 * ```ts
 * import { AnomalyError, detectAnomaly, tensor } from 'neuroxide'
 * try {
 *   detectAnomaly(() => tensor([0, 1]).log().sum())
 * } catch (error) {
 *   console.log(error instanceof AnomalyError) // true
 * }
 * ```
 */
export function detectAnomaly(body: boolean): void
export function detectAnomaly<T>(body: () => T): T
export function detectAnomaly<T>(body: boolean | (() => T)): T | void {
  if (typeof body === 'boolean') {
    if (body !== switched) (body ? enter : leave)()
    switched = body
    return undefined
  }
  requireFunction('detectAnomaly', body)
  enter()
  let result: T
  try {
    result = body()
  } catch (error) {
    leave()
    throw error
  }
  if (!(result instanceof Promise)) {
    leave()
    return result
  }
  return result.finally(leave) as T
}

// Whether programs compute the same: they hold the same weights at first, and their losses go the same way.
import type { Introduction } from './contestant.js'

/** Sums of the same weights differ by rounding of the sum alone. */
const WEIGHTS = 1e-6
/** The first loss follows from the same weights; only the order of sums differs. */
const FIRST = 1e-5
/**
 * Adam divides by the root of the second moment, so that a rounding in a gradient near zero moves a weight as much as
 * any gradient does; and Keras adds epsilon at another place.
 */
const LATER = 5e-3

/** What differs from the reference, or nothing. */
export function disagreement(reference: Introduction, other: Introduction): string | null {
  const apart = (a: number, b: number): number => Math.abs(a - b) / Math.max(Math.abs(a), Number.MIN_VALUE)
  // Not `>`: what is no number agrees with nothing.
  if (!(apart(reference.weights, other.weights) <= WEIGHTS))
    return `starts from other weights: ${other.weights} instead of ${reference.weights}`
  for (const [step, loss] of Object.entries(reference.losses)) {
    const theirs = other.losses[step] ?? Number.NaN
    if (!(apart(loss, theirs) <= (step === '1' ? FIRST : LATER)))
      return `has another loss at step ${step}: ${theirs} instead of ${loss}`
  }
  return null
}

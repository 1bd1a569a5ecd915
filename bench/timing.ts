// How a step is timed: warmed up, then in repeats of equal length, of which the median counts.

/** Runs about as many steps as asked, and says how many. */
export type Run = (steps: number) => number | Promise<number>

export interface Timing {
  /** Median over the repeats. */
  readonly usPerStep: number
  /** The fastest repeat. */
  readonly fastest: number
  /** Steps of all repeats together. */
  readonly steps: number
}

const REPEATS = 7

/** Times steps for about `seconds`; what is compiled, allocated or started on the way there has happened before. */
export async function timed(run: Run, seconds: number): Promise<Timing> {
  const each = (seconds * 1000) / REPEATS
  const stepsPerRepeat = await warmed(run, each)
  const times: number[] = []
  let steps = 0
  const end = performance.now() + 2000 * seconds
  // Fewer repeats where a single step takes longer than all of them were to take.
  for (let repeat = 0; repeat < REPEATS && (repeat === 0 || performance.now() < end); repeat += 1) {
    const start = performance.now()
    const done = await run(stepsPerRepeat)
    times.push((1000 * (performance.now() - start)) / done)
    steps += done
  }
  return { usPerStep: median(times), fastest: Math.min(...times), steps }
}

/** Runs ever more steps until they take long enough to tell how many fill `milliseconds`. */
async function warmed(run: Run, milliseconds: number): Promise<number> {
  for (let steps = 1; ;) {
    const start = performance.now()
    const done = await run(steps)
    const taken = performance.now() - start
    if (taken > milliseconds / 4) return Math.max(1, Math.round((done * milliseconds) / taken))
    steps = 2 * done
  }
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which a share of the values lies, between two of them where it falls between. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = share * (sorted.length - 1)
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

import { listed } from '../data/dataset.js'
import type { TracedProgram } from '../jit.js'
import type { Tensor } from '../tensor.js'
import { batchOf, type Streamed } from './source.js'
import type { Origin } from '../errors/origin.js'
import type { StepCache } from './steps.js'

/** Means over the samples of several batches. */
export class Means {
  readonly #sums: number[]
  #samples = 0

  constructor(count: number) {
    this.#sums = Array.from({ length: count }, () => 0)
  }

  add(values: readonly number[], samples: number): void {
    for (const [i, value] of values.entries()) this.#sums[i] = (this.#sums[i] ?? 0) + value * samples
    this.#samples += samples
  }

  /** NaN before the first batch. */
  get values(): number[] {
    return this.#sums.map((sum) => sum / this.#samples)
  }
}

/** What a pass is part of. */
export interface Passing {
  /** The method that runs it, for messages. */
  readonly op: string
  /** Numbers that a step gives. */
  readonly outputs: number
  readonly signal: AbortSignal | undefined
  readonly origin: Origin
  /** True ends the pass. */
  readonly onStep?: (step: number, values: readonly number[]) => boolean
}

/** One pass over batches that JavaScript makes; each step runs off the thread. */
export async function passOver(
  { op, outputs, signal, origin, onStep }: Passing,
  source: Streamed,
  steps: StepCache,
): Promise<{ readonly values: number[]; readonly steps: number; readonly ended: boolean }> {
  const means = new Means(outputs)
  let step = 0
  for await (const batch of source.batches) {
    signal?.throwIfAborted()
    const { x, y } = batchOf(op, batch, source.labels)
    const args = [...listed(x), ...listed(y)]
    const values = await measurements(steps.for(x, y), args, origin)
    means.add(values, args[0]?.shape[0] ?? 0)
    step++
    if (onStep?.(step, means.values) === true) return { values: means.values, steps: step, ended: true }
  }
  return { values: means.values, steps: step, ended: false }
}

async function measurements(
  program: TracedProgram,
  args: readonly Tensor[],
  origin: Origin,
): Promise<number[]> {
  try {
    const results = await program.run(args)
    return await Promise.all(results.map(readNumber))
  } catch (error) {
    throw origin.error(error)
  }
}

async function readNumber(scalar: Tensor): Promise<number> {
  const [value = Number.NaN] = await scalar.read()
  return value
}

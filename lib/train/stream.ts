import type { TracedProgram } from '../jit.js'
import type { Tensor } from '../tensor.js'
import { batchOf, type LoaderBatch, type Streamed } from './source.js'
import type { Origin } from '../errors/origin.js'
import { argumentsOf, type StepCache, type TensorBatch } from './steps.js'

/** What the outputs of several steps measure: means over the samples, sums as they are. */
export class Tally {
  readonly #sums: readonly boolean[]
  #totals: number[][]
  #samples = 0

  constructor(sums: readonly boolean[]) {
    this.#sums = sums
    this.#totals = sums.map((sum) => (sum ? [] : [0]))
  }

  add(outputs: readonly (readonly number[])[], samples: number): void {
    for (const [i, own] of outputs.entries()) {
      const totals = (this.#totals[i] ??= [])
      if (this.#sums[i] === true)
        for (const [at, value] of own.entries()) totals[at] = (totals[at] ?? 0) + value
      // A mean of more than one number is that of all of them.
      else totals[0] = (totals[0] ?? 0) + (own.reduce((sum, value) => sum + value, 0) / own.length) * samples
    }
    this.#samples += samples
  }

  /** One list for each output; NaN as mean before the first batch. */
  get values(): number[][] {
    return this.#totals.map((totals, i) =>
      this.#sums[i] === true ? [...totals] : [(totals[0] ?? 0) / this.#samples],
    )
  }

  /** The sums as they are, to go on with another time. */
  get running(): { readonly totals: readonly (readonly number[])[]; readonly samples: number } {
    return { totals: this.#totals, samples: this.#samples }
  }

  set running({
    totals,
    samples,
  }: {
    readonly totals: readonly (readonly number[])[]
    readonly samples: number
  }) {
    this.#totals = totals.map((own) => [...own])
    this.#samples = samples
  }
}

/** Batches of a loader one after the other, epoch after epoch. */
export class Feed {
  readonly #source: Streamed
  #iterator: Iterator<LoaderBatch> | AsyncIterator<LoaderBatch> | null = null
  /** Batches that the present iteration has given. */
  taken = 0

  constructor(source: Streamed) {
    this.#source = source
  }

  /** Whether an iteration is under way. */
  get open(): boolean {
    return this.#iterator !== null
  }

  /** Begins another iteration. */
  begin(): void {
    const { batches } = this.#source
    this.#iterator =
      Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]()
    this.taken = 0
  }

  /** The next batch; null where the iteration is over. */
  async next(): Promise<LoaderBatch | null> {
    if (this.#iterator === null) return null
    const result = await this.#iterator.next()
    if (result.done === true) {
      this.#iterator = null
      return null
    }
    this.taken += 1
    // An array of Promises is a loader too.
    return await result.value
  }

  /** Ends an iteration early, so that a generator can clean up. */
  async close(): Promise<void> {
    const iterator = this.#iterator
    this.#iterator = null
    await iterator?.return?.()
  }
}

/** What a pass is part of. */
export interface Passing {
  /** The method that runs it, for messages. */
  readonly op: string
  readonly sums: readonly boolean[]
  readonly signal: AbortSignal | undefined
  readonly origin: Origin
  /** Batches at most; no limit where it is left out. */
  readonly limit?: number | undefined
  /** What is done to a batch before it is given to a step. */
  readonly prepared?: ((batch: TensorBatch) => TensorBatch) | undefined
  readonly onStepBegin?: ((step: number) => Promise<void>) | undefined
  /** After `step` batches; true ends the pass. */
  readonly onStep?:
    | ((step: number, values: readonly (readonly number[])[]) => Promise<boolean> | boolean)
    | undefined
}

/** One pass over batches that JavaScript makes, without changing anything; each step runs off the thread. */
export async function passOver(
  passing: Passing,
  source: Streamed,
  steps: StepCache,
): Promise<{ readonly values: number[][]; readonly steps: number }> {
  const tally = new Tally(passing.sums)
  const feed = new Feed(source)
  let step = 0
  feed.begin()
  try {
    while (passing.limit === undefined || step < passing.limit) {
      const given = await feed.next()
      if (given === null) break
      passing.signal?.throwIfAborted()
      await passing.onStepBegin?.(step)
      const batch = preparedBatch(passing, given, source)
      tally.add(await measurements(steps.for(batch), batch, passing.origin), rowsOf(batch))
      step += 1
      if ((await passing.onStep?.(step, tally.values)) === true) break
    }
  } finally {
    await feed.close()
  }
  return { values: tally.values, steps: step }
}

/** A batch of a loader as tensors. */
export function preparedBatch(
  { op, prepared }: Pick<Passing, 'op' | 'prepared'>,
  given: LoaderBatch,
  source: Streamed,
): TensorBatch {
  const batch = batchOf(op, given, source.labels)
  return prepared === undefined ? batch : prepared(batch)
}

export function rowsOf(batch: TensorBatch): number {
  return argumentsOf(batch)[0]?.shape[0] ?? 0
}

/** Runs a step on a batch, off the thread; the numbers of each output. */
export async function measurements(
  program: TracedProgram,
  batch: TensorBatch,
  origin: Origin,
): Promise<number[][]> {
  try {
    const results = await program.run(argumentsOf(batch))
    return await Promise.all(results.map(readNumbers))
  } catch (error) {
    throw origin.error(error)
  }
}

async function readNumbers(output: Tensor): Promise<number[]> {
  return Array.from((await output.read()) as ArrayLike<number>)
}

import { TraceError, ValueError } from '../errors.js'
import type { TracedProgram } from '../jit.js'
import { native } from '../native.js'
import { handleOf } from '../tensor/base.js'
import { Origin } from '../errors/origin.js'
import type { InMemory } from './source.js'
import { argumentsOf } from './steps.js'

/** What the runner's thread tells: see the addon's `fitStart`. */
type Event =
  | {
      readonly kind: 'progress'
      readonly phase: 'train' | 'validation'
      readonly epoch: number
      readonly step: number
      readonly steps: number
      readonly values: number[]
      /** The first step of the epoch whose loss was not finite; -1 where all were. */
      readonly bad: number
    }
  | {
      readonly kind: 'batches'
      readonly epoch: number
      /** Steps of the epoch that were done after the first of these batches. */
      readonly first: number
      readonly count: number
      /** The numbers of one batch after those of the other. */
      readonly values: Float64Array
    }
  | {
      /** A question, or what was trained of an epoch that was left. */
      readonly kind: 'ask' | 'left'
      readonly phase: 'train' | 'validation'
      readonly epoch: number
      /** Steps that are done, and all of the pass. */
      readonly step: number
      readonly steps: number
      /** Whether no step of the pass has run yet, or none since it went on. */
      readonly first: boolean
      readonly values: number[]
      readonly key: number
      readonly sums: number[]
      readonly seen: number
      readonly offset: number
      readonly batches: number
    }
  | {
      readonly kind: 'epoch'
      readonly epoch: number
      readonly key: number
      readonly steps: number
      readonly values: number[]
      readonly validation: number[] | null
      readonly bad: number
      /** How far the random numbers of the training are used, and the batches that it has done. */
      readonly offset: number
      readonly batches: number
    }
  | { readonly kind: 'done' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'error'; readonly code: string; readonly message: string }

/** Milliseconds between two tellings of progress. */
const progressMs = 100

/** Programs for full batches and the last, smaller one. */
interface Pair {
  readonly full: TracedProgram
  /** Null where there is no smaller batch, or it is left out. */
  readonly rest: TracedProgram | null
}

/** Samples with the programs that take them. */
export interface Phase extends Pair {
  readonly source: InMemory
  /** Batches of a pass; 0 where each sample is visited once. */
  readonly steps: number
  /** Which outputs are sums. */
  readonly sums: readonly boolean[]
  /** Programs for batches whose gradients are only added up. */
  readonly adding: (Pair & { readonly every: number }) | null
}

/** How a phase is made. */
export interface PhaseSpec {
  readonly trace: (rows: number) => TracedProgram
  readonly sums: readonly boolean[]
  readonly steps?: number | undefined
  readonly adding?: { readonly every: number; readonly trace: (rows: number) => TracedProgram } | null
}

/** The size of a full batch, and that of the last one where it differs and is not left out. */
export function batchSizes({ samples, batchSize, dropLast }: InMemory): { full: number; rest: number } {
  const full = Math.min(batchSize, samples.length)
  return { full, rest: dropLast ? 0 : samples.length % full }
}

function pairOf({ full, rest }: { full: number; rest: number }, trace: PhaseSpec['trace']): Pair {
  const program = trace(full)
  try {
    return { full: program, rest: rest === 0 ? null : trace(rest) }
  } catch (error) {
    program.free()
    throw error
  }
}

/** Programs for every batch that will be met, traced before the first step. */
export function phaseOf(source: InMemory, { trace, sums, steps, adding }: PhaseSpec): Phase {
  const sizes = batchSizes(source)
  const own = pairOf(sizes, trace)
  try {
    const more =
      adding === undefined || adding === null ? null : { ...pairOf(sizes, adding.trace), every: adding.every }
    return { ...own, source, steps: steps ?? 0, sums, adding: more }
  } catch (error) {
    own.full.free()
    own.rest?.free()
    throw error
  }
}

export function freePhase(phase: Phase | null): void {
  for (const pair of [phase, phase?.adding]) {
    pair?.full.free()
    pair?.rest?.free()
  }
}

/** The numbers of a phase's outputs, one list for each: one number for a mean, all for sums. */
export function apart(phase: Phase, values: readonly number[]): number[][] {
  let at = 0
  return phase.full.outputs.map(({ shape }, i) => {
    const size = phase.sums[i] === true ? shape.reduce((product, axis) => product * axis, 1) : 1
    at += size
    return values.slice(at - size, at)
  })
}

/** Where a run begins, or goes on where another one was. */
export interface RunStart {
  readonly epoch: number
  readonly step: number
  /** What decides orders and random numbers; null for a new one. */
  readonly key: number | null
  readonly offset: number
  readonly sums: readonly number[]
  readonly seen: number
  readonly batches: number
}

export interface Run {
  readonly train: Phase | null
  readonly validation: Phase | null
  readonly epochs: number
  readonly start: RunStart
  /** How many epochs lie between two validations, or those after which it runs, counted from 1. */
  readonly validates: number | readonly number[]
  readonly signal: AbortSignal | undefined
  readonly onProgress: (event: Progress) => void
  /** After each batch of the training, in order; true ends it. Absent where nobody wants to know. */
  readonly onBatch?: ((step: number, values: readonly number[]) => boolean) | undefined
  /** Before the first batch of a pass and after each; the runner goes on when it settles, with true to the next pass. */
  readonly onAsk?: ((event: Ask) => Promise<boolean>) | undefined
  /** Which passes ask. */
  readonly asks?: { readonly train: boolean; readonly validation: boolean }
  /** Where a training stood that ended within an epoch, or failed there. */
  readonly onLeft?: ((event: Standing) => void) | undefined
  /** After each epoch; the runner goes on when it settles, unless it settles with true. */
  readonly onEpoch: (event: EpochEnd) => Promise<boolean>
}

export type Progress = Event & { kind: 'progress' }
export type Standing = Event & { kind: 'ask' | 'left' }
export type Ask = Standing
export type EpochEnd = Event & { kind: 'epoch' }

function described(phase: Phase | null): object | null {
  if (phase === null) return null
  const { samples } = phase.source
  return {
    program: phase.full.id,
    rest: phase.rest?.id ?? -1,
    xs: argumentsOf(samples).map(handleOf),
    count: samples.length,
    batchSize: batchSizes(phase.source).full,
    steps: phase.steps,
    sums: phase.sums.map(Number),
    accumulation:
      phase.adding === null
        ? null
        : {
            every: phase.adding.every,
            program: phase.adding.full.id,
            rest: phase.adding.rest?.id ?? -1,
          },
  }
}

/**
 * Runs epochs on a thread of their own and settles when they are done, or when a batch has ended them. An aborted signal
 * rejects with its reason, when the step and the hook that were running have ended: whoever is told hears nothing more
 * from then on.
 */
export function runEpochs(run: Run): Promise<void> {
  const { signal } = run
  const origin = new Origin()
  return new Promise((resolve, reject) => {
    let failure: { readonly error: unknown } | null = null
    let ended = false
    /** The hook that the runner waits for; it goes on also where the runner was made to end. */
    let pending: Promise<void> | null = null
    const settle = (error?: { readonly error: unknown }): void => {
      signal?.removeEventListener('abort', abort)
      const reason = failure ?? error
      if (reason === null || reason === undefined) resolve()
      else reject(reason.error)
    }
    const over = async (error?: { readonly error: unknown }): Promise<void> => {
      await pending
      settle(error)
    }
    // What a callback throws ends the training, and is what fit rejects with.
    const failed = (error: unknown): void => {
      failure ??= { error }
      native.fitAbort(id)
    }
    const guarded = (body: () => void): void => {
      try {
        body()
      } catch (error) {
        failed(error)
      }
    }
    const answered = async (answer: Promise<boolean>): Promise<void> => {
      try {
        const stop = await answer
        native.fitResume(id, stop || failure !== null)
      } catch (error) {
        failed(error)
      }
    }
    const id = started(specOf(run), (event) => {
      if (event.kind === 'progress') guarded(() => run.onProgress(event))
      else if (event.kind === 'batches') {
        // Batches that were done before the training heard that it was to end belong to nobody.
        guarded(() => {
          if (ended || failure !== null || run.onBatch === undefined) return
          ended = toldOf(event, run.onBatch)
          if (ended) native.fitAbort(id)
        })
      } else if (event.kind === 'left') guarded(() => run.onLeft?.(event))
      else if (event.kind === 'ask' || event.kind === 'epoch') {
        if (ended || failure !== null) native.fitResume(id, true)
        else if (event.kind === 'epoch') pending = answered(run.onEpoch(event))
        else pending = answered(run.onAsk?.(event) ?? Promise.resolve(false))
      } else if (event.kind === 'aborted') void over(ended ? undefined : { error: signal?.reason })
      else if (event.kind === 'error') {
        void over({ error: origin.error(Object.assign(new Error(event.message), { code: event.code })) })
      } else void over()
    })
    const abort = (): void => native.fitAbort(id)
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** Tells of batches one by one, until one of them ends the training. */
function toldOf(
  { first, count, values }: Event & { kind: 'batches' },
  tell: (step: number, values: readonly number[]) => boolean,
): boolean {
  const size = values.length / count
  for (let i = 0; i < count; i += 1)
    if (tell(first + i, Array.from(values.subarray(i * size, (i + 1) * size)))) return true
  return false
}

/** Starts a run. Gradients that a step leaves are those of parameters that nobody could name: see `trainingStep`. */
function started(spec: object, onEvent: (event: Event) => void): number {
  try {
    return native.fitStart(spec, onEvent)
  } catch (error) {
    if (!(error instanceof TraceError && error.message.includes('leaves gradients behind'))) throw error
    throw new ValueError(
      'fit: a parameter that is in no public field of the model and in no optimizer reaches the loss: it would be ' +
        'neither trained nor saved. Keep it in a field without #, or make it with { requiresGrad: false }.',
      { cause: error },
    )
  }
}

function specOf(run: Run): object {
  const source = run.train?.source
  const { epoch, step, key, offset, sums, seen, batches } = run.start
  return {
    train: described(run.train),
    validation: described(run.validation),
    epochs: run.epochs,
    initialEpoch: epoch,
    start: { step, sums, seen, batches },
    offset,
    validates: run.validates,
    shuffle: source?.shuffle ?? false,
    key: key ?? source?.seed ?? -1,
    batches: run.onBatch !== undefined,
    askTrain: run.asks?.train ?? false,
    askValidation: run.asks?.validation ?? false,
    progressMs,
  }
}

import { TraceError, ValueError } from '../errors.js'
import { listed } from '../data/dataset.js'
import type { TracedProgram } from '../jit.js'
import { native } from '../native.js'
import { handleOf } from '../tensor/base.js'
import { Origin } from '../errors/origin.js'
import type { InMemory } from './source.js'

/** What the runner's thread tells: see the addon's `fitStart`. */
type Event =
  | {
      readonly kind: 'progress'
      readonly phase: 'train' | 'validation'
      readonly epoch: number
      readonly step: number
      readonly steps: number
      readonly values: number[]
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
      readonly kind: 'epoch'
      readonly epoch: number
      readonly key: number
      readonly steps: number
      readonly values: number[]
      readonly validation: number[] | null
    }
  | { readonly kind: 'done' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'error'; readonly code: string; readonly message: string }

/** Milliseconds between two tellings of progress. */
const progressMs = 100

/** Samples with the programs that take them. */
export interface Phase {
  readonly source: InMemory
  /** For full batches, or for all samples where there are fewer. */
  readonly full: TracedProgram
  /** For the last batch where it is smaller; null where there is none, or it is left out. */
  readonly rest: TracedProgram | null
}

/** The size of a full batch, and that of the last one where it differs and is not left out. */
export function batchSizes({ samples, batchSize, dropLast }: InMemory): { full: number; rest: number } {
  const full = Math.min(batchSize, samples.length)
  return { full, rest: dropLast ? 0 : samples.length % full }
}

/** Programs for every batch that will be met, traced before the first step. */
export function phaseOf(source: InMemory, trace: (rows: number) => TracedProgram): Phase {
  const { full, rest } = batchSizes(source)
  const program = trace(full)
  try {
    return { source, full: program, rest: rest === 0 ? null : trace(rest) }
  } catch (error) {
    program.free()
    throw error
  }
}

export function freePhase(phase: Phase | null): void {
  phase?.full.free()
  phase?.rest?.free()
}

export interface Run {
  readonly train: Phase | null
  readonly validation: Phase | null
  readonly epochs: number
  readonly initialEpoch: number
  readonly outputs: number
  readonly signal: AbortSignal | undefined
  readonly onProgress: (event: Event & { kind: 'progress' }) => void
  /** After each batch of the training, in order; true ends it. Absent where nobody wants to know. */
  readonly onBatch?: ((step: number, values: readonly number[]) => boolean) | undefined
  /** After each epoch; the runner goes on when it settles, unless it settles with true. */
  readonly onEpoch: (event: Event & { kind: 'epoch' }) => Promise<boolean>
}

export type Progress = Event & { kind: 'progress' }
export type EpochEnd = Event & { kind: 'epoch' }

function described(phase: Phase | null): object | null {
  if (phase === null) return null
  const { samples } = phase.source
  return {
    program: phase.full.id,
    rest: phase.rest?.id ?? -1,
    xs: [...listed(samples.x), ...listed(samples.y)].map(handleOf),
    count: samples.length,
    batchSize: batchSizes(phase.source).full,
  }
}

/**
 * Runs epochs on a thread of their own and settles when they are done, or when a batch has ended them. An aborted signal
 * rejects with its reason, when the step that was running has ended.
 */
export function runEpochs(run: Run): Promise<void> {
  const { signal } = run
  const origin = new Origin()
  return new Promise((resolve, reject) => {
    let failure: { readonly error: unknown } | null = null
    let ended = false
    const settle = (error?: { readonly error: unknown }): void => {
      signal?.removeEventListener('abort', abort)
      const reason = failure ?? error
      if (reason === null || reason === undefined) resolve()
      else reject(reason.error)
    }
    // What a callback throws ends the training, and is what fit rejects with.
    const guarded = (body: () => void): void => {
      try {
        body()
      } catch (error) {
        failure ??= { error }
        native.fitAbort(id)
      }
    }
    const id = started(specOf(run), (event) => {
      if (event.kind === 'progress') guarded(() => run.onProgress(event))
      else if (event.kind === 'batches') {
        // Batches that were done before the training heard that it was to end belong to nobody.
        guarded(() => {
          if (ended || failure !== null || run.onBatch === undefined) return
          ended = toldOf(event, run.outputs, run.onBatch)
          if (ended) native.fitAbort(id)
        })
      } else if (event.kind === 'epoch' && (ended || failure !== null)) native.fitResume(id, true)
      else if (event.kind === 'epoch') {
        run.onEpoch(event).then(
          (stop) => native.fitResume(id, stop || failure !== null),
          (error: unknown) => {
            failure ??= { error }
            native.fitResume(id, true)
          },
        )
      } else if (event.kind === 'aborted') settle(ended ? undefined : { error: signal?.reason })
      else if (event.kind === 'error') {
        settle({ error: origin.error(Object.assign(new Error(event.message), { code: event.code })) })
      } else settle()
    })
    const abort = (): void => native.fitAbort(id)
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** Tells of batches one by one, until one of them ends the training. */
function toldOf(
  { first, count, values }: Event & { kind: 'batches' },
  outputs: number,
  tell: (step: number, values: readonly number[]) => boolean,
): boolean {
  for (let i = 0; i < count; i += 1)
    if (tell(first + i, Array.from(values.subarray(i * outputs, (i + 1) * outputs)))) return true
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
  return {
    train: described(run.train),
    validation: described(run.validation),
    epochs: run.epochs,
    initialEpoch: run.initialEpoch,
    outputs: run.outputs,
    shuffle: source?.shuffle ?? false,
    key: source?.seed ?? -1,
    batches: run.onBatch !== undefined,
    progressMs,
  }
}

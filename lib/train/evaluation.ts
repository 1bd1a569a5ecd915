import { isDetectingAnomalies } from '../anomaly.js'
import { Origin } from '../errors/origin.js'
import { requireOptions } from '../tensor/checks.js'
import { CallbackList, type CallbackHooks } from './callback.js'
import { type Compiled, labelType } from './compiled.js'
import { withRow } from './diagnoses.js'
import { visitOf } from './in-memory.js'
import { areSums, numbersOf } from './measures.js'
import type { Model } from './model.js'
import { inOrder, positive, requireSignal } from './options.js'
import { apart, freePhase, type Phase, phaseOf, runEpochs } from './runner.js'
import {
  type InMemory,
  type Input,
  type Samples,
  type Source,
  type Streamed,
  batchesOf,
  sliced,
  sourceOf,
  weighted,
} from './source.js'
import { evaluationStep, StepCache } from './steps.js'
import { passOver } from './stream.js'
import { TestRun } from './testing.js'
import { beginning } from './training.js'

export interface EvaluateOptions {
  /** Samples per batch; `32` by default. A loader has its own. */
  readonly batchSize?: number | undefined
  /** How much each sample counts in the loss and in `weightedMetrics`, `[n]`. Loaders give it with each batch. */
  readonly sampleWeight?: Input | undefined
  /** Batches that are measured, from the first sample on; all by default. */
  readonly steps?: number | undefined
  /** Objects with hooks of a test, in the order in which they are called. */
  readonly callbacks?: CallbackHooks | readonly CallbackHooks[] | undefined
  /** Ends the evaluation early: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

const known = ['batchSize', 'sampleWeight', 'steps', 'callbacks', 'signal']

/** What an evaluation works on. */
interface Evaluating {
  readonly model: Model
  readonly compiled: Compiled
  readonly callbacks: CallbackList
  readonly steps: number | undefined
  readonly signal: AbortSignal | undefined
}

/** Loss and metrics over all samples, by name. */
export async function evaluateModel(
  model: Model,
  compiled: Compiled,
  samples: Samples,
  options: EvaluateOptions,
): Promise<{ readonly loss: number }> {
  requireOptions('evaluate', options, known)
  const { signal } = options
  requireSignal('evaluate', signal)
  signal?.throwIfAborted()
  const visit = inOrder(positive('evaluate', 'batchSize', options.batchSize, 32))
  const given = sourceOf('evaluate', samples, visit, labelType(compiled))
  const source =
    options.sampleWeight === undefined ? given : weighted('evaluate', given, options.sampleWeight)
  const steps = options.steps === undefined ? undefined : positive('evaluate', 'steps', options.steps, 1)
  const callbacks = new CallbackList('evaluate', options.callbacks)
  const run: Evaluating = { model, compiled, callbacks, steps, signal }
  callbacks.attach(model, paramsOf(run, source))
  try {
    const outputs = await evaluated(run, source)
    return Object.fromEntries(numbersOf(compiled, outputs)) as { loss: number }
  } catch (error) {
    callbacks.undo()
    throw error
  }
}

function paramsOf({ compiled, steps }: Evaluating, source: Source): Parameters<CallbackList['attach']>[1] {
  const memory = source.kind === 'memory' ? source : null
  const own = source.kind === 'memory' ? visitOf(source) : source.steps
  return {
    epochs: 1,
    steps: steps ?? (own > 0 ? own : null),
    samples: memory?.samples.length ?? null,
    batchSize: memory?.batchSize ?? null,
    verbose: 0,
    metrics: compiled.names,
  }
}

async function evaluated(run: Evaluating, given: Source): Promise<number[][]> {
  const source = given.kind === 'memory' ? sliced({ ...given, shuffle: false }, run.steps) : given
  if (source.kind === 'stream' || isDetectingAnomalies()) return await streamed(run, batchesOf(source))
  try {
    return await inMemory(run, source)
  } catch (error) {
    const { samples } = source
    throw withRow('evaluate', error, [{ what: 'the data', y: samples.y, rows: samples.length }])
  }
}

async function inMemory(run: Evaluating, source: InMemory): Promise<number[][]> {
  const { model, compiled, signal } = run
  const phase: Phase = phaseOf(source, {
    trace: (rows) => evaluationStep(model, compiled, source.samples, rows),
    sums: areSums(compiled),
  })
  const test = new TestRun(run, phase)
  let outputs: number[][] = []
  try {
    await runEpochs({
      train: null,
      validation: phase,
      epochs: 1,
      start: beginningOf(),
      validates: 1,
      signal,
      asks: { train: false, validation: test.asked },
      onProgress: () => {},
      onAsk: (event) => test.ask(event),
      onEpoch: async ({ validation }) => {
        outputs = apart(phase, validation ?? [])
        return false
      },
    })
  } finally {
    freePhase(phase)
  }
  return outputs
}

function beginningOf(): Parameters<typeof runEpochs>[0]['start'] {
  return { ...beginning(0, 0), sums: [] }
}

async function streamed(run: Evaluating, source: Streamed): Promise<number[][]> {
  const { model, compiled, signal } = run
  const steps = new StepCache((batch, rows) => evaluationStep(model, compiled, batch, rows))
  const test = new TestRun(run, null)
  try {
    if (test.asked) await test.begins()
    const { values } = await passOver(
      {
        op: 'evaluate',
        sums: areSums(compiled),
        signal,
        origin: new Origin(),
        limit: run.steps,
        onStepBegin: test.asked ? (step) => test.batchBegins(step) : undefined,
        onStep: async (step, outputs) => {
          if (test.asked) await test.batchEnds(step - 1, outputs)
          return false
        },
      },
      source,
      steps,
    )
    if (test.asked) await test.ends(values)
    return values
  } finally {
    steps.free()
  }
}

import { isDetectingAnomalies } from '../anomaly.js'
import type { Module } from '../nn/module.js'
import { type Compiled, labelType } from './compiled.js'
import { inOrder, positive, requireSignal } from './options.js'
import { Origin } from '../errors/origin.js'
import { freePhase, phaseOf, runEpochs } from './runner.js'
import { type InMemory, type Samples, type Source, type Streamed, batchesOf, sourceOf } from './source.js'
import { evaluationStep, StepCache } from './steps.js'
import { passOver } from './stream.js'
import { requireOptions } from '../tensor/checks.js'

export interface EvaluateOptions {
  /** Samples per batch; `32` by default. A loader has its own. */
  readonly batchSize?: number | undefined
  /** Ends the evaluation early: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

const known = ['batchSize', 'signal']

/** Loss and metrics over all samples, by name. */
export async function evaluateModel(
  model: Module,
  compiled: Compiled,
  samples: Samples,
  options: EvaluateOptions,
): Promise<{ readonly loss: number }> {
  requireOptions('evaluate', options, known)
  const { signal } = options
  requireSignal('evaluate', signal)
  signal?.throwIfAborted()
  const source = sourceOf(
    'evaluate',
    samples,
    inOrder(positive('evaluate', 'batchSize', options.batchSize, 32)),
    labelType(compiled),
  )
  const values = await evaluated(model, compiled, source, signal)
  const names = ['loss', ...compiled.metrics.map(({ name }) => name)]
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? Number.NaN])) as { loss: number }
}

function evaluated(
  model: Module,
  compiled: Compiled,
  given: Source,
  signal?: AbortSignal,
): Promise<number[]> {
  const source = given.kind === 'memory' ? { ...given, shuffle: false } : given
  return source.kind === 'memory' && !isDetectingAnomalies()
    ? inMemory(model, compiled, source, signal)
    : streamed(model, compiled, batchesOf(source), signal)
}

async function inMemory(
  model: Module,
  compiled: Compiled,
  source: InMemory,
  signal?: AbortSignal,
): Promise<number[]> {
  const { x, y } = source.samples
  const phase = phaseOf(source, (rows) => evaluationStep(model, compiled, x, y, rows))
  let values: readonly number[] = []
  try {
    await runEpochs({
      train: null,
      validation: phase,
      epochs: 1,
      initialEpoch: 0,
      outputs: 1 + compiled.metrics.length,
      signal,
      onProgress: () => {},
      onEpoch: async ({ validation }) => {
        values = validation ?? []
        return false
      },
    })
  } finally {
    freePhase(phase)
  }
  return [...values]
}

async function streamed(
  model: Module,
  compiled: Compiled,
  source: Streamed,
  signal?: AbortSignal,
): Promise<number[]> {
  const steps = new StepCache((x, y, rows) => evaluationStep(model, compiled, x, y, rows))
  try {
    const passing = { op: 'evaluate', outputs: 1 + compiled.metrics.length, signal, origin: new Origin() }
    const { values } = await passOver(passing, source, steps)
    return values
  } finally {
    steps.free()
  }
}

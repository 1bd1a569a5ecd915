import { FormatError } from '../errors.js'
import { evaluationStep, trainingStep, type TensorBatch } from './steps.js'
import { areSums } from './measures.js'
import {
  apart,
  type Ask,
  batchSizes,
  type EpochEnd,
  freePhase,
  type Phase,
  phaseOf,
  runEpochs,
  type RunStart,
  type Standing,
} from './runner.js'
import { type InMemory, sliced } from './source.js'
import { TestRun } from './testing.js'
import type { Position, Training } from './training.js'
import { beginning } from './training.js'

/** Batches of one visit of all samples. */
export function visitOf(source: InMemory): number {
  const { full, rest } = batchSizes(source)
  return Math.floor(source.samples.length / full) + (rest === 0 ? 0 : 1)
}

function trainedPhase({ model, compiled, settings }: Training, train: InMemory): Phase {
  const like: TensorBatch = train.samples
  const { every } = compiled.update
  return phaseOf(train, {
    trace: (rows) => trainingStep(model, compiled, like, rows),
    sums: areSums(compiled),
    steps: settings.stepsPerEpoch,
    adding: every === 1 ? null : { every, trace: (rows) => trainingStep(model, compiled, like, rows, false) },
  })
}

function validatedPhase({ model, compiled, settings }: Training, validation: InMemory): Phase {
  // Batches that are never measured need no program.
  const source = sliced(validation, settings.validationSteps)
  return phaseOf(source, {
    trace: (rows) => evaluationStep(model, compiled, source.samples, rows),
    sums: areSums(compiled),
  })
}

function startOf({ epoch, step, key, offset, sums, seen, batches }: Position): RunStart {
  return { epoch, step, key, offset, sums: sums.flat(), seen, batches }
}

/** What a state says about an epoch has the widths of what is measured here, which tracing has just told. */
function requireSums({ full, sums }: Phase, { step, sums: saved }: Position): void {
  const sizes = full.outputs.map(({ shape }, i) =>
    sums[i] === true ? shape.reduce((product, axis) => product * axis, 1) : 1,
  )
  const [wanted, given] = [sizes.reduce((total, size) => total + size, 0), saved.flat().length]
  if (step > 0 && given !== wanted)
    throw new FormatError(
      `fit: resume: the state of a training has ${given} sums of an epoch; expected ${wanted}. Were metrics of other classes or options given?`,
    )
}

/** Trains on samples in memory, on a thread of its own. */
export async function trainInMemory(
  training: Training,
  train: InMemory,
  validation: InMemory | null,
): Promise<void> {
  const { bar, settings, callbacks, params } = training
  let trained: Phase | null = null
  let validated: Phase | null = null
  try {
    trained = trainedPhase(training, train)
    if (validation !== null) validated = validatedPhase(training, validation)
    const steps = settings.stepsPerEpoch ?? visitOf(train)
    requireSums(trained, training.position)
    await training.epochBegins(training.position.epoch, steps)
    const [phase, test] = [trained, validated === null ? null : new TestRun(training, validated)]
    await runEpochs({
      train: phase,
      validation: validated,
      epochs: settings.epochs,
      start: startOf(training.position),
      validates: settings.validationFreq,
      signal: settings.signal,
      asks: {
        train: callbacks.has('onTrainBatchBegin', 'onTrainBatchEnd'),
        validation: test?.asked ?? false,
      },
      onProgress: ({ phase: of, step, values, bad, epoch }) => {
        if (of !== 'train') return
        bar.update(step, training.readings(apart(phase, values)))
        training.diagnoses?.loss(epoch, bad)
      },
      onBatch:
        settings.batchCallbacks.length === 0
          ? undefined
          : (step, values) => training.batchTold(step - 1, apart(phase, values)),
      onAsk: async (event) =>
        event.phase === 'train' ? await asked(training, phase, event) : (await test?.ask(event)) === true,
      onLeft: (event) => stand(training, event),
      onEpoch: async (event) => await epochEnded(training, phase, validated, event, params.steps ?? steps),
    })
  } finally {
    freePhase(trained)
    freePhase(validated)
  }
}

/** Notes where the runner stands. */
function stand(training: Training, { epoch, step, key, offset, sums, seen, batches }: Standing): void {
  training.position = { epoch, step, key, offset, sums: [sums], seen, batches, feed: null }
  training.compiled.batches = batches
}

/** Before the first batch and after each; says whether the epoch is to end here. */
async function asked(training: Training, phase: Phase, event: Ask): Promise<boolean> {
  const { step, steps, first, values } = event
  stand(training, event)
  if (!first) await training.batchEnds(step - 1, apart(phase, values))
  if (training.model.stopTraining || training.settings.signal?.aborted === true) return true
  if (step < steps) await training.batchBegins(step)
  return training.model.stopTraining
}

async function epochEnded(
  training: Training,
  phase: Phase,
  validated: Phase | null,
  event: EpochEnd,
  steps: number,
): Promise<boolean> {
  const { epoch, key, offset, batches, values, validation, bad } = event
  training.position = { ...beginning(epoch + 1, batches), key, offset }
  training.compiled.batches = batches
  training.diagnoses?.loss(epoch, bad)
  training.diagnoses?.epoch()
  const held = validation === null || validated === null ? null : apart(validated, validation)
  const stop = await training.epochEnds(epoch, event.steps, apart(phase, values), held)
  const { epochs, signal } = training.settings
  if (!stop && signal?.aborted !== true && epoch + 1 < epochs) await training.epochBegins(epoch + 1, steps)
  return stop
}

import { ValueError } from '../errors.js'
import { isDetectingAnomalies } from '../anomaly.js'
import { DataLoader } from '../data/index.js'
import { zeroGradients } from '../tensor.js'
import type { DType } from '../types.js'
import type { CallbackParams } from './callback.js'
import { batchByClass, classWeightsOf, datasetByClass } from './class-weights.js'
import { type Compiled, labelType } from './compiled.js'
import { Diagnoses, type Labelled, withRow } from './diagnoses.js'
import type { EpochChannel } from './epochs.js'
import { type FitOptions, type Settings, settingsOf } from './fit-options.js'
import { prepareSums } from './gradients.js'
import type { History } from './history.js'
import { trainInMemory, visitOf } from './in-memory.js'
import type { Model } from './model.js'
import { inOrder } from './options.js'
import { type Input, type Samples, type Source, sourceOf, splitTail, weighted } from './source.js'
import { resumeFrom } from './state.js'
import type { TensorBatch } from './steps.js'
import { trainStreamed } from './streamed.js'
import { type Extent, Training, trainings } from './training.js'

/** Samples of a training, and what is done to each of its batches. */
interface Given {
  readonly train: Source
  readonly validation: Source | null
  readonly prepared: ((batch: TensorBatch) => TensorBatch) | undefined
}

/** Trains a compiled model. */
export async function fitModel(
  model: Model,
  compiled: Compiled,
  samples: Samples,
  options: FitOptions,
  channel: EpochChannel,
): Promise<History> {
  const settings = settingsOf(options, () => {
    model.stopTraining = true
  })
  const { signal } = settings
  signal?.throwIfAborted()
  const given = givenOf(samples, options, settings, labelType(compiled))
  const { train, validation } = given
  prepareSums(compiled)
  const training = new Training(
    model,
    compiled,
    settings,
    paramsOf(train, validation, settings, compiled),
    extentOf(given, settings),
    channel,
  )
  const inMemory = train.kind === 'memory' ? train : null
  if (settings.verbose > 0) training.diagnoses = new Diagnoses(model, compiled, training.bar, inMemory)
  // What a loop of the user's own left in the gradients would be added to those of the first step.
  compiled.optimizer.zeroGrad()
  const before = trainings.get(model)
  trainings.set(model, training)
  try {
    const file = settings.resume ?? settings.callbacks.resumeFrom()
    if (file !== null) await resumeFrom(model, file)
    await training.begin()
    if (!training.over) await trained(training, given)
    await training.end()
    keep(training)
  } catch (error) {
    training.callbacks.undo()
    // The weights are those of this training, though it ended early.
    if (!training.starting) keep(training)
    throw withRow('fit', error, labelled(train, validation))
  } finally {
    if (before === undefined) trainings.delete(model)
    else trainings.set(model, before)
    training.bar.close()
    // Those of the last step stayed in the program: a loop of the user's own has nothing to add to.
    zeroGradients([...new Set([...compiled.optimizer.parameters(), ...model.parameters()])])
  }
  return training.finish()
}

/** Notes where a training stands that has ended, for a file that is saved later. */
function keep({ compiled, position: last, past, extent, callbacks }: Training): void {
  const kept = { states: callbacks.states(), tensors: callbacks.tensors() }
  Object.assign(compiled, { last, past, extent, kept })
}

async function trained(training: Training, { train, validation, prepared }: Given): Promise<void> {
  if (training.extent.loop === 'memory' && train.kind === 'memory' && validation?.kind !== 'stream') {
    training.diagnoses?.inputs()
    await trainInMemory(training, train, validation)
  } else await trainStreamed(training, train, validation, prepared)
}

/** Targets in memory, where a label that does not exist can be looked for. */
function labelled(train: Source, validation: Source | null): Labelled[] {
  const all: [string, Source | null][] = [
    ['the training data', train],
    ['the validation data', validation],
  ]
  return all.flatMap(([what, source]) =>
    source?.kind === 'memory' ? [{ what, y: source.samples.y, rows: source.samples.length }] : [],
  )
}

function extentOf({ train, validation }: Given, settings: Settings): Extent {
  const stepsPerEpoch = settings.stepsPerEpoch ?? null
  const streams = train.kind === 'stream' || validation?.kind === 'stream' || isDetectingAnomalies()
  const loop = streams ? 'stream' : 'memory'
  if (train.kind === 'memory') {
    const { samples, batchSize, shuffle, dropLast } = train
    return { loop, samples: samples.length, batchSize, stepsPerEpoch, shuffle, dropLast }
  }
  const { batches } = train
  if (!(batches instanceof DataLoader))
    return { loop, samples: null, batchSize: null, stepsPerEpoch, shuffle: null, dropLast: null }
  const { dataset, batchSize, shuffle, dropLast } = batches
  return { loop, samples: dataset.length, batchSize, stepsPerEpoch, shuffle, dropLast }
}

function paramsOf(
  train: Source,
  validation: Source | null,
  { epochs, stepsPerEpoch, verbose, validationFreq }: Settings,
  compiled: Compiled,
): CallbackParams {
  const memory = train.kind === 'memory' ? train : null
  const own = memory === null ? (train as { readonly steps: number }).steps : visitOf(memory)
  const steps = stepsPerEpoch ?? (own > 0 ? own : null)
  return {
    epochs,
    steps,
    samples: memory?.samples.length ?? null,
    batchSize: memory?.batchSize ?? null,
    verbose,
    metrics: compiled.names,
    ...(validation === null || validationFreq === 1 ? {} : { validationFreq }),
  }
}

function givenOf(
  samples: Samples,
  options: FitOptions,
  settings: Settings,
  labels: DType | undefined,
): Given {
  const { batchSize, shuffle, seed } = settings
  const source = sourceOf('fit', samples, { batchSize, shuffle, seed }, labels)
  // A loader that was given no seed of its own takes that of the training.
  const seeded =
    samples instanceof DataLoader &&
    seed !== undefined &&
    source.kind === 'memory' &&
    source.seed === undefined
      ? { ...source, seed }
      : source
  const own = options.sampleWeight === undefined ? seeded : weighted('fit', seeded, options.sampleWeight)
  const [train, validation] = withValidation(own, options, settings, labels)
  if (options.classWeight === undefined) return { train, validation, prepared: undefined }
  const weights = classWeightsOf(options.classWeight)
  if (train.kind === 'stream') return { train, validation, prepared: batchByClass(weights) }
  return {
    train: { ...train, samples: datasetByClass(train.samples, weights) },
    validation,
    prepared: undefined,
  }
}

function withValidation(
  train: Source,
  { validationSplit: share, validationData: given }: FitOptions,
  { validationBatchSize }: Settings,
  labels: DType | undefined,
): [Source, Source | null] {
  if (share !== undefined && given !== undefined) {
    throw new ValueError('fit: validationSplit and validationData; expected one of the two.')
  }
  if (share !== undefined && share !== 0) {
    const [rest, tail] = splitTail(train, share)
    return [rest, { ...tail, batchSize: validationBatchSize }]
  }
  if (given === undefined) return [train, null]
  const validation = sourceOf('fit', validationSamples(given), inOrder(validationBatchSize), labels)
  return [train, validation.kind === 'memory' ? { ...validation, shuffle: false } : validation]
}

/** `[x, y]` and `[x, y, sampleWeight]` as samples; a list of batches stays one. */
function validationSamples(given: NonNullable<FitOptions['validationData']>): Samples {
  const isList = Array.isArray(given) && (given.length === 2 || given.length === 3)
  const first: unknown = isList ? given[0] : undefined
  if (!isList || (typeof first === 'object' && first !== null && 'x' in first && 'y' in first))
    return given as Samples
  const [x, y, sampleWeight] = given as unknown as readonly [Input, Input, Input | undefined]
  return { x, y, sampleWeight }
}

import { ValueError } from '../errors.js'
import { isDetectingAnomalies } from '../anomaly.js'
import { DataLoader } from '../data/index.js'
import type { Module } from '../nn/module.js'
import { type Compiled, labelType } from './compiled.js'
import { type History, HistoryRecorder } from './history.js'
import { Origin } from '../errors/origin.js'
import { flag, inOrder, natural, positive, requireSignal } from './options.js'
import { ProgressBar, type ProgressStream, type Reading, type Verbosity } from './progress.js'
import { type EpochEnd, freePhase, type Phase, phaseOf, runEpochs } from './runner.js'
import {
  type InMemory,
  type Input,
  type Samples,
  type Source,
  batchesOf,
  sourceOf,
  splitTail,
} from './source.js'
import { evaluationStep, StepCache, trainingStep } from './steps.js'
import { passOver } from './stream.js'
import { requireOptions } from '../tensor/checks.js'
import { zeroGradients } from '../tensor.js'
import { shown } from '../tensor/create.js'
import type { DType } from '../types.js'

/** The numbers of an epoch that has ended: `loss`, the metrics, and with validation data `valLoss` and so on. */
export type EpochLogs = Readonly<Record<string, number>>

/** Called after each epoch; returning (or resolving to) false ends the training. */
export type EpochCallback = (epoch: number, logs: EpochLogs) => unknown

/**
 * Called after each batch of the training with its place in the epoch and the means of the epoch so far. Returning false
 * ends the training after the step that is running; nothing is awaited.
 */
export type BatchCallback = (batch: number, logs: EpochLogs) => unknown

export interface FitOptions {
  /** How often all samples are visited; `1` by default. */
  readonly epochs?: number | undefined
  /** Samples per batch; `32` by default. A loader has its own. */
  readonly batchSize?: number | undefined
  /** Whether each epoch visits the samples in another order; `true` by default. A loader has its own order. */
  readonly shuffle?: boolean | undefined
  /** Share of the samples, at their end, that is kept from training and measured after each epoch. */
  readonly validationSplit?: number | undefined
  /** Samples that are measured after each epoch. */
  readonly validationData?: readonly [x: Input, y: Input] | Samples | undefined
  /** `0` prints nothing, `1` (default) a progress bar on stderr, `2` a line per epoch. */
  readonly verbose?: Verbosity | undefined
  /** Ends the training after the step that is running: `fit` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** The number of the first epoch, where a training goes on; `0` by default. `epochs` counts from 0, as in Keras. */
  readonly initialEpoch?: number | undefined
  /** What the orders and random layers depend on; from the program's own random numbers by default. */
  readonly seed?: number | undefined
  /** One function or several. */
  readonly onEpochEnd?: EpochCallback | readonly EpochCallback[] | undefined
  /**
   * One function or several. Samples in memory are trained on beside JavaScript, which hears of batches in order but up
   * to a few hundred of them late; a slow callback holds the training up.
   */
  readonly onBatchEnd?: BatchCallback | readonly BatchCallback[] | undefined
  /** Where progress goes; `process.stderr` by default. */
  readonly progressStream?: ProgressStream | undefined
}

const known = [
  'epochs',
  'batchSize',
  'shuffle',
  'validationSplit',
  'validationData',
  'verbose',
  'signal',
  'initialEpoch',
  'seed',
  'onEpochEnd',
  'onBatchEnd',
  'progressStream',
]

/** What both ways to train share. */
interface Training {
  readonly model: Module
  readonly compiled: Compiled
  readonly names: readonly string[]
  readonly epochs: number
  readonly initialEpoch: number
  readonly signal: AbortSignal | undefined
  readonly bar: ProgressBar
  readonly history: HistoryRecorder
  readonly callbacks: readonly EpochCallback[]
  readonly batchCallbacks: readonly BatchCallback[]
}

/** Trains a compiled model. */
export async function fitModel(
  model: Module,
  compiled: Compiled,
  samples: Samples,
  options: FitOptions,
): Promise<History> {
  requireOptions('fit', options, known)
  const { signal, onEpochEnd = [], onBatchEnd = [] } = options
  requireSignal('fit', signal)
  signal?.throwIfAborted()
  const [train, validation] = sources(samples, options, labelType(compiled))
  const names = ['loss', ...compiled.metrics.map(({ name }) => name)]
  const { verbose = 1, progressStream } = options
  requireShown(verbose, progressStream)
  const callbacks = typeof onEpochEnd === 'function' ? [onEpochEnd] : onEpochEnd
  requireCallbacks('onEpochEnd', callbacks)
  const batchCallbacks = typeof onBatchEnd === 'function' ? [onBatchEnd] : onBatchEnd
  requireCallbacks('onBatchEnd', batchCallbacks)
  const training: Training = {
    model,
    compiled,
    names,
    epochs: positive('fit', 'epochs', options.epochs, 1),
    initialEpoch: natural('fit', 'initialEpoch', options.initialEpoch, 0),
    signal,
    bar: new ProgressBar({ verbose, ...(progressStream === undefined ? {} : { stream: progressStream }) }),
    history: new HistoryRecorder(names),
    callbacks,
    batchCallbacks,
  }
  // What a loop of the user's own left in the gradients would be added to those of the first step.
  compiled.optimizer.zeroGrad()
  try {
    const inMemory = validation === null || validation.kind === 'memory'
    if (train.kind === 'memory' && inMemory && !isDetectingAnomalies())
      await fitInMemory(training, train, validation)
    else await fitStreamed(training, train, validation)
  } finally {
    training.bar.close()
    // Those of the last step stayed in the program: a loop of the user's own has nothing to add to.
    zeroGradients([...new Set([...compiled.optimizer.parameters(), ...model.parameters()])])
  }
  return training.history.finish()
}

function requireShown(verbose: unknown, stream: unknown): void {
  if (verbose !== 0 && verbose !== 1 && verbose !== 2)
    throw new ValueError(`fit: ${shown(verbose)} as verbose; expected 0, 1 or 2.`)
  if (stream !== undefined && typeof (stream as ProgressStream | null)?.write !== 'function')
    throw new ValueError(`fit: ${shown(stream)} as progressStream; expected an object with write(text).`)
}

function requireCallbacks(name: string, callbacks: unknown): void {
  if (!Array.isArray(callbacks) || !callbacks.every((callback) => typeof callback === 'function'))
    throw new ValueError(`fit: ${shown(callbacks)} as ${name}; expected a function or an array of functions.`)
}

function sources(
  samples: Samples,
  options: FitOptions,
  labels: DType | undefined,
): [train: Source, validation: Source | null] {
  const batchSize = positive('fit', 'batchSize', options.batchSize, 32)
  const seed = natural('fit', 'seed', options.seed, undefined)
  const visit = { batchSize, shuffle: flag('fit', 'shuffle', options.shuffle, true), seed }
  const train = sourceOf('fit', samples, visit, labels)
  if (
    samples instanceof DataLoader &&
    seed !== undefined &&
    train.kind === 'memory' &&
    train.seed === undefined
  ) {
    return withValidation({ ...train, seed }, options, batchSize, labels)
  }
  return withValidation(train, options, batchSize, labels)
}

function withValidation(
  train: Source,
  { validationSplit: share, validationData: given }: FitOptions,
  batchSize: number,
  labels: DType | undefined,
): [Source, Source | null] {
  if (share !== undefined && given !== undefined) {
    throw new ValueError('fit: validationSplit and validationData; expected one of the two.')
  }
  if (share !== undefined && share !== 0) return splitTail(train, share)
  if (given === undefined) return [train, null]
  const pair =
    Array.isArray(given) &&
    given.length === 2 &&
    !(typeof given[0] === 'object' && given[0] !== null && 'x' in given[0])
  const samples = pair ? { x: given[0] as Input, y: given[1] as Input } : (given as Samples)
  const validation = sourceOf('fit', samples, inOrder(batchSize), labels)
  return [train, validation.kind === 'memory' ? { ...validation, shuffle: false } : validation]
}

function label({ epochs }: Training, epoch: number): string {
  return `Epoch ${epoch + 1}/${epochs}`
}

/** Records an epoch and calls the callbacks; says whether one of them ends the training. */
async function epochEnded(
  training: Training,
  epoch: number,
  steps: number,
  values: readonly number[],
  validation: readonly number[] | null,
): Promise<boolean> {
  const logs = training.history.logs(values, validation)
  training.history.add(epoch, values, validation)
  training.bar.end(steps, logs)
  let stop = false
  for (const callback of training.callbacks) {
    if ((await callback(epoch, Object.fromEntries(logs))) === false) stop = true
  }
  return stop
}

/** Calls the callbacks after a batch; says whether one of them ends the training. */
function batchEnded({ names, batchCallbacks }: Training, step: number, values: readonly number[]): boolean {
  const logs = Object.fromEntries(names.map((name, i) => [name, values[i] ?? Number.NaN]))
  let end = false
  for (const callback of batchCallbacks) if (callback(step - 1, logs) === false) end = true
  return end
}

function readings(training: Training, values: readonly number[]): Reading[] {
  return training.names.map((name, i) => [name, values[i] ?? Number.NaN])
}

async function fitInMemory(training: Training, train: InMemory, validation: Source | null): Promise<void> {
  const { model, compiled, bar, initialEpoch, epochs } = training
  if (initialEpoch >= epochs) return
  let trained: Phase | null = null
  let validated: Phase | null = null
  try {
    const { samples } = train
    trained = phaseOf(train, (rows) => trainingStep(model, compiled, samples.x, samples.y, rows))
    if (validation?.kind === 'memory') {
      const { x, y } = validation.samples
      validated = phaseOf(validation, (rows) => evaluationStep(model, compiled, x, y, rows))
    }
    const steps = train.dropLast
      ? Math.floor(samples.length / train.batchSize)
      : Math.ceil(samples.length / train.batchSize)
    bar.begin(label(training, initialEpoch), steps)
    await runEpochs({
      train: trained,
      validation: validated,
      epochs,
      initialEpoch,
      outputs: training.names.length,
      signal: training.signal,
      onProgress: ({ phase, step, values }) => {
        if (phase === 'train') bar.update(step, readings(training, values))
      },
      onBatch:
        training.batchCallbacks.length === 0
          ? undefined
          : (step, values) => batchEnded(training, step, values),
      onEpoch: async (event: EpochEnd) => {
        const stop = await epochEnded(training, event.epoch, event.steps, event.values, event.validation)
        if (!stop && event.epoch + 1 < epochs) bar.begin(label(training, event.epoch + 1), steps)
        return stop
      },
    })
  } finally {
    freePhase(trained)
    freePhase(validated)
  }
}

/** Batches from JavaScript: the same loop, step by step. Samples in memory become batches too, where only one side streams. */
async function fitStreamed(training: Training, train: Source, validation: Source | null): Promise<void> {
  const { model, compiled, bar, signal, names } = training
  const steps = new StepCache((x, y, rows) => trainingStep(model, compiled, x, y, rows))
  const measures = new StepCache((x, y, rows) => evaluationStep(model, compiled, x, y, rows))
  const source = batchesOf(train, training.initialEpoch)
  const checked = validation === null ? null : batchesOf(validation)
  const passing = { op: 'fit', outputs: names.length, signal, origin: new Origin() }
  const onStep = (step: number, values: readonly number[]): boolean => {
    bar.update(step, readings(training, values))
    return training.batchCallbacks.length > 0 && batchEnded(training, step, values)
  }
  try {
    for (let epoch = training.initialEpoch; epoch < training.epochs; epoch++) {
      bar.begin(label(training, epoch), source.steps)
      const pass = await passOver({ ...passing, onStep }, source, steps)
      if (pass.steps === 0)
        throw new ValueError(
          'fit: a loader without batches; expected some in each epoch. Does it give its batches once only?',
        )
      signal?.throwIfAborted()
      if (pass.ended) return
      const seen = checked === null ? null : await passOver(passing, checked, measures)
      if (await epochEnded(training, epoch, pass.steps, pass.values, seen?.values ?? null)) return
    }
  } finally {
    steps.free()
    measures.free()
  }
}

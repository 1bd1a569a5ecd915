import { ValueError } from '../errors.js'
import { requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { type CallbackHooks, CallbackList, type Logs } from './callback.js'
import { flag, natural, positive, requireSignal } from './options.js'
import type { ProgressStream, Verbosity } from './progress.js'
import type { ClassWeights } from './class-weights.js'
import type { Input, Samples } from './source.js'

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
  readonly validationData?:
    | readonly [x: Input, y: Input]
    | readonly [x: Input, y: Input, sampleWeight: Input]
    | Samples
    | undefined
  /** How many epochs lie between two validations (`1` by default), or those after which it runs, counted from 1. */
  readonly validationFreq?: number | readonly number[] | undefined
  /** Samples per batch of the validation; that of the training by default. */
  readonly validationBatchSize?: number | undefined
  /** Batches of a validation, from the first sample on; all by default. */
  readonly validationSteps?: number | undefined
  /**
   * Batches of an epoch; all samples by default. The next epoch goes on where this one ended, and begins anew after the
   * last sample.
   */
  readonly stepsPerEpoch?: number | undefined
  /** How much samples of a class count, by the number of the class: a record, a Map or an array; `1` by default. */
  readonly classWeight?: ClassWeights | undefined
  /** How much each sample counts in the loss and in `weightedMetrics`, `[n]`. Loaders give it with each batch. */
  readonly sampleWeight?: Input | undefined
  /** Objects with hooks, in the order in which they are called. */
  readonly callbacks?: CallbackHooks | readonly CallbackHooks[] | undefined
  /** A file that `model.save(path, { optimizer: true })` wrote: the training goes on where it was then. */
  readonly resume?: string | undefined
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
   * to a few hundred of them late; a slow callback holds the training up. A callback's `onTrainBatchEnd` is on time.
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
  'validationFreq',
  'validationBatchSize',
  'validationSteps',
  'stepsPerEpoch',
  'classWeight',
  'sampleWeight',
  'callbacks',
  'resume',
  'verbose',
  'signal',
  'initialEpoch',
  'seed',
  'onEpochEnd',
  'onBatchEnd',
  'progressStream',
]

/** Options of `fit` with their defaults. */
export interface Settings {
  readonly epochs: number
  readonly initialEpoch: number
  readonly batchSize: number
  readonly shuffle: boolean
  readonly seed: number | undefined
  readonly stepsPerEpoch: number | undefined
  readonly validationFreq: number | readonly number[]
  readonly validationBatchSize: number
  readonly validationSteps: number | undefined
  readonly verbose: Verbosity
  readonly progressStream: ProgressStream | undefined
  readonly signal: AbortSignal | undefined
  readonly resume: string | undefined
  readonly callbacks: CallbackList
  readonly batchCallbacks: readonly BatchCallback[]
}

/** Checks all options but those about samples. `stop` is called where a function of `onEpochEnd` gave false. */
export function settingsOf(options: FitOptions, stop: () => void): Settings {
  requireOptions('fit', options, known)
  const { verbose = 1, progressStream, signal, resume } = options
  requireSignal('fit', signal)
  requireShown('fit', verbose, progressStream)
  if (resume !== undefined && (typeof resume !== 'string' || resume === ''))
    throw new ValueError(`fit: ${shown(resume)} as resume; expected the path of a file.`)
  const functions = listOf<EpochCallback>('onEpochEnd', options.onEpochEnd)
  const wrapped = functions.map((callback) => ({
    onEpochEnd: async (epoch: number, logs: Logs): Promise<void> => {
      if ((await callback(epoch, logs)) === false) stop()
    },
  }))
  const batchSize = positive('fit', 'batchSize', options.batchSize, 32)
  return {
    epochs: requireFewer('epochs', positive('fit', 'epochs', options.epochs, 1)),
    initialEpoch: requireFewer('initialEpoch', natural('fit', 'initialEpoch', options.initialEpoch, 0)),
    batchSize,
    shuffle: flag('fit', 'shuffle', options.shuffle, true),
    seed: natural('fit', 'seed', options.seed, undefined),
    stepsPerEpoch: optional('stepsPerEpoch', options.stepsPerEpoch),
    validationFreq: frequency(options.validationFreq),
    validationBatchSize: positive('fit', 'validationBatchSize', options.validationBatchSize, batchSize),
    validationSteps: optional('validationSteps', options.validationSteps),
    verbose,
    progressStream,
    signal,
    resume,
    callbacks: new CallbackList('fit', options.callbacks, wrapped),
    batchCallbacks: listOf<BatchCallback>('onBatchEnd', options.onBatchEnd),
  }
}

/** Each epoch has an order and random numbers of its own, of which there are not more. */
function requireFewer(name: string, value: number): number {
  if (value > 2 ** 31) throw new ValueError(`fit: ${name} is ${value}; expected at most 2147483648.`)
  return value
}

function optional(name: string, value: number | undefined): number | undefined {
  return value === undefined ? undefined : positive('fit', name, value, 1)
}

function frequency(value: number | readonly number[] | undefined): number | readonly number[] {
  if (!Array.isArray(value)) return positive('fit', 'validationFreq', value as number | undefined, 1)
  for (const epoch of value as readonly unknown[])
    positive('fit', 'an epoch of validationFreq', epoch as number, 1)
  return value as readonly number[]
}

/** Refuses what is no verbosity and no stream. */
export function requireShown(op: string, verbose: unknown, stream: unknown): void {
  if (verbose !== 0 && verbose !== 1 && verbose !== 2)
    throw new ValueError(`${op}: ${shown(verbose)} as verbose; expected 0, 1 or 2.`)
  if (stream !== undefined && typeof (stream as ProgressStream | null)?.write !== 'function')
    throw new ValueError(`${op}: ${shown(stream)} as progressStream; expected an object with write(text).`)
}

function listOf<F>(name: string, given: F | readonly F[] | undefined): readonly F[] {
  const list: unknown = given === undefined ? [] : Array.isArray(given) ? given : [given]
  if (!(list as unknown[]).every((callback) => typeof callback === 'function'))
    throw new ValueError(`fit: ${shown(given)} as ${name}; expected a function or an array of functions.`)
  return list as readonly F[]
}

import { native } from '../native.js'
import type { Module } from '../nn/module.js'
import { rngState } from '../random.js'
import type { Tensor } from '../tensor.js'
import type { CallbackList, CallbackParams, Logs, PendingHook } from './callback.js'
import type { Compiled } from './compiled.js'
import type { Diagnoses } from './diagnoses.js'
import type { EpochChannel } from './epochs.js'
import type { Settings } from './fit-options.js'
import { HistoryRecorder } from './history.js'
import { numbersOf } from './measures.js'
import type { Model } from './model.js'
import { ProgressBar, type Reading } from './progress.js'

/** A position in the program's stream of random numbers: what `rngState()` says. */
export type RngPosition = readonly [seed: number, offset: number, forks: number]

/** A point between two steps of a training, from which it can go on. */
export interface Position {
  readonly epoch: number
  /** Steps of that epoch that are done. */
  readonly step: number
  /** What decides orders and random numbers; null where it has not been drawn yet. */
  readonly key: number | null
  /** How far the training's random numbers are used. */
  readonly offset: number
  /** What the steps of the epoch have measured, as it is kept. */
  readonly sums: readonly (readonly number[])[]
  /** Samples that were seen in the epoch. */
  readonly seen: number
  readonly batches: number
  /** Where a loader stood; null where it gives the next epoch from its beginning. */
  readonly feed: FeedPosition | null
}

/** How to bring a loader to where it stood. */
export interface FeedPosition {
  /** The program's random numbers when its iteration began. */
  readonly rng: RngPosition
  /** The number of its epoch then, where it counts. */
  readonly epoch: number | null
  /** Batches that it has given since. */
  readonly taken: number
  /** The random numbers before the last of them, where it has not been trained on yet. */
  readonly held: RngPosition | null
}

/** The numbers of an epoch that has ended, in the order of their names. */
export interface PastEpoch {
  readonly epoch: number
  readonly values: readonly number[]
  readonly validation: readonly number[] | null
}

/** What a saved training says, beside tensors. */
export interface Resumed {
  readonly position: Position
  readonly rng: RngPosition
  readonly past: readonly PastEpoch[]
  readonly callbacks: readonly unknown[]
  /** Tensors of callbacks, as `index.name`. */
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly pending: PendingHook | null
  readonly stop: boolean
  readonly names: readonly string[]
  /** Null where no `fit` has run. */
  readonly extent: Extent | null
}

/** What has to be the same where a training goes on; null is what is not known, or not given. */
export interface Extent {
  /** Who makes the batches: the runner's thread, or JavaScript. Both keep their sums and orders in their own way. */
  readonly loop: 'memory' | 'stream'
  readonly samples: number | null
  readonly batchSize: number | null
  readonly stepsPerEpoch: number | null
  readonly shuffle: boolean | null
  readonly dropLast: boolean | null
}

/** How a training begins where nothing was saved. */
export function beginning(epoch: number, batches: number): Position {
  return { epoch, step: 0, key: null, offset: 0, sums: [], seen: 0, batches, feed: null }
}

/** The position in the program's stream of random numbers. */
export function programRng(): RngPosition {
  const { seed, offset, forks = 0 } = rngState()
  return [seed, offset, forks]
}

/** What both ways to train share: callbacks, progress, history, and where the training stands. */
export class Training {
  readonly names: readonly string[]
  readonly callbacks: CallbackList
  readonly bar: ProgressBar
  readonly past: PastEpoch[] = []
  readonly #history: HistoryRecorder
  /** Where it could go on, while a hook may want to know. */
  position: Position
  /** Whether nothing moves: only then a state can be taken. */
  standing = false
  /** Whether a saved training may still be put in its place. */
  starting = true
  resumed: Resumed | null = null
  /** What looks for likely mistakes; null where nothing is printed. */
  diagnoses: Diagnoses | null = null
  /** A hook of the beginning that has been called before it was saved. */
  #begun: 'onEpochBegin' | 'onTrainBatchBegin' | null = null
  #last: Logs = {}

  constructor(
    readonly model: Model,
    readonly compiled: Compiled,
    readonly settings: Settings,
    readonly params: CallbackParams,
    readonly extent: Extent,
    readonly channel: EpochChannel,
  ) {
    const { progressStream: stream, verbose, callbacks, initialEpoch } = settings
    this.names = compiled.names
    this.callbacks = callbacks
    this.bar = new ProgressBar({ verbose, ...(stream === undefined ? {} : { stream }) })
    this.#history = new HistoryRecorder(compiled.names)
    this.position = beginning(initialEpoch, compiled.batches)
    callbacks.attach(model, params)
  }

  /** Runs hooks while nothing moves. */
  async still<T>(body: () => Promise<T>): Promise<T> {
    this.standing = true
    try {
      return await body()
    } finally {
      this.standing = false
    }
  }

  /** Tells the callbacks of the beginning, and goes to where a saved training stood. */
  async begin(): Promise<void> {
    this.model.stopTraining = false
    await this.still(() => this.callbacks.whole('onTrainBegin', {}))
    this.starting = false
    if (this.resumed === null) return
    const { position, rng, past, callbacks, tensors, pending, stop } = this.resumed
    this.position = position
    this.compiled.batches = position.batches
    for (const epoch of past) this.#record(epoch)
    this.callbacks.loadStates(callbacks)
    this.callbacks.loadTensors(tensors)
    native.setRngState(...rng)
    this.model.stopTraining = stop
    if (pending !== null) {
      const { hook, index, logs, from } = pending
      await this.still(() => this.callbacks.counted(hook, index, logs, from))
      if (hook === 'onEpochBegin' || hook === 'onTrainBatchBegin') this.#begun = hook
    }
  }

  /** Whether there is nothing left to do. */
  get over(): boolean {
    const { step, epoch } = this.position
    return epoch >= this.settings.epochs || (this.model.stopTraining && step === 0)
  }

  async end(): Promise<void> {
    await this.still(() => this.callbacks.whole('onTrainEnd', this.#last))
  }

  /** Before the first step of an epoch, or where one goes on. */
  async epochBegins(epoch: number, steps: number): Promise<void> {
    this.bar.begin(`Epoch ${epoch + 1}/${this.settings.epochs}`, steps)
    if (this.position.step > 0 || this.#begun !== null) return
    await this.still(() => this.callbacks.counted('onEpochBegin', epoch, {}))
  }

  /** Before a batch. */
  async batchBegins(step: number): Promise<void> {
    const before = this.#begun
    this.#begun = null
    if (before === 'onTrainBatchBegin') return
    await this.still(() => this.callbacks.counted('onTrainBatchBegin', step, {}))
  }

  /** After a batch. */
  async batchEnds(step: number, outputs: readonly (readonly number[])[]): Promise<void> {
    const logs = Object.fromEntries(this.readings(outputs))
    await this.still(() => this.callbacks.counted('onTrainBatchEnd', step, logs))
  }

  /** The numbers of outputs by name. */
  readings(outputs: readonly (readonly number[])[]): Reading[] {
    return numbersOf(this.compiled, outputs)
  }

  /** Tells the functions of `onBatchEnd`; says whether one of them ends the training. */
  batchTold(step: number, outputs: readonly (readonly number[])[]): boolean {
    const logs = Object.fromEntries(this.readings(outputs))
    let end = false
    for (const callback of this.settings.batchCallbacks) if (callback(step, logs) === false) end = true
    return end
  }

  /** Records an epoch and calls the callbacks; says whether the training is to end. */
  async epochEnds(
    epoch: number,
    steps: number,
    outputs: readonly (readonly number[])[],
    validation: readonly (readonly number[])[] | null,
  ): Promise<boolean> {
    const values = this.readings(outputs).map(([, value]) => value)
    const held = validation === null ? null : this.readings(validation).map(([, value]) => value)
    const logs = this.#record({ epoch, values, validation: held })
    this.#begun = null
    this.bar.end(steps, Object.entries(logs))
    await this.still(() => this.callbacks.counted('onEpochEnd', epoch, logs))
    const left = await this.still(
      async () => await this.channel.put({ loss: values[0] ?? Number.NaN, ...logs, epoch }),
    )
    return left || this.model.stopTraining
  }

  #record(past: PastEpoch): Logs {
    const { epoch, values, validation } = past
    this.past.push(past)
    this.#history.add(epoch, values, validation)
    this.#last = Object.fromEntries(this.#history.logs(values, validation))
    return this.#last
  }

  finish(): ReturnType<HistoryRecorder['finish']> {
    return this.#history.finish()
  }
}

/** Trainings under way, by their models. */
export const trainings = new WeakMap<Module, Training>()

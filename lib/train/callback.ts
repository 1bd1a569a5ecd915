import { ValueError } from '../errors.js'
import { shown } from '../tensor/create.js'
import type { Tensor } from '../tensor.js'
import { hookAliases, hookNames, misspelt, nameOfHook } from './hook-names.js'
import type { Model } from './model.js'
import type { Verbosity } from './progress.js'

/** Numbers by name: `loss`, the metrics, and `valLoss` and so on where validation data was measured. */
export type Logs = Readonly<Record<string, number>>

/** What is known of a training, an evaluation or a prediction when it begins. */
export interface CallbackParams {
  /** Epochs of the whole training; 1 for `evaluate` and `predict`. */
  readonly epochs: number
  /** Batches per epoch; null where a loader does not tell. */
  readonly steps: number | null
  /** Samples per epoch; null where a loader does not tell. */
  readonly samples: number | null
  /** Samples per batch; null for a loader of which it is not known. */
  readonly batchSize: number | null
  readonly verbose: Verbosity
  /** The names of what is measured, as logs have them: `loss` first, then the metrics. */
  readonly metrics: readonly string[]
  /** After how many, or which, epochs validation data is measured; left out where it is after each, and without any. */
  readonly validationFreq?: number | readonly number[]
}

/**
 * What `fit`, `evaluate` and `predict` call while they run; every hook may be left out, and plain objects will do.
 *
 * Hooks that return a Promise are awaited, before the next step where they are of a batch. What a hook throws ends the
 * training and is what `fit` rejects with. A hook may set `model.stopTraining` and hyperparameters of the optimizer:
 * they act on the very next step. `fit` runs the hooks of a test too, for the validation data.
 */
export interface CallbackHooks {
  onTrainBegin?(logs: Logs): unknown
  onTrainEnd?(logs: Logs): unknown
  onEpochBegin?(epoch: number, logs: Logs): unknown
  /** After the epoch and its validation, with the numbers of both. */
  onEpochEnd?(epoch: number, logs: Logs): unknown
  onTrainBatchBegin?(batch: number, logs: Logs): unknown
  /** After a batch, with the means of the epoch so far. */
  onTrainBatchEnd?(batch: number, logs: Logs): unknown
  /** Another name of `onTrainBatchBegin`, as in Keras; a callback has one of both. */
  onBatchBegin?(batch: number, logs: Logs): unknown
  /** Another name of `onTrainBatchEnd`, as in Keras; a callback has one of both. */
  onBatchEnd?(batch: number, logs: Logs): unknown
  onTestBegin?(logs: Logs): unknown
  onTestEnd?(logs: Logs): unknown
  onTestBatchBegin?(batch: number, logs: Logs): unknown
  onTestBatchEnd?(batch: number, logs: Logs): unknown
  onPredictBegin?(logs: Logs): unknown
  onPredictEnd?(logs: Logs): unknown
  onPredictBatchBegin?(batch: number, logs: Logs): unknown
  onPredictBatchEnd?(batch: number, logs: Logs): unknown
  /** What resuming needs of this callback, as plain JSON. */
  state?(): unknown
  /** Given what `state` returned, after `onTrainBegin` and before the first epoch of a resumed training. */
  loadState?(state: unknown): void
  /** Tensors that resuming needs beside `state`, by name: they are saved as tensors. */
  stateTensors?(): Readonly<Record<string, Tensor>>
  /** Given what `stateTensors` returned, after `loadState`. */
  loadStateTensors?(tensors: Readonly<Record<string, Tensor>>): void
  /** The file of a training to go on with, where there is one and `fit` was not given one; asked before the first hook. */
  resumeFrom?(): string | null
  /** @hidden Told of the model before the first hook. */
  attach?(model: Model, params: CallbackParams): void
}

/** What a callback undoes where a training, an evaluation or a prediction ended before its last hook. */
export const undo: unique symbol = Symbol('undo')

/** The names of the hooks, each once. */
export type HookName = Exclude<Extract<keyof CallbackHooks, `on${string}`>, `onBatch${string}`>

/** Declares the hooks, so that `override` finds them; a class has those that it writes. */
// oxlint-disable-next-line no-unsafe-declaration-merging -- optional members, of which there are none
export interface Callback extends CallbackHooks {}

/**
 * The base class of callbacks that want the model: write the hooks that are needed; those that are not there are not
 * called and cost nothing.
 *
 * @example
 * ```ts
 * import { Callback, nn, optim, zeros } from 'neuroxide'
 * class HalfRate extends Callback {
 *   override onEpochEnd(): void {
 *     const { optimizer } = this.model
 *     if (optimizer !== null) optimizer.lr /= 2
 *   }
 * }
 * const net = new nn.Sequential(new nn.Linear(2, 1))
 * const optimizer = new optim.SGD(net.parameters(), { lr: 0.01 })
 * const model = net.compile({ optimizer, loss: 'mse' })
 * await model.fit(zeros([8, 2]), zeros([8, 1]), { epochs: 3, callbacks: [new HalfRate()], verbose: 0 })
 * console.log(optimizer.lr) // 0.00125
 * ```
 */
export abstract class Callback {
  #model: Model | null = null
  #params: CallbackParams | null = null

  /**
   * The model that is trained, measured or asked.
   *
   * @throws ValueError before the callback was given to one
   */
  get model(): Model {
    if (this.#model === null) throw this.#unused('model')
    return this.#model
  }

  /**
   * What is known of the training: `{ epochs, steps, samples, batchSize, verbose, metrics }`.
   *
   * @throws ValueError before the callback was given to one
   */
  get params(): CallbackParams {
    if (this.#params === null) throw this.#unused('params')
    return this.#params
  }

  #unused(what: string): ValueError {
    return new ValueError(
      `${this.constructor.name}: ${what} was read outside a training; expected that in a hook. Give the callback to fit({ callbacks: [...] }).`,
    )
  }

  /** @hidden */
  attach(model: Model, params: CallbackParams): void {
    this.#model = model
    this.#params = params
  }
}

type WholeHook = Exclude<HookName, `${string}Batch${string}` | `onEpoch${string}`>
export type CountedHook = Extract<HookName, `${string}Batch${string}` | `onEpoch${string}`>

/** The hook that runs at the moment, as far as a training that is resumed has to catch up with it. */
export interface PendingHook {
  readonly hook: CountedHook
  /** The epoch or batch. */
  readonly index: number
  readonly logs: Logs
  /** The first callback whose turn has not come. */
  readonly from: number
}

/** The callbacks of one training, evaluation or prediction, in the order in which they were given. */
export class CallbackList {
  readonly #op: string
  readonly #callbacks: readonly CallbackHooks[]
  #pending: PendingHook | null = null

  /** `more` are called after those that were given. */
  constructor(op: string, callbacks: unknown, more: readonly CallbackHooks[] = []) {
    this.#op = op
    this.#callbacks = [...requireCallbacks(op, callbacks), ...more]
  }

  /** Whether a callback has one of these hooks. */
  has(...names: readonly HookName[]): boolean {
    return this.#callbacks.some((callback) => names.some((name) => nameOfHook(callback, name) !== null))
  }

  /** What runs at the moment; null between hooks. */
  get pending(): PendingHook | null {
    return this.#pending
  }

  attach(model: Model, params: CallbackParams): void {
    for (const callback of this.#callbacks) callback.attach?.(model, params)
  }

  /** Calls a hook of all callbacks, one after the other. */
  async whole(name: WholeHook, logs: Logs): Promise<void> {
    for (const callback of this.#callbacks) {
      const result = callback[name]?.(logs)
      if (isThenable(result)) await result
    }
  }

  /** Calls a hook of an epoch or a batch of all callbacks, one after the other. */
  async counted(hook: CountedHook, index: number, logs: Logs, from = 0): Promise<void> {
    try {
      for (let at = from; at < this.#callbacks.length; at += 1) {
        const callback = this.#callbacks[at] as CallbackHooks
        const name = nameOfHook(callback, hook)
        if (name === null) continue
        this.#pending = { hook, index, logs, from: at + 1 }
        const result = callback[name]?.(index, logs)
        if (isThenable(result)) await result
      }
    } finally {
      this.#pending = null
    }
  }

  /** No hook will be called any more: what a callback has begun and would have ended in one is undone. */
  undo(): void {
    for (const callback of this.#callbacks) (callback as Undoing)[undo]?.(this.#op)
  }

  /** What the callbacks want to be given when the training is resumed, by their place; null for those that want nothing. */
  states(): unknown[] {
    return this.#callbacks.map((callback) => callback.state?.() ?? null)
  }

  loadStates(states: readonly unknown[]): void {
    for (const [i, callback] of this.#callbacks.entries()) {
      const state = states[i]
      if (state !== undefined && state !== null) callback.loadState?.(state)
    }
  }

  /** The tensors that the callbacks want to be given with their states, as `index.name`. */
  tensors(): Map<string, Tensor> {
    return new Map(
      this.#callbacks.flatMap((callback, i) =>
        Object.entries(callback.stateTensors?.() ?? {}).map(([name, tensor]): [string, Tensor] => [
          `${i}.${name}`,
          tensor,
        ]),
      ),
    )
  }

  loadTensors(tensors: ReadonlyMap<string, Tensor>): void {
    for (const [i, callback] of this.#callbacks.entries()) {
      const own = [...tensors].filter(([name]) => name.startsWith(`${i}.`))
      callback.loadStateTensors?.(
        Object.fromEntries(own.map(([name, tensor]) => [name.slice(`${i}.`.length), tensor])),
      )
    }
  }

  /** The file of the first callback that knows one to go on from. */
  resumeFrom(): string | null {
    for (const callback of this.#callbacks) {
      const path = callback.resumeFrom?.() ?? null
      if (path !== null) return path
    }
    return null
  }
}

interface Undoing {
  [undo]?(op: string): void
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

/** The callbacks of an option; refuses what is none, and a hook that is no function. */
function requireCallbacks(op: string, given: unknown): readonly CallbackHooks[] {
  if (given === undefined) return []
  const list: unknown = Array.isArray(given) ? given : [given]
  for (const callback of list as readonly unknown[]) {
    if (typeof callback !== 'object' || callback === null)
      throw new ValueError(
        `${op}: ${shown(callback)} as callback; expected a Callback, or an object with hooks such as onEpochEnd.`,
      )
    const hooks = callback as Readonly<Record<string, unknown>>
    requireHooks(op, callback, hooks)
  }
  return list as readonly CallbackHooks[]
}

function requireHooks(op: string, callback: object, hooks: Readonly<Record<string, unknown>>): void {
  const known = [...hookNames, ...Object.keys(hookAliases)]
  const broken = known.find((name) => hooks[name] !== undefined && typeof hooks[name] !== 'function')
  if (broken !== undefined)
    throw new ValueError(`${op}: ${shown(hooks[broken])} as ${broken} of a callback; expected a function.`)
  for (const [alias, hook] of Object.entries(hookAliases))
    if (hooks[alias] !== undefined && hooks[hook] !== undefined)
      throw new ValueError(
        `${op}: a callback with ${hook} and ${alias}, which are two names of one hook; expected one of them.`,
      )
  const wrong = misspelt(callback, Callback.prototype)
  if (wrong !== null)
    throw new ValueError(
      `${op}: a callback with ${wrong.name}, which nothing calls; expected the name of a hook. Nearest: ${wrong.nearest.join(', ')}.`,
    )
  if (!(callback instanceof Callback) && !known.some((name) => name in hooks))
    throw new ValueError(
      `${op}: ${shown(callback)} as callback has no hook; expected one of ${hookNames.join(', ')}.`,
    )
}

import { BusyError, FormatError, ValueError } from '../errors.js'
import type { Module } from '../nn/module.js'
import { OptimizerStateError, type OptimizerState, type ParameterState } from '../optim/index.js'
import { noGrad, type Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import type { JsonObject, JsonValue } from '../types/json.js'
import type { PendingHook } from './callback.js'
import { type Compiled, compiledModels } from './compiled.js'
import { prepareSums } from './gradients.js'
import { fill, readTraining } from './saving.js'
import {
  beginning,
  type Extent,
  type FeedPosition,
  type PastEpoch,
  type Position,
  programRng,
  type Resumed,
  trainings,
} from './training.js'

/** Grows when older versions could no longer go on from what is written. */
const VERSION = 1

/** Plain JSON, with words for the numbers that it has none for. */
function encoded(value: unknown): JsonValue {
  if (typeof value === 'number') {
    if (Number.isFinite(value) && !Object.is(value, -0)) return value
    return { $number: Object.is(value, -0) ? '-0' : String(value) }
  }
  if (Array.isArray(value)) return value.map(encoded)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, inner]) => inner !== undefined)
        .map(([key, inner]) => [key, encoded(inner)]),
    )
  if (value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  throw new ValueError(
    `save: a ${typeof value} in the state of a callback; expected plain JSON from state().`,
  )
}

function decoded(value: JsonValue): unknown {
  if (Array.isArray(value)) return value.map(decoded)
  if (typeof value !== 'object' || value === null) return value
  const { $number: number } = value as JsonObject
  if (typeof number === 'string') return Number(number)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decoded(inner)]))
}

/**
 * Everything that a training needs to go on, beside weights and buffers; null before `compile`. The tensors share the
 * memory of what they are of.
 *
 * @throws BusyError while a `fit` is between two hooks, as the numbers belong to different moments then
 * @internal
 */
export function trainingState(
  model: Module,
): { readonly tensors: ReadonlyMap<string, Tensor>; readonly json: JsonObject } | null {
  const compiled = compiledModels.get(model)
  if (compiled === undefined) return null
  const training = trainings.get(model)
  if (training?.standing === false)
    throw new BusyError(
      'save: { optimizer: true } while fit trains the model; expected a call in a callback, such as onEpochEnd, or after fit.',
    )
  const { state, param_groups: groups } = compiled.optimizer.stateDict()
  const tensors = new Map<string, Tensor>()
  const steps: Record<string, number> = {}
  for (const [index, own] of Object.entries(state)) {
    for (const [name, value] of Object.entries(own)) {
      if (isTensor(value)) tensors.set(`optimizer.${index}.${name}`, value)
      else steps[index] = value as number
    }
  }
  for (const [i, sum] of compiled.sums.entries()) tensors.set(`sum.${i}`, sum)
  const averages = compiled.update.ema?.stateDict().averages ?? {}
  for (const [name, average] of Object.entries(averages)) tensors.set(`ema.${name}`, average)
  for (const [name, tensor] of training?.callbacks.tensors() ?? compiled.kept.tensors)
    tensors.set(`callback.${name}`, tensor)
  const json = encoded({
    version: VERSION,
    optimizer: { steps, groups },
    batches: compiled.batches,
    rng: programRng(),
    names: compiled.names,
    position: training?.position ?? compiled.last,
    past: training?.past ?? compiled.past,
    callbacks: training?.callbacks.states() ?? compiled.kept.states,
    pending: training?.callbacks.pending ?? null,
    stop: training === undefined ? false : training.model.stopTraining,
    extent: training?.extent ?? compiled.extent,
  })
  return { tensors, json: json as JsonObject }
}

/**
 * Puts a saved state back: optimizer, averages and sums at once, and where `fit` is about to begin, that is where it
 * goes on.
 *
 * @throws OptimizerStateError where the tensors are not those of this model
 * @throws FormatError where the state is not one that {@link trainingState} gave
 * @internal
 */
export function restoreTraining(model: Module, tensors: ReadonlyMap<string, Tensor>, json: JsonObject): void {
  const compiled = compiledModels.get(model)
  if (compiled === undefined)
    throw new ValueError('fit: a state of a training for a model without compile(); expected it before.')
  const saved = decoded(json) as Readonly<Record<string, unknown>>
  if (saved['version'] !== VERSION)
    throw new FormatError(
      `fit: version ${String(saved['version'])} of the state of a training; expected ${VERSION}. Another version of neuroxide wrote it.`,
    )
  const resumed = resumedFrom(saved)
  if (resumed.names.join() !== compiled.names.join())
    throw new ValueError(
      `fit: resume: the state has ${resumed.names.join(', ')}; expected what compile says, ${compiled.names.join(', ')}.`,
    )
  loadOptimizer(compiled, tensors, saved['optimizer'])
  const { ema } = compiled.update
  if (ema !== null) ema.loadStateDict({ decay: ema.decay, averages: named(tensors, 'ema.') })
  prepareSums(compiled)
  noGrad(() => {
    for (const [i, sum] of compiled.sums.entries()) sum.copyFrom(tensorOf(tensors, `sum.${i}`, sum))
  })
  compiled.batches = resumed.position.batches
  const training = trainings.get(model)
  if (training?.starting !== true) return
  requireSame(training.extent, resumed.extent)
  training.resumed = { ...resumed, tensors: new Map(Object.entries(named(tensors, 'callback.'))) }
}

function loadOptimizer({ optimizer }: Compiled, tensors: ReadonlyMap<string, Tensor>, given: unknown): void {
  const { steps, groups } = objectOf('optimizer', given)
  const counts = objectOf('optimizer.steps', steps)
  const state: Record<string, ParameterState> = {}
  for (const [index, step] of Object.entries(counts)) state[index] = { step: numberOf('step', step) }
  for (const [name, tensor] of tensors) {
    const [, index, key] = /^optimizer\.(\d+)\.(.+)$/.exec(name) ?? []
    if (index !== undefined && key !== undefined) (state[index] ??= {})[key] = tensor
  }
  optimizer.loadStateDict({ state, param_groups: groups } as OptimizerState)
}

function named(tensors: ReadonlyMap<string, Tensor>, prefix: string): Record<string, Tensor> {
  const own = [...tensors].filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]))
}

function tensorOf(tensors: ReadonlyMap<string, Tensor>, name: string, like: Tensor): Tensor {
  const found = tensors.get(name)
  if (found === undefined || found.shape.join() !== like.shape.join() || found.dtype !== like.dtype)
    throw new OptimizerStateError(
      `fit: resume: ${name} is ${found === undefined ? 'missing' : `[${found.shape.join(', ')}]`}; expected [${like.shape.join(', ')}], as the model was compiled.`,
    )
  return found
}

/** Weights and state of a training from a file, into a model whose `fit` is about to begin. */
export async function resumeFrom(model: Module, path: string): Promise<void> {
  const { training, contents } = await readTraining('fit', path)
  if (training === null)
    throw new FormatError(
      `fit: "${path}" holds weights alone; expected a file that model.save(path, { optimizer: true }) wrote.`,
    )
  fill('fit', path, model, contents, {})
  restoreTraining(model, training.tensors, training.json)
}

function requireSame(here: Extent, saved: Extent): void {
  for (const key of ['samples', 'batchSize', 'stepsPerEpoch'] as const) {
    if (here[key] !== saved[key])
      throw new ValueError(
        `fit: resume: ${key} is ${here[key] ?? 'not given'} and was ${saved[key] ?? 'not given'} when the state was saved; expected the same.`,
      )
  }
}

// What follows reads JSON that a file may have made up.

function broken(what: string): FormatError {
  return new FormatError(`fit: resume: ${what} is missing or of the wrong kind in the state of a training.`)
}

function objectOf(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken(what)
  return value as Readonly<Record<string, unknown>>
}

function listOf<T>(what: string, value: unknown, each: (item: unknown) => T): T[] {
  if (!Array.isArray(value)) throw broken(what)
  return value.map(each)
}

function numberOf(what: string, value: unknown): number {
  if (typeof value !== 'number') throw broken(what)
  return value
}

function countOf(what: string, value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw broken(what)
  return value as number
}

function perhaps<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null || value === undefined ? null : read(value)
}

function textOf(what: string, value: unknown): string {
  if (typeof value !== 'string') throw broken(what)
  return value
}

function pairOf(what: string, value: unknown): readonly [number, number] {
  const [seed, offset] = listOf(what, value, (item) => countOf(what, item))
  if (seed === undefined || offset === undefined) throw broken(what)
  return [seed, offset]
}

function resumedFrom(saved: Readonly<Record<string, unknown>>): Resumed {
  const batches = countOf('batches', saved['batches'])
  return {
    position: perhaps(saved['position'], positionOf) ?? beginning(0, batches),
    rng: pairOf('rng', saved['rng']),
    past: listOf('past', saved['past'], pastOf),
    callbacks: listOf('callbacks', saved['callbacks'], (state) => state),
    tensors: new Map(),
    pending: perhaps(saved['pending'], pendingOf),
    stop: saved['stop'] === true,
    names: listOf('names', saved['names'], (name) => textOf('names', name)),
    extent: extentOf(saved['extent']),
  }
}

function positionOf(given: unknown): Position {
  const { epoch, step, key, offset, sums, seen, batches, feed } = objectOf('position', given)
  return {
    epoch: countOf('epoch', epoch),
    step: countOf('step', step),
    key: perhaps(key, (value) => countOf('key', value)),
    offset: countOf('offset', offset),
    sums: listOf('sums', sums, (own) => listOf('sums', own, (sum) => numberOf('sums', sum))),
    seen: numberOf('seen', seen),
    batches: countOf('batches', batches),
    feed: perhaps(feed, feedOf),
  }
}

function feedOf(given: unknown): FeedPosition {
  const { rng, epoch, taken, held } = objectOf('feed', given)
  return {
    rng: pairOf('feed', rng),
    epoch: perhaps(epoch, (value) => countOf('feed', value)),
    taken: countOf('feed', taken),
    held: perhaps(held, (value) => pairOf('feed', value)),
  }
}

function pastOf(given: unknown): PastEpoch {
  const { epoch, values, validation } = objectOf('past', given)
  const numbers = (list: unknown): number[] => listOf('past', list, (value) => numberOf('past', value))
  return {
    epoch: countOf('past', epoch),
    values: numbers(values),
    validation: perhaps(validation, numbers),
  }
}

const hooks = ['onEpochBegin', 'onEpochEnd', 'onTrainBatchBegin', 'onTrainBatchEnd'] as const

function pendingOf(given: unknown): PendingHook {
  const { hook, index, logs, from } = objectOf('pending', given)
  const known = hooks.find((name) => name === hook)
  if (known === undefined) throw broken('pending')
  const numbers = Object.entries(objectOf('pending', logs)).map(([name, value]): [string, number] => [
    name,
    numberOf('pending', value),
  ])
  return {
    hook: known,
    index: countOf('pending', index),
    logs: Object.fromEntries(numbers),
    from: countOf('pending', from),
  }
}

function extentOf(given: unknown): Extent {
  const { samples, batchSize, stepsPerEpoch } = objectOf('extent', given ?? {})
  const size = (value: unknown): number | null => perhaps(value, (held) => countOf('extent', held))
  return { samples: size(samples), batchSize: size(batchSize), stepsPerEpoch: size(stepsPerEpoch) }
}

import { BusyError, FormatError, ValueError } from '../errors.js'
import type { Module } from '../nn/module.js'
import { OptimizerStateError, type ParameterState } from '../optim/index.js'
import { noGrad, type Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import type { JsonObject } from '../types/json.js'
import { type Compiled, compiledModels } from './compiled.js'
import { prepareSums } from './gradients.js'
import { areSums } from './measures.js'
import { encoded, type SavedOptimizer, savedState, type SavedUpdate, VERSION } from './saved-state.js'
import { fill, readTraining } from './saving.js'
import { type Extent, programRng, type Resumed, type Training, trainings } from './training.js'

/** States that were loaded without a training: what was loaded can be saved again, whole. */
const loaded = new WeakMap<Compiled, Resumed>()

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
  const { tensors: ofCallbacks, ...where } = standing(compiled, training)
  for (const [name, tensor] of ofCallbacks) tensors.set(`callback.${name}`, tensor)
  const json = encoded({
    version: VERSION,
    optimizer: { kind: compiled.optimizer.kind, steps, groups },
    update: updateOf(compiled),
    batches: compiled.batches,
    names: compiled.names,
    ...where,
  })
  return { tensors, json: json as JsonObject }
}

/** Where a model stands: in a training, at the start of one that goes on, at the end of one, or as it was loaded. */
function standing(
  compiled: Compiled,
  training: Training | undefined,
): Omit<Resumed, 'names' | 'position' | 'extent'> & Pick<Compiled, 'extent'> & { position: unknown } {
  // Before its first hook a training has not gone to where it goes on, and its callbacks know nothing yet.
  const held = training === undefined ? untouched(compiled) : training.starting ? training.resumed : null
  if (held !== null) {
    const { position, past, extent, rng, callbacks, tensors, pending, stop } = held
    return { position, past, extent, rng, callbacks, tensors, pending, stop }
  }
  const rng = programRng()
  if (training === undefined) {
    // Single batches may have been trained on since.
    const position = compiled.last === null ? null : { ...compiled.last, batches: compiled.batches }
    const { past, extent, kept } = compiled
    return {
      position,
      past,
      extent,
      rng,
      callbacks: kept.states,
      tensors: kept.tensors,
      pending: null,
      stop: false,
    }
  }
  const { position, past, extent, callbacks } = training
  return {
    position,
    past,
    extent,
    rng,
    callbacks: callbacks.states(),
    tensors: callbacks.tensors(),
    pending: callbacks.pending,
    stop: training.model.stopTraining,
  }
}

/** What was loaded, where nothing was trained since. */
function untouched(compiled: Compiled): Resumed | null {
  const held = loaded.get(compiled)
  const same = held?.position === compiled.last && held?.position.batches === compiled.batches
  return held !== undefined && same ? held : null
}

function updateOf({ update: { every, clip, ema } }: Compiled): SavedUpdate {
  return {
    every,
    clip: clip === null ? null : `${clip.kind} ${clip.limit}`,
    ema: ema?.decay ?? null,
  }
}

/**
 * Puts a saved state back: optimizer, averages and sums at once, and where `fit` is about to begin, that is where it
 * goes on. Nothing is written unless all of it fits.
 *
 * @throws OptimizerStateError where the optimizer or its tensors are not those of this model
 * @throws ValueError where the state is of a training that `compile` or `fit` describe differently
 * @throws FormatError where the state is not one that {@link trainingState} gave
 * @internal
 */
export function restoreTraining(model: Module, tensors: ReadonlyMap<string, Tensor>, json: JsonObject): void {
  restoring(model, tensors, json)()
}

/** Checks a saved state; returns what puts it back. */
function restoring(model: Module, tensors: ReadonlyMap<string, Tensor>, json: JsonObject): () => void {
  const compiled = compiledModels.get(model)
  if (compiled === undefined)
    throw new ValueError('fit: a state of a training for a model without compile(); expected it before.')
  const { resumed: plain, optimizer, update } = savedState(json)
  const resumed = { ...plain, tensors: new Map(Object.entries(named(tensors, 'callback.'))) }
  requireNames(compiled.names, resumed.names)
  requireUpdate(updateOf(compiled), update)
  const training = trainings.get(model)
  const starting = training?.starting === true ? training : null
  if (starting !== null) {
    if (resumed.extent !== null) requireExtent(starting.extent, resumed.extent)
    requirePosition(starting, resumed)
  }
  const writes = [loadingOptimizer(compiled, tensors, optimizer), loadingSums(compiled, tensors)]
  const { ema } = compiled.update
  if (ema !== null) writes.push(ema.loading({ decay: ema.decay, averages: named(tensors, 'ema.') }))
  return () => {
    for (const write of writes) write()
    compiled.batches = resumed.position.batches
    if (starting !== null) {
      starting.resumed = resumed
      return
    }
    loaded.set(compiled, resumed)
    const { position: last, past, extent, callbacks, tensors: own } = resumed
    Object.assign(compiled, { last, past, extent, kept: { states: callbacks, tensors: own } })
  }
}

function loadingOptimizer(
  { optimizer }: Compiled,
  tensors: ReadonlyMap<string, Tensor>,
  { kind, steps, groups }: SavedOptimizer,
): () => void {
  if (kind !== optimizer.kind)
    throw new OptimizerStateError(
      `fit: resume: the state of ${kind} for ${optimizer.kind}; expected the same optimizer. Compile with that of the saved training, or take its weights alone with loadWeights.`,
    )
  const own = optimizer.stateDict()
  const indices = (all: readonly { readonly params: readonly number[] }[]): string =>
    all.map(({ params }) => params.join(' ')).join(', ')
  if (indices(groups) !== indices(own.param_groups))
    throw new OptimizerStateError(
      `fit: resume: groups of the parameters ${indices(groups)}; expected ${indices(own.param_groups)}, as the optimizer has them.`,
    )
  const state: Record<string, ParameterState> = {}
  for (const index of Object.keys(own.state)) {
    const step = steps.get(index)
    if (step === undefined)
      throw new OptimizerStateError(
        `fit: resume: no state of parameter ${index}; expected one of each that ${optimizer.kind} trains.`,
      )
    const tensorsOf = named(tensors, `optimizer.${index}.`)
    for (const name of Object.keys(own.state[index] ?? {}))
      if (name !== 'step' && !Object.hasOwn(tensorsOf, name))
        throw new OptimizerStateError(
          `fit: resume: ${name} of parameter ${index} is missing; expected all that ${optimizer.kind} keeps.`,
        )
    state[index] = { ...tensorsOf, step }
  }
  return optimizer.loading({ state, param_groups: groups })
}

function loadingSums(compiled: Compiled, tensors: ReadonlyMap<string, Tensor>): () => void {
  prepareSums(compiled)
  const pairs = compiled.sums.map((sum, i) => [sum, tensorOf(tensors, `sum.${i}`, sum)] as const)
  return () =>
    noGrad(() => {
      for (const [sum, saved] of pairs) sum.copyFrom(saved)
    })
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

/** Weights and state of a training from a file, into a model whose `fit` is about to begin: all of it, or nothing. */
export async function resumeFrom(model: Module, path: string): Promise<void> {
  const { training, contents } = await readTraining('fit', path)
  if (training === null)
    throw new FormatError(
      `fit: "${path}" holds weights alone; expected a file that model.save(path, { optimizer: true }) wrote.`,
    )
  const restore = restoring(model, training.tensors, training.json)
  fill('fit', path, model, contents, {})
  restore()
}

function requireNames(here: readonly string[], saved: readonly string[]): void {
  if (saved.join() !== here.join())
    throw new ValueError(
      `fit: resume: the state has ${saved.join(', ')}; expected what compile says, ${here.join(', ')}.`,
    )
}

/** What `compile` calls the numbers of an update. */
const updateNames = { every: 'gradientAccumulationSteps', clip: 'clipping', ema: 'ema' } as const

function requireUpdate(here: SavedUpdate, saved: SavedUpdate): void {
  for (const [key, name] of Object.entries(updateNames) as [keyof SavedUpdate, string][])
    if (here[key] !== saved[key]) throw differs(name, here[key], saved[key], 'compile')
}

function differs(name: string, here: unknown, saved: unknown, where: 'compile' | 'fit'): ValueError {
  const told = (value: unknown): string => String(value ?? 'not given')
  return new ValueError(
    `fit: resume: ${name} is ${told(here)} and was ${told(saved)} when the state was saved; expected the same. Give ${where} what it was given then, or take the weights alone with loadWeights.`,
  )
}

function requireExtent(here: Extent, saved: Extent): void {
  if (here.loop !== saved.loop) {
    const told = { memory: 'over tensors in memory', stream: 'over batches from JavaScript' }
    throw new ValueError(
      `fit: resume: this training goes ${told[here.loop]} and the saved one went ${told[saved.loop]}; expected the same. Give fit training and validation data of the same kind, and look for anomalies in both or in neither.`,
    )
  }
  for (const key of ['samples', 'batchSize', 'stepsPerEpoch', 'shuffle', 'dropLast'] as const)
    if (here[key] !== saved[key]) throw differs(key, here[key], saved[key], 'fit')
}

/** Refuses a place that a training of this size cannot have stood at. */
function requirePosition({ compiled, params, extent }: Training, { position }: Resumed): void {
  const { epoch, step, sums, batches, feed } = position
  const wrong = (what: string, expected: string): FormatError =>
    new FormatError(`fit: resume: the state of a training has ${what}; expected ${expected}.`)
  if (params.steps !== null && step > params.steps)
    throw wrong(`${step} steps of an epoch`, `at most ${params.steps}`)
  const { loop, stepsPerEpoch } = extent
  const most = stepsPerEpoch === null ? batches + 1 : Math.min(batches, epoch * stepsPerEpoch + step) + 1
  if (feed !== null && feed.taken > most)
    throw wrong(`${feed.taken} batches taken of the loader`, `at most ${most}`)
  if (step === 0) return
  const adds = areSums(compiled)
  // In memory all numbers stand in one list; how many a sum has is known when its program is traced.
  const [all = []] = sums
  const [count, fits] =
    loop === 'memory'
      ? [
          all.length,
          sums.length === 1 && (adds.includes(true) ? all.length >= adds.length : all.length === adds.length),
        ]
      : [
          sums.length,
          sums.length === adds.length &&
            sums.every((own, i) => (adds[i] === true ? own.length > 0 : own.length === 1)),
        ]
  if (!fits) throw wrong(`${count} sums of an epoch`, `those of ${compiled.names.join(', ')}`)
}

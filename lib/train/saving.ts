import { Preprocessing } from '../data/preprocessing.js'
import { FormatError, TensorError, ValueError } from '../errors.js'
import { Origin } from '../errors/origin.js'
import {
  entriesOf,
  read,
  requirePath,
  requireText,
  write,
  type Contents,
  type FilePath,
} from '../io/files.js'
import { StateDictError, type LoadOptions, type LoadReport, type Module } from '../nn/module.js'
import { built, structureOf, type ChainRow } from '../nn/structure.js'
import type { Tensor } from '../tensor.js'
import { requireFlag, requireOptions } from '../tensor/checks.js'
import type { JsonObject, JsonValue } from '../types/json.js'
import type { CompileOptions } from './compiled.js'
import type { Model } from './model.js'
import { optionsFrom, recipeOf } from './recipe.js'

/** Options of {@link Model.save}. */
export interface SaveOptions {
  /** Whether everything that training needs to go on is saved too; `false` by default. */
  readonly optimizer?: boolean | undefined
  /** Texts to keep in the file; `format`, `neuroxide`, `preprocessing` and `training` are its own. */
  readonly metadata?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined
}

/** What files of this library say of a model, as JSON under one key of the metadata. */
interface Header {
  /** Grows when older versions could no longer read what is written. */
  readonly format: number
  readonly library: 'neuroxide'
  readonly class: string
  readonly structure?: JsonValue
  /** Parameters that are not trained. */
  readonly frozen?: readonly string[]
  readonly compile?: JsonObject
}

/** The format that is written, and the newest that can be read. */
const FORMAT = 1
/** The key of the header in the metadata. */
const HEADER = 'neuroxide'
/** The key of the state of a training in the metadata, and what the names of its tensors begin with. */
const TRAINING = 'training'
const PREFIX = `${TRAINING}.`
/** The key of what makes inputs of raw records in the metadata. */
const PREPROCESSING = 'preprocessing'
/** What other readers look for: the keys and shapes are PyTorch's. */
const LAYOUT: readonly [string, string] = ['format', 'pt']

/** What a training needs to go on: tensors, and everything else as plain JSON. */
export interface TrainingState {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly json: JsonObject
}

let chain: ChainRow | null = null

/** Tells the row of the class that chains layers, which is made of modules above this one. */
export function setChain(row: ChainRow): void {
  chain = row
}

function requireChain(): ChainRow {
  if (chain === null) throw new ValueError('save: nn.Sequential has not been loaded; expected that it is.')
  return chain
}

const compileOptions = new WeakMap<Model, CompileOptions>()

/** Keeps what a model was compiled with, for its file. */
export function noteCompiled(model: Model, options: CompileOptions): void {
  compileOptions.set(model, options)
}

/** Writes a model into one file. `training` gives what training needs to go on, null where there is nothing yet. */
export async function saveModel(
  model: Model,
  path: FilePath,
  options: SaveOptions,
  training: () => TrainingState | null,
): Promise<void> {
  await new Origin().during(async () => {
    requireOptions('save', options, ['optimizer', 'metadata'])
    const file = requirePath('save', path)
    const metadata = ownTexts('save', options.metadata)
    const state = requireFlag('save', 'optimizer', options.optimizer ?? false) ? training() : null
    if (options.optimizer === true && state === null) {
      throw new ValueError(
        'save: { optimizer: true } of a model without an optimizer; expected compile() before, or leave it out.',
      )
    }
    const row = requireChain()
    const recipe = recipeOf(compileOptions.get(model), model.optimizer, model)
    const isChain = model.constructor === row.Class
    const header: Header = {
      ...plainHeader(model, isChain ? row.name : model.constructor.name),
      ...(isChain ? { structure: structureOf(model, row) as unknown as JsonObject } : {}),
      ...(recipe === null ? {} : { compile: recipe }),
    }
    const kept = [...(state?.tensors ?? [])].map(([name, tensor]) => [`${PREFIX}${name}`, tensor] as const)
    const texts: [string, string][] = state === null ? [] : [[TRAINING, jsonText(state.json)]]
    if (model.preprocessing !== null) texts.push([PREPROCESSING, jsonText(model.preprocessing)])
    await write(
      'save',
      'safetensors',
      file,
      [...model.stateTensors(), ...kept],
      [LAYOUT, [HEADER, jsonText(header)], ...texts, ...metadata],
    )
  })
}

/** Writes the parameters and buffers of a model, and nothing of how they came about. */
export async function saveWeightsOf(model: Module, path: FilePath): Promise<void> {
  await new Origin().during(async () => {
    const file = requirePath('saveWeights', path)
    const header = jsonText(plainHeader(model, model.constructor.name))
    await write('saveWeights', 'safetensors', file, [...model.stateTensors()], [LAYOUT, [HEADER, header]])
  })
}

function plainHeader(model: Module, name: string): Header {
  const frozen = model.namedParameters().filter(([, parameter]) => !parameter.requiresGrad)
  return {
    format: FORMAT,
    library: 'neuroxide',
    class: name,
    ...(frozen.length === 0 ? {} : { frozen: frozen.map(([key]) => key) }),
  }
}

/** JSON, with the infinities that it has no word for as texts. */
function jsonText(value: object): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner === Infinity ? 'Infinity' : inner === -Infinity ? '-Infinity' : inner,
  )
}

/** The user's own texts, whose keys are not those that are taken. */
function ownTexts(op: string, given: SaveOptions['metadata']): [string, string][] {
  const texts = entriesOf<string>(op, 'metadata', given ?? {})
  for (const [key, text] of texts) {
    requireText(op, 'key of metadata', key)
    requireText(op, `metadata "${key}"`, text)
    if ([LAYOUT[0], HEADER, PREPROCESSING, TRAINING].includes(key))
      throw new ValueError(`${op}: "${key}" in metadata; expected another key, as the file has its own.`)
  }
  return texts
}

/** Reads parameters and buffers into a model from a file of ours, of PyTorch's, or of anybody's with these keys. */
export async function loadWeightsInto(
  model: Module,
  path: FilePath,
  options: LoadOptions = {},
): Promise<LoadReport> {
  return await new Origin().during(async () => {
    requireOptions('loadWeights', options, ['strict'])
    const file = requirePath('loadWeights', path)
    const contents = await read('loadWeights', 'safetensors', file)
    headerOf('loadWeights', file, contents)
    const report = fill('loadWeights', file, model, contents, options)
    adoptPreprocessing('loadWeights', file, model, contents)
    return report
  })
}

/** Makes the model that a file describes. `restore` puts the state of a training into a model that was compiled. */
export async function loadModel(
  path: FilePath,
  restore: (model: Module, tensors: ReadonlyMap<string, Tensor>, json: JsonObject) => void,
): Promise<Module> {
  return await new Origin().during(async () => {
    const file = requirePath('load', path)
    const contents = await read('load', 'safetensors', file)
    const header = headerOf('load', file, contents)
    const model = within('load', file, () => modelFrom(header, contents))
    fill('load', file, model, contents, {})
    adoptPreprocessing('load', file, model, contents)
    const frozen = new Set(Array.isArray(header?.frozen) ? header.frozen : [])
    for (const [name, parameter] of model.namedParameters())
      if (frozen.has(name)) parameter.requiresGrad = false
    if (header?.compile !== undefined) {
      const recipe = header.compile
      const training = trainingIn('load', file, contents)
      within('load', file, () => {
        ;(model as Model).compile(optionsFrom(recipe, model))
        if (training !== null) restore(model, training.tensors, training.json)
      })
    }
    return model
  })
}

/** What is kept for training in a file, with its names as they were given; null where the file has none. */
export async function readTraining(
  op: string,
  path: FilePath,
): Promise<{ readonly training: TrainingState | null; readonly contents: Contents }> {
  const file = requirePath(op, path)
  const contents = await read(op, 'safetensors', file)
  headerOf(op, file, contents)
  return { training: trainingIn(op, file, contents), contents }
}

function trainingIn(op: string, file: string, contents: Contents): TrainingState | null {
  const text = contents.metadata.find(([key]) => key === TRAINING)?.[1]
  if (text === undefined) return null
  const tensors = contents.tensors
    .filter(([name]) => name.startsWith(PREFIX))
    .map(([name, tensor]) => [name.slice(PREFIX.length), tensor] as const)
  return { tensors: new Map(tensors), json: parsed(op, file, TRAINING, text) }
}

/** Puts what was read of a file into a model, as {@link loadWeightsInto} does. */
export function fill(
  op: string,
  file: string,
  model: Module,
  contents: Contents,
  options: LoadOptions,
): LoadReport {
  const given = new Map(contents.tensors.filter(([name]) => !name.startsWith(PREFIX)))
  // Files of others keep what is shared under one of its names only.
  const twins = new Map<Tensor, Tensor>()
  const own = [...model.stateTensors()]
  for (const [name, target] of own) {
    const value = given.get(name)
    if (value !== undefined) twins.set(target, value)
  }
  for (const [name, target] of own) {
    const twin = twins.get(target)
    if (!given.has(name) && twin !== undefined) given.set(name, twin)
  }
  try {
    return model.loadStateDict(Object.fromEntries(given), options)
  } catch (error) {
    if (!(error instanceof StateDictError)) throw error
    throw new StateDictError(error.message.replace(/^loadStateDict: /, `${op}: "${file}": `))
  }
}

/** Gives a model what makes inputs of raw records, where the file has it. */
function adoptPreprocessing(op: string, file: string, model: Module, contents: Contents): void {
  const text = contents.metadata.find(([key]) => key === PREPROCESSING)?.[1]
  if (text === undefined || !('preprocessing' in model)) return
  const json = parsed(op, file, PREPROCESSING, text)
  model.preprocessing = within(op, file, () => Preprocessing.fromJSON(json))
}

/** What a file of ours says of itself; null for a file of others. */
function headerOf(op: string, file: string, contents: Contents): Header | null {
  const text = contents.metadata.find(([key]) => key === HEADER)?.[1]
  if (text === undefined) return null
  const header = parsed(op, file, HEADER, text)
  const { format } = header
  if (!Number.isSafeInteger(format))
    throw new FormatError(`${op}: "${file}": a header without its format; expected the number of one.`)
  if ((format as number) > FORMAT) {
    throw new FormatError(
      `${op}: "${file}": format ${String(format)} of models; expected at most ${FORMAT}. ` +
        'A newer version of neuroxide wrote it: npm install neuroxide@latest.',
    )
  }
  return header as unknown as Header
}

function parsed(op: string, file: string, key: string, text: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = null
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FormatError(`${op}: "${file}": metadata "${key}" that is no JSON object; expected one.`)
  return value as JsonObject
}

function modelFrom(header: Header | null, contents: Contents): Module {
  const hint = 'Make the model in your program and call loadWeights(path).'
  if (header?.structure === undefined) {
    const what = header === null ? 'no structure' : `the weights of a ${header.class} and no structure`
    throw new ValueError(`${what}; expected what nn.Sequential saves. ${hint}`)
  }
  const given = new Map(contents.tensors)
  const strangers: string[] = []
  const made = built(header.structure, requireChain(), (shapes, name) => {
    for (const [key, shape] of shapes) {
      const found = given.get(key)?.shape
      if (found === undefined) strangers.push(`missing: ${key} of ${name}`)
      else if (found.length !== shape.length || found.some((size, axis) => size !== shape[axis]))
        strangers.push(`of another shape: ${key}: [${found.join(', ')}] given, [${shape.join(', ')}] here`)
    }
    // Before the layer is made: sizes that a file only claims would be allocated.
    if (strangers.length > 0)
      throw new StateDictError(`${strangers.join('; ')}; expected the tensors that the structure needs.`)
  })
  if (made.constructor !== requireChain().Class)
    throw new ValueError(`a structure of ${made.constructor.name} alone; expected nn.Sequential with layers.`)
  return made
}

/** Puts the file in front of what fails because of its content. */
function within<T>(op: string, file: string, body: () => T): T {
  try {
    return body()
  } catch (error) {
    if (!(error instanceof TensorError)) throw error
    const message = `${op}: "${file}": ${error.message.replace(/^(?:load: |fit: resume: |loadStateDict: )/, '')}`
    throw error instanceof StateDictError ? new StateDictError(message) : new FormatError(message)
  }
}

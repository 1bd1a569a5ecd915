import { ValueError } from '../errors.js'
import { shown } from '../tensor/create.js'
import type { JsonObject, JsonValue } from '../types/json.js'
import {
  ELU,
  GELU,
  LeakyReLU,
  LogSoftmax,
  ReLU,
  SiLU,
  Sigmoid,
  Softmax,
  Softplus,
  Tanh,
} from './activation.js'
import { withoutValues } from './blank.js'
import { fromConfig as constraintFrom } from './constraints.js'
import { Dropout } from './dropout.js'
import { Linear } from './linear.js'
import type { Module } from './module.js'
import { AlphaDropout, GaussianNoise } from './noise.js'
import { CategoryEncoding, Normalization } from './preprocessing.js'
import { fromConfig as regularizerFrom } from './regularizers.js'
import { Flatten, Identity, Rescale } from './shaping.js'

/** What a file says of one layer: its class, the settings of its constructor, and layers in it. */
export type Structure = {
  /** The name of the class. */
  readonly class: string
  readonly config?: JsonObject
  /** The layers of one that chains others. */
  readonly layers?: readonly Structure[]
  /** Present where the same object stands in another place before: the path of that. */
  readonly same?: string
  /** `true` where the class is the user's own, so that nobody here can make one. */
  readonly own?: true
}

/** How layers of one class are made from what {@link Module.config} gave. */
export interface Row {
  // A class of any constructor: `make` knows which.
  readonly Class: new (...settings: never[]) => Module
  readonly make: (config: JsonObject) => Module
  /** Shapes of parameters and buffers by name: compared with those of a file before anything is allocated. */
  readonly shapes?: (config: JsonObject) => Readonly<Record<string, readonly JsonValue[]>>
}

/** What chains other layers; it lives above this module, so its row is handed in. */
export interface ChainRow {
  readonly name: string
  readonly Class: abstract new (...layers: never[]) => Module
  readonly layersOf: (module: Module) => readonly Module[]
  readonly make: (layers: readonly Module[]) => Module
}

/** Chains within chains, at most: a file may say more, a program hardly. */
const DEEPEST = 64

type Constructor = new (...settings: never[]) => Module

/** A row of a class whose constructor takes `names` one after the other and then, where there are some, `options`. */
function row(
  name: string,
  Class: Constructor,
  names: readonly string[] = [],
  options: readonly string[] = [],
  shapes?: Row['shapes'],
): [string, Row] {
  const make = (config: JsonObject): Module => {
    requireKeys(name, config, [...names, ...options])
    const settings: unknown[] = names.map((key) => setting(config, key))
    if (options.length > 0)
      settings.push(Object.fromEntries(options.map((key) => [key, setting(config, key)])))
    return Reflect.construct(Class, settings) as Module
  }
  return [name, shapes === undefined ? { Class, make } : { Class, make, shapes }]
}

/** Refuses settings that a class does not have: a newer version may have written them, and they would matter. */
export function requireKeys(name: string, config: JsonObject, known: readonly string[]): void {
  const stranger = Object.keys(config).find((key) => !known.includes(key))
  if (stranger !== undefined)
    throw new ValueError(
      `nn.${name}: ${shown(stranger)} as setting in a file; expected ${known.length === 0 ? 'none' : known.join(', ')}.`,
    )
}

/** A setting of a layer as it was; JSON has no infinities, so they are texts there. */
export function setting(config: JsonObject, name: string): JsonValue | undefined {
  const value = Object.hasOwn(config, name) ? config[name] : undefined
  return value === 'Infinity' ? Infinity : value === '-Infinity' ? -Infinity : value
}

const linear: [string, Row] = [
  'Linear',
  {
    Class: Linear,
    make(config) {
      const plain = ['bias', 'dtype']
      const penalties = ['regularizer', 'biasRegularizer']
      const sets = ['constraint', 'biasConstraint']
      requireKeys('Linear', config, ['inFeatures', 'outFeatures', ...plain, ...penalties, ...sets])
      const read = <T>(names: readonly string[], reader: (value: JsonValue) => T): Record<string, T> =>
        Object.fromEntries(
          names.flatMap((name) => {
            const value = setting(config, name)
            return value === undefined ? [] : [[name, reader(value)]]
          }),
        )
      const options = {
        ...read(plain, (value) => value),
        ...read(penalties, (value) => regularizerFrom(value as JsonObject)),
        ...read(sets, (value) => constraintFrom(value as JsonObject)),
      }
      const settings = [setting(config, 'inFeatures'), setting(config, 'outFeatures'), options]
      return Reflect.construct(Linear, settings) as Module
    },
    shapes: ({ inFeatures, outFeatures, bias }) => ({
      weight: [outFeatures ?? null, inFeatures ?? null],
      ...(bias === false ? {} : { bias: [outFeatures ?? null] }),
    }),
  },
]

/**
 * Every layer that a file may name. A class comes from here or not at all: nothing is imported, evaluated or looked up
 * by a name that a file says. The names stand here as texts, since those of classes change when a program is minified.
 */
const table: ReadonlyMap<string, Row> = new Map([
  row('AlphaDropout', AlphaDropout, ['p']),
  row('CategoryEncoding', CategoryEncoding, [], ['numTokens', 'outputMode']),
  row('Dropout', Dropout, ['p']),
  row('ELU', ELU, ['alpha']),
  row('Flatten', Flatten, ['startDim', 'endDim']),
  row('GELU', GELU, ['approximate']),
  row('GaussianNoise', GaussianNoise, ['stddev']),
  row('Identity', Identity),
  row('LeakyReLU', LeakyReLU, ['negativeSlope']),
  linear,
  row('LogSoftmax', LogSoftmax, ['dim']),
  row('Normalization', Normalization, [], ['axis', 'invert', 'shape'], ({ shape }) =>
    Array.isArray(shape)
      ? { mean: shape as readonly JsonValue[], variance: shape as readonly JsonValue[] }
      : {},
  ),
  row('ReLU', ReLU),
  row('Rescale', Rescale, ['scale', 'offset']),
  row('SiLU', SiLU),
  row('Sigmoid', Sigmoid),
  row('Softmax', Softmax, ['dim']),
  row('Softplus', Softplus, ['beta', 'threshold']),
  row('Tanh', Tanh),
])

const names: ReadonlyMap<unknown, string> = new Map([...table].map(([name, { Class }]) => [Class, name]))

/** The names of the layers that a file may name, in order. */
function layerNames(): readonly string[] {
  return [...table.keys()].toSorted()
}

/** What a file has to say of a module so that {@link built} makes it again. */
export function structureOf(module: Module, chain: ChainRow): Structure {
  const seen = new Map<Module, string>()
  const visit = (layer: Module, path: string): Structure => {
    const known = layer.constructor === chain.Class ? chain.name : names.get(layer.constructor)
    const name = known ?? layer.constructor.name
    const same = seen.get(layer)
    if (same !== undefined) return { class: name, same }
    seen.set(layer, path)
    if (layer.constructor === chain.Class) {
      const layers = chain.layersOf(layer).map((inner, i) => visit(inner, join(path, i)))
      return { class: chain.name, layers }
    }
    if (known === undefined) return { class: name, own: true }
    return { class: name, config: layer.config() }
  }
  return visit(module, '')
}

/**
 * Makes the module that a structure describes; its weights are zeros, to be filled from the file.
 *
 * @param given - what a file says; it may be anything
 * @param chain - the row of the class that chains layers
 * @param fits - told the shapes of a layer's tensors by their keys before the layer is made; throws where it has others
 * @throws ValueError for a class that is not in the table, settings that its constructor refuses, and what is no structure
 */
export function built(
  given: unknown,
  chain: ChainRow,
  fits: (shapes: ReadonlyMap<string, readonly JsonValue[]>, name: string) => void,
): Module {
  const made = new Map<string, Module>()
  const make = (value: unknown, path: string, depth: number): Module => {
    const layer = requireStructure(value, path)
    if (depth > DEEPEST)
      throw new ValueError(`load: layers within layers more than ${DEEPEST} deep; expected fewer.`)
    const module = layer.same === undefined ? fresh(layer, path, depth) : made.get(layer.same)
    if (module === undefined)
      throw new ValueError(
        `load: layer "${path}" is the same as "${layer.same ?? ''}"; expected a layer before it.`,
      )
    made.set(path, module)
    return module
  }
  const fresh = (layer: Structure, path: string, depth: number): Module => {
    if (layer.class === chain.name && layer.own !== true) {
      return chain.make((layer.layers ?? []).map((inner, i) => make(inner, join(path, i), depth + 1)))
    }
    const known = layer.own === true ? undefined : table.get(layer.class)
    if (known === undefined) throw unknownClass(layer, path, chain.name)
    const config = layer.config ?? {}
    const shapes = Object.entries(known.shapes?.(config) ?? {})
    fits(new Map(shapes.map(([name, shape]) => [join(path, name), shape])), layer.class)
    return known.make(config)
  }
  return withoutValues(() => make(given, '', 0))
}

function unknownClass(layer: Structure, path: string, chain: string): ValueError {
  const hint =
    layer.own === true
      ? 'The class is one of your own: make the model in your program and call loadWeights(path).'
      : `The table of layers has ${[chain, ...layerNames()].join(', ')}; a newer version may have more.`
  return new ValueError(
    `load: layer "${path}" is of the class ${shown(layer.class)}; expected a layer of this package. ${hint}`,
  )
}

/** What a file says of a layer, so far checked that it can be read as that. */
function requireStructure(value: unknown, path: string): Structure {
  const fail = (): never => {
    throw new ValueError(
      `load: ${shown(value)} as layer "${path}" in the structure of a file; expected an object with its class.`,
    )
  }
  if (!isObject(value) || typeof value['class'] !== 'string') return fail()
  const { config, layers, same } = value
  if (config !== undefined && !isObject(config)) fail()
  if (layers !== undefined && !Array.isArray(layers)) fail()
  if (same !== undefined && typeof same !== 'string') fail()
  return value as unknown as Structure
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function join(path: string, name: string | number): string {
  return path === '' ? String(name) : `${path}.${name}`
}

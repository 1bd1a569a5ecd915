import { ValueError } from '../errors.js'
import type { Module } from '../nn/module.js'
import { Adagrad, Adam, AdamW, RMSprop, SGD, type Optimizer } from '../optim/index.js'
import type { Tensor } from '../tensor.js'
import { shown } from '../tensor/create.js'
import type { JsonObject, JsonValue } from '../types/json.js'
import type { CompileOptions } from './compiled.js'
import { lossFunctions } from './names.js'

/** Optimizers that a file may name: one comes from here or not at all. */
const optimizers: ReadonlyMap<string, new (...settings: never[]) => unknown> = new Map<
  string,
  new (...settings: never[]) => unknown
>([
  ['SGD', SGD],
  ['Adam', Adam],
  ['AdamW', AdamW],
  ['RMSprop', RMSprop],
  ['Adagrad', Adagrad],
])

/**
 * What `compile` was given as plain JSON, or null where it holds what JSON cannot: a function of the user's own, an
 * object of a class of their own.
 */
export function recipeOf(
  options: CompileOptions | undefined,
  optimizer: Optimizer<object> | null,
  model: Module,
): JsonObject | null {
  if (options === undefined || optimizer === null) return null
  const made = optimizerRecipe(optimizer, model)
  const { optimizer: _, ...others } = options as unknown as Record<string, unknown>
  const entries = Object.entries(others).filter(([, value]) => value !== undefined)
  const rest = entries.map(([key, value]) => [key, plain(key === 'loss' ? named(value) : value)] as const)
  if (made === null || rest.some(([, value]) => value === undefined)) return null
  return { optimizer: made, ...Object.fromEntries(rest as [string, JsonValue][]) }
}

/** Losses of this library that were given as functions by the names that `compile` takes, through lists and records. */
function named(loss: unknown): unknown {
  if (typeof loss === 'function')
    return Object.entries(lossFunctions).find(([, own]) => own === loss)?.[0] ?? loss
  if (Array.isArray(loss)) return loss.map(named)
  if (typeof loss !== 'object' || loss === null) return loss
  return Object.fromEntries(Object.entries(loss).map(([key, inner]) => [key, named(inner)]))
}

/** A value as JSON has it, or undefined where it is none. */
function plain(value: unknown): JsonValue | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (Array.isArray(value)) {
    const items = value.map(plain)
    return items.includes(undefined) ? undefined : (items as JsonValue[])
  }
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return undefined
  const entries = Object.entries(value).map(([key, inner]) => [key, plain(inner)] as const)
  return entries.some(([, inner]) => inner === undefined)
    ? undefined
    : (Object.fromEntries(entries) as JsonObject)
}

/** Class, hyperparameters as they are now, and the names of the parameters of each group. */
function optimizerRecipe(optimizer: Optimizer<object>, model: Module): JsonObject | null {
  const name = [...optimizers].find(([, Class]) => optimizer.constructor === Class)?.[0]
  if (name === undefined) return null
  const names = new Map(model.namedParameters().map(([key, parameter]) => [parameter as Tensor, key]))
  const groups = optimizer.paramGroups.map(({ params, ...hypers }) => ({
    params: params.map((parameter) => names.get(parameter) ?? null),
    ...hypers,
  }))
  if (groups.some(({ params }) => params.includes(null))) return null
  const json = plain(groups)
  return json === undefined ? null : { class: name, groups: json }
}

/**
 * The options that a recipe was made of, with an optimizer over the parameters of `model`.
 *
 * @throws ValueError where it names an optimizer that there is not, or parameters that the model does not have
 */
export function optionsFrom(recipe: JsonObject, model: Module): CompileOptions {
  const { optimizer, ...rest } = recipe
  return { ...rest, optimizer: optimizerFrom(optimizer, model) } as unknown as CompileOptions
}

function optimizerFrom(given: JsonValue | undefined, model: Module): Optimizer<object> {
  const fail = (what: unknown): never => {
    throw new ValueError(
      `load: ${shown(what)} as optimizer in a file; expected one of ${[...optimizers.keys()].join(', ')} with its groups.`,
    )
  }
  if (!isObject(given) || typeof given['class'] !== 'string' || !Array.isArray(given['groups']))
    return fail(given)
  const Class = optimizers.get(given['class']) ?? fail(given['class'])
  const parameters = new Map<unknown, Tensor>(model.namedParameters())
  const groups = (given['groups'] as readonly JsonValue[]).map((group) => {
    if (!isObject(group) || !Array.isArray(group['params'])) return fail(group)
    const params = (group['params'] as readonly JsonValue[]).map((name) => parameters.get(name) ?? fail(name))
    return { ...group, params }
  })
  return Reflect.construct(Class, [groups]) as Optimizer<object>
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

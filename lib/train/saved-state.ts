import { FormatError, ValueError } from '../errors.js'
import { shown } from '../tensor/create.js'
import type { JsonObject, JsonValue } from '../types/json.js'
import type { PendingHook } from './callback.js'
import {
  beginning,
  type Extent,
  type FeedPosition,
  type PastEpoch,
  type Position,
  type Resumed,
  type RngPosition,
} from './training.js'

/** Grows when older versions could no longer go on from what is written. */
export const VERSION = 1
/** Deeper is nothing that a callback has to keep, and what walks through it would run out of stack at some depth. */
const DEPTH = 100
/** The numbers that JSON has no word for. */
const words: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['-0', -0],
])

/** How gradients become a step, as far as it has to be the same where a training goes on. */
export interface SavedUpdate {
  readonly every: number
  readonly clip: string | null
  readonly ema: number | null
}

/** The optimizer's part of a state, beside tensors. */
export interface SavedOptimizer {
  readonly kind: string
  /** Steps by the parameter's index. */
  readonly steps: ReadonlyMap<string, number>
  readonly groups: readonly (Readonly<Record<string, unknown>> & { readonly params: readonly number[] })[]
}

/** Plain JSON, with words for the numbers that it has none for. */
export function encoded(value: unknown, depth = 0): JsonValue {
  if (depth > DEPTH)
    throw new ValueError(
      `save: a state of a callback that is nested deeper than ${DEPTH}, or holds itself; expected plain JSON from state().`,
    )
  if (typeof value === 'number') {
    if (Number.isFinite(value) && !Object.is(value, -0)) return value
    return { $number: Object.is(value, -0) ? '-0' : String(value) }
  }
  if (Array.isArray(value)) return value.map((inner) => encoded(inner, depth + 1))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, inner]) => inner !== undefined)
        .map(([key, inner]) => [key, encoded(inner, depth + 1)]),
    )
  if (value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  throw new ValueError(
    `save: a ${typeof value} in the state of a callback; expected plain JSON from state().`,
  )
}

function decoded(value: JsonValue, depth = 0): unknown {
  if (depth > DEPTH)
    throw new FormatError(
      `fit: resume: the state of a training is nested deeper than ${DEPTH}; expected what model.save wrote.`,
    )
  if (Array.isArray(value)) return value.map((inner) => decoded(inner, depth + 1))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  const { $number: number } = value as JsonObject
  if (typeof number === 'string' && entries.length === 1 && words.has(number)) return words.get(number)
  return Object.fromEntries(entries.map(([key, inner]) => [key, decoded(inner, depth + 1)]))
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

function flagOf(what: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw broken(what)
  return value
}

function rngOf(what: string, value: unknown): RngPosition {
  // Older files say nothing of the streams of trainings.
  const [seed, offset, forks = 0, ...more] = listOf(what, value, (item) => countOf(what, item))
  if (seed === undefined || offset === undefined || more.length > 0) throw broken(what)
  return [seed, offset, forks]
}

/** What a state says, beside tensors. */
export function savedState(json: JsonObject): {
  readonly resumed: Resumed
  readonly optimizer: SavedOptimizer
  readonly update: SavedUpdate
} {
  const saved = objectOf('state', decoded(json))
  if (saved['version'] !== VERSION)
    throw new FormatError(
      `fit: resume: version ${shown(saved['version'])} of the state of a training; expected ${VERSION}. Another version of neuroxide wrote it.`,
    )
  return {
    resumed: resumedOf(saved),
    optimizer: optimizerOf(saved['optimizer']),
    update: updateOf(saved['update']),
  }
}

function resumedOf(saved: Readonly<Record<string, unknown>>): Resumed {
  const names = listOf('names', saved['names'], (name) => textOf('names', name))
  const batches = countOf('batches', saved['batches'])
  const position = perhaps(saved['position'], positionOf) ?? beginning(0, batches)
  return {
    position,
    rng: rngOf('rng', saved['rng']),
    past: listOf('past', saved['past'], (epoch) => pastOf(epoch, names.length)),
    callbacks: listOf('callbacks', saved['callbacks'], (state) => state),
    tensors: new Map(),
    pending: perhaps(saved['pending'], (hook) => pendingOf(hook, position)),
    stop: saved['stop'] === true,
    names,
    extent: perhaps(saved['extent'], extentOf),
  }
}

function optimizerOf(given: unknown): SavedOptimizer {
  const { kind, steps, groups } = objectOf('optimizer', given)
  const counts = Object.entries(objectOf('optimizer.steps', steps))
  return {
    kind: textOf('optimizer.kind', kind),
    steps: new Map(counts.map(([index, step]) => [index, countOf('optimizer.steps', step)])),
    groups: listOf('optimizer.groups', groups, (group) => {
      const own = objectOf('optimizer.groups', group)
      const params = listOf('params', own['params'], (index) => countOf('params', index))
      return { ...own, params }
    }),
  }
}

function updateOf(given: unknown): SavedUpdate {
  const { every, clip, ema } = objectOf('update', given)
  return {
    every: countOf('update.every', every),
    clip: perhaps(clip, (limit) => textOf('update.clip', limit)),
    ema: perhaps(ema, (decay) => numberOf('update.ema', decay)),
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
    seen: countOf('seen', seen),
    batches: countOf('batches', batches),
    feed: perhaps(feed, feedOf),
  }
}

function feedOf(given: unknown): FeedPosition {
  const { rng, epoch, taken, held } = objectOf('feed', given)
  return {
    rng: rngOf('feed', rng),
    epoch: perhaps(epoch, (value) => countOf('feed', value)),
    taken: countOf('feed', taken),
    held: perhaps(held, (value) => rngOf('feed', value)),
  }
}

function pastOf(given: unknown, length: number): PastEpoch {
  const { epoch, values, validation } = objectOf('past', given)
  const numbers = (list: unknown): number[] => {
    const own = listOf('past', list, (value) => numberOf('past', value))
    if (own.length !== length) throw broken(`past: one of ${length} numbers of an epoch`)
    return own
  }
  return {
    epoch: countOf('past', epoch),
    values: numbers(values),
    validation: perhaps(validation, numbers),
  }
}

const hooks = ['onEpochBegin', 'onEpochEnd', 'onTrainBatchBegin', 'onTrainBatchEnd'] as const

function pendingOf(given: unknown, { epoch, step }: Position): PendingHook {
  const { hook, index, logs, from } = objectOf('pending', given)
  const known = hooks.find((name) => name === hook)
  if (known === undefined) throw broken('pending')
  // The hook that ran was the one of this position.
  const own = {
    onEpochBegin: epoch,
    onEpochEnd: epoch - 1,
    onTrainBatchBegin: step,
    onTrainBatchEnd: step - 1,
  }
  if (index !== own[known] || (step > 0 && (known === 'onEpochBegin' || known === 'onEpochEnd')))
    throw broken('pending')
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
  const { loop, samples, batchSize, stepsPerEpoch, shuffle, dropLast } = objectOf('extent', given)
  const size = (value: unknown): number | null => perhaps(value, (held) => countOf('extent', held))
  const flag = (value: unknown): boolean | null => perhaps(value, (held) => flagOf('extent', held))
  if (loop !== 'memory' && loop !== 'stream') throw broken('extent')
  return {
    loop,
    samples: size(samples),
    batchSize: size(batchSize),
    stepsPerEpoch: size(stepsPerEpoch),
    shuffle: flag(shuffle),
    dropLast: flag(dropLast),
  }
}

import type { CallbackHooks, CountedHook, HookName } from './callback.js'

/** All hooks. */
export const hookNames: readonly HookName[] = [
  'onTrainBegin',
  'onTrainEnd',
  'onEpochBegin',
  'onEpochEnd',
  'onTrainBatchBegin',
  'onTrainBatchEnd',
  'onTestBegin',
  'onTestEnd',
  'onTestBatchBegin',
  'onTestBatchEnd',
  'onPredictBegin',
  'onPredictEnd',
  'onPredictBatchBegin',
  'onPredictBatchEnd',
]

type Alias = 'onBatchBegin' | 'onBatchEnd'

/** Keras's other names of two hooks, and what they stand for. */
export const hookAliases: Readonly<Record<Alias, 'onTrainBatchBegin' | 'onTrainBatchEnd'>> = {
  onBatchBegin: 'onTrainBatchBegin',
  onBatchEnd: 'onTrainBatchEnd',
}

const aliasOf: ReadonlyMap<HookName, Alias> = new Map([
  ['onTrainBatchBegin', 'onBatchBegin'],
  ['onTrainBatchEnd', 'onBatchEnd'],
])

/** The name under which a callback has a hook; null where it has none. */
export function nameOfHook<N extends HookName>(
  callback: CallbackHooks,
  hook: N,
): N | (N extends CountedHook ? Alias : never) | null {
  if (callback[hook] !== undefined) return hook
  const alias = aliasOf.get(hook)
  if (alias === undefined || callback[alias] === undefined) return null
  return alias as N extends CountedHook ? Alias : never
}

/** How many letters have to be put in, left out or exchanged to turn one text into the other. */
function distance(from: string, to: string): number {
  let before = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const kept = (before[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1)
      row.push(Math.min(kept, (before[j] as number) + 1, (row[j - 1] as number) + 1))
    }
    before = row
  }
  return before[to.length] as number
}

const bare = (name: string): string => name.toLowerCase().replaceAll('_', '')

/** The hooks whose names are nearest to another one, and how far they are. */
function nearest(name: string): { readonly names: readonly string[]; readonly far: number } {
  const ranked = hookNames
    .map((hook) => ({ hook, far: distance(bare(name), bare(hook)) }))
    .toSorted((a, b) => a.far - b.far)
  const far = ranked[0]?.far ?? Infinity
  return { names: ranked.filter((each) => each.far === far).map(({ hook }) => hook), far }
}

/** Functions of an object and of its classes, up to one that is known or is that of all objects. */
function functionsOf(callback: object, known: object): readonly string[] {
  const found: string[] = []
  let owner: object | null = callback
  while (owner !== null && owner !== known && owner !== Object.prototype) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(owner)))
      if (typeof value === 'function') found.push(name)
    owner = Object.getPrototypeOf(owner) as object | null
  }
  return found
}

/**
 * A function of a callback that is named as a hook and is none, with the hooks that may have been meant; null without one.
 *
 * A plain object consists of hooks, so that any `on…` of it is meant as one. A class may have methods of its own: only
 * names that are nearly those of hooks count.
 */
export function misspelt(
  callback: object,
  base: object,
): { readonly name: string; readonly nearest: readonly string[] } | null {
  const prototype: unknown = Object.getPrototypeOf(callback)
  const isPlain = prototype === Object.prototype || prototype === null
  for (const name of functionsOf(callback, base)) {
    if (!/^on/i.test(name) || (hookNames as readonly string[]).includes(name) || name in hookAliases) continue
    const { names, far } = nearest(name)
    if (far <= 2 || (isPlain && /^on[_A-Z]/.test(name))) return { name, nearest: names }
  }
  return null
}

import { TraceError, ValueError } from '../errors.js'
import { isTracing, native } from '../native.js'
import { shown } from '../tensor/create.js'

/** A hyperparameter: a number, two numbers, or a choice that is made once. */
export interface Hyper {
  /** The name of the property. */
  readonly name: string
  /** The names that the core knows the value by: two for a pair. */
  readonly parts: readonly string[]
  readonly kind: 'number' | 'pair' | 'flag' | 'choice'
  readonly initial: number | boolean | string | readonly [number, number]
  /** The words of a choice; the core knows them by their places. */
  readonly words?: readonly string[]
  /** What a number has to be; ≥ 0 by default. */
  readonly range?: readonly [low: number, high: number]
  /** `'nothing'`: decided when the optimizer is made; `'zero'`: whether it is 0 is, since state is allocated for it. */
  readonly fixed?: 'nothing' | 'zero'
}

export type HyperValue = number | boolean | string | readonly [number, number]

/** Where an optimizer adds epsilon: as PyTorch or as Keras does. */
export type EpsMode = 'torch' | 'keras'

/** A hyperparameter that is one number. */
export function numeric(name: string, initial: number, more: Pick<Hyper, 'range' | 'fixed'> = {}): Hyper {
  return { name, parts: [name], kind: 'number', initial, ...more }
}

/** A choice. */
export function flag(name: string): Hyper {
  return { name, parts: [name], kind: 'flag', initial: false, fixed: 'nothing' }
}

/** Whose place epsilon has. */
export const epsMode: Hyper = {
  name: 'epsMode',
  parts: ['epsMode'],
  kind: 'choice',
  initial: 'torch',
  words: ['torch', 'keras'],
  fixed: 'nothing',
}

/** Two decay rates in [0, 1). */
export const betas: Hyper = {
  name: 'betas',
  parts: ['beta1', 'beta2'],
  kind: 'pair',
  initial: [0.9, 0.999],
  range: [0, 1],
}

/** The numbers that the core takes for a value; throws where the value is out of range. */
export function encoded(optimizer: string, hyper: Hyper, value: unknown): number[] {
  const fail = (expected: string): never => {
    throw new ValueError(`optim.${optimizer}: ${shown(value)} as ${hyper.name}; expected ${expected}.`)
  }
  if (hyper.kind === 'flag') return typeof value === 'boolean' ? [Number(value)] : fail('true or false')
  if (hyper.words !== undefined) {
    const place = hyper.words.indexOf(value as string)
    return place < 0 ? fail(hyper.words.map((word) => `'${word}'`).join(' or ')) : [place]
  }
  const numbers: unknown[] = hyper.kind === 'pair' ? (Array.isArray(value) ? value : []) : [value]
  const [low, high] = hyper.range ?? [0, Infinity]
  const fits = (x: unknown): x is number => typeof x === 'number' && x >= low && x < high
  if (numbers.length !== hyper.parts.length || !numbers.every(fits)) {
    const bounds = high < Infinity ? ` in [${low}, ${high})` : low > -Infinity ? ` of at least ${low}` : ''
    fail(hyper.kind === 'pair' ? `two numbers${bounds}` : `a finite number${bounds}`)
  }
  return numbers as number[]
}

/** Where the values of one group of an optimizer live in the core. */
export interface Slot {
  readonly optimizer: string
  readonly id: number
  readonly group: number
  /** Index of each part by its name. */
  readonly index: ReadonlyMap<string, number>
}

/** Reads a hyperparameter of a group. */
export function read(slot: Slot, hyper: Hyper): HyperValue {
  const numbers = hyper.parts.map((part) =>
    native.optimizerHyper(slot.id, slot.group, indexOf(slot, part), Number.NaN),
  )
  if (hyper.kind === 'pair') return numbers as unknown as readonly [number, number]
  if (hyper.words !== undefined) return hyper.words[numbers[0] ?? 0] ?? hyper.initial
  return hyper.kind === 'flag' ? numbers[0] !== 0 : (numbers[0] ?? Number.NaN)
}

/** Writes a hyperparameter of a group; programs that were traced earlier see it in their next run. */
export function write(slot: Slot, hyper: Hyper, value: unknown): void {
  writing(slot, hyper, value)()
}

/** What writes a hyperparameter of a group; throws at once where the value may not be written. */
export function writing(slot: Slot, hyper: Hyper, value: unknown): () => void {
  if (isTracing()) {
    throw new TraceError(
      `optim.${slot.optimizer}: ${hyper.name} was written inside a traced function; expected a write between steps. ` +
        'It would be written once, and no program is traced again for one that is written outside.',
    )
  }
  const numbers = encoded(slot.optimizer, hyper, value)
  const before = read(slot, hyper)
  if (hyper.fixed === 'nothing') {
    if (value === before) return () => {}
    throw new ValueError(
      `optim.${slot.optimizer}: ${hyper.name} was written; expected none, as it is chosen when the optimizer is made.`,
    )
  }
  if (hyper.fixed === 'zero' && (value === 0) !== (before === 0)) {
    throw new ValueError(
      `optim.${slot.optimizer}: ${hyper.name} ${String(value)} after ${String(before)}; expected ` +
        `${before === 0 ? 'that it stays 0' : 'a number above 0'}. Whether there is state for it is decided when the optimizer is made.`,
    )
  }
  return () => {
    for (const [i, part] of hyper.parts.entries())
      native.optimizerHyper(slot.id, slot.group, indexOf(slot, part), numbers[i] ?? Number.NaN)
  }
}

function indexOf(slot: Slot, part: string): number {
  const index = slot.index.get(part)
  if (index === undefined) throw new ValueError(`optim.${slot.optimizer}: the core knows no "${part}".`)
  return index
}

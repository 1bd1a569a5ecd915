import { ValueError } from './errors.js'
import { shown } from './tensor/create.js'
import { requireOptions } from './tensor/checks.js'

/** Reads an options object: each option is checked once, under its name, and what nothing reads is refused. */
export class Options {
  readonly #op: string
  readonly #given: Readonly<Record<string, unknown>>

  constructor(op: string, given: unknown, known: readonly string[]) {
    this.#op = op
    requireOptions(this.#op, given, known)
    this.#given = (given ?? {}) as Readonly<Record<string, unknown>>
  }

  /** Refuses an option, with what was expected of it. */
  fail(name: string, expected: string): never {
    throw new ValueError(`${this.#op}: ${shown(this.#given[name])} as ${name}; expected ${expected}.`)
  }

  /** Whether an option was given. */
  has(name: string): boolean {
    return this.#given[name] !== undefined
  }

  /** A finite number in [least, most]; required where there is no default. */
  number(name: string, initial?: number, least = -Infinity, most = Infinity): number {
    const value = this.#given[name] ?? initial
    if (typeof value === 'number' && Number.isFinite(value) && value >= least && value <= most) return value
    return this.fail(name, `a finite number${bounds(least, most)}`)
  }

  /** An integer of at least `least`. */
  integer(name: string, initial: number | undefined, least: number): number {
    const value = this.#given[name] ?? initial
    if (Number.isSafeInteger(value) && (value as number) >= least) return value as number
    return this.fail(name, `an integer of at least ${least}`)
  }

  flag(name: string, initial: boolean): boolean {
    const value = this.#given[name] ?? initial
    return typeof value === 'boolean' ? value : this.fail(name, 'true or false')
  }

  choice<T extends string>(name: string, choices: readonly T[], initial: T): T {
    const value = this.#given[name] ?? initial
    const found = choices.find((choice) => choice === value)
    return found ?? this.fail(name, `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`)
  }

  /** Text that is not empty. */
  text(name: string, initial?: string): string {
    const value = this.#given[name] ?? initial
    return typeof value === 'string' && value !== '' ? value : this.fail(name, 'a text that is not empty')
  }

  /** One number for all groups, or one for each of them. */
  perGroup(name: string, groups: number, initial?: number, least = 0): number[] {
    const value = this.#given[name] ?? initial
    const all: unknown[] = Array.isArray(value) ? value : Array<unknown>(groups).fill(value)
    const fits = (x: unknown): x is number => typeof x === 'number' && Number.isFinite(x) && x >= least
    if (all.length === groups && all.every(fits)) return all
    const list = groups === 1 ? '' : `, or an array of ${groups} of them (one for each group of parameters)`
    return this.fail(name, `a finite number${bounds(least, Infinity)}${list}`)
  }

  /** One function for all groups, or one for each of them. */
  functions<F>(name: string, groups: number): F[] {
    const value = this.#given[name]
    const all: unknown[] = Array.isArray(value) ? value : Array<unknown>(groups).fill(value)
    if (all.length === groups && all.every((x) => typeof x === 'function')) return all as F[]
    return this.fail(name, `a function of the epoch, or ${groups} of them (one for each group of parameters)`)
  }

  /** An option as it was given. */
  get(name: string): unknown {
    return this.#given[name]
  }
}

function bounds(least: number, most: number): string {
  if (most < Infinity) return ` from ${least} to ${most}`
  return least > -Infinity ? ` of at least ${least}` : ''
}

import { isTensor, type DType, type Tensor } from 'neuroxide'

/** An argument as it is written in the manifests, where tensors and what JSON lacks are objects. */
export type Written =
  | number
  | string
  | boolean
  | null
  | { readonly tensor: string }
  | { readonly float: 'inf' | '-inf' | 'nan' }
  | { readonly dtype: string }
  | readonly Written[]

/** An argument as the table of ops uses it; dtypes are their PyTorch names. */
export type Value = Tensor | number | string | boolean | null | readonly Value[]

/** Element types by PyTorch's names. */
export const dtypes: Readonly<Record<string, DType>> = {
  float64: 'f64',
  float32: 'f32',
  int64: 'i32',
  int32: 'i32',
  uint8: 'u8',
  bool: 'bool',
}

const floats = { inf: Infinity, '-inf': -Infinity, nan: NaN } as const

/** Reads a written argument; `lookup` gives the tensor of a name. */
export function decoded(value: Written, lookup: (name: string) => Tensor): Value {
  if (value === null || typeof value !== 'object') return value
  if (isList(value)) return value.map((entry) => decoded(entry, lookup))
  if ('tensor' in value) return lookup(value.tensor)
  return 'float' in value ? floats[value.float] : value.dtype
}

function isList(value: object): value is readonly Written[] {
  return Array.isArray(value)
}

/** The arguments of a call of PyTorch: each is asked for by its place and its name, of which either may be used. */
export class Arguments {
  readonly #positional: readonly Value[]
  readonly #named: Readonly<Record<string, Value>>
  readonly #numbers: ReadonlyMap<Tensor, number>
  readonly #asked = new Set<string | number>()

  /** @param numbers - the values of tensors that may be meant as numbers */
  constructor(
    positional: readonly Value[],
    named: Readonly<Record<string, Value>>,
    numbers: ReadonlyMap<Tensor, number> = new Map(),
  ) {
    this.#positional = positional
    this.#named = named
    this.#numbers = numbers
  }

  /** Undefined where it was left out. */
  get(place: number, name?: string): Value | undefined {
    this.#asked.add(place)
    if (name !== undefined) this.#asked.add(name)
    return name !== undefined && Object.hasOwn(this.#named, name)
      ? this.#named[name]
      : this.#positional[place]
  }

  /** What was passed and never asked for: a table entry that overlooks an argument must not pass. */
  ignored(): string[] {
    const places = this.#positional.map((_, place) => place).filter((place) => !this.#asked.has(place))
    const names = Object.keys(this.#named).filter((name) => !this.#asked.has(name))
    return [...places.map((place) => `argument ${place}`), ...names]
  }

  tensor(place: number, name?: string): Tensor {
    const value = this.get(place, name)
    if (!isTensor(value)) throw wrong('a tensor', place, name, value)
    return value
  }

  /** A tensor, or a number that adapts to the tensor it meets. */
  operand(place: number, name?: string): Tensor | number {
    const value = this.get(place, name)
    if (typeof value !== 'number' && !isTensor(value)) throw wrong('a tensor or a number', place, name, value)
    return value
  }

  optionalTensor(place: number, name?: string): Tensor | null {
    const value = this.get(place, name) ?? null
    if (value !== null && !isTensor(value)) throw wrong('a tensor or nothing', place, name, value)
    return value
  }

  /** Every argument by place, all of them tensors. */
  allTensors(): Tensor[] {
    return this.#positional.map((_, place) => this.tensor(place))
  }

  tensors(place: number): Tensor[] {
    const value = this.get(place)
    if (!Array.isArray(value) || !value.every(isTensor)) throw wrong('tensors', place, undefined, value)
    return value
  }

  number(place: number, name: string, initial?: number): number {
    const given = this.get(place, name) ?? initial
    const value = isTensor(given) ? this.#numbers.get(given) : given
    if (typeof value !== 'number') throw wrong('a number', place, name, given)
    return value
  }

  optionalNumber(place: number, name: string): number | null {
    return (this.get(place, name) ?? null) === null ? null : this.number(place, name)
  }

  /** The first argument, cast where the call asks for an element type. */
  typed(): Tensor {
    const name = this.text(-1, 'dtype', '')
    if (name === '') return this.tensor(0)
    const dtype = dtypes[name]
    if (dtype === undefined) throw wrong('an element type', -1, 'dtype', name)
    return this.tensor(0).cast(dtype)
  }

  boolean(place: number, name: string, initial = false): boolean {
    const value = this.get(place, name) ?? initial
    if (typeof value !== 'boolean') throw wrong('a boolean', place, name, value)
    return value
  }

  text(place: number, name: string, initial: string): string {
    const value = this.get(place, name) ?? initial
    if (typeof value !== 'string') throw wrong('a text', place, name, value)
    return value
  }

  numbers(place: number, name: string): number[] {
    const value = this.get(place, name)
    if (!isNumbers(value)) throw wrong('numbers', place, name, value)
    return [...value]
  }

  /** One axis or several; null where all are meant. */
  axes(place: number, name = 'dim'): number | readonly number[] | null {
    const value = this.get(place, name) ?? null
    if (value === null || typeof value === 'number') return value
    if (!isNumbers(value)) throw wrong('axes', place, name, value)
    return value
  }
}

function isNumbers(value: Value | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'number')
}

function wrong(wanted: string, place: number, name: string | undefined, value: unknown): Error {
  const which = name === undefined ? `argument ${place}` : `argument ${place} (${name})`
  return new Error(`${which} is ${String(value)}, and the table of ops expects ${wanted}`)
}

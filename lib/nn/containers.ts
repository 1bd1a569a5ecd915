import { ValueError } from '../errors.js'
import { Module, isModule, members } from './module.js'
import { requireInteger } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

/**
 * A list of modules that registers them under their indices, for a `forward` that walks them in its own way.
 *
 * @example
 * ```ts
 * import { nn, zeros, type Tensor } from 'neuroxide'
 * const layers = new nn.ModuleList([new nn.Linear(2, 2), new nn.Linear(2, 2)])
 * let x: Tensor = zeros([1, 2])
 * for (const layer of layers) x = layer.forward(x)
 * console.log(layers.length, layers.namedParameters()[0]?.[0]) // 2 0.weight
 * ```
 */
export class ModuleList<M extends Module = Module> extends Module implements Iterable<M> {
  readonly #modules: M[] = []

  constructor(modules: Iterable<M> = []) {
    super()
    for (const module of requireIterable('nn.ModuleList', modules)) this.append(module)
  }

  /** How many modules the list holds. */
  get length(): number {
    return this.#modules.length
  }

  /** Adds a module at the end; returns the list. */
  append(module: M): this {
    requireModule('nn.ModuleList', module, `element ${this.#modules.length}`)
    this.#modules.push(module)
    return this
  }

  /** The module at an index, counted from the end when it is negative; undefined where there is none. */
  at(index: number): M | undefined {
    return this.#modules.at(requireInteger('nn.ModuleList', 'index', index))
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#modules[Symbol.iterator]()
  }

  override [members](): Iterable<[string, unknown]> {
    return this.#modules.map((module, index): [string, unknown] => [String(index), module])
  }

  /** @throws ValueError always: a list does not say in which way its modules are called */
  override forward(): never {
    throw new ValueError(
      'nn.ModuleList: forward was called; expected calls of its modules. nn.Sequential calls one after the other.',
    )
  }
}

/**
 * A dictionary of modules that registers them under their keys.
 *
 * @example
 * ```ts
 * import { nn } from 'neuroxide'
 * const heads = new nn.ModuleDict({ digits: new nn.Linear(8, 10), parity: new nn.Linear(8, 2) })
 * console.log(heads.keys(), heads.namedParameters()[0]?.[0]) // [ 'digits', 'parity' ] digits.weight
 * ```
 */
export class ModuleDict<M extends Module = Module> extends Module implements Iterable<[string, M]> {
  readonly #modules = new Map<string, M>()

  constructor(modules: Readonly<Record<string, M>> = {}) {
    super()
    if (typeof modules !== 'object' || modules === null)
      throw new ValueError(`nn.ModuleDict: ${shown(modules)}; expected a record of modules.`)
    for (const [key, module] of Object.entries(modules)) this.set(key, module)
  }

  /** How many modules the dictionary holds. */
  get size(): number {
    return this.#modules.size
  }

  /** Puts a module under a key; returns the dictionary. */
  set(key: string, module: M): this {
    if (typeof key !== 'string' || key === '' || key.includes('.'))
      throw new ValueError(`nn.ModuleDict: ${shown(key)} as key; expected a text with letters and no dot.`)
    requireModule('nn.ModuleDict', module, shown(key))
    this.#modules.set(key, module)
    return this
  }

  /** The module under a key; undefined where there is none. */
  get(key: string): M | undefined {
    return this.#modules.get(key)
  }

  /** Whether there is a module under a key. */
  has(key: string): boolean {
    return this.#modules.has(key)
  }

  /** Takes the module under a key away; says whether there was one. */
  delete(key: string): boolean {
    return this.#modules.delete(key)
  }

  /** The keys in the order in which they were set. */
  keys(): string[] {
    return [...this.#modules.keys()]
  }

  [Symbol.iterator](): Iterator<[string, M]> {
    return this.#modules[Symbol.iterator]()
  }

  override [members](): Iterable<[string, unknown]> {
    return this.#modules
  }

  /** @throws ValueError always: a dictionary does not say in which way its modules are called */
  override forward(): never {
    throw new ValueError('nn.ModuleDict: forward was called; expected calls of its modules.')
  }
}

function requireModule(op: string, value: unknown, what: string): void {
  if (!isModule(value)) throw new ValueError(`${op}: ${shown(value)} as ${what}; expected a module.`)
}

function requireIterable<M>(op: string, modules: Iterable<M>): Iterable<M> {
  if (typeof modules !== 'object' || modules === null || !(Symbol.iterator in modules))
    throw new ValueError(`${op}: ${shown(modules)}; expected an array of modules.`)
  return modules
}

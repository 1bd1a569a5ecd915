import { DeviceError, TensorError, TraceError, ValueError } from '../errors.js'
import { isTracing } from '../native.js'
import { type Tensor, noGrad } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { requireFlag, requireFunction, requireOptions, requireTensor } from '../tensor/checks.js'
import { fromValues, shown } from '../tensor/create.js'
import { modeChanged, readGuard } from '../tensor/guards.js'
import type { Device, TensorLike } from '../types.js'
import type { JsonObject } from '../types/json.js'
import { enter, moduleBrand, type Entered } from './entering.js'
import { isParameter, type Parameter } from './parameter.js'

/** Tensors by the names of the fields that hold them, as {@link Module.stateDict} returns them. */
export type StateDict = Record<string, Tensor>

/** Options of {@link Module.loadStateDict}. */
export interface LoadOptions {
  /** Whether missing and unexpected keys are errors; `true` by default. Wrong shapes always are. */
  readonly strict?: boolean | undefined
}

interface Mode {
  training: boolean
  hooks: ReadonlyMap<object, ForwardHook>
  preHooks: ReadonlyMap<object, ForwardPreHook>
}

/** The keys in which a state and a module differ. */
export interface LoadReport {
  readonly missing: string[]
  readonly unexpected: string[]
}

/** Runs after a module's forward; what it returns, unless that is undefined, takes the output's place. */
export type ForwardHook = (module: Module, inputs: readonly unknown[], output: unknown) => unknown

/** Runs before a module's forward; an array that it returns takes the inputs' place. */
export type ForwardPreHook = (module: Module, inputs: readonly unknown[]) => readonly unknown[] | void

/** What takes a hook away again. */
export interface HookHandle {
  remove(): void
}

/** A state that does not fit a module; the message lists every missing, unexpected and mis-shaped key. */
export class StateDictError extends TensorError {
  override readonly code = 'ERR_STATE_DICT'
}

/** Overridden by containers whose members are no fields. */
export const members: unique symbol = Symbol('members')

/** Modules that take and give one tensor: what {@link Sequential} chains. */
export interface TensorModule extends Module {
  forward(x: Tensor): Tensor
}

/** Whether a value is a module, of this or another copy of the package. */
export function isModule(value: unknown): value is Module {
  return typeof value === 'object' && value !== null && moduleBrand in value
}

/**
 * The base class of layers and models: write `forward`, keep parameters and other modules in fields.
 *
 * Fields that hold parameters, modules, or arrays, records and maps of them register by themselves, under the names
 * that PyTorch gives them (`encoder.layers.0.weight`); private `#fields` do not, as nothing can look into them.
 * Calling `forward` enters the module: its path stands in errors and in `explain()`, and its hooks run.
 * Inside a jitted function, fields of a module may be read but not written: the write would happen once, not in every
 * step. Keep what changes in a buffer, and write that with `copyFrom`.
 *
 * @example
 * ```ts
 * import { nn, zeros, type Tensor } from 'neuroxide'
 * class Net extends nn.Module {
 *   readonly hidden = new nn.Linear(4, 8)
 *   readonly out = new nn.Linear(8, 2)
 *   forward(x: Tensor): Tensor {
 *     return this.out.forward(this.hidden.forward(x).relu())
 *   }
 * }
 * const net = new Net()
 * console.log(net.forward(zeros([1, 4])).shape) // [ 1, 2 ]
 * console.log(net.namedParameters().map(([name]) => name)) // [ 'hidden.weight', 'hidden.bias', 'out.weight', 'out.bias' ]
 * ```
 */
export abstract class Module implements Entered {
  readonly #buffers = new Map<string, boolean>()
  /** What selects a program among those of a traced function; its maps are replaced, never changed. */
  readonly #mode: Mode = { training: true, hooks: none, preHooks: none }

  constructor() {
    const plain = new.target.prototype.forward as unknown
    if (typeof plain !== 'function') {
      throw new ValueError(
        `${new.target.name}: a module without a method forward(…); expected one. A field of that name is none.`,
      )
    }
    // Own and fixed, so that no call slips by and a field named forward throws at once; super.forward stays the
    // prototype's plain method.
    Object.defineProperty(this, 'forward', {
      value: (...inputs: unknown[]) => enter(this, plain as (...inputs: unknown[]) => unknown, inputs),
      writable: false,
      configurable: false,
      enumerable: false,
    })
  }

  /** What the module computes. Call it like a method; hooks and paths come by themselves. */
  abstract forward(...inputs: never[]): unknown

  /** Whether the module is in training mode; read in a jitted function, it selects the program. */
  get training(): boolean {
    return readGuard(this.#mode, 'training', this.#mode.training)
  }

  /**
   * Puts this module and all in it into training mode (dropout on) or, with `false`, into evaluation mode.
   *
   * @throws TraceError inside a jitted function
   */
  train(mode = true): this {
    requireFlag('train', 'mode', mode)
    if (isTracing()) {
      throw new TraceError(
        'train: called inside a traced function; expected a call before it: the mode would change once.',
      )
    }
    for (const module of this.modules()) module.setTraining(mode)
    return this
  }

  /** Puts this module and all in it into evaluation mode: `train(false)`. */
  eval(): this {
    return this.train(false)
  }

  /** @internal Sets the flag of this module alone; `train()` is for users. */
  setTraining(mode: boolean): void {
    requireFlag('setTraining', 'mode', mode)
    this.#mode.training = mode
    modeChanged()
  }

  /** The fields that are searched for parameters and modules. */
  [members](): Iterable<[string, unknown]> {
    return Object.entries(this)
  }

  /** Modules held directly, by field name (`layers.0` for the first of an array in `layers`). */
  namedChildren(): [name: string, module: Module][] {
    return [...found(this)].filter((entry): entry is [string, Module] => isModule(entry[1]))
  }

  /** Modules held directly. */
  children(): Module[] {
    return this.namedChildren().map(([, module]) => module)
  }

  /** This module, under the empty name, and all modules in it, each once. */
  namedModules(): [name: string, module: Module][] {
    const seen = new Set<Module>()
    const list: [string, Module][] = []
    const visit = (module: Module, name: string): void => {
      if (seen.has(module)) return
      seen.add(module)
      list.push([name, module])
      for (const [childName, child] of module.namedChildren()) visit(child, joined(name, childName))
    }
    visit(this, '')
    return list
  }

  /** This module and all modules in it, each once. */
  modules(): Module[] {
    return this.namedModules().map(([, module]) => module)
  }

  /** Parameters of this module and all in it by path; one that is shared appears once, under its first name. */
  namedParameters(): [name: string, parameter: Parameter][] {
    const first = new Map<Parameter, string>()
    for (const [path, module] of this.namedModules()) {
      for (const [name, value] of found(module)) {
        if (isParameter(value) && !first.has(value)) first.set(value, joined(path, name))
      }
    }
    return [...first].map(([parameter, name]) => [name, parameter])
  }

  /** Parameters of this module and all in it, each once. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter)
  }

  /** Buffers of this module and all in it by path, each once. */
  namedBuffers(): [name: string, buffer: Tensor][] {
    const first = new Map<Tensor, string>()
    for (const [path, module] of this.namedModules()) {
      for (const [name, buffer] of module.ownBuffers()) {
        if (!first.has(buffer)) first.set(buffer, joined(path, name))
      }
    }
    return [...first].map(([buffer, name]) => [name, buffer])
  }

  /** Buffers of this module and all in it, each once. */
  buffers(): Tensor[] {
    return this.namedBuffers().map(([, buffer]) => buffer)
  }

  /**
   * Makes a tensor part of the module's state without training it: running means and the like.
   *
   * @param name - the field that holds it
   * @param tensor - its first value, which is copied
   * @param options - `persistent: false` keeps it out of `stateDict`
   * @returns the buffer, so that a field may be initialised with it
   * @throws TraceError inside a jitted function
   * @example
   * ```ts
   * import { nn, zeros, type Tensor } from 'neuroxide'
   * class Counter extends nn.Module {
   *   readonly seen = this.registerBuffer('seen', zeros([], { dtype: 'i32' }))
   *   forward(x: Tensor): Tensor {
   *     this.seen.copyFrom(this.seen.add(1))
   *     return x
   *   }
   * }
   * const counter = new Counter()
   * counter.forward(zeros([2]))
   * console.log(counter.seen.item(), Object.keys(counter.stateDict())) // 1 [ 'seen' ]
   * ```
   */
  registerBuffer<T extends Tensor>(
    name: string,
    tensor: T,
    options: { readonly persistent?: boolean | undefined } = {},
  ): T {
    if (isTracing())
      throw new TraceError('registerBuffer: called inside a traced function; expected a call before it.')
    if (typeof name !== 'string' || name === '' || name.includes('.') || isOwnWord(name)) {
      throw new ValueError(
        `registerBuffer: ${shown(name)} as name; expected that of a field: letters, no dot, and none of a module's own.`,
      )
    }
    requireTensor('registerBuffer', 'buffer', tensor)
    requireOptions('registerBuffer', options, ['persistent'])
    requireFlag('registerBuffer', 'persistent', options.persistent ?? true)
    const buffer = noGrad(() => tensor.detach().clone()) as unknown as T
    this.#buffers.set(name, options.persistent ?? true)
    Object.defineProperty(this, name, { value: buffer, writable: true, configurable: true, enumerable: true })
    return buffer
  }

  /** @internal Buffers of this module alone. */
  ownBuffers(persistentOnly = false): [string, Tensor][] {
    const list: [string, Tensor][] = []
    for (const [name, persistent] of this.#buffers) {
      const value = (this as unknown as Record<string, unknown>)[name]
      if (isTensor(value) && (persistent || !persistentOnly)) list.push([name, value])
    }
    return list
  }

  /**
   * All parameters and persistent buffers by path. The tensors share the module's memory: they show later updates;
   * `clone()` keeps a value.
   *
   * @example
   * ```ts
   * import { nn } from 'neuroxide'
   * console.log(Object.keys(new nn.Linear(2, 3).stateDict())) // [ 'weight', 'bias' ]
   * ```
   */
  stateDict(): StateDict {
    const state: StateDict = {}
    for (const [name, tensor] of this.#state()) state[name] = tensor.detach()
    return state
  }

  /** @internal The tensors of {@link stateDict} themselves, in its order. */
  stateTensors(): ReadonlyMap<string, Tensor> {
    return this.#state()
  }

  /**
   * Copies values into the parameters and buffers of this module; nothing is written unless everything fits. Entries are
   * tensors, or the nested arrays that JSON keeps of them.
   *
   * @returns the keys that were missing and unexpected: both empty where `strict` is not `false`
   * @throws StateDictError that lists every missing, unexpected and mis-shaped key
   * @example
   * ```ts
   * import { nn } from 'neuroxide'
   * const [a, b] = [new nn.Linear(2, 3), new nn.Linear(2, 3)]
   * a.loadStateDict(b.stateDict())
   * console.log(a.weight.sub(b.weight).abs().sum().item()) // 0
   * ```
   */
  loadStateDict(given: Readonly<Record<string, TensorLike>>, options: LoadOptions = {}): LoadReport {
    if (typeof given !== 'object' || given === null)
      throw new ValueError(`loadStateDict: ${shown(given)}; expected a record of tensors.`)
    requireOptions('loadStateDict', options, ['strict'])
    const own = this.#state()
    const state = tensorsOf(given, own)
    const missing = [...own.keys()].filter((name) => !Object.hasOwn(state, name))
    const unexpected = Object.keys(state).filter((name) => !own.has(name))
    const misfits: string[] = []
    for (const [name, target] of own) {
      const value = Object.hasOwn(state, name) ? state[name] : undefined
      if (value !== undefined && !sameShape(value, target)) {
        misfits.push(`${name}: [${value.shape.join(', ')}] given, [${target.shape.join(', ')}] here`)
      }
    }
    const strict = options.strict ?? true
    if (misfits.length > 0 || (strict && missing.length + unexpected.length > 0)) {
      const parts = [
        missing.length > 0 && strict ? `missing: ${missing.join(', ')}` : '',
        unexpected.length > 0 && strict ? `unexpected: ${unexpected.join(', ')}` : '',
        misfits.length > 0 ? `of another shape: ${misfits.join('; ')}` : '',
      ].filter((part) => part !== '')
      const hint = misfits.length === 0 ? ' { strict: false } loads what fits.' : ''
      throw new StateDictError(
        `loadStateDict: ${this.constructor.name}: ${parts.join('. ')}; expected the state of the same model.${hint}`,
      )
    }
    noGrad(() => {
      for (const [name, target] of own) {
        const value = Object.hasOwn(state, name) ? state[name] : undefined
        if (value !== undefined) target.copyFrom(value.detach().to(target.dtype))
      }
    })
    return { missing, unexpected }
  }

  /** Parameters and persistent buffers by path; shared ones under each of their names, as checkpoints have them. */
  #state(): Map<string, Tensor> {
    const state = new Map<string, Tensor>()
    const visit = (module: Module, path: string, above: readonly Module[]): void => {
      if (above.includes(module)) return
      for (const [name, value] of found(module)) if (isParameter(value)) state.set(joined(path, name), value)
      for (const [name, buffer] of module.ownBuffers(true)) state.set(joined(path, name), buffer)
      for (const [name, child] of module.namedChildren()) visit(child, joined(path, name), [...above, module])
    }
    visit(this, '', [])
    return state
  }

  /**
   * Calls `fn` with every module in this one, children first, and then with this one; returns this.
   *
   * @example
   * ```ts
   * import { nn } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU())
   * model.apply((module) => {
   *   if (module instanceof nn.Linear) nn.init.zeros(module.weight)
   * })
   * ```
   */
  apply(fn: (module: Module) => void): this {
    requireFunction('apply', fn)
    const seen = new Set<Module>()
    const visit = (module: Module): void => {
      if (seen.has(module)) return
      seen.add(module)
      for (const child of module.children()) visit(child)
      fn(module)
    }
    visit(this)
    return this
  }

  /** Keeps every parameter in this module from being trained: no gradients flow to them. */
  freeze(): this {
    return this.#setTrainable(false)
  }

  /** Lets every parameter in this module be trained again. */
  unfreeze(): this {
    return this.#setTrainable(true)
  }

  #setTrainable(trainable: boolean): this {
    if (isTracing())
      throw new TraceError(
        'freeze: called inside a traced function; expected a call before it: it would happen once.',
      )
    for (const parameter of this.parameters()) parameter.requiresGrad = trainable
    return this
  }

  /**
   * Moves the module to a device; there is one so far, `'cpu'`.
   *
   * @throws DeviceError for a device that does not exist
   */
  to(device: Device): this {
    // Programs written in JavaScript can ask for anything.
    if ((device as string) !== 'cpu') throw new DeviceError(`to: ${shown(device)} as device; expected 'cpu'.`)
    return this
  }

  /** Lets `hook` see, and by returning something replace, every output of this module. */
  registerForwardHook(hook: ForwardHook): HookHandle {
    requireFunction('registerForwardHook', hook)
    const key = {}
    const set = (hooks: Mode['hooks']): void => {
      this.#mode.hooks = hooks
      modeChanged()
    }
    set(new Map([...this.#mode.hooks, [key, hook]]))
    return { remove: () => set(without(this.#mode.hooks, key)) }
  }

  /** Lets `hook` see, and by returning an array replace, the inputs of this module. */
  registerForwardPreHook(hook: ForwardPreHook): HookHandle {
    requireFunction('registerForwardPreHook', hook)
    const key = {}
    const set = (hooks: Mode['preHooks']): void => {
      this.#mode.preHooks = hooks
      modeChanged()
    }
    set(new Map([...this.#mode.preHooks, [key, hook]]))
    return { remove: () => set(without(this.#mode.preHooks, key)) }
  }

  /** @internal Runs `plain` between the hooks. */
  runHooked(plain: (...inputs: unknown[]) => unknown, inputs: unknown[]): unknown {
    const before = readGuard(this.#mode, 'preHooks', this.#mode.preHooks)
    const after = readGuard(this.#mode, 'hooks', this.#mode.hooks)
    let given = inputs
    for (const hook of before.values()) {
      const replaced: unknown = hook(this, given) ?? given
      if (!Array.isArray(replaced))
        throw new ValueError(
          `registerForwardPreHook: the hook returned ${shown(replaced)}; expected the list of inputs, or nothing.`,
        )
      given = [...(replaced as unknown[])]
    }
    let output = plain.apply(this, given)
    for (const hook of after.values()) {
      const replaced = hook(this, given, output)
      if (replaced !== undefined) output = replaced
    }
    return output
  }

  /**
   * What the constructor of a layer has to be given to make another one like this: plain JSON, which saving keeps. Empty
   * where there is nothing to be chosen; layers override it.
   *
   * @example
   * ```ts
   * import { nn } from 'neuroxide'
   * console.log(new nn.Dropout(0.2).config(), new nn.ReLU().config()) // { p: 0.2 } {}
   * ```
   */
  config(): JsonObject {
    return {}
  }

  /** The module's constructor and settings in one line, as printing shows it; layers override it. */
  describe(): string {
    return `${this.constructor.name}()`
  }

  /** The tree of modules, one line each. */
  toString(): string {
    const children = this.namedChildren()
    if (children.length === 0) return this.describe()
    const lines = children.map(([name, child]) => `  (${name}): ${child.toString().replaceAll('\n', '\n  ')}`)
    return `${this.constructor.name}(\n${lines.join('\n')}\n)`
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

Object.defineProperty(Module.prototype, moduleBrand, { value: true })

/** One object for "no hooks", so that taking a hook away leads back to the programs that were traced before it came. */
const none: ReadonlyMap<object, never> = new Map<object, never>()

function without<V>(map: ReadonlyMap<object, V>, key: object): ReadonlyMap<object, V> {
  const rest = new Map([...map].filter(([other]) => other !== key))
  return rest.size === 0 ? none : rest
}

/** Names that a field would hide. */
function isOwnWord(name: string): boolean {
  return name === 'forward' || name in Module.prototype
}

/** A state's entries as tensors: nested arrays are what JSON keeps of them. */
function tensorsOf(
  given: Readonly<Record<string, TensorLike>>,
  own: ReadonlyMap<string, Tensor>,
): Record<string, Tensor> {
  const entries = Object.entries(given).map(([name, held]) => {
    const value = Array.isArray(held) ? fromValues('loadStateDict', held, own.get(name)?.dtype) : held
    requireTensor('loadStateDict', name, value)
    return [name, value] as const
  })
  return Object.fromEntries(entries)
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

function sameShape(a: Tensor, b: Tensor): boolean {
  return a.shape.length === b.shape.length && a.shape.every((size, axis) => size === b.shape[axis])
}

/** Parameters and modules in the fields of a module, through arrays, records, maps and sets, but not through modules. */
function* found(module: Module): Generator<[string, Parameter | Module]> {
  for (const [name, value] of module[members]()) yield* within(value, name, [])
}

function* within(
  value: unknown,
  name: string,
  above: readonly object[],
): Generator<[string, Parameter | Module]> {
  if (typeof value !== 'object' || value === null || above.includes(value)) return
  if (isModule(value) || isParameter(value)) yield [name, value]
  else if (isContainer(value)) {
    for (const [key, inner] of entriesOf(value)) yield* within(inner, `${name}.${key}`, [...above, value])
  }
}

type Container =
  | readonly unknown[]
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | Record<string, unknown>

function isContainer(value: object): value is Container {
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function entriesOf(value: Container): Iterable<[unknown, unknown]> {
  if (Array.isArray(value)) return value.entries()
  if (value instanceof Map) return value
  if (value instanceof Set) return [...value].entries()
  return Object.entries(value)
}

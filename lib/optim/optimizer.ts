import { DTypeError, TensorError, TraceError, ValueError } from '../errors.js'
import { Io, NONE, io, isTracing, native } from '../native.js'
import { expectStep } from '../nn/orphans.js'
import { type Tensor, zeroGradients } from '../tensor.js'
import { adopt, blank, handleOf, isTensor, requireList } from '../tensor/base.js'
import { encoded, read, write, writing, type Hyper, type Slot } from './hyper.js'
import { requireInteger, requireTensor } from '../tensor/checks.js'
import { fromValues, isFloat, shown } from '../tensor/create.js'

/** Parameters that share hyperparameters of their own; those left out are the optimizer's. */
export type GroupOptions<H extends object> = Partial<H> & { readonly params: Iterable<Tensor> }

/** What an optimizer trains: tensors, or groups of them. */
export type Trained<H extends object> = Iterable<Tensor> | readonly GroupOptions<H>[]

/** A group as the optimizer holds it: its hyperparameters can be read and, but for choices, written between steps. */
export type ParameterGroup<H extends object> = H & { readonly params: readonly Tensor[] }

/** The state of one parameter: moments and the like under PyTorch's names, and the number of its steps. */
export type ParameterState = Record<string, Tensor | number>

/** An optimizer's state in PyTorch's layout and spelling. */
export interface OptimizerState {
  /** By the parameter's index, counted through all groups. */
  readonly state: Record<string, ParameterState>
  readonly param_groups: readonly (Record<string, unknown> & { readonly params: readonly number[] })[]
}

interface Info {
  readonly hypers: readonly { readonly name: string; readonly default: number }[]
}

/** A state that does not fit an optimizer. */
export class OptimizerStateError extends TensorError {
  override readonly code = 'ERR_OPTIMIZER_STATE'
}

/** Optimizers are few and hold big state: what a program dropped is given back when the collector says so. */
const dropped = new FinalizationRegistry<number>((id) => native.optimizerFree(id))

/**
 * The base class of optimizers: they write parameters in place, with what `backward` left in their gradients.
 *
 * Their state is allocated when they are made. Hyperparameters are properties: `optimizer.lr = 1e-4` writes that of
 * every group, `optimizer.paramGroups[0].lr = 1e-4` of one; both act on the next step without tracing anything again.
 *
 * @example
 * ```ts
 * import { nn, ones, optim } from 'neuroxide'
 * const w = new nn.Parameter(ones([2]))
 * const optimizer = new optim.SGD([w], { lr: 0.5 })
 * w.sum().backward()
 * optimizer.step()
 * console.log(w.toArray()) // [ 0.5, 0.5 ]
 * ```
 */
export abstract class Optimizer<H extends object = Record<string, unknown>> {
  readonly #id: number
  readonly #name: string
  readonly #kind: string
  readonly #slots: readonly Slot[]
  readonly #hypers: readonly Hyper[]
  readonly #info: Info
  readonly #parameters: readonly Tensor[]
  #firstStep: (() => void) | null

  /** The groups in the order in which they were given. */
  readonly paramGroups: readonly ParameterGroup<H>[]

  /** @internal */
  protected constructor(kind: string, hypers: readonly Hyper[], trained: Trained<H>, options: Partial<H>) {
    this.#name = new.target.name
    if (!Array.isArray(hypers))
      throw new ValueError(
        'optim.Optimizer: its own constructor was called; expected that of SGD, Adam or another one.',
      )
    if (isTracing()) {
      throw new TraceError(
        `optim.${this.#name}: made inside a traced function; expected it before. It would be made once.`,
      )
    }
    this.#kind = kind
    this.#hypers = hypers
    this.#info = JSON.parse(native.optimizerInfo(kind)) as Info
    const groups = grouped(this.#name, trained)
    this.#parameters = groups.flatMap((group) => group.params)
    requireTrainable(this.#name, this.#parameters)
    this.#id = create(kind, this.#parameters, groups, (group) => this.#row(group, options))
    dropped.register(this, this.#id)
    const index = new Map(this.#info.hypers.map(({ name }, i) => [name, i]))
    this.#slots = groups.map((_, group) => ({ optimizer: this.#name, id: this.#id, group, index }))
    this.paramGroups = this.#slots.map((slot, group) =>
      withAccessors(
        { params: groups[group]?.params ?? [] },
        hypers,
        (hyper) => read(slot, hyper),
        (hyper, value) => write(slot, hyper, value),
      ),
    )
    withAccessors(
      this,
      hypers,
      (hyper) => this.#groups()[0]?.[hyper.name],
      (hyper, value) => {
        for (const group of this.#groups()) group[hyper.name] = value
      },
    )
    this.#firstStep = expectStep(this.#parameters)
  }

  #groups(): Record<string, unknown>[] {
    return this.paramGroups as unknown as Record<string, unknown>[]
  }

  /** The hyperparameters of a group in the order of the core. */
  #row(group: Readonly<Record<string, unknown>>, options: Partial<H>): number[] {
    const values = new Map<string, number>()
    const all: Record<string, unknown> = {}
    const shared = options as Readonly<Record<string, unknown>>
    requireKnown(this.#name, shared, this.#hypers, [])
    requireKnown(this.#name, group, this.#hypers, ['params'])
    for (const hyper of this.#hypers) {
      const value = group[hyper.name] ?? shared[hyper.name] ?? hyper.initial
      const numbers = encoded(this.#name, hyper, value)
      all[hyper.name] = value
      for (const [i, part] of hyper.parts.entries()) values.set(part, numbers[i] ?? Number.NaN)
    }
    this.check(all)
    return this.#info.hypers.map(({ name, default: initial }) => values.get(name) ?? initial)
  }

  /** @internal Refuses hyperparameters that do not go together. */
  protected check(_values: Readonly<Record<string, unknown>>): void {}

  /** @internal PyTorch's names of a parameter's state tensors, in the order of the core. */
  protected abstract stateNames(group: H): readonly string[]

  /** @internal The number that the core knows the optimizer by. */
  get id(): number {
    return this.#id
  }

  /** @internal What no state changes: the rule, and where its groups were made to differ from the usual one. */
  get kind(): string {
    const choices = this.#groups().map((group) =>
      this.#hypers
        .filter(({ name, kind, initial }) => kind === 'choice' && group[name] !== initial)
        .map(({ name }) => `${name} ${String(group[name])}`)
        .join(', '),
    )
    return choices.every((own) => own === '') ? this.#kind : `${this.#kind} (${choices.join('; ')})`
  }

  /** The hyperparameters of each group, as printing shows them. */
  toString(): string {
    const lines = this.#groups().map((group, i) => {
      const told = this.#hypers.filter(
        ({ name, kind, initial }) => kind !== 'choice' || group[name] !== initial,
      )
      const numbers = told.map(({ name }) => `${name}: ${JSON.stringify(group[name])}`)
      return [...numbers, `parameters: ${this.paramGroups[i]?.params.length}`].join(', ')
    })
    if (lines.length === 1) return `${this.#name}(${lines[0]})`
    return `${this.#name}(\n${lines.map((line, i) => `  (${i}): ${line}\n`).join('')})`
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }

  /** The tensors that are trained, group after group. */
  parameters(): Tensor[] {
    return [...this.#parameters]
  }

  /**
   * Moves every parameter that has a gradient.
   *
   * @throws BusyError while a running `fit` owns the parameters
   */
  step(): void {
    // Where a first step fails, the next one is the first again.
    native.optimizerStep(this.#id)
    const first = this.#firstStep
    this.#firstStep = null
    first?.()
  }

  /** Drops the gradients of all parameters: `grad` is null afterwards. */
  zeroGrad(): void {
    zeroGradients(this.#parameters)
  }

  /**
   * Hyperparameters, moments and step counts, in PyTorch's layout and spelling. The tensors share the optimizer's
   * memory: they show later steps; `clone()` keeps a value.
   *
   * @example
   * ```ts
   * import { nn, ones, optim } from 'neuroxide'
   * const optimizer = new optim.Adam([new nn.Parameter(ones([2]))])
   * console.log(Object.keys(optimizer.stateDict().state['0'] ?? {})) // [ 'step', 'exp_avg', 'exp_avg_sq' ]
   * ```
   */
  stateDict(): OptimizerState {
    const state: Record<string, ParameterState> = {}
    for (const index of this.#parameters.keys()) {
      const own = this.#stateOf(index)
      if (own.size > 0) {
        state[index] = { step: native.optimizerSteps(this.#id, index, -1), ...Object.fromEntries(own) }
      }
    }
    let start = 0
    const groups = this.paramGroups.map((group) => {
      const values = group as unknown as Record<string, unknown>
      // What PyTorch does not have is left out where it is as there.
      const saved = this.#hypers.filter(
        ({ name, kind, initial }) => kind !== 'choice' || values[name] !== initial,
      )
      const named = saved.map(({ name }) => [snake(name), values[name]] as const)
      const params = group.params.map((_, i) => start + i)
      start += params.length
      return { ...Object.fromEntries(named), params }
    })
    return { state, param_groups: groups }
  }

  /** The state tensors of one parameter by PyTorch's name. */
  #stateOf(index: number): Map<string, Tensor> {
    const own = new Map<string, Tensor>()
    for (const name of this.stateNames(this.#groupOf(index))) {
      const out = blank()
      const handle = native.optimizerState(out, this.#id, index, name)
      if (handle !== NONE) own.set(name, adopt(out, handle))
    }
    return own
  }

  #groupOf(index: number): ParameterGroup<H> {
    let start = 0
    for (const group of this.paramGroups) {
      start += group.params.length
      if (index < start) return group
    }
    throw new ValueError(`optim.${this.#name}: there is no parameter ${index}.`)
  }

  /**
   * Copies hyperparameters, moments and step counts of another optimizer of the same kind and groups; nothing is
   * written unless everything fits.
   *
   * @throws OptimizerStateError when groups, parameters or shapes differ
   */
  loadStateDict(saved: OptimizerState): void {
    this.loading(saved)()
  }

  /** @internal Checks all of a state; returns what copies it. */
  loading(saved: OptimizerState): () => void {
    if (isTracing())
      throw new TraceError(
        `optim.${this.#name}: loadStateDict was called inside a traced function; expected it before.`,
      )
    requireState(saved)
    const sizes = (groups: readonly { readonly params: readonly unknown[] }[]): string =>
      groups.map(({ params }) => params.length).join(', ')
    if (sizes(saved.param_groups) !== sizes(this.paramGroups)) {
      throw new OptimizerStateError(
        `loadStateDict: groups of ${sizes(saved.param_groups)} parameters; expected groups of ${sizes(this.paramGroups)}.`,
      )
    }
    // The index that the saved state gives a parameter need not be our own.
    const indices = saved.param_groups.flatMap(({ params }) => params)
    const copies = indices.flatMap((theirs, ours) => this.#copies(ours, saved.state[theirs]))
    const writes = this.#slots.flatMap((slot, i) => {
      const values = (saved.param_groups[i] ?? {}) as Record<string, unknown>
      return this.#hypers
        .filter(({ name }) => Object.hasOwn(values, snake(name)))
        .map((hyper) => writing(slot, hyper, values[snake(hyper.name)]))
    })
    return () => {
      for (const write of [...writes, ...copies]) write()
    }
  }

  /** Checks the saved state of one parameter; returns what copies it. */
  #copies(index: number, saved: ParameterState | undefined): (() => void)[] {
    if (saved === undefined) return []
    const copies: (() => void)[] = []
    const step = saved['step']
    const count =
      step === undefined
        ? 0
        : requireInteger('loadStateDict', 'step', isTensor(step) ? Number(step.item()) : step, 0)
    for (const [name, target] of this.#stateOf(index)) {
      const held = saved[name]
      // A state that went through JSON has arrays.
      const value = Array.isArray(held) ? fromValues('loadStateDict', held, target.dtype) : held
      // PyTorch's SGD counts no steps, and has no buffer before its first one.
      if ((value === undefined || value === null) && count === 0) continue
      if (!isTensor(value) || value.shape.join() !== target.shape.join()) {
        const given = isTensor(value) ? `[${value.shape.join(', ')}]` : shown(value)
        throw new OptimizerStateError(
          `loadStateDict: ${name} of parameter ${index} is ${given}; expected [${target.shape.join(', ')}].`,
        )
      }
      copies.push(() => void target.copyFrom(value.detach()))
    }
    if (step !== undefined) copies.push(() => void native.optimizerSteps(this.#id, index, count))
    return copies
  }
}

/** What was read from a file can be anything. */
function requireState(saved: unknown): asserts saved is OptimizerState {
  const { state, param_groups: groups } = (saved ?? {}) as Record<string, unknown>
  const held = typeof state === 'object' && state !== null ? Object.values(state) : [null]
  const fits =
    held.every((own) => typeof own === 'object' && own !== null) &&
    Array.isArray(groups) &&
    groups.every((group) => Array.isArray((group as { params?: unknown } | null)?.params))
  if (!fits)
    throw new OptimizerStateError(
      `loadStateDict: ${shown(saved)}; expected { state, param_groups } of an optimizer.`,
    )
}

interface Group {
  readonly params: readonly Tensor[]
}

function grouped(
  name: string,
  trained: Iterable<Tensor> | readonly { readonly params: Iterable<Tensor> }[],
): Group[] {
  if (typeof trained !== 'object' || trained === null || !(Symbol.iterator in trained))
    throw new ValueError(`optim.${name}: ${shown(trained)}; expected parameters, such as model.parameters().`)
  const list: unknown[] = [...(trained as Iterable<unknown>)]
  if (list.length === 0) throw new ValueError(`optim.${name}: no parameters; expected at least one to train.`)
  if (list.every(isTensor)) return [{ params: list }]
  return list.map((entry, i) => {
    if (typeof entry !== 'object' || entry === null || !('params' in entry)) {
      throw new ValueError(
        `optim.${name}: ${shown(entry)} as entry ${i}; expected tensors, or groups such as { params, lr }.`,
      )
    }
    const { params } = entry
    if (typeof params !== 'object' || params === null || !(Symbol.iterator in params))
      throw new ValueError(`optim.${name}: ${shown(params)} as params of group ${i}; expected tensors.`)
    return { ...entry, params: [...(params as Iterable<Tensor>)] }
  })
}

function requireTrainable(name: string, parameters: readonly unknown[]): void {
  requireList(parameters.length)
  const seen = new Set<unknown>()
  for (const [i, parameter] of parameters.entries()) {
    requireTensor(`optim.${name}`, `parameter ${i}`, parameter)
    if (!isFloat(parameter.dtype))
      throw new DTypeError(`optim.${name}: parameter ${i} of ${parameter.dtype}; expected f32 or f64.`)
    if (!parameter.isLeaf) {
      throw new ValueError(
        `optim.${name}: parameter ${i} is the result of an op; expected a leaf, such as an nn.Parameter.`,
      )
    }
    if (seen.has(parameter))
      throw new ValueError(`optim.${name}: parameter ${i} is listed twice; expected it once.`)
    seen.add(parameter)
  }
  if (parameters.length === 0)
    throw new ValueError(`optim.${name}: no parameters; expected at least one to train.`)
}

function create(
  kind: string,
  parameters: readonly Tensor[],
  groups: readonly Group[],
  row: (group: Readonly<Record<string, unknown>>) => number[],
): number {
  const rows = groups.flatMap((group) => row(group as unknown as Record<string, unknown>))
  const groupOf = Int32Array.from(groups.flatMap(({ params }, i) => params.map(() => i)))
  for (const [i, parameter] of parameters.entries()) io[Io.list + i] = handleOf(parameter)
  return native.optimizerCreate(kind, Float64Array.from(rows), parameters.length, groupOf)
}

/** A misspelt hyperparameter would train with the default one. */
function requireKnown(name: string, given: object, hypers: readonly Hyper[], also: readonly string[]): void {
  if (typeof given !== 'object' || given === null)
    throw new ValueError(
      `optim.${name}: ${shown(given)} as hyperparameters; expected a record, such as { lr: 0.1 }.`,
    )
  for (const key of Object.keys(given)) {
    if (also.includes(key) || hypers.some((hyper) => hyper.name === key)) continue
    const names = hypers.map((hyper) => hyper.name).join(', ')
    throw new ValueError(`optim.${name}: there is no hyperparameter "${key}"; expected ${names}.`)
  }
}

/** Defines each hyperparameter as a property that reads and writes the core's number. */
function withAccessors<T extends object>(
  target: object,
  hypers: readonly Hyper[],
  get: (hyper: Hyper) => unknown,
  set: (hyper: Hyper, value: unknown) => void,
): T {
  for (const hyper of hypers) {
    Object.defineProperty(target, hyper.name, {
      get: () => get(hyper),
      set: (value: unknown) => {
        set(hyper, value)
      },
      enumerable: true,
      configurable: false,
    })
  }
  return target as T
}

/** `expAvgSq` → `exp_avg_sq`. */
function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

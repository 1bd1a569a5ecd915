import { isDetectingAnomalies } from './anomaly.js'
import { InternalError, TraceError, ValueError } from './errors.js'
import { Flag, Io, io, isTracing, native, recordingSites } from './native.js'
import {
  allFit,
  eagerArguments,
  filled,
  patternOf,
  requireSynchronous,
  type Leaf,
  type Pattern,
  type Spec,
} from './jit/arguments.js'
import { table } from './jit/explain.js'
import { assembled, collected, mapped } from './jit/outputs.js'
import { parameterNames } from './jit/parameter-names.js'
import { free, modesHold, run, runAsync, traced, type Program } from './jit/program.js'
import { flagsOf, handleOf, located } from './tensor/base.js'
import { requireFlag, requireOptions } from './tensor/checks.js'
import { shown } from './tensor/create.js'
import { withoutReading } from './tensor/print.js'
import { isGradEnabled, type Tensor } from './tensor.js'
import type { TypedArray } from './types.js'

/** Programs that one jitted function keeps; the one that was used longest ago goes first. */
const KEPT = 8

/** Traces after which a warning says that something keeps changing. */
const MANY = 12

/** Options of {@link jit}. */
export interface JitOptions {
  /**
   * Names of arguments (or of keys in them) whose numbers are fixed in the program: each new value is traced again, and
   * inside the function they are JavaScript numbers.
   */
  readonly static?: readonly string[] | undefined
  /** Keeps the gradients that `backward()` computed readable after the call; `false` by default. */
  readonly keepGrads?: boolean | undefined
  /** Runs the function a second time at each call, eagerly, and compares all bits; on where `NEUROXIDE_VERIFY=1`. */
  readonly verify?: boolean | undefined
}

/** What a jitted function takes where the original takes `T`: numbers for tensors too. */
export type JitArgument<T> = T extends Tensor ? T | number | TypedArray : T

/** A function that runs as one program of the core. */
export interface CompiledFunction<Args extends readonly unknown[], Result> {
  (...args: { [I in keyof Args]: JitArgument<Args[I]> }): Result
  /** The program of the last call as a table: kernels, shapes, bytes, places in the arena, modules. */
  explain(): string
  /** How often the function was traced. */
  readonly traces: number
  /** How often a program ran. */
  readonly runs: number
  /** How many programs are kept at the moment. */
  readonly programs: number
}

interface Entry {
  readonly program: Program
  readonly patterns: readonly Pattern[]
  readonly gradients: boolean
}

const abandoned = new FinalizationRegistry<Entry[]>((entries) => {
  for (const { program } of entries) free(program)
})

/** Functions that run eagerly at the moment to be compared with their programs. */
let checks = 0

class Compiler {
  readonly entries: Entry[] = []
  traces = 0
  runs = 0
  #warned = false
  readonly #names: readonly string[]
  readonly #statics: ReadonlySet<string>
  readonly #verify: boolean

  constructor(
    readonly fn: (...args: unknown[]) => unknown,
    readonly name: string,
    readonly options: JitOptions,
  ) {
    this.#names = parameterNames(fn)
    this.#statics = new Set(options.static)
    this.#verify = options.verify ?? process.env['NEUROXIDE_VERIFY'] === '1'
  }

  call(args: readonly unknown[]): unknown {
    // Within another jitted function it is part of that one, also when that one is checked.
    if (isTracing() || checks > 0) return this.fn(...args)
    if (isDetectingAnomalies()) return this.#eagerly(args)
    const gradients = isGradEnabled()
    const held: Tensor[] = []
    for (let i = 0; i < this.entries.length; i += 1) {
      const entry = this.entries[i] as Entry
      held.length = 0
      if (entry.gradients !== gradients || !allFit(entry.patterns, args, held) || !modesHold(entry.program))
        continue
      const outputs = this.#attempt(entry, args)
      if (outputs === null) continue
      if (i > 0) {
        this.entries.splice(i, 1)
        this.entries.unshift(entry)
      }
      return this.#result(entry, outputs, args)
    }
    return this.#traceAndRun(args, gradients)
  }

  /** Runs a program whose arguments are in the shared list. */
  #attempt(entry: Entry, args: readonly unknown[]): Tensor[] | null {
    const outputs = this.#verify ? this.#checked(entry, args) : run(entry.program)
    if (outputs !== null) this.runs += 1
    return outputs
  }

  #result(entry: Entry, outputs: readonly Tensor[], args: readonly unknown[]): unknown {
    const { template } = entry.program
    if (template.kind === 'output') return outputs[template.index]
    return assembled(template, outputs, (index) => argumentAt(entry.patterns, args, index))
  }

  #traceAndRun(args: readonly unknown[], gradients: boolean): unknown {
    const leaves: Leaf[] = []
    const patterns = this.#patterns(args, leaves)
    const program = traced(
      leaves,
      (inputs) => this.fn(...patterns.map((pattern) => filled(pattern, inputs))),
      {
        keepGrads: this.options.keepGrads === true,
        sites: this.#verify,
      },
    )
    this.traces += 1
    const entry: Entry = { program, patterns, gradients }
    this.entries.unshift(entry)
    for (const { program: old } of this.entries.splice(KEPT)) free(old)
    this.#warnWhenMany()
    if (!allFit(patterns, args, []))
      throw located(InternalError, 'jit: a program does not fit the arguments that it was traced with.')
    const outputs = this.#attempt(entry, args)
    if (outputs === null)
      throw located(InternalError, 'jit: a program does not fit the state that it was traced with.')
    return this.#result(entry, outputs, args)
  }

  #patterns(args: readonly unknown[], leaves: Leaf[]): Pattern[] {
    return args.map((arg, i) => {
      const rest = this.#names.at(-1)?.startsWith('...') === true && i >= this.#names.length - 1
      return patternOf(
        arg,
        rest ? `argument ${i}` : (this.#names[i] ?? `argument ${i}`),
        this.#statics,
        leaves,
      )
    })
  }

  #warnWhenMany(): void {
    if (this.traces < MANY || this.#warned) return
    this.#warned = true
    process.emitWarning(
      `jit: ${this.name} was traced ${this.traces} times, as shapes, static arguments or modes keep changing; ` +
        'each trace costs milliseconds. Pad batches to few sizes, and pass numbers that vary as arguments that are not static.',
      { code: 'NEUROXIDE_RETRACE' },
    )
  }

  /** Without a program, as anomalies can only be named op by op. */
  #eagerly(args: readonly unknown[]): unknown {
    const leaves: Leaf[] = []
    const patterns = this.#patterns(args, leaves)
    const result = this.fn(...eagerArguments(patterns, leaves))
    requireSynchronous(result)
    return mapped(result, (tensor) =>
      (flagsOf(tensor) & (Flag.requiresGrad | Flag.leaf)) === Flag.requiresGrad ? tensor.detach() : tensor,
    )
  }

  /** Runs the program and then the function itself from the same state, and has the core compare the bits. */
  #checked(entry: Entry, args: readonly unknown[]): Tensor[] | null {
    const { program, patterns } = entry
    native.verifyBegin(program.id)
    let outputs: Tensor[] | null = null
    try {
      outputs = run(program)
    } finally {
      if (outputs === null) native.verifyAbort()
    }
    if (outputs === null) return null
    native.verifyReplay()
    const eager: Tensor[] = []
    let compared = false
    checks += 1
    try {
      const leaves: Leaf[] = []
      args.forEach((arg, i) => patternOf(arg, this.#names[i] ?? '', this.#statics, leaves))
      const result = recordingSites(() => withoutReading(() => this.fn(...eagerArguments(patterns, leaves))))
      collected(program.template, result, eager)
      this.#requireAll(eager, outputs.length)
      writeHandles([...eager, ...outputs])
      compared = true
      native.verifyEnd(outputs.length)
    } finally {
      checks -= 1
      if (!compared) native.verifyAbort()
    }
    return outputs
  }

  #requireAll(eager: readonly (Tensor | undefined)[], count: number): void {
    for (let i = 0; i < count; i += 1)
      if (eager[i] === undefined)
        throw located(
          TraceError,
          `jit: run again for verification, ${this.name} returned no tensor where the trace returned one; expected the same structure at each call.`,
        )
  }
}

function writeHandles(tensors: readonly Tensor[]): void {
  tensors.forEach((tensor, i) => {
    io[Io.list + i] = handleOf(tensor)
  })
}

/** The tensor that the caller passed as the `index`-th tensor or number. */
function argumentAt(patterns: readonly Pattern[], args: readonly unknown[], index: number): unknown {
  const search = (pattern: Pattern, value: unknown): unknown => {
    if (pattern.kind === 'tensor') return pattern.index === index ? value : undefined
    if (pattern.kind === 'array')
      return firstFound(pattern.items, (i) => search(pattern.items[i] as Pattern, (value as unknown[])[i]))
    if (pattern.kind === 'record')
      return firstFound(pattern.items, (i) =>
        search(pattern.items[i] as Pattern, (value as Record<string, unknown>)[pattern.keys[i] as string]),
      )
    return undefined
  }
  return firstFound(patterns, (i) => search(patterns[i] as Pattern, args[i]))
}

function firstFound(items: readonly unknown[], find: (index: number) => unknown): unknown {
  for (let i = 0; i < items.length; i += 1) {
    const found = find(i)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * Makes a function that is traced at its first call and runs as one native program afterwards: forward, backward and
 * optimizer together, with the same bits as without `jit`.
 *
 * Tensors, numbers, strings, booleans and nested arrays and records of these are its arguments. Tensors of new shapes,
 * other strings or booleans, and switched modes (`train()`, `eval()`) are traced anew; numbers are inputs, which inside
 * the function are 0-d tensors. Results are detached; those above 4 KiB are overwritten by the next call.
 *
 * @param fn - a synchronous function; its code runs when it is traced, not at each call
 * @param options - `static`, `keepGrads`, `verify`
 * @returns a function of the same arguments, with `explain()` and counts
 * @throws TraceError where `fn` is async, reads values while it is traced, or freezes a number that changes
 * @example
 * ```ts
 * import { jit, tensor, type Tensor } from 'neuroxide'
 * const scaled = jit((x: Tensor, k: Tensor) => x.mul(k).sum())
 * console.log(scaled(tensor([1, 2]), 10).item(), scaled(tensor([3, 4]), 2).item()) // 30 14
 * ```
 */
export function jit<Args extends readonly never[] | readonly unknown[], Result>(
  fn: (...args: Args) => Result,
  options: JitOptions = {},
): CompiledFunction<Args, Result> {
  if (typeof fn !== 'function') throw located(ValueError, `jit: ${shown(fn)}; expected a function.`)
  if (fn.constructor.name === 'AsyncFunction' || fn.constructor.name.endsWith('GeneratorFunction'))
    throw located(
      TraceError,
      `jit: ${fn.constructor.name.startsWith('A') ? 'an' : 'a'} ${fn.constructor.name}; expected a synchronous function. Await before or after the call, not in it.`,
    )
  requireJitOptions(options)
  const name = fn.name === '' ? 'jit' : fn.name
  const compiler = new Compiler(fn as unknown as (...args: unknown[]) => unknown, name, options)
  const compiled = (...args: unknown[]): unknown => compiler.call(args)
  Object.defineProperties(compiled, {
    name: { value: name },
    explain: { value: () => explained(compiler) },
    traces: { get: () => compiler.traces },
    runs: { get: () => compiler.runs },
    programs: { get: () => compiler.entries.length },
  })
  abandoned.register(compiled, compiler.entries)
  return compiled as unknown as CompiledFunction<Args, Result>
}

function requireJitOptions(options: JitOptions): void {
  requireOptions('jit', options, ['static', 'keepGrads', 'verify'])
  for (const what of ['keepGrads', 'verify'] as const) requireFlag('jit', what, options[what] ?? false)
  const { static: names = [] } = options
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
    throw located(ValueError, `jit: ${shown(names)} as static; expected an array of the names of arguments.`)
}

function explained(compiler: Compiler): string {
  const last = compiler.entries[0]
  if (last === undefined)
    throw located(ValueError, `explain: ${compiler.name} has not been called yet; expected a call before.`)
  return table(compiler.name, native.explain(last.program.id))
}

/** A program for arguments that need not exist yet, and the means to run and free it. */
export interface TracedProgram {
  readonly id: number
  /** Shapes and element types of the outputs. */
  readonly outputs: readonly Spec[]
  /** Whether the modes that the trace read are unchanged. */
  holds(): boolean
  /** Runs on tensors off the JavaScript thread; null outputs never occur, a missed guard throws. */
  run(args: readonly Tensor[]): Promise<Tensor[]>
  free(): void
  explain(): string
}

/** @internal Traces `fn` for tensors of the given element types and shapes; it returns the tensors to output, as an array. */
export function traceProgram(
  fn: (...args: Tensor[]) => readonly Tensor[],
  specs: readonly Spec[],
  options: { readonly keepGrads?: boolean } = {},
): TracedProgram {
  const args = specs.map((value, i) => ({ value, name: `argument ${i}` }))
  const program = traced(args, (inputs) => fn(...inputs), {
    keepGrads: options.keepGrads === true,
    sites: false,
  })
  return {
    id: program.id,
    outputs: program.outputs,
    holds: () => modesHold(program),
    run: async (tensors) => {
      writeHandles(tensors)
      return runAsync(program)
    },
    free: () => free(program),
    explain: () => table('program', native.explain(program.id)),
  }
}

export type { Spec }

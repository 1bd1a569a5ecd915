import { Io, io, native, recordingSites } from '../native.js'
import { adoptDescribed, handleOf, requireList, swapCreated, type Described } from '../tensor/base.js'
import { guardsHold, modeEpoch, swapArgumentNames, swapGuards, type Guard } from '../tensor/guards.js'
import { relieve } from '../memory.js'
import type { Tensor } from '../tensor.js'
import { adoptArguments, blanks, requireSynchronous, writeSpecs, type Spec } from './arguments.js'
import { templateOf, type Template } from './outputs.js'

/** A traced function as the core keeps it, with what is needed to call it. */
export interface Program {
  /** What the core knows it by. */
  readonly id: number
  /** How many tensors and numbers it takes. */
  readonly inputs: number
  /** The tensors that a run returns, as their shapes and element types were in the trace. */
  readonly outputs: readonly Spec[]
  readonly template: Template
  readonly guards: readonly Guard[]
  /** The count of mode changes up to which the guards are known to hold. */
  epoch: number
  /** What the outputs of a run look like; known after the first. */
  described: readonly Described[] | null
}

/** An argument of a trace: an actual one or what it will be like, with its name. */
export interface TraceArgument {
  readonly value: Tensor | number | Spec
  readonly name: string
}

export interface TraceOptions {
  readonly keepGrads: boolean
  /** Notes the user's line for each op. */
  readonly sites: boolean
}

/**
 * Traces `call`, which gets the tensors that stand for the arguments. When it throws, gradients, random numbers and
 * everything else are as before.
 */
export function traced(
  args: readonly TraceArgument[],
  call: (inputs: readonly Tensor[]) => unknown,
  options: TraceOptions,
): Program {
  requireList(args.length)
  const inputs = blanks(args.length)
  writeSpecs(args)
  native.traceBegin(inputs, inputs.length)
  const scope = swapCreated(null)
  const guards: Guard[] = []
  const outerGuards = swapGuards(guards)
  const outerNames = swapArgumentNames(numberNames(args, inputs))
  let open = true
  try {
    adoptArguments(inputs, args)
    const result = options.sites ? recordingSites(() => call(inputs)) : call(inputs)
    requireSynchronous(result)
    const outputs: Tensor[] = []
    const template = templateOf(result, inputs, outputs)
    requireList(outputs.length)
    outputs.forEach((output, i) => {
      io[Io.list + i] = handleOf(output)
    })
    const specs = outputs.map(({ dtype, shape }) => ({ dtype, shape }))
    open = false
    const id = native.traceEnd(outputs.length, options.keepGrads)
    return { id, inputs: args.length, outputs: specs, template, guards, epoch: modeEpoch(), described: null }
  } finally {
    if (open) native.traceAbort()
    swapArgumentNames(outerNames)
    swapGuards(outerGuards)
    swapCreated(scope)
  }
}

function numberNames(args: readonly TraceArgument[], inputs: readonly Tensor[]): ReadonlyMap<Tensor, string> {
  const names = new Map<Tensor, string>()
  args.forEach(({ value, name }, i) => {
    if (typeof value === 'number') names.set(inputs[i] as Tensor, name)
  })
  return names
}

/** Whether the modes that the trace read are still the same. */
export function modesHold(program: Program): boolean {
  const now = modeEpoch()
  if (program.epoch === now) return true
  if (!guardsHold(program.guards)) return false
  program.epoch = now
  return true
}

/** Runs a program on the arguments in the shared list; null where a guard of the core does not hold and nothing ran. */
export function run(program: Program): Tensor[] | null {
  const outs = program.outputs.length === 0 ? [] : blanks(program.outputs.length)
  const count = native.run(program.id, outs, program.inputs)
  if (count < 0) return null
  program.described ??= describe(count)
  for (let i = 0; i < count; i += 1)
    adoptDescribed(outs[i] as Tensor, io[Io.list + i] as number, program.described[i] as Described)
  if (io[Io.pressure] !== 0) relieve()
  return outs
}

/** What the shared numbers say of the outputs of the run that has just ended. */
function describe(count: number): Described[] {
  let at = Math.max(Io.outputs, Io.list + count)
  const written = io[Io.described] as number
  const handles = Array.from(io.subarray(Io.list, Io.list + count))
  return handles.map((handle, i) => {
    if (i >= written) {
      native.meta(handle)
      return describedAt(io, Io.rank, Io.sizes)
    }
    const found = describedAt(io, at, at + 3)
    at += 3 + found.shape.length
    return found
  })
}

function describedAt(numbers: Float64Array, at: number, sizes: number): Described {
  const shape = Object.freeze(Array.from(numbers.subarray(sizes, sizes + (numbers[at] as number))))
  return { dtype: numbers[at + 1] as number, flags: numbers[at + 2] as number, shape }
}

/** Runs a program off the JavaScript thread; its outputs are ordinary tensors. Arguments are in the shared list. */
export async function runAsync(program: Program): Promise<Tensor[]> {
  const outs = blanks(program.outputs.length)
  const numbers = await native.runAsync(program.id, outs, program.inputs)
  let at = outs.length
  outs.forEach((out, i) => {
    adoptDescribed(out, numbers[i] as number, describedAt(numbers, at, at + 3))
    at += 3 + (numbers[at] as number)
  })
  return outs
}

/** Frees what the core keeps of a program. */
export function free(program: Program): void {
  native.programFree(program.id)
}

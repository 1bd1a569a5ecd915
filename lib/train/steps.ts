import { ValueError } from '../errors.js'
import { listed, rebuilt, type Batch, type Tensors } from '../data/dataset.js'
import { isDetectingAnomalies } from '../anomaly.js'
import { type Spec, type TracedProgram, traceProgram } from '../jit.js'
import { isPlainRecord } from '../jit/arguments.js'
import { collected, mapped, templateOf, type Template } from '../jit/outputs.js'
import type { Module } from '../nn/module.js'
import { withStrays } from '../nn/orphans.js'
import { noGrad, type Tensor, zeroGradients } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import type { Compiled } from './compiled.js'
import { addUp, applyGradients } from './gradients.js'
import { measured } from './measures.js'

type Forward = { forward(...inputs: unknown[]): unknown }

/** A batch as programs take it: inputs, targets and, where there are some, weights. */
export type TensorBatch = Batch<Tensors, Tensors>

/** Calls the model with the inputs of a batch: a list becomes arguments, a record is one argument. */
export function predicted(model: Module, inputs: Tensors): unknown {
  const { forward } = model as unknown as Forward
  return Array.isArray(inputs) ? forward(...(inputs as readonly Tensor[])) : forward(inputs)
}

/** The tensors of a batch in the order in which programs take them. */
export function argumentsOf({ x, y, sampleWeight }: TensorBatch): readonly Tensor[] {
  return [...listed(x), ...listed(y), ...(sampleWeight === undefined ? [] : listed(sampleWeight))]
}

/** A batch whose tensors are the arguments of a program for batches like another one. */
function batchAs(like: TensorBatch, args: readonly Tensor[]): TensorBatch {
  const inputs = listed(like.x).length
  const targets = listed(like.y).length
  const x = rebuilt<Tensors>(like.x, args.slice(0, inputs))
  const y = rebuilt<Tensors>(like.y, args.slice(inputs, inputs + targets))
  if (like.sampleWeight === undefined) return { x, y }
  return { x, y, sampleWeight: rebuilt<Tensors>(like.sampleWeight, args.slice(inputs + targets)) }
}

/** What a program for `rows` samples of these tensors takes. */
function specsOf(tensors: readonly Tensor[], rows: number): Spec[] {
  return tensors.map(({ dtype, shape }) => ({ dtype, shape: [rows, ...shape.slice(1)] }))
}

/** Runs `body` with the model in a mode and puts every module back into its own afterwards. */
export function inMode<T>(model: Module, training: boolean, body: () => T): T {
  const before = model.modules().map((module) => [module, module.training] as const)
  model.train(training)
  try {
    return body()
  } finally {
    for (const [module, mode] of before) module.setTraining(mode)
  }
}

/** A program for `step`; while anomalies are looked for, which only is possible op by op, something that looks like one. */
function programOf(
  model: Module,
  training: boolean,
  step: (...args: Tensor[]) => Tensor[],
  specs: readonly Spec[],
): TracedProgram {
  if (!isDetectingAnomalies()) return inMode(model, training, () => traceProgram(step, specs))
  return {
    id: -1,
    outputs: [],
    holds: () => true,
    run: async (args) => inMode(model, training, () => step(...args)),
    free: () => {},
    explain: () => '',
  }
}

/** Loss and metrics of a batch. */
function measuredBatch(compiled: Compiled, model: Module, batch: TensorBatch, rows: number): Tensor[] {
  const prediction = predicted(model, batch.x)
  return measured(compiled, model, { prediction, target: batch.y, weight: batch.sampleWeight, rows })
}

/**
 * A program that trains on one batch: forward, loss, metrics, backward, step. Outputs the loss and the metrics. One that
 * only adds gradients up leaves the step to another.
 */
export function trainingStep(
  model: Module,
  compiled: Compiled,
  like: TensorBatch,
  rows: number,
  steps = true,
): TracedProgram {
  const step = (...args: Tensor[]): Tensor[] => {
    const [outputs, strays] = withStrays(() => measuredBatch(compiled, model, batchAs(like, args), rows))
    const [loss] = outputs
    if (loss === undefined || !loss.requiresGrad) {
      throw new ValueError(
        'fit: a loss that depends on no parameter that is trained; expected one that does. Is the model frozen?',
      )
    }
    // Those that are not trained get gradients too, which must not pile up.
    const more = [model, ...strays].flatMap((module) =>
      module.namedParameters().map(([, parameter]) => parameter as Tensor),
    )
    zeroGradients([...new Set([...compiled.optimizer.parameters(), ...more])])
    loss.backward()
    if (steps) applyGradients(compiled, model)
    else addUp(compiled)
    return outputs.map((output) => output.detach())
  }
  return programOf(model, true, step, specsOf(argumentsOf(like), rows))
}

/** A program that measures one batch without changing anything. */
export function evaluationStep(
  model: Module,
  compiled: Compiled,
  like: TensorBatch,
  rows: number,
): TracedProgram {
  const step = (...args: Tensor[]): Tensor[] =>
    noGrad(() => measuredBatch(compiled, model, batchAs(like, args), rows))
  return programOf(model, false, step, specsOf(argumentsOf(like), rows))
}

/** A program that gives the model's outputs for one batch, and how they are put together. */
export interface Prediction {
  readonly program: TracedProgram
  readonly template: Template
}

/** A program that gives the model's output for one batch. */
export function predictionStep(model: Module, x: Tensors, rows: number): Prediction {
  let template: Template = { kind: 'value', value: undefined }
  const step = (...args: Tensor[]): Tensor[] =>
    noGrad(() => {
      const output = predicted(model, rebuilt<Tensors>(x, args))
      // An input that is given back as it is would be no output of the program.
      const own = mapped(output, (tensor) => (args.includes(tensor) ? tensor.clone() : tensor))
      const outputs: Tensor[] = []
      if (isDetectingAnomalies()) {
        const list = outputsOf(own)
        template = layoutOf(own)
        return list
      }
      template = templateOf(own, [], outputs)
      if (outputs.length === 0) throw noOutput()
      return outputs
    })
  const program = programOf(model, false, step, specsOf(listed(x), rows))
  return {
    program,
    get template() {
      return template
    },
  }
}

function noOutput(): ValueError {
  return new ValueError('predict: forward gave no tensor; expected a tensor, a list or a record of them.')
}

/** Outputs in a list, without a trace that would name them. */
function outputsOf(output: unknown): Tensor[] {
  const template = layoutOf(output)
  const list: Tensor[] = []
  collected(template, output, list)
  if (list.length === 0) throw noOutput()
  return list
}

function layoutOf(output: unknown): Template {
  let next = 0
  const visit = (value: unknown): Template => {
    if (isTensor(value)) return { kind: 'output', index: next++ }
    if (Array.isArray(value)) return { kind: 'array', items: value.map(visit) }
    if (isPlainRecord(value))
      return { kind: 'record', keys: Object.keys(value), items: Object.values(value).map(visit) }
    return { kind: 'value', value }
  }
  return visit(output)
}

/** What tells batches apart that need programs of their own. */
function keyOf(batch: TensorBatch): string {
  const layout = (tensors: Tensors | undefined): string => {
    if (tensors === undefined) return '-'
    if (isTensor(tensors)) return 'one'
    return Array.isArray(tensors) ? `${tensors.length}` : Object.keys(tensors).join()
  }
  const shapes = argumentsOf(batch).map(({ dtype, shape }) => `${dtype}[${shape.join()}]`)
  return `${layout(batch.x)} ${layout(batch.y)} ${layout(batch.sampleWeight)} ${shapes.join(' ')}`
}

/** Programs by the shapes of the batches that they are for. */
export class StepCache {
  readonly #make: (batch: TensorBatch, rows: number) => TracedProgram
  readonly #programs = new Map<string, TracedProgram>()

  constructor(make: (batch: TensorBatch, rows: number) => TracedProgram) {
    this.#make = make
  }

  /** The program for batches like this one. */
  for(batch: TensorBatch): TracedProgram {
    const key = keyOf(batch)
    let program = this.#programs.get(key)
    if (program === undefined) {
      program = this.#make(batch, argumentsOf(batch)[0]?.shape[0] ?? 0)
      this.#programs.set(key, program)
    }
    return program
  }

  free(): void {
    for (const program of this.#programs.values()) program.free()
    this.#programs.clear()
  }
}

/** Programs that one model keeps for single batches; the one that was used longest ago goes first. */
const KEPT = 12

const abandoned = new FinalizationRegistry<Map<string, { readonly program: TracedProgram }>>((programs) => {
  for (const { program } of programs.values()) program.free()
})

/** Programs for single batches, which live as long as what they were compiled for. */
export class ProgramCache<P extends { readonly program: TracedProgram } = Prediction> {
  readonly #programs = new Map<string, P>()

  constructor() {
    abandoned.register(this, this.#programs)
  }

  /** The program of a kind for batches like this one; modes that it was traced in have to hold. */
  for(kind: string, model: Module, training: boolean, batch: TensorBatch, make: () => P): P {
    if (isDetectingAnomalies()) return make()
    const key = `${kind} ${keyOf(batch)}`
    const found = this.#programs.get(key)
    if (found !== undefined) {
      this.#programs.delete(key)
      if (inMode(model, training, () => found.program.holds())) {
        this.#programs.set(key, found)
        return found
      }
      found.program.free()
    }
    const made = make()
    this.#programs.set(key, made)
    for (const [oldest, { program }] of this.#programs) {
      if (this.#programs.size <= KEPT) break
      this.#programs.delete(oldest)
      program.free()
    }
    return made
  }
}

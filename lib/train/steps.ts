import { ValueError } from '../errors.js'
import { listed, type Tensors } from '../data/dataset.js'
import { isDetectingAnomalies } from '../anomaly.js'
import { type Spec, type TracedProgram, traceProgram } from '../jit.js'
import type { Module } from '../nn/module.js'
import { withStrays } from '../nn/orphans.js'
import { noGrad, type Tensor, zeroGradients } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { type Compiled, measured } from './compiled.js'

type Forward = { forward(...inputs: Tensor[]): unknown }

/** Calls the model with the inputs of a batch. */
export function predicted(model: Module, inputs: readonly Tensor[]): unknown {
  return (model as unknown as Forward).forward(...inputs)
}

/** How inputs and targets were given: a list of one is not the same as one. */
interface Layout {
  readonly inputs: number
  /** Whether the target is one tensor and not a list. */
  readonly single: boolean
}

function layoutOf(x: Tensors, y: Tensors): Layout {
  return { inputs: listed(x).length, single: isTensor(y) }
}

function targetOf(layout: Layout, args: readonly Tensor[]): unknown {
  const targets = args.slice(layout.inputs)
  return layout.single ? targets[0] : targets
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

/** A program that trains on one batch: forward, loss, metrics, backward, step. Outputs the loss and the metrics. */
export function trainingStep(
  model: Module,
  compiled: Compiled,
  x: Tensors,
  y: Tensors,
  rows: number,
): TracedProgram {
  const layout = layoutOf(x, y)
  const step = (...args: Tensor[]): Tensor[] => {
    const [outputs, strays] = withStrays(() =>
      measured(compiled, predicted(model, args.slice(0, layout.inputs)), targetOf(layout, args)),
    )
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
    compiled.optimizer.step()
    return outputs.map((output) => output.detach())
  }
  return programOf(model, true, step, specsOf([...listed(x), ...listed(y)], rows))
}

/** A program that measures one batch without changing anything. */
export function evaluationStep(
  model: Module,
  compiled: Compiled,
  x: Tensors,
  y: Tensors,
  rows: number,
): TracedProgram {
  const layout = layoutOf(x, y)
  const step = (...args: Tensor[]): Tensor[] =>
    noGrad(() => measured(compiled, predicted(model, args.slice(0, layout.inputs)), targetOf(layout, args)))
  return programOf(model, false, step, specsOf([...listed(x), ...listed(y)], rows))
}

/** A program that gives the model's output for one batch. */
export function predictionStep(model: Module, x: Tensors, rows: number): TracedProgram {
  const step = (...args: Tensor[]): Tensor[] =>
    noGrad(() => {
      const output = predicted(model, args)
      const outputs = isTensor(output) ? [output] : output
      if (!Array.isArray(outputs) || !outputs.every(isTensor)) {
        throw new ValueError('predict: forward gave no tensor; expected a tensor.')
      }
      // An input that is given back as it is would be no output of the program.
      return outputs.map((tensor) => (args.includes(tensor) ? tensor.clone() : tensor))
    })
  return programOf(model, false, step, specsOf(listed(x), rows))
}

/** Programs by the shapes of the batches that they are for. */
export class StepCache {
  readonly #make: (x: Tensors, y: Tensors, rows: number) => TracedProgram
  readonly #programs = new Map<string, TracedProgram>()

  constructor(make: (x: Tensors, y: Tensors, rows: number) => TracedProgram) {
    this.#make = make
  }

  /** The program for batches like this one. */
  for(x: Tensors, y: Tensors): TracedProgram {
    const all = [...listed(x), ...listed(y)]
    const key = `${isTensor(y)} ${all.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`).join(' ')}`
    let program = this.#programs.get(key)
    if (program === undefined) {
      program = this.#make(x, y, all[0]?.shape[0] ?? 0)
      this.#programs.set(key, program)
    }
    return program
  }

  free(): void {
    for (const program of this.#programs.values()) program.free()
    this.#programs.clear()
  }
}

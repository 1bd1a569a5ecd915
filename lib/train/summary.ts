import { traceProgram, type Spec } from '../jit.js'
import type { Module } from '../nn/module.js'
import { noGrad, type Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import type { DType } from '../types.js'
import { inMode, predicted } from './steps.js'
import { requireFunction, requireOptions } from '../tensor/checks.js'
import { requireDType, sizeOf } from '../tensor/create.js'

export interface SummaryOptions {
  /** The shape of one input, without the batch axis; needed for the shapes of outputs. */
  readonly inputShape?: readonly number[] | undefined
  /** The element type of the input; `'f32'` by default. */
  readonly dtype?: DType | undefined
  /** What is called with the text; stdout by default. */
  readonly print?: ((text: string) => void) | undefined
}

interface Row {
  readonly layer: string
  readonly output: string
  readonly parameters: number
}

/** A batch size that hardly is a size of anything else, so that it can be told apart in shapes of outputs. */
const batch = 7919

/** The table of a model's modules: name, shape of the output, number of parameters of its own. */
export function summaryOf(model: Module, options: SummaryOptions): string {
  requireOptions('summary', options, ['inputShape', 'dtype', 'print'])
  if (options.inputShape !== undefined) sizeOf('summary', options.inputShape)
  if (options.dtype !== undefined) requireDType('summary', options.dtype)
  if (options.print !== undefined) requireFunction('summary', options.print)
  const shapes =
    options.inputShape === undefined
      ? new Map<Module, string>()
      : outputShapes(model, options.inputShape, options.dtype ?? 'f32')
  const rows = model.namedModules().flatMap(([name, module]): Row[] => {
    const own = module.namedParameters().filter(([path]) => isOwn(module, path))
    // A module that only holds others says nothing that they do not.
    if (own.length === 0 && module.children().length > 0 && name !== '') return []
    if (name === '' && own.length === 0 && module.children().length > 0) return []
    const layer = name === '' ? module.describe() : `${name}: ${module.describe()}`
    const parameters = own.reduce((sum, [, parameter]) => sum + parameter.numel, 0)
    return [{ layer, output: shapes.get(module) ?? '?', parameters }]
  })
  const text = table(model.constructor.name, rows, totals(model))
  // A summary is there to be seen; programs that only want the text give a function.
  ;(options.print ?? write)(text)
  return text
}

function write(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Whether a parameter's path within a module leads through no other module. */
function isOwn(module: Module, path: string): boolean {
  return !module.namedChildren().some(([name]) => path.startsWith(`${name}.`))
}

/** Runs the model on a shape alone and notes what each module gives. */
function outputShapes(model: Module, inputShape: readonly number[], dtype: DType): Map<Module, string> {
  const shapes = new Map<Module, string>()
  const note = (module: Module, _inputs: readonly unknown[], output: unknown): void => {
    shapes.set(module, shown(output))
  }
  const hooks = model.modules().map((module) => module.registerForwardHook(note))
  try {
    const spec: Spec = { dtype, shape: [batch, ...inputShape] }
    const forward = (x: Tensor): Tensor[] => noGrad(() => outputs(predicted(model, [x])))
    inMode(model, false, () => traceProgram(forward, [spec]).free())
  } finally {
    for (const hook of hooks) hook.remove()
  }
  return shapes
}

function outputs(output: unknown): Tensor[] {
  return (Array.isArray(output) ? output : [output]).filter(isTensor)
}

function shown(output: unknown): string {
  const one = ({ shape }: Tensor): string =>
    `[${shape.map((size) => (size === batch ? '?' : size)).join(', ')}]`
  const all = outputs(output).map(one)
  return all.length === 0 ? '?' : all.join(' ')
}

interface Totals {
  readonly trained: number
  readonly frozen: number
}

function totals(model: Module): Totals {
  let [trained, frozen] = [0, 0]
  for (const parameter of model.parameters()) {
    if (parameter.requiresGrad) trained += parameter.numel
    else frozen += parameter.numel
  }
  return { trained, frozen }
}

function table(title: string, rows: readonly Row[], { trained, frozen }: Totals): string {
  const cells = [
    ['Layer', 'Output', 'Parameters'],
    ...rows.map(({ layer, output, parameters }) => [layer, output, grouped(parameters)]),
  ]
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const lines = cells.map((row) =>
    row.map((cell, i) => (i === 2 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join('  '),
  )
  const rule = '─'.repeat(Math.max(...lines.map((line) => line.length)))
  const [head = '', ...body] = lines
  return [
    title,
    rule,
    head,
    rule,
    ...body,
    rule,
    `Parameters: ${grouped(trained + frozen)} (${grouped(trained)} trained, ${grouped(frozen)} frozen)`,
  ].join('\n')
}

function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

import { ValueError } from '../errors.js'
import { isMetric, type Metric as StreamingMetric } from '../metrics/metric.js'
import { metricsByName, type MetricContext } from '../metrics/names.js'
import type { Module } from '../nn/module.js'
import { EMA } from '../optim/ema.js'
import { Optimizer } from '../optim/index.js'
import { isPlainRecord } from '../jit/arguments.js'
import type { Tensor } from '../tensor.js'
import { requireInteger, requireNumber, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { DType } from '../types.js'
import {
  accuracyFor,
  apartMetrics,
  apartOf,
  contextOf,
  hitsFor,
  isOfClasses,
  lossFunctions,
  metricFunctions,
  named,
  optimizers,
  type LossFunction,
  type LossName,
  type MetricFunction,
  type MetricName,
  type OptimizerName,
} from './names.js'
import { validationName } from './history.js'
import type { ProgramCache } from './steps.js'
import type { Extent, PastEpoch, Position } from './training.js'

/** A metric under a name of its own. */
export interface NamedMetric<N extends string = string> {
  readonly name: N
  readonly compute: MetricFunction
}

/** What `compile` takes as a metric; a plain function goes by its own name. */
export type Metric = MetricName | NamedMetric | MetricFunction | StreamingMetric

/** Metrics of the one output, or of each: in the order of the outputs, or by their names. */
export type MetricsOption =
  | readonly Metric[]
  | readonly (readonly Metric[])[]
  | Readonly<Record<string, readonly Metric[]>>

/** A loss function, or its name in `losses`. */
export type OneLoss = LossName | LossFunction

/** One loss, or one for each output: in the order of the outputs, or by their names; null where one is not trained. */
export type LossesOption = OneLoss | readonly (OneLoss | null)[] | Readonly<Record<string, OneLoss | null>>

/** The name under which a metric is reported. */
export type MetricNameOf<M> = M extends string
  ? M
  : M extends { readonly name: infer N extends string }
    ? N
    : string

type OutputNameOf<I> = I extends number | `${number}` ? `output${I}` : I & string

type OfOutput<K, N extends string> = `${OutputNameOf<K>}${Capitalize<N>}`

/** The names under which all metrics of an option are reported. */
export type MetricNamesOf<M> = M extends readonly (readonly unknown[])[]
  ? {
      [I in keyof M]: M[I] extends readonly (infer E)[] ? OfOutput<I, MetricNameOf<E>> : never
    }[number]
  : M extends readonly (infer E)[]
    ? MetricNameOf<E>
    : { [K in keyof M]: M[K] extends readonly (infer E)[] ? OfOutput<K, MetricNameOf<E>> : never }[keyof M]

/** The names of the losses of single outputs; none where there is one loss. */
export type LossNamesOf<L> = L extends string | ((...args: never[]) => unknown)
  ? never
  : L extends readonly unknown[]
    ? { [I in keyof L]: L[I] extends null ? never : OfOutput<I, 'loss'> }[number]
    : { [K in keyof L]: L[K] extends null ? never : OfOutput<K, 'loss'> }[keyof L]

type Weighted<W extends string, M> = W extends M ? `weighted${Capitalize<W>}` : W

/** All names of numbers beside `loss`, as `compile` was given them. */
export type NumberNamesOf<M, L, W> =
  | MetricNamesOf<M>
  | LossNamesOf<L>
  | Weighted<MetricNamesOf<W>, MetricNamesOf<M>>

// Metrics are `M | MetricsOption`: with its default alone, the compiler would refuse functions that it has to look into
// before it knows M.
export interface CompileOptions<
  M extends MetricsOption = MetricsOption,
  L extends LossesOption = LossesOption,
  W extends MetricsOption = MetricsOption,
> {
  /** An optimizer over the model's parameters, or a name: `'adam' | 'adamw' | 'sgd' | 'rmsprop' | 'adagrad'`. */
  readonly optimizer: OptimizerName | Optimizer<never> | Optimizer<object>
  /** A loss function, or its name in `losses`; for several outputs a list or record of these. */
  readonly loss: L
  /** How much the loss of each output counts, in the layout of `loss`; `1` each by default. */
  readonly lossWeights?: readonly number[] | Readonly<Record<string, number>> | undefined
  /** What is measured beside the loss; nothing by default. For several outputs a list or record of lists. */
  readonly metrics?: M | MetricsOption | undefined
  /** The same, with `sampleWeight` and `classWeight`. */
  readonly weightedMetrics?: W | MetricsOption | undefined
  /** The largest norm of each gradient; no limit by default. At most one of the three limits may be given. */
  readonly clipNorm?: number | undefined
  /** The largest absolute value in a gradient; no limit by default. */
  readonly clipValue?: number | undefined
  /** The largest norm of all gradients together; no limit by default. */
  readonly globalClipNorm?: number | undefined
  /** Batches whose gradients are averaged for one step of the optimizer; `1` by default. */
  readonly gradientAccumulationSteps?: number | undefined
  /** Averages the weights: an `optim.EMA` over the model's parameters, or its decay, in [0, 1). */
  readonly ema?: number | EMA | undefined
}

/** A loss as it is computed. */
export interface Loss {
  readonly whole: LossFunction
  /** One value for each sample (or element); null where only the function itself knows. */
  readonly apart: LossFunction | null
}

/** An output that has a loss of its own. */
export interface Output {
  readonly key: string | number
  /** What its numbers begin with. */
  readonly name: string
  readonly loss: Loss | null
  readonly weight: number
}

/** A number that is measured, and how. */
export interface Measure {
  readonly name: string
  /** The output that it is about; null for the only one. */
  readonly output: Output | null
  readonly weighted: boolean
  readonly metric: StreamingMetric | MetricFunction
  /** One value for each sample, where weights take part; null where only the function itself knows. */
  readonly apart: MetricFunction | null
}

/** How gradients become a step. */
export interface Update {
  readonly clip: { readonly kind: 'norm' | 'value' | 'global'; readonly limit: number } | null
  /** Batches for one step. */
  readonly every: number
  readonly ema: EMA | null
}

/** Everything `fit` needs beside data. */
export interface Compiled {
  readonly optimizer: Optimizer<object>
  /** The loss of the only output, or of all together; null where each output has one. */
  readonly loss: Loss | null
  readonly outputs: readonly Output[]
  readonly measures: readonly Measure[]
  /** The names of what a step tells, the loss first. */
  readonly names: readonly string[]
  readonly update: Update
  /** Sums of gradients by the parameter's index; made when they are needed first. */
  readonly sums: Tensor[]
  /** Batches that were trained on in all, which decide when sums of gradients are used. */
  batches: number
  /** Programs for single batches. */
  programs: ProgramCache | null
  /** What was said once and need not be said again. */
  readonly said: Set<string>
  /** Where the last training ended, what it recorded and how large it was: what another one may go on from. */
  last: Position | null
  past: readonly PastEpoch[]
  extent: Extent | null
  /** What its callbacks said when it had ended. */
  kept: { readonly states: readonly unknown[]; readonly tensors: ReadonlyMap<string, Tensor> }
}

/** What models were compiled with. */
export const compiledModels = new WeakMap<Module, Compiled>()

const known = [
  'optimizer',
  'loss',
  'lossWeights',
  'metrics',
  'weightedMetrics',
  'clipNorm',
  'clipValue',
  'globalClipNorm',
  'gradientAccumulationSteps',
  'ema',
]

/** The element type of targets that are plain lists of numbers: class indices for losses that take them. */
export function labelType({ loss }: Compiled): DType | undefined {
  return isOfClasses(loss?.whole ?? null) ? 'i32' : undefined
}

/** Resolves names; throws where there is no such optimizer, loss or metric. */
export function compiled(options: CompileOptions, model: Module): Compiled {
  requireOptions('compile', options, known)
  if (options === undefined) throw new ValueError('compile: no options; expected { optimizer, loss }.')
  const several = !isOneLoss(options.loss)
  const outputs = several ? outputsOf(options.loss, options.lossWeights) : []
  const loss = several ? null : lossOf(options.loss)
  if (!several && options.lossWeights !== undefined)
    throw new ValueError('compile: lossWeights beside one loss; expected them beside a list or record.')
  const plain = measuresOf('metrics', options.metrics, loss, outputs, false)
  const taken = new Set(plain.map(({ name }) => name))
  const weighted = measuresOf('weightedMetrics', options.weightedMetrics, loss, outputs, true).map(
    (measure) => (taken.has(measure.name) ? { ...measure, name: joined('weighted', measure.name) } : measure),
  )
  const measures = [...plain, ...weighted]
  const losses = outputs.filter((output) => output.loss !== null).map(({ name }) => joined(name, 'loss'))
  const names = ['loss', ...losses, ...measures.map(({ name }) => name)]
  requireDistinct(names)
  const optimizer = resolvedOptimizer(options.optimizer, () => model.parameters())
  const update = updateOf(options, model)
  return {
    optimizer,
    loss,
    outputs,
    measures,
    names,
    update,
    sums: [],
    batches: 0,
    programs: null,
    said: new Set(),
    last: null,
    past: [],
    extent: null,
    kept: { states: [], tensors: new Map() },
  }
}

/** Refuses names that two numbers of logs and histories would share, those of validations among them. */
function requireDistinct(names: readonly string[]): void {
  const all = [...names, ...names.map(validationName)]
  const twice = all.find((name, i) => all.indexOf(name) !== i)
  if (twice === undefined) return
  const hint = names.some((name) => validationName(name) === twice)
    ? ' With validation data, each number has a second one, called val….'
    : ''
  throw new ValueError(`compile: two numbers called "${twice}"; expected a name for each.${hint}`)
}

/** `digit`, `accuracy` → `digitAccuracy`. */
function joined(first: string, second: string): string {
  return `${first}${second.charAt(0).toUpperCase()}${second.slice(1)}`
}

function isOneLoss(loss: unknown): loss is OneLoss {
  return !(Array.isArray(loss) || isPlainRecord(loss))
}

function lossOf(given: unknown): Loss {
  const whole: unknown = typeof given === 'string' ? named('loss', lossFunctions, given) : given
  if (typeof whole !== 'function')
    throw new ValueError(`compile: ${shown(whole)} as loss; expected a function or a name.`)
  return { whole: whole as LossFunction, apart: apartOf(whole as LossFunction) }
}

/** A list as entries by number, a record as entries by name. */
function entriesOf<T>(given: readonly T[] | Readonly<Record<string, T>>): [string | number, T][] {
  return Array.isArray(given) ? [...(given as readonly T[]).entries()] : Object.entries(given)
}

function outputsOf(given: Exclude<LossesOption, OneLoss>, weights: unknown): Output[] {
  const entries = entriesOf<OneLoss | null>(given)
  const keys = entries.map(([key]) => String(key))
  const factors = perOutput('lossWeights', weights, keys, Array.isArray(given))
  const outputs = entries.map(([key, loss], i): Output => ({
    key,
    name: typeof key === 'number' ? `output${key}` : key,
    loss: loss === null ? null : lossOf(loss),
    weight: requireNumber('compile', `lossWeights of ${key}`, factors[i] ?? 1),
  }))
  if (outputs.every(({ loss }) => loss === null))
    throw new ValueError('compile: no loss for any output; expected one at least.')
  return outputs
}

/** What an option says for each output, undefined where it says nothing. */
function perOutput(option: string, given: unknown, keys: readonly string[], list: boolean): unknown[] {
  if (given === undefined) return []
  const fits = list ? Array.isArray(given) : isPlainRecord(given)
  const entries = fits ? entriesOf<unknown>(given as readonly unknown[]) : []
  const strange = entries.find(([key]) => !keys.includes(String(key)))
  if (!fits || strange !== undefined || (list && entries.length !== keys.length))
    throw new ValueError(
      `compile: ${strange === undefined ? shown(given) : `"${strange[0]}"`} in ${option}; expected ${list ? `a list of ${keys.length}` : `a record of ${keys.join(', ')}`}, in the layout of loss.`,
    )
  const values = new Map(entries.map(([key, value]) => [String(key), value]))
  return keys.map((key) => values.get(key))
}

function measuresOf(
  option: 'metrics' | 'weightedMetrics',
  given: unknown,
  loss: Loss | null,
  outputs: readonly Output[],
  weighted: boolean,
): Measure[] {
  if (given === undefined) return []
  if (outputs.length === 0) {
    if (!Array.isArray(given))
      throw new ValueError(`compile: ${shown(given)} as ${option}; expected an array.`)
    return (given as readonly Metric[]).map((metric) =>
      measureOf(metric, loss?.whole ?? null, null, weighted),
    )
  }
  const keys = outputs.map(({ key }) => String(key))
  const lists = perOutput(option, given, keys, typeof outputs[0]?.key === 'number')
  return outputs.flatMap((output, i) => {
    const list = lists[i] ?? []
    if (!Array.isArray(list))
      throw new ValueError(
        `compile: ${shown(list)} as ${option} of ${output.key}; expected an array for each output.`,
      )
    return (list as readonly Metric[]).map((metric) =>
      measureOf(metric, output.loss?.whole ?? null, output, weighted),
    )
  })
}

function measureOf(
  metric: Metric,
  loss: LossFunction | null,
  output: Output | null,
  weighted: boolean,
): Measure {
  const resolved = resolvedMetric(metric, loss)
  const name = output === null ? resolved.name : joined(output.name, resolved.name)
  const apart =
    metric === 'accuracy'
      ? hitsFor(loss)
      : typeof metric === 'string' && Object.hasOwn(apartMetrics, metric)
        ? apartMetrics[metric as keyof typeof apartMetrics]
        : null
  return { name, output, weighted, metric: isMetric(resolved) ? resolved : resolved.compute, apart }
}

function resolvedMetric(metric: Metric, loss: LossFunction | null): NamedMetric | StreamingMetric {
  if (metric === 'accuracy') return { name: 'accuracy', compute: accuracyFor(loss) }
  if (typeof metric === 'string') {
    if (Object.hasOwn(metricsByName, metric)) {
      const make: (context: MetricContext) => StreamingMetric =
        metricsByName[metric as keyof typeof metricsByName]
      return make(contextOf(loss))
    }
    if (!Object.hasOwn(metricFunctions, metric))
      named('metric', { ...metricFunctions, ...metricsByName }, metric, ['accuracy'])
    return { name: metric, compute: metricFunctions[metric as keyof typeof metricFunctions] }
  }
  if (isMetric(metric)) return metric
  if (typeof metric === 'function') {
    if (metric.name === '')
      throw new ValueError(
        'compile: a metric without a name; expected { name, compute } or a function that has one.',
      )
    return { name: metric.name, compute: metric }
  }
  if (typeof metric?.name !== 'string' || typeof metric.compute !== 'function') {
    throw new ValueError(
      `compile: ${shown(metric)} as metric; expected a name, a function, a Metric or { name, compute }.`,
    )
  }
  return metric
}

function resolvedOptimizer(given: unknown, parameters: () => Tensor[]): Optimizer<object> {
  if (typeof given === 'string') {
    const Class = named('optimizer', optimizers, given)
    return new Class(parameters()) as unknown as Optimizer<object>
  }
  if (given instanceof Optimizer) return given as Optimizer<object>
  throw new ValueError(
    `compile: ${shown(given)} as optimizer; expected an optimizer of this package or a name.`,
  )
}

function updateOf(options: CompileOptions, model: Module): Update {
  const kinds = { clipNorm: 'norm', clipValue: 'value', globalClipNorm: 'global' } as const
  const asked = (Object.keys(kinds) as (keyof typeof kinds)[]).filter((key) => options[key] !== undefined)
  const [name] = asked
  if (asked.length > 1)
    throw new ValueError(
      `compile: ${asked.join(' and ')}; expected at most one of clipNorm, clipValue, globalClipNorm.`,
    )
  const limit = name === undefined ? 0 : requireNumber('compile', name, options[name])
  if (name !== undefined && !(limit > 0))
    throw new ValueError(`compile: ${name} is ${limit}; expected a number above 0.`)
  const every = requireInteger(
    'compile',
    'gradientAccumulationSteps',
    options.gradientAccumulationSteps ?? 1,
    1,
  )
  const { ema } = options
  if (ema !== undefined && typeof ema !== 'number' && !(ema instanceof EMA))
    throw new ValueError(`compile: ${shown(ema)} as ema; expected a decay such as 0.99, or an optim.EMA.`)
  return {
    clip: name === undefined ? null : { kind: kinds[name], limit },
    every,
    ema: typeof ema === 'number' ? new EMA(model, { decay: ema }) : (ema ?? null),
  }
}

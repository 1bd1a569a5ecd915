import { ShapeError, ValueError } from '../errors.js'
import * as losses from '../losses.js'
import { binaryAccuracy, categoricalAccuracy, sparseCategoricalAccuracy } from '../metrics/index.js'
import { Adagrad, Adam, AdamW, Optimizer, RMSprop, SGD } from '../optim/index.js'
import type { Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { DType } from '../types.js'

/** A loss: one number for the predictions and targets of a batch. */
export type LossFunction = (prediction: Tensor, target: Tensor) => Tensor

/** A metric: its mean over the samples of a batch, or one value per sample. */
export type MetricFunction = (prediction: Tensor, target: Tensor) => Tensor

/** A metric under a name of its own. */
export interface NamedMetric<N extends string = string> {
  readonly name: N
  readonly compute: MetricFunction
}

const optimizers = { adam: Adam, adamw: AdamW, sgd: SGD, rmsprop: RMSprop, adagrad: Adagrad } as const

/** Optimizers that can be asked for by name, with their default hyperparameters. */
export type OptimizerName = keyof typeof optimizers

const lossFunctions = {
  mse: losses.mse,
  l1: losses.l1,
  smoothL1: losses.smoothL1,
  huber: losses.huber,
  crossEntropy: losses.crossEntropy,
  binaryCrossEntropy: losses.binaryCrossEntropy,
  binaryCrossEntropyWithLogits: losses.binaryCrossEntropyWithLogits,
  nll: losses.nll,
  klDiv: losses.klDiv,
  poisson: losses.poisson,
  hinge: losses.hinge,
  squaredHinge: losses.squaredHinge,
  cosine: losses.cosine,
  cosineSimilarity: losses.cosineSimilarity,
  meanSquaredError: losses.meanSquaredError,
  meanAbsoluteError: losses.meanAbsoluteError,
  logCosh: losses.logCosh,
  klDivergence: losses.klDivergence,
  binaryCrossentropy: losses.binaryCrossentropy,
  categoricalCrossentropy: losses.categoricalCrossentropy,
  sparseCategoricalCrossentropy: losses.sparseCategoricalCrossentropy,
} as const satisfies Record<string, LossFunction>

/** Losses that can be asked for by name, with their default options. */
export type LossName = keyof typeof lossFunctions

/** Losses whose inputs are logits: probability one half lies at 0. */
const binaryLogits: ReadonlySet<unknown> = new Set([losses.binaryCrossEntropyWithLogits])
const binaryProbabilities: ReadonlySet<unknown> = new Set([
  losses.binaryCrossEntropy,
  losses.binaryCrossentropy,
])
/** Losses that follow PyTorch in having the classes on the second axis. */
const classesSecond: ReadonlySet<unknown> = new Set([losses.crossEntropy, losses.nll])

const takesClasses: ReadonlySet<unknown> = new Set([...classesSecond, losses.sparseCategoricalCrossentropy])

const metricFunctions = {
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  mse: losses.mse,
  mae: losses.l1,
  meanSquaredError: losses.meanSquaredError,
  meanAbsoluteError: losses.meanAbsoluteError,
} as const satisfies Record<string, MetricFunction>

/** Metrics that can be asked for by name; `'accuracy'` becomes the one that fits loss and shapes. */
export type MetricName = keyof typeof metricFunctions | 'accuracy'

/** What `compile` takes as a metric; a plain function goes by its own name. */
export type Metric = MetricName | NamedMetric | MetricFunction

/** The names under which metrics are reported. */
export type MetricNameOf<M> = M extends string
  ? M
  : M extends { readonly name: infer N extends string }
    ? N
    : string

export interface CompileOptions<M extends readonly Metric[] = readonly Metric[]> {
  /** An optimizer over the model's parameters, or a name: `'adam' | 'adamw' | 'sgd' | 'rmsprop' | 'adagrad'`. */
  readonly optimizer: OptimizerName | Optimizer<never> | Optimizer<object>
  /** A loss function, or its name in `losses`. */
  readonly loss: LossName | LossFunction
  /** What is measured beside the loss; nothing by default. */
  readonly metrics?: M | readonly Metric[] | undefined
}

/** The element type of targets that are plain lists of numbers: class indices for losses that take them. */
export function labelType({ loss }: Compiled): DType | undefined {
  return takesClasses.has(loss) ? 'i32' : undefined
}

/** Everything `fit` needs beside data. */
export interface Compiled {
  readonly optimizer: Optimizer<object>
  readonly loss: LossFunction
  readonly metrics: readonly NamedMetric[]
}

/** Resolves names; throws where there is no such optimizer, loss or metric. */
export function compiled(options: CompileOptions, parameters: () => Tensor[]): Compiled {
  requireOptions('compile', options, ['optimizer', 'loss', 'metrics'])
  if (options === undefined) throw new ValueError('compile: no options; expected { optimizer, loss }.')
  const loss = typeof options.loss === 'string' ? named('loss', lossFunctions, options.loss) : options.loss
  if (typeof loss !== 'function')
    throw new ValueError(`compile: ${shown(loss)} as loss; expected a function or a name.`)
  const asked: unknown = options.metrics ?? []
  if (!Array.isArray(asked)) throw new ValueError(`compile: ${shown(asked)} as metrics; expected an array.`)
  const metrics = (asked as readonly Metric[]).map((metric) => resolvedMetric(metric, loss))
  const names = metrics.map(({ name }) => name)
  const twice = names.find((name, i) => name === 'loss' || names.indexOf(name) !== i)
  if (twice !== undefined)
    throw new ValueError(`compile: two numbers called "${twice}"; expected a name for each.`)
  return { optimizer: resolvedOptimizer(options.optimizer, parameters), loss, metrics }
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

function named<T>(
  what: string,
  table: Readonly<Record<string, T>>,
  name: string,
  more: readonly string[] = [],
): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined
  if (found === undefined) {
    throw new ValueError(
      `compile: there is no ${what} "${name}"; expected one of ${[...more, ...Object.keys(table)].join(', ')}.`,
    )
  }
  return found
}

function resolvedMetric(metric: Metric, loss: LossFunction): NamedMetric {
  if (metric === 'accuracy') return { name: 'accuracy', compute: (p, t) => accuracy(p, t, loss) }
  if (typeof metric === 'string')
    return { name: metric, compute: named('metric', metricFunctions, metric, ['accuracy']) }
  if (typeof metric === 'function') {
    if (metric.name === '')
      throw new ValueError(
        'compile: a metric without a name; expected { name, compute } or a function that has one.',
      )
    return { name: metric.name, compute: metric }
  }
  if (typeof metric?.name !== 'string' || typeof metric.compute !== 'function') {
    throw new ValueError(
      `compile: ${shown(metric)} as metric; expected a name, a function or { name, compute }.`,
    )
  }
  return metric
}

/** The accuracy that belongs to a loss and to the shapes of a batch, as Keras chooses it. */
function accuracy(prediction: Tensor, target: Tensor, loss: LossFunction): Tensor {
  if (binaryLogits.has(loss)) return binaryAccuracy(prediction, target, { threshold: 0 })
  if (binaryProbabilities.has(loss)) return binaryAccuracy(prediction, target)
  const dim = classesSecond.has(loss) && prediction.rank > 1 ? 1 : -1
  const oneHot = prediction.rank === target.rank && prediction.shape.join() === target.shape.join()
  if (!classesSecond.has(loss) && prediction.shape.at(-1) === 1) return binaryAccuracy(prediction, target)
  if (oneHot && prediction.rank > 1) return categoricalAccuracy(prediction, target, { dim })
  return sparseCategoricalAccuracy(prediction, target, { dim })
}

/**
 * The target with a last axis of size 1 added or removed where only that keeps it from the prediction's shape (or, for
 * class indices, from the shape without classes), as Keras does.
 */
function aligned(prediction: unknown, target: unknown): unknown {
  if (!isTensor(prediction) || !isTensor(target)) return target
  const last = target.shape.at(-1)
  if (target.rank + 1 === prediction.rank && prediction.shape.at(-1) === 1) return target.unsqueeze(-1)
  const squeezed = last === 1 && (target.rank === prediction.rank + 1 || isIndices(prediction, target))
  return squeezed ? target.squeeze(-1) : target
}

function isIndices(prediction: Tensor, target: Tensor): boolean {
  const whole = target.dtype === 'i32' || target.dtype === 'u8'
  return whole && target.rank === prediction.rank && target.rank > 1 && prediction.shape.at(-1) !== 1
}

/** Loss and metrics of a batch as 0-d tensors, the loss first. */
export function measured(model: Compiled, prediction: unknown, given: unknown): Tensor[] {
  const target = aligned(prediction, given)
  const loss = model.loss(prediction as Tensor, target as Tensor)
  if (!isTensor(loss) || loss.numel !== 1) {
    if (!isTensor(loss))
      throw new ValueError(`fit: the loss of a batch is ${shown(loss)}; expected a tensor of one number.`)
    throw new ShapeError(
      `fit: the loss of a batch is [${loss.shape.join(', ')}]; expected one number: reduce it with mean().`,
    )
  }
  const values = model.metrics.map(({ name, compute }) => {
    const value = compute(prediction as Tensor, target as Tensor)
    if (!isTensor(value))
      throw new ValueError(`fit: the metric "${name}" gave ${String(value)}; expected a tensor.`)
    const numbers = value.detach().to('f32')
    return numbers.numel === 1 ? numbers.reshape([]) : numbers.mean()
  })
  return [loss.reshape([]), ...values]
}

import { ValueError } from '../errors.js'
import * as losses from '../losses.js'
import { binaryAccuracy, categoricalAccuracy, sparseCategoricalAccuracy } from '../metrics/index.js'
import type { MetricContext, StreamingMetricName } from '../metrics/names.js'
import { Adagrad, Adam, AdamW, RMSprop, SGD } from '../optim/index.js'
import type { Tensor } from '../tensor.js'

/** A loss: one number for the predictions and targets of a batch, or one for each sample. */
export type LossFunction = (prediction: Tensor, target: Tensor) => Tensor

/** A metric: its mean over the samples of a batch, or one value per sample. */
export type MetricFunction = (prediction: Tensor, target: Tensor) => Tensor

export const optimizers = { adam: Adam, adamw: AdamW, sgd: SGD, rmsprop: RMSprop, adagrad: Adagrad } as const

/** Optimizers that can be asked for by name, with their default hyperparameters. */
export type OptimizerName = keyof typeof optimizers

type ReducedLoss = (prediction: Tensor, target: Tensor, options?: losses.LossOptions) => Tensor

export const lossFunctions = {
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
  mae: losses.meanAbsoluteError,
  logCosh: losses.logCosh,
  klDivergence: losses.klDivergence,
  kld: losses.klDivergence,
  binaryCrossentropy: losses.binaryCrossentropy,
  categoricalCrossentropy: losses.categoricalCrossentropy,
  sparseCategoricalCrossentropy: losses.sparseCategoricalCrossentropy,
} as const satisfies Record<string, ReducedLoss>

/** Losses that can be asked for by name, with their default options. */
export type LossName = keyof typeof lossFunctions

/** Losses of this library without a name: Keras's names of the first two are those of PyTorch's here. */
const unnamed: readonly ReducedLoss[] = [
  losses.meanHuber,
  losses.meanPoisson,
  losses.softMargin,
  losses.hingeEmbedding,
]

const reducing: ReadonlyMap<unknown, ReducedLoss> = new Map(
  [...Object.values<ReducedLoss>(lossFunctions), ...unnamed].map((loss) => [loss, loss]),
)

/** The loss apart for each element or sample; null for a function that is not of this library. */
export function apartOf(loss: LossFunction): LossFunction | null {
  const own = reducing.get(loss)
  return own === undefined ? null : (prediction, target) => own(prediction, target, { reduction: 'none' })
}

/** Losses whose inputs are logits: probability one half lies at 0. */
const binaryLogits: ReadonlySet<unknown> = new Set([losses.binaryCrossEntropyWithLogits])
const binaryProbabilities: ReadonlySet<unknown> = new Set([
  losses.binaryCrossEntropy,
  losses.binaryCrossentropy,
])
/** Losses that follow PyTorch in having the classes on the second axis. */
const classesSecond: ReadonlySet<unknown> = new Set([losses.crossEntropy, losses.nll])

const takesClasses: ReadonlySet<unknown> = new Set([...classesSecond, losses.sparseCategoricalCrossentropy])

/** Whether a loss takes class indices, so that plain lists of numbers are these. */
export function isOfClasses(loss: LossFunction | null): boolean {
  return takesClasses.has(loss)
}

/** Whether targets of a loss have to be classes that exist. */
export function classAxisOf(loss: LossFunction | null): number | null {
  if (!isOfClasses(loss)) return null
  return classesSecond.has(loss) ? 1 : -1
}

export const metricFunctions = {
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  mse: losses.mse,
  mae: losses.l1,
  meanSquaredError: losses.meanSquaredError,
  meanAbsoluteError: losses.meanAbsoluteError,
} as const satisfies Record<string, MetricFunction>

/** Metrics that can be asked for by name; `'accuracy'` becomes the one that fits loss and shapes. */
export type MetricName = keyof typeof metricFunctions | StreamingMetricName | 'accuracy'

/** What a loss tells a streaming metric about predictions. */
export function contextOf(loss: LossFunction | null): MetricContext {
  const logits = binaryLogits.has(loss) || loss === losses.crossEntropy
  return { logits, ...(classesSecond.has(loss) ? { dim: 1 } : {}) }
}

type Accuracy =
  | { readonly kind: 'binary'; readonly threshold: number }
  | { readonly kind: 'categorical' | 'sparse'; readonly dim: number }

/** The accuracy that belongs to a loss and to the shapes of a batch, as Keras chooses it. */
function accuracyOf(loss: LossFunction | null, prediction: Tensor, target: Tensor): Accuracy {
  if (binaryLogits.has(loss)) return { kind: 'binary', threshold: 0 }
  if (binaryProbabilities.has(loss)) return { kind: 'binary', threshold: 0.5 }
  const dim = classesSecond.has(loss) && prediction.rank > 1 ? 1 : -1
  const oneHot = prediction.rank === target.rank && prediction.shape.join() === target.shape.join()
  if (!classesSecond.has(loss) && prediction.shape.at(-1) === 1) return { kind: 'binary', threshold: 0.5 }
  return { kind: oneHot && prediction.rank > 1 ? 'categorical' : 'sparse', dim }
}

/** The accuracy that fits a loss, of a batch. */
export function accuracyFor(loss: LossFunction | null): MetricFunction {
  return (prediction, target) => {
    const found = accuracyOf(loss, prediction, target)
    if (found.kind === 'binary') return binaryAccuracy(prediction, target, { threshold: found.threshold })
    const compute = found.kind === 'categorical' ? categoricalAccuracy : sparseCategoricalAccuracy
    return compute(prediction, target, { dim: found.dim })
  }
}

/** Which samples an accuracy counts as right, as ones and zeros. */
function hits(found: Accuracy, prediction: Tensor, target: Tensor): Tensor {
  if (found.kind === 'binary')
    return prediction
      .gt(found.threshold)
      .eq(target.reshape([...prediction.shape]).gt(0.5))
      .to('f32')
  const best = prediction.argmax(found.dim)
  const right = found.kind === 'categorical' ? target.argmax(found.dim) : target.reshape([...best.shape])
  return best.eq(right).to('f32')
}

/** The accuracy that fits a loss, of each sample. */
export function hitsFor(loss: LossFunction | null): MetricFunction {
  return (prediction, target) => hits(accuracyOf(loss, prediction, target), prediction, target)
}

/** Metrics by name for each sample, where weights take part. */
export const apartMetrics: Readonly<Record<keyof typeof metricFunctions, MetricFunction>> = {
  binaryAccuracy: (prediction, target) => hits({ kind: 'binary', threshold: 0.5 }, prediction, target),
  categoricalAccuracy: (prediction, target) => hits({ kind: 'categorical', dim: -1 }, prediction, target),
  sparseCategoricalAccuracy: (prediction, target) => hits({ kind: 'sparse', dim: -1 }, prediction, target),
  mse: (prediction, target) => losses.mse(prediction, target, { reduction: 'none' }),
  mae: (prediction, target) => losses.l1(prediction, target, { reduction: 'none' }),
  meanSquaredError: (prediction, target) =>
    losses.meanSquaredError(prediction, target, { reduction: 'none' }),
  meanAbsoluteError: (prediction, target) =>
    losses.meanAbsoluteError(prediction, target, { reduction: 'none' }),
}

/** What a table has under a name; throws with all names. */
export function named<T>(
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

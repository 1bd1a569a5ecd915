import { ShapeError, ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { located } from '../tensor/base.js'
import { requireInteger, requireTensor } from '../tensor/checks.js'
import { ones } from '../tensor/factories.js'
import { alignedTarget } from './accuracy.js'

/** Refuses what are no tensors. */
export function requirePair(op: string, prediction: unknown, target: unknown): void {
  requireTensor(`metrics.${op}`, 'prediction', prediction)
  requireTensor(`metrics.${op}`, 'target', target)
}

/** The axis of the classes as it was given, the last one by default. */
export function requireDim(op: string, dim: unknown): number {
  return requireInteger(`metrics.${op}`, 'dim', dim ?? -1)
}

/** The axis of the classes of a prediction, counted from 0. A prediction of one axis has them there. */
export function classAxis(op: string, prediction: Tensor, dim: number): number {
  if (prediction.rank === 0)
    throw located(ShapeError, `metrics.${op}: a prediction []; expected an axis of classes.`)
  if (prediction.rank === 1) return 0
  const axis = dim < 0 ? dim + prediction.rank : dim
  if (axis < 0 || axis >= prediction.rank)
    throw located(
      ShapeError,
      `metrics.${op}: dim ${dim} of a prediction [${prediction.shape.join(', ')}]; expected one of its axes.`,
    )
  return axis
}

/** Whether a target names classes by their indices, and is not a number for each element of the prediction. */
export function isIndices(op: string, prediction: Tensor, target: Tensor, dim: number): boolean {
  if (prediction.rank < 2) return false
  const axis = classAxis(op, prediction, dim)
  if (prediction.shape[axis] === 1) return false
  const without = prediction.shape.filter((_, other) => other !== axis).join()
  return target.shape.join() === without || target.shape.join() === `${without},1`
}

/** A prediction over classes: `[samples, classes]`, and the class of each sample, flat and i32. */
export interface Classified {
  readonly scores: Tensor
  readonly labels: Tensor
  /** `[samples]`, f64. */
  readonly weight: Tensor
}

/** Brings a prediction over classes and its targets, indices or one-hot, into one form. */
export function classified(
  op: string,
  prediction: Tensor,
  target: Tensor,
  weight: Tensor | undefined,
  dim: number,
): Classified {
  requirePair(op, prediction, target)
  const axis = classAxis(op, prediction, dim)
  const classes = prediction.shape[axis] ?? 1
  const order = [...prediction.shape.keys()].filter((other) => other !== axis)
  const last = (x: Tensor): Tensor => x.permute([...order, axis])
  const scores = last(prediction)
  const rows = scores.shape.slice(0, -1)
  const shape = [scores.numel / Math.max(classes, 1)]
  const oneHot = target.rank === prediction.rank && target.shape.join() === prediction.shape.join()
  const labels = oneHot
    ? last(target).argmax(-1)
    : alignedTarget(op, scores.narrow(-1, 0, 1).squeeze(-1), target)
  return {
    scores: scores.reshape([...shape, classes]),
    labels: labels.to('i32').reshape(shape),
    weight: spreadWeight(op, weight, rows),
  }
}

/**
 * A weight for each element of `shape`, flat and f64: given for each sample, for each element, or not at all.
 *
 * @param op - the metric's name, for messages
 */
export function spreadWeight(op: string, weight: Tensor | undefined, shape: readonly number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1)
  const all = ones([count], { dtype: 'f64' })
  if (weight === undefined) return all
  requireTensor(`metrics.${op}`, 'weight', weight)
  const rows = shape[0] ?? 1
  if (weight.numel === count) return weight.to('f64').reshape([count])
  if (weight.numel !== rows)
    throw located(
      ValueError,
      `metrics.${op}: weights [${weight.shape.join(', ')}] for [${shape.join(', ')}]; expected one for each of ${rows} samples.`,
    )
  const spread = weight
    .to('f64')
    .reshape([rows, 1])
    .mul(all.reshape([rows, count / Math.max(rows, 1)]))
  return spread.reshape([count])
}

/** Prediction and target as numbers, element by element, flat, with a weight for each. */
export function elements(
  op: string,
  prediction: Tensor,
  target: Tensor,
  weight: Tensor | undefined,
): { readonly x: Tensor; readonly y: Tensor; readonly w: Tensor } {
  requirePair(op, prediction, target)
  const aligned = alignedTarget(op, prediction, target)
  const shape = [prediction.numel]
  return {
    x: prediction.reshape(shape),
    y: aligned.reshape(shape),
    w: spreadWeight(op, weight, prediction.shape),
  }
}

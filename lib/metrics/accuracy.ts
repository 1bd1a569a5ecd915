import { ShapeError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import type { FloatTensor } from '../types.js'
import { requireInteger, requireNumber, requireOptions, requireTensor } from '../tensor/checks.js'

/**
 * Removes or adds a last axis of size 1 so that targets and predictions agree, as Keras does; nothing else broadcasts.
 *
 * @internal
 */
export function alignedTarget(op: string, prediction: Tensor, target: Tensor): Tensor {
  let aligned = target
  if (target.rank === prediction.rank + 1 && target.shape.at(-1) === 1) aligned = target.squeeze(-1)
  else if (prediction.rank === target.rank + 1 && prediction.shape.at(-1) === 1)
    aligned = target.unsqueeze(-1)
  if (aligned.shape.join() !== prediction.shape.join()) throw mismatch(op, prediction, target)
  return aligned
}

function mismatch(op: string, prediction: Tensor, target: Tensor): ShapeError {
  return new ShapeError(
    `metrics.${op}: a target [${target.shape.join(', ')}] for a prediction [${prediction.shape.join(', ')}]; expected shapes that belong together.`,
  )
}

export interface BinaryAccuracyOptions {
  /** Predictions above it count as 1; `0.5` by default. Logits want `0`. */
  readonly threshold?: number | undefined
}

/**
 * The share of predictions on the right side of a threshold.
 *
 * @param prediction - any shape, floats
 * @param target - the same shape, or one that differs by a last axis of size 1; zeros and ones
 * @returns an f32 scalar, the mean over all elements
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { metrics, tensor } from 'neuroxide'
 * console.log(metrics.binaryAccuracy(tensor([0.9, 0.2, 0.6]), tensor([1, 0, 0])).item().toFixed(2)) // 0.67
 * ```
 */
export function binaryAccuracy(
  prediction: Tensor,
  target: Tensor,
  options: BinaryAccuracyOptions = {},
): FloatTensor {
  requireInputs('binaryAccuracy', prediction, target)
  requireOptions('metrics.binaryAccuracy', options, ['threshold'])
  const threshold = requireNumber('metrics.binaryAccuracy', 'threshold', options.threshold ?? 0.5)
  const aligned = alignedTarget('binaryAccuracy', prediction, target)
  return share(prediction.gt(threshold).eq(aligned.gt(0.5)))
}

export interface CategoricalAccuracyOptions {
  /** The axis of the classes; the last one by default. */
  readonly dim?: number | undefined
}

/**
 * The share of samples whose largest prediction is the class that a one-hot (or soft) target prefers.
 *
 * @param prediction - `[…, classes]`
 * @param target - the same shape
 * @returns an f32 scalar, the mean over all samples
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { metrics, tensor } from 'neuroxide'
 * console.log(metrics.categoricalAccuracy(tensor([[1, 3], [2, 0]]), tensor([[0, 1], [0, 1]])).item()) // 0.5
 * ```
 */
export function categoricalAccuracy(
  prediction: Tensor,
  target: Tensor,
  options: CategoricalAccuracyOptions = {},
): FloatTensor {
  const dim = dimOf('categoricalAccuracy', prediction, target, options)
  if (prediction.shape.join() !== target.shape.join())
    throw mismatch('categoricalAccuracy', prediction, target)
  return share(prediction.argmax(dim).eq(target.argmax(dim)))
}

/**
 * The share of samples whose largest prediction is the class that the target names by its index.
 *
 * @param prediction - `[…, classes]`; with `dim: 1`, PyTorch's `[n, classes, …]`
 * @param target - class indices in the shape without the classes, or with a last axis of size 1
 * @returns an f32 scalar, the mean over all samples
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { metrics, tensor } from 'neuroxide'
 * const classes = tensor([1, 1], { dtype: 'i32' })
 * console.log(metrics.sparseCategoricalAccuracy(tensor([[1, 3], [2, 0]]), classes).item()) // 0.5
 * ```
 */
export function sparseCategoricalAccuracy(
  prediction: Tensor,
  target: Tensor,
  options: CategoricalAccuracyOptions = {},
): FloatTensor {
  const dim = dimOf('sparseCategoricalAccuracy', prediction, target, options)
  const best = prediction.argmax(dim)
  return share(best.eq(alignedTarget('sparseCategoricalAccuracy', best, target)))
}

function requireInputs(op: string, prediction: unknown, target: unknown): void {
  requireTensor(`metrics.${op}`, 'prediction', prediction)
  requireTensor(`metrics.${op}`, 'target', target)
}

function dimOf(op: string, prediction: Tensor, target: Tensor, options: CategoricalAccuracyOptions): number {
  requireInputs(op, prediction, target)
  requireOptions(`metrics.${op}`, options, ['dim'])
  return requireInteger(`metrics.${op}`, 'dim', options.dim ?? -1)
}

function share(hits: Tensor): FloatTensor {
  return hits.to('f32').mean()
}

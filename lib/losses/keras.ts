import { Code } from '../ops.generated.js'
import { requireFlag } from '../tensor/checks.js'
import type { Tensor } from '../tensor.js'
import type { FloatTensor, TensorLike } from '../types.js'
import type { LastIndexTarget, NearTarget } from '../types/loss.js'
import { requireShare } from './classification.js'
import {
  applyLoss,
  classOperands,
  logitsOf,
  operands,
  plainLoss,
  reductionCode,
  requireLossOptions,
  type LossOptions,
} from './input.js'
import { cosine, huberOptions, requireDelta, type HuberOptions } from './regression.js'

// Keras's losses: the mean is over the last axis first, so that 'none' gives one loss per sample; predictions and
// targets that differ by a last axis of size 1 are aligned.

/**
 * Squared differences, averaged over the last axis; a last axis of size 1 may be missing on one side.
 *
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.meanSquaredError(tensor([[1], [2]]), tensor([1, 4])).item()) // 2
 * ```
 */
export function meanSquaredError<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.meanSquaredError', P, T>,
  options: LossOptions = {},
): FloatTensor {
  return plainLoss('losses.meanSquaredError', Code.meanSquaredError, prediction, target, options)
}

/**
 * Absolute differences, averaged over the last axis; a last axis of size 1 may be missing on one side.
 *
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.meanAbsoluteError(tensor([[1], [2]]), tensor([1, 4])).item()) // 1
 * ```
 */
export function meanAbsoluteError<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.meanAbsoluteError', P, T>,
  options: LossOptions = {},
): FloatTensor {
  return plainLoss('losses.meanAbsoluteError', Code.meanAbsoluteError, prediction, target, options)
}

/**
 * Huber's loss, averaged over the last axis; Keras calls it `Huber`.
 *
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.meanHuber(tensor([[0], [3]]), tensor([0, 0])).item()) // 1.25
 * ```
 */
export function meanHuber<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.meanHuber', P, T>,
  options: HuberOptions = {},
): FloatTensor {
  const op = 'losses.meanHuber'
  requireLossOptions(op, options, huberOptions)
  const attributes = [reductionCode(op, options.reduction), requireDelta(op, options.delta ?? 1)]
  return applyLoss(Code.meanHuber, operands(op, prediction, target), attributes)
}

/**
 * Logarithms of the hyperbolic cosine of the differences, averaged over the last axis.
 *
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.logCosh(tensor([1]), tensor([0])).item().toFixed(4)) // 0.4338
 * ```
 */
export function logCosh<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.logCosh', P, T>,
  options: LossOptions = {},
): FloatTensor {
  return plainLoss('losses.logCosh', Code.logCosh, prediction, target, options)
}

/**
 * `prediction − target · log(prediction)`, averaged over the last axis; Keras calls it `Poisson`.
 *
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.meanPoisson(tensor([1]), tensor([2])).item().toFixed(4)) // 1.0000
 * ```
 */
export function meanPoisson<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.meanPoisson', P, T>,
  options: LossOptions = {},
): FloatTensor {
  return plainLoss('losses.meanPoisson', Code.meanPoisson, prediction, target, options)
}

/**
 * `target · log(target / prediction)` of probabilities, summed over the last axis.
 *
 * @throws LossInputError for predictions that are no probabilities
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.klDivergence(tensor([[0.5, 0.5]]), tensor([[0.5, 0.5]])).item()) // 0
 * ```
 */
export function klDivergence<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.klDivergence', P, T>,
  options: LossOptions = {},
): FloatTensor {
  const op = 'losses.klDivergence'
  requireLossOptions(op, options)
  const [x, y] = operands(op, prediction, target)
  logitsOf(
    op,
    x,
    'probabilities',
    null,
    'End the model with nn.Softmax, or use losses.klDiv on log-probabilities.',
  )
  return applyLoss(Code.klDivergence, [x, y], [reductionCode(op, options.reduction)])
}

/**
 * Minus the cosine of the angle between prediction and target: Keras's name of {@link cosine}.
 *
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.cosineSimilarity(tensor([[3, 0]]), tensor([[1, 0]])).item()) // -1
 * ```
 */
export const cosineSimilarity: typeof cosine = cosine

export interface CrossentropyOptions extends LossOptions {
  /** Whether predictions are logits; `false` by default: they are probabilities. */
  readonly fromLogits?: boolean | undefined
  /** Share of every target that is spread over all classes, in [0, 1]; `0` by default. */
  readonly labelSmoothing?: number | undefined
}

/**
 * The prediction to compute with and whether it is logits: those behind softmax or sigmoid, where probabilities were
 * made by them.
 */
function resolved(op: string, x: Tensor, fromLogits: boolean, from: 'softmax' | 'sigmoid'): [Tensor, number] {
  const layer = from === 'softmax' ? 'nn.Softmax' : 'nn.Sigmoid'
  if (requireFlag(op, 'fromLogits', fromLogits)) {
    logitsOf(op, x, 'logits', null, 'Leave that layer out, or leave fromLogits out.')
    return [x, 1]
  }
  const logits = logitsOf(
    op,
    x,
    'probabilities',
    from,
    `End the model with ${layer}, or set { fromLogits: true }.`,
  )
  return logits === null ? [x, 0] : [logits, 1]
}

/**
 * Cross-entropy of probabilities of classes against one-hot (or soft) targets, along the last axis.
 *
 * Predictions that softmax made are computed from its input, in the stable form.
 *
 * @param prediction - probabilities `[…, classes]`; logits with `fromLogits`
 * @param target - probabilities of the same shape
 * @throws LossInputError for predictions that are not what `fromLogits` says
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.categoricalCrossentropy(tensor([[0.5, 0.5]]), tensor([[0, 1]])).item().toFixed(4)) // 0.6931
 * ```
 */
export function categoricalCrossentropy<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.categoricalCrossentropy', P, T>,
  options: CrossentropyOptions = {},
): FloatTensor {
  const op = 'losses.categoricalCrossentropy'
  requireLossOptions(op, options, ['fromLogits', 'labelSmoothing'])
  const { fromLogits = false, labelSmoothing = 0 } = options
  const [x, y] = operands(op, prediction, target)
  const smoothing = requireShare(op, 'labelSmoothing', labelSmoothing)
  const [input, logits] = resolved(op, x, fromLogits, 'softmax')
  return applyLoss(
    Code.categoricalCrossentropy,
    [input, y],
    [reductionCode(op, options.reduction), logits, smoothing],
  )
}

/**
 * Cross-entropy of probabilities of classes against class indices, along the last axis.
 *
 * Predictions that softmax made are computed from its input, in the stable form.
 *
 * @param prediction - probabilities `[…, classes]`; logits with `fromLogits`
 * @param target - class indices in the shape without the classes, or with a last axis of size 1; whole floats are taken
 * @throws LossInputError for predictions that are not what `fromLogits` says
 * @throws ShapeError when the shapes do not belong together
 * @throws IndexError for a class that does not exist
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.sparseCategoricalCrossentropy(tensor([[0.5, 0.5]]), [1]).item().toFixed(4)) // 0.6931
 * ```
 */
export function sparseCategoricalCrossentropy<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & LastIndexTarget<'losses.sparseCategoricalCrossentropy', P, T>,
  options: Omit<CrossentropyOptions, 'labelSmoothing'> = {},
): FloatTensor {
  const op = 'losses.sparseCategoricalCrossentropy'
  requireLossOptions(op, options, ['fromLogits'])
  const [x, given] = classOperands(op, prediction, target)
  const classes = given.dtype === 'f32' || given.dtype === 'f64' ? given.to('i32') : given
  const [input, logits] = resolved(op, x, options.fromLogits ?? false, 'softmax')
  return applyLoss(
    Code.sparseCategoricalCrossentropy,
    [input, classes],
    [reductionCode(op, options.reduction), logits],
  )
}

/**
 * Cross-entropy of probabilities of one of two classes, averaged over the last axis.
 *
 * Predictions that sigmoid made are computed from its input, in the stable form.
 *
 * @param prediction - probabilities of any shape; logits with `fromLogits`
 * @param target - the same shape, or one that differs by a last axis of size 1
 * @throws LossInputError for predictions that are not what `fromLogits` says
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.binaryCrossentropy(tensor([[0.5]]), tensor([1])).item().toFixed(4)) // 0.6931
 * ```
 */
export function binaryCrossentropy<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.binaryCrossentropy', P, T>,
  options: CrossentropyOptions = {},
): FloatTensor {
  const op = 'losses.binaryCrossentropy'
  requireLossOptions(op, options, ['fromLogits', 'labelSmoothing'])
  const { fromLogits = false, labelSmoothing = 0 } = options
  const [x, y] = operands(op, prediction, target)
  const smoothing = requireShare(op, 'labelSmoothing', labelSmoothing)
  const [input, logits] = resolved(op, x, fromLogits, 'sigmoid')
  return applyLoss(
    Code.binaryCrossentropy,
    [input, y],
    [reductionCode(op, options.reduction), logits, smoothing],
  )
}

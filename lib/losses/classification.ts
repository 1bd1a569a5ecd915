import { ValueError } from '../errors.js'
import { Code } from '../ops.generated.js'
import type { Tensor } from '../tensor.js'
import { located } from '../tensor/base.js'
import type { FloatTensor, TensorLike } from '../types.js'
import type { AlikeTarget, ClassTarget, IndexTarget } from '../types/loss.js'
import {
  applyLoss,
  classOperands,
  logitsOf,
  operands,
  optional,
  reductionCode,
  requireLossOptions,
  type LossOptions,
  type Reduction,
} from './input.js'
import { requireFlag, requireInteger } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

export interface NllOptions extends LossOptions {
  /** One factor per class. */
  readonly weight?: TensorLike | undefined
  /** Targets of this class count nothing; `-100` by default. */
  readonly ignoreIndex?: number | undefined
}

export interface CrossEntropyOptions extends NllOptions {
  /** Share of every target that is spread over all classes, in [0, 1]; `0` by default. */
  readonly labelSmoothing?: number | undefined
}

/** What each loss has beside `reduction`; the modules of the same losses refuse the same. */
export const nllOptions = ['weight', 'ignoreIndex'] as const
export const crossEntropyOptions = [...nllOptions, 'labelSmoothing'] as const
export const binaryOptions = ['weight'] as const
export const binaryLogitsOptions = ['weight', 'posWeight'] as const
export const klDivOptions = ['logTarget'] as const

export function requireShare(op: string, name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw located(ValueError, `${op}: ${shown(value)} as ${name}; expected a share in [0, 1].`)
}

/**
 * Softmax cross-entropy of logits, in its stable form.
 *
 * @param prediction - logits `[classes]`, `[n, classes]` or `[n, classes, …]`
 * @param target - class indices (i32 or u8) in the shape without the classes, or probabilities in the prediction's shape
 * @param options - `weight`, `ignoreIndex`, `labelSmoothing`, `reduction` (the mean is weighted, as in PyTorch)
 * @returns a scalar; one loss per sample with `reduction: 'none'`
 * @throws LossInputError for predictions that are probabilities already
 * @throws ShapeError when the shapes do not belong together
 * @throws IndexError for a class that does not exist
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * const logits = tensor([[2, 0, 0], [0, 0, 9]])
 * console.log(losses.crossEntropy(logits, [0, 2]).item().toFixed(3)) // 0.120
 * ```
 */
export function crossEntropy<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & ClassTarget<'losses.crossEntropy', P, T>,
  options: CrossEntropyOptions = {},
): FloatTensor {
  const op = 'losses.crossEntropy'
  requireLossOptions(op, options, crossEntropyOptions)
  const { weight, ignoreIndex = -100, labelSmoothing = 0 } = options
  const [x, y] = classOperands(op, prediction, target)
  logitsOf(
    op,
    x,
    'logits',
    null,
    'Leave that layer out, or use losses.categoricalCrossentropy or losses.sparseCategoricalCrossentropy, which take probabilities.',
  )
  const attributes = [
    reductionCode(op, options.reduction),
    requireInteger(op, 'ignoreIndex', ignoreIndex),
    requireShare(op, 'labelSmoothing', labelSmoothing),
  ]
  return applyLoss(Code.crossEntropy, [x, y, optional(op, weight)], attributes)
}

/**
 * The negative log-likelihood of classes: minus the log-probability that was given to the right one.
 *
 * @param prediction - log-probabilities `[classes]`, `[n, classes]` or `[n, classes, …]`, as logSoftmax makes them
 * @param target - class indices (i32 or u8) in the shape without the classes
 * @param options - `weight`, `ignoreIndex`, `reduction` (the mean is weighted, as in PyTorch)
 * @throws LossInputError for predictions that are probabilities or logits
 * @throws IndexError for a class that does not exist
 * @example
 * ```ts
 * import { F, losses, tensor } from 'neuroxide'
 * console.log(losses.nll(F.logSoftmax(tensor([[0, 0]]), 1), [1]).item().toFixed(4)) // 0.6931
 * ```
 */
export function nll<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & IndexTarget<'losses.nll', P, T>,
  options: NllOptions = {},
): FloatTensor {
  const op = 'losses.nll'
  requireLossOptions(op, options, nllOptions)
  const { weight, ignoreIndex = -100 } = options
  const [x, y] = classOperands(op, prediction, target)
  logitsOf(
    op,
    x,
    'log-probabilities',
    null,
    'End the model with nn.LogSoftmax, or use losses.crossEntropy on logits.',
  )
  return applyLoss(
    Code.nll,
    [x, y, optional(op, weight)],
    [reductionCode(op, options.reduction), requireInteger(op, 'ignoreIndex', ignoreIndex)],
  )
}

export interface BinaryOptions extends LossOptions {
  /** A factor for each element; it broadcasts. */
  readonly weight?: TensorLike | undefined
}

export interface BinaryLogitsOptions extends BinaryOptions {
  /** A factor for the loss of targets that are 1; it broadcasts. */
  readonly posWeight?: TensorLike | undefined
}

/**
 * Cross-entropy of probabilities of one of two classes; logarithms are limited to −100, as in PyTorch.
 *
 * Predictions that sigmoid made are computed from its input, which is exact where they reach 0 or 1.
 *
 * @param prediction - probabilities of any shape
 * @param target - the same shape, between 0 and 1
 * @throws LossInputError for predictions that a linear layer made
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.binaryCrossEntropy(tensor([0.5]), tensor([1])).item().toFixed(4)) // 0.6931
 * ```
 */
export function binaryCrossEntropy<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.binaryCrossEntropy', P, T>,
  options: BinaryOptions = {},
): FloatTensor {
  const op = 'losses.binaryCrossEntropy'
  requireLossOptions(op, options, binaryOptions)
  const [x, y] = operands(op, prediction, target)
  const fix = 'End the model with nn.Sigmoid, or use losses.binaryCrossEntropyWithLogits.'
  const logits = logitsOf(op, x, 'probabilities', 'sigmoid', fix)
  if (logits !== null) return withLogits(op, logits, y, options)
  return applyLoss(
    Code.binaryCrossEntropy,
    [x, y, optional(op, options.weight)],
    [reductionCode(op, options.reduction)],
  )
}

/**
 * Cross-entropy of logits of one of two classes, in its stable form.
 *
 * @param prediction - logits of any shape
 * @param target - the same shape, between 0 and 1
 * @throws LossInputError for predictions that are probabilities already
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.binaryCrossEntropyWithLogits(tensor([0]), tensor([1])).item().toFixed(4)) // 0.6931
 * ```
 */
export function binaryCrossEntropyWithLogits<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.binaryCrossEntropyWithLogits', P, T>,
  options: BinaryLogitsOptions = {},
): FloatTensor {
  const op = 'losses.binaryCrossEntropyWithLogits'
  requireLossOptions(op, options, binaryLogitsOptions)
  const [x, y] = operands(op, prediction, target)
  logitsOf(
    op,
    x,
    'logits',
    null,
    'Leave that layer out, or use losses.binaryCrossEntropy, which takes probabilities.',
  )
  return withLogits(op, x, y, options)
}

function withLogits(op: string, x: Tensor, y: Tensor, options: BinaryLogitsOptions): FloatTensor {
  const inputs = [x, y, optional(op, options.weight), optional(op, options.posWeight)]
  return applyLoss(Code.binaryCrossEntropyWithLogits, inputs, [reductionCode(op, options.reduction)])
}

export interface KlDivOptions {
  /** `'mean'` by default, as in PyTorch; `'batchMean'` is the mathematical one: the sum over the number of samples. */
  readonly reduction?: Reduction | 'batchMean' | undefined
  /** Whether targets are log-probabilities too; `false` by default. */
  readonly logTarget?: boolean | undefined
}

/**
 * The Kullback–Leibler divergence of predicted log-probabilities from target probabilities.
 *
 * @param prediction - log-probabilities of any shape
 * @param target - probabilities of the same shape, or their logarithms with `logTarget`
 * @throws LossInputError for predictions that are probabilities or logits
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * const p = tensor([[0.5, 0.5]])
 * console.log(losses.klDiv(p.log(), p, { reduction: 'batchMean' }).item()) // 0
 * ```
 */
export function klDiv<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.klDiv', P, T>,
  options: KlDivOptions = {},
): FloatTensor {
  const op = 'losses.klDiv'
  requireLossOptions(op, options, klDivOptions)
  const [x, y] = operands(op, prediction, target)
  logitsOf(
    op,
    x,
    'log-probabilities',
    null,
    'End the model with nn.LogSoftmax, or use losses.klDivergence on probabilities.',
  )
  return applyLoss(
    Code.klDiv,
    [x, y],
    [
      reductionCode(op, options.reduction, 4),
      Number(requireFlag(op, 'logTarget', options.logTarget ?? false)),
    ],
  )
}

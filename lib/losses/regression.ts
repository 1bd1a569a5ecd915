import { ValueError } from '../errors.js'
import { Code } from '../ops.generated.js'
import { located } from '../tensor/base.js'
import { requireAtLeast, requireFlag, requireInteger, requireNumber } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { FloatTensor, TensorLike } from '../types.js'
import type { AlikeTarget, NearTarget } from '../types/loss.js'
import {
  applyLoss,
  operands,
  plainLoss,
  reductionCode,
  requireLossOptions,
  type LossOptions,
} from './input.js'

/** What each loss has beside `reduction`; the modules of the same losses refuse the same. */
export const smoothL1Options = ['beta'] as const
export const huberOptions = ['delta'] as const
const marginOptions = ['margin'] as const

/** Where the straight line of a Huber loss begins. */
export function requireDelta(op: string, delta: unknown): number {
  if (typeof delta !== 'number' || !(delta > 0))
    throw located(ValueError, `${op}: ${shown(delta)} as delta; expected a number above 0.`)
  return delta
}

/**
 * Squared differences.
 *
 * @param prediction - floats of any shape
 * @param target - the same shape: nothing broadcasts
 * @param options - `reduction`
 * @returns a scalar; the differences' shape with `reduction: 'none'`
 * @throws ShapeError when the shapes differ, as `[32, 1]` and `[32]` do
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.mse(tensor([1, 2]), tensor([1, 4])).item()) // 2
 * ```
 */
export function mse<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.mse', P, T>,
  options: LossOptions = {},
): FloatTensor {
  return plainLoss('losses.mse', Code.mse, prediction, target, options)
}

/**
 * Absolute differences.
 *
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.l1(tensor([1, 2]), tensor([1, 4])).item()) // 1
 * ```
 */
export function l1<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.l1', P, T>,
  options: LossOptions = {},
): FloatTensor {
  return plainLoss('losses.l1', Code.l1, prediction, target, options)
}

export interface SmoothL1Options extends LossOptions {
  /** Where squares end and absolute values begin; `1` by default, at least 0. */
  readonly beta?: number | undefined
}

/**
 * `d² / (2 · beta)` for differences below beta, `|d| − beta / 2` above.
 *
 * @throws ShapeError when the shapes differ
 * @throws ValueError for a negative beta
 * @see Girshick, "Fast R-CNN" (2015)
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.smoothL1(tensor([0, 3]), tensor([0, 0])).item()) // 1.25
 * ```
 */
export function smoothL1<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.smoothL1', P, T>,
  options: SmoothL1Options = {},
): FloatTensor {
  const op = 'losses.smoothL1'
  requireLossOptions(op, options, smoothL1Options)
  const beta = requireAtLeast(op, 'beta', options.beta ?? 1, 0)
  return applyLoss(Code.smoothL1, operands(op, prediction, target), [
    reductionCode(op, options.reduction),
    beta,
  ])
}

export interface HuberOptions extends LossOptions {
  /** Where squares end and the straight line begins; `1` by default, above 0. */
  readonly delta?: number | undefined
}

/**
 * `d² / 2` for differences up to delta, `delta · (|d| − delta / 2)` above.
 *
 * @throws ShapeError when the shapes differ
 * @throws ValueError for a delta that is not above 0
 * @see Huber, "Robust Estimation of a Location Parameter" (1964)
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.huber(tensor([0, 3]), tensor([0, 0]), { delta: 2 }).item()) // 2
 * ```
 */
export function huber<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.huber', P, T>,
  options: HuberOptions = {},
): FloatTensor {
  const op = 'losses.huber'
  requireLossOptions(op, options, huberOptions)
  const delta = requireDelta(op, options.delta ?? 1)
  return applyLoss(Code.huber, operands(op, prediction, target), [
    reductionCode(op, options.reduction),
    delta,
  ])
}

export interface PoissonOptions extends LossOptions {
  /** Whether predictions are logarithms of the expected counts; `true` by default. */
  readonly logInput?: boolean | undefined
  /** Whether Stirling's approximation of the constant term is added; `false` by default. */
  readonly full?: boolean | undefined
  /** Keeps the logarithm finite where predictions are counts; `1e-8` by default. */
  readonly eps?: number | undefined
}

/**
 * The negative log-likelihood of counts under Poisson distributions, but for a constant.
 *
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.poisson(tensor([0]), tensor([2])).item()) // 1
 * ```
 */
export function poisson<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.poisson', P, T>,
  options: PoissonOptions = {},
): FloatTensor {
  const op = 'losses.poisson'
  requireLossOptions(op, options, ['logInput', 'full', 'eps'])
  const { logInput = true, full = false, eps = 1e-8 } = options
  const attributes = [
    reductionCode(op, options.reduction),
    Number(requireFlag(op, 'logInput', logInput)),
    Number(requireFlag(op, 'full', full)),
    requireAtLeast(op, 'eps', eps, 0),
  ]
  return applyLoss(Code.poisson, operands(op, prediction, target), attributes)
}

/**
 * `max(0, 1 − target · prediction)`, averaged over the last axis, for targets −1 and 1 (or 0 and 1).
 *
 * @throws ShapeError when the shapes do not belong together; a last axis of size 1 may be missing
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.hinge(tensor([0.5, -2]), tensor([1, -1])).item()) // 0.25
 * ```
 */
export function hinge<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.hinge', P, T>,
  options: LossOptions = {},
): FloatTensor {
  return plainLoss('losses.hinge', Code.hinge, prediction, target, options)
}

/**
 * The square of {@link hinge}, averaged over the last axis.
 *
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.squaredHinge(tensor([0.5, -2]), tensor([1, -1])).item()) // 0.125
 * ```
 */
export function squaredHinge<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & NearTarget<'losses.squaredHinge', P, T>,
  options: LossOptions = {},
): FloatTensor {
  return plainLoss('losses.squaredHinge', Code.squaredHinge, prediction, target, options)
}

export interface MarginOptions extends LossOptions {
  /** The distance that is wanted. */
  readonly margin?: number | undefined
}

/**
 * `prediction` where the target is 1, `max(0, margin − prediction)` where it is −1: for distances; margin `1`.
 *
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.hingeEmbedding(tensor([0.5, 0.25]), tensor([1, -1])).item()) // 0.625
 * ```
 */
export function hingeEmbedding<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.hingeEmbedding', P, T>,
  options: MarginOptions = {},
): FloatTensor {
  const op = 'losses.hingeEmbedding'
  requireLossOptions(op, options, marginOptions)
  const attributes = [reductionCode(op, options.reduction), requireNumber(op, 'margin', options.margin ?? 1)]
  return applyLoss(Code.hingeEmbedding, operands(op, prediction, target), attributes)
}

export interface CosineOptions extends LossOptions {
  /** The axis of the vectors; the last one by default. */
  readonly dim?: number | undefined
}

/**
 * Minus the cosine of the angle between prediction and target, as in Keras: −1 where they agree.
 *
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.cosine(tensor([[3, 0]]), tensor([[1, 0]])).item()) // -1
 * ```
 */
export function cosine<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.cosine', P, T>,
  options: CosineOptions = {},
): FloatTensor {
  const op = 'losses.cosine'
  requireLossOptions(op, options, ['dim'])
  const attributes = [reductionCode(op, options.reduction), requireInteger(op, 'dim', options.dim ?? -1)]
  return applyLoss(Code.cosine, operands(op, prediction, target), attributes)
}

/**
 * `1 − cos(x, y)` where the target is 1, `max(0, cos(x, y) − margin)` where it is −1; margin `0`.
 *
 * @param x - `[n, features]` or `[features]`
 * @param y - the same shape
 * @param target - `[n]`, or a scalar
 * @throws ShapeError when the shapes do not belong together
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.cosineEmbedding(tensor([[1, 0]]), tensor([[0, 1]]), tensor([1])).item()) // 1
 * ```
 */
export function cosineEmbedding(
  x: TensorLike,
  y: TensorLike,
  target: TensorLike,
  options: MarginOptions = {},
): FloatTensor {
  const op = 'losses.cosineEmbedding'
  requireLossOptions(op, options, marginOptions)
  const [first, second] = operands(op, x, y)
  const [, sides] = operands(op, x, target)
  const attributes = [reductionCode(op, options.reduction), requireNumber(op, 'margin', options.margin ?? 0)]
  return applyLoss(Code.cosineEmbedding, [first, second, sides], attributes)
}

/**
 * `max(0, −target · (x − y) + margin)`: which of two scores is to be the larger one; margin `0`.
 *
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.marginRanking(tensor([1]), tensor([3]), tensor([1])).item()) // 2
 * ```
 */
export function marginRanking(
  x: TensorLike,
  y: TensorLike,
  target: TensorLike,
  options: MarginOptions = {},
): FloatTensor {
  const op = 'losses.marginRanking'
  requireLossOptions(op, options, marginOptions)
  const [first, second] = operands(op, x, y)
  const [, sides] = operands(op, x, target)
  const attributes = [reductionCode(op, options.reduction), requireNumber(op, 'margin', options.margin ?? 0)]
  return applyLoss(Code.marginRanking, [first, second, sides], attributes)
}

/**
 * `log(1 + exp(−target · prediction))` for targets −1 and 1.
 *
 * @throws ShapeError when the shapes differ
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * console.log(losses.softMargin(tensor([0]), tensor([1])).item().toFixed(4)) // 0.6931
 * ```
 */
export function softMargin<P extends TensorLike, T extends TensorLike>(
  prediction: P,
  target: T & AlikeTarget<'losses.softMargin', P, T>,
  options: LossOptions = {},
): FloatTensor {
  return plainLoss('losses.softMargin', Code.softMargin, prediction, target, options)
}

export interface TripletOptions extends MarginOptions {
  /** The p of the distance; `2` by default. */
  readonly p?: number | undefined
  /** Keeps the distance differentiable at 0; `1e-6` by default. */
  readonly eps?: number | undefined
  /** Whether the negative may also be compared with the positive, where it is nearer; `false` by default. */
  readonly swap?: boolean | undefined
}

/**
 * `max(0, margin + |anchor − positive| − |anchor − negative|)`; margin `1`.
 *
 * @throws ShapeError when the shapes differ
 * @see Schroff, Kalenichenko, Philbin, "FaceNet" (2015)
 * @example
 * ```ts
 * import { losses, tensor } from 'neuroxide'
 * const [anchor, near, far] = [tensor([[0, 0]]), tensor([[0, 1]]), tensor([[0, 9]])]
 * console.log(losses.tripletMargin(anchor, near, far).item()) // 0
 * ```
 */
export function tripletMargin(
  anchor: TensorLike,
  positive: TensorLike,
  negative: TensorLike,
  options: TripletOptions = {},
): FloatTensor {
  const op = 'losses.tripletMargin'
  requireLossOptions(op, options, ['margin', 'p', 'eps', 'swap'])
  const [a, p] = operands(op, anchor, positive)
  const [, n] = operands(op, anchor, negative)
  const { margin = 1, p: power = 2, eps = 1e-6, swap = false } = options
  const attributes = [
    reductionCode(op, options.reduction),
    requireNumber(op, 'margin', margin),
    requireNumber(op, 'p', power),
    requireNumber(op, 'eps', eps),
    Number(requireFlag(op, 'swap', swap)),
  ]
  return applyLoss(Code.tripletMargin, [a, p, n], attributes)
}

import { LossInputError, ValueError } from '../errors.js'
import { Io, NONE, io, native } from '../native.js'
import { producerOf, type Tensor } from '../tensor.js'
import { adopt, blank, handleOf, isTensor, located } from '../tensor/base.js'
import { requireOptions } from '../tensor/checks.js'
import { asTensor, shown } from '../tensor/create.js'
import type { FloatTensor, TensorLike } from '../types.js'

/** How the losses of single elements (or samples) become one number; `'none'` leaves them apart. */
export type Reduction = 'none' | 'mean' | 'sum'

export interface LossOptions {
  /** `'mean'` by default. */
  readonly reduction?: Reduction | undefined
}

/** Options that every loss has. */
const shared = ['reduction'] as const

/** Refuses options that the loss does not have. */
export function requireLossOptions(op: string, options: object, more: readonly string[] = []): void {
  requireOptions(op, options, [...shared, ...more])
}

const reductions = ['none', 'mean', 'sum', 'batchMean'] as const

/** The number that stands for a reduction in the core. */
export function reductionCode(op: string, reduction: Reduction | 'batchMean' = 'mean', known = 3): number {
  const code = reductions.indexOf(reduction)
  if (code < 0 || code >= known) {
    const names = reductions.slice(0, known).map((name) => `'${name}'`)
    throw located(ValueError, `${op}: ${shown(reduction)} as reduction; expected ${names.join(', ')}.`)
  }
  return code
}

/** Operands of a loss: the prediction, and the target as it was given. */
export function operands(op: string, prediction: TensorLike, target: TensorLike): [Tensor, Tensor] {
  return [asTensor(prediction, op), asTensor(target, op)]
}

/** The same where targets may be class indices: plain arrays of them become i32. */
export function classOperands(op: string, prediction: TensorLike, target: TensorLike): [Tensor, Tensor] {
  const [x, y] = operands(op, prediction, target)
  return [x, !isTensor(target) && y.rank < x.rank ? asTensor(target, op, 'i32') : y]
}

/** Applies an op of any number of operands, of which some may be absent. */
export function applyLoss(
  code: number,
  inputs: readonly (Tensor | null)[],
  attributes: readonly number[],
): FloatTensor {
  for (const [i, value] of attributes.entries()) io[Io.attributes + i] = value
  for (const [i, input] of inputs.entries()) io[Io.list + i] = input === null ? NONE : handleOf(input)
  const out = blank()
  return adopt(out, native.applyList(out, code, inputs.length, attributes.length)) as FloatTensor
}

/** A loss of two operands without options but the reduction. */
export function plainLoss(
  op: string,
  code: number,
  prediction: TensorLike,
  target: TensorLike,
  options: LossOptions,
): FloatTensor {
  requireLossOptions(op, options)
  return applyLoss(code, operands(op, prediction, target), [reductionCode(op, options.reduction)])
}

/** A weight as a tensor; none where it is left out. */
export function optional(op: string, value: TensorLike | undefined): Tensor | null {
  return value === undefined ? null : asTensor(value, op)
}

type Kind = ReturnType<typeof producerOf>['kind']

/** What a loss takes. */
export type Wanted = 'logits' | 'probabilities' | 'log-probabilities'

const made: Record<Kind, string> = {
  unknown: '',
  softmax: 'probabilities, made by softmax',
  sigmoid: 'probabilities, made by sigmoid',
  linear: 'unbounded numbers, made by a linear layer',
  logSoftmax: 'log-probabilities, made by logSoftmax',
}

/** Whether predictions of a kind cannot be meant where a loss wants something else. */
const refused: Record<Wanted, readonly Kind[]> = {
  logits: ['softmax', 'sigmoid'],
  probabilities: ['linear', 'logSoftmax'],
  'log-probabilities': ['softmax', 'sigmoid', 'linear'],
}

/**
 * Refuses predictions that a loss cannot be meant for.
 *
 * Where probabilities are wanted and `from` made them, returns what they were made of: the loss is then built on that,
 * which is exact where probabilities reach 0 or 1.
 */
export function logitsOf(
  op: string,
  prediction: Tensor,
  wanted: Wanted,
  from: 'softmax' | 'sigmoid' | null,
  fix: string,
): Tensor | null {
  const { kind, logits, path } = producerOf(
    prediction,
    from === 'softmax' ? classAxis(prediction) : undefined,
  )
  if (refused[wanted].includes(kind)) {
    const layer = path === '' ? '' : ` (layer "${path}")`
    throw located(
      LossInputError,
      `${op}: the prediction is ${made[kind]}${layer}; expected ${wanted}. ${fix}`,
    )
  }
  return wanted === 'probabilities' && kind === from ? logits : null
}

function classAxis({ rank }: Tensor): number {
  return Math.max(rank - 1, 0)
}

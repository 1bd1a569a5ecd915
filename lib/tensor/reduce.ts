import { ValueError } from '../errors.js'
import { Code } from '../ops.generated.js'
import type { Tensor } from '../tensor.js'
import type { Axes, DType, FloatOf, ReduceOptions, Shape, SumOf, TensorLike } from '../types.js'
import type { Known, ShapeOf, sizes } from '../types/fit.js'
import type { Bmm, Dot, Matmul, Mm, Multiplies, Mv } from '../types/product.js'
import { type TensorBase, apply1, apply2, apply3, attributes, located } from './base.js'
import { requireFlag, requireInteger, requireNumber, requireOptions } from './checks.js'
import { asTensor, operand, shown } from './create.js'
import { ElementwiseTensor } from './elementwise.js'

/** Largest or smallest values along an axis, and where they are. */
export interface Extreme<D extends DType = DType> {
  /** The values. */
  readonly values: Tensor<Shape, D>
  /** Their indices along the axis, i32: those of the first NaN, else of the first such value. */
  readonly indices: Tensor<Shape, 'i32'>
}

/** The axes that a reduction was given, as the core takes a list: NaN for all, else their number and themselves. */
function axisList(op: string, axis: Axes | null | undefined): readonly number[] {
  if (axis === null || axis === undefined) return [Number.NaN]
  const axes = typeof axis === 'number' ? [axis] : axis
  if (!Array.isArray(axes) || !axes.every((entry) => Number.isInteger(entry)))
    throw located(ValueError, `${op}: ${shown(axis)} as axis; expected an integer or an array of integers.`)
  return [axes.length, ...(axes as number[])]
}

function keepDim(op: string, options: ReduceOptions | undefined, more: readonly string[] = []): number {
  if (options === undefined) return 0
  requireOptions(op, options, ['keepDim', ...more])
  return options.keepDim === undefined ? 0 : Number(requireFlag(op, 'keepDim', options.keepDim))
}

const corrected = ['correction'] as const

function correction(op: string, options: { readonly correction?: number | undefined }): number {
  return requireNumber(op, 'correction', options.correction ?? 1)
}

/** What `addmm` and `baddbmm` scale their two terms with. */
export interface Factors {
  /** Factor of the tensor that is added to; `1` by default. */
  readonly beta?: number | undefined
  /** Factor of the product; `1` by default. */
  readonly alpha?: number | undefined
}

/** The numbers that scale the addend and the product. */
function factors(op: string, options: Factors): [beta: number, alpha: number] {
  requireOptions(op, options, ['beta', 'alpha'])
  return [requireNumber(op, 'beta', options.beta ?? 1), requireNumber(op, 'alpha', options.alpha ?? 1)]
}

/** Reductions, products of matrices, and picking by index tensors, as methods. */
export abstract class ReducingTensor<
  S extends Shape = Shape,
  D extends DType = DType,
> extends ElementwiseTensor<S, D> {
  /** The sum along one, several or all axes; bool, u8 and i32 give i32. */
  sum(): Tensor<[], SumOf<D>>
  sum(axis: Axes | null | undefined, options?: ReduceOptions): Tensor<Shape, SumOf<D>>
  sum(axis?: Axes | null, options?: ReduceOptions): Tensor<never, never> {
    return reduced(Code.sum, 'sum', this, axis, options)
  }

  /** The mean along one, several or all axes, of floats; of nothing NaN. */
  mean(): Tensor<[], FloatOf<D>>
  mean(axis: Axes | null | undefined, options?: ReduceOptions): Tensor<Shape, FloatOf<D>>
  mean(axis?: Axes | null, options?: ReduceOptions): Tensor<never, never> {
    return reduced(Code.mean, 'mean', this, axis, options)
  }

  /** The product along one, several or all axes. */
  prod(): Tensor<[], SumOf<D>>
  prod(axis: Axes | null | undefined, options?: ReduceOptions): Tensor<Shape, SumOf<D>>
  prod(axis?: Axes | null, options?: ReduceOptions): Tensor<never, never> {
    return reduced(Code.prod, 'prod', this, axis, options)
  }

  /** The largest elements along one, several or all axes; equal ones share the gradient. */
  amax(): Tensor<[], D>
  amax(axis: Axes | null | undefined, options?: ReduceOptions): Tensor<Shape, D>
  amax(axis?: Axes | null, options?: ReduceOptions): Tensor<never, never> {
    return reduced(Code.amax, 'amax', this, axis, options)
  }

  /** The smallest elements along one, several or all axes; equal ones share the gradient. */
  amin(): Tensor<[], D>
  amin(axis: Axes | null | undefined, options?: ReduceOptions): Tensor<Shape, D>
  amin(axis?: Axes | null, options?: ReduceOptions): Tensor<never, never> {
    return reduced(Code.amin, 'amin', this, axis, options)
  }

  /** The largest element of all, or with an axis the largest along it and where they are. */
  max(): Tensor<[], D>
  max(axis: number, options?: ReduceOptions): Extreme<D>
  max(axis?: number, options?: ReduceOptions): Tensor<[], D> | Extreme<D> {
    return axis === undefined
      ? this.amax()
      : extreme('max', this, this.argmax(axis, { keepDim: true }), axis, options)
  }

  /** The smallest element of all, or with an axis the smallest along it and where they are. */
  min(): Tensor<[], D>
  min(axis: number, options?: ReduceOptions): Extreme<D>
  min(axis?: number, options?: ReduceOptions): Tensor<[], D> | Extreme<D> {
    return axis === undefined
      ? this.amin()
      : extreme('min', this, this.argmin(axis, { keepDim: true }), axis, options)
  }

  /** The index of the largest element along an axis (of all, flattened, without one): the first NaN, else the first such. */
  argmax(axis?: number | null, options?: ReduceOptions): Tensor<Shape, 'i32'> {
    return apply1(
      Code.argmax,
      this,
      attributes(optionalAxis('argmax', axis), keepDim('argmax', options)),
    ) as Tensor<never, never>
  }

  /** The index of the smallest element along an axis (of all, flattened, without one): the first NaN, else the first such. */
  argmin(axis?: number | null, options?: ReduceOptions): Tensor<Shape, 'i32'> {
    return apply1(
      Code.argmin,
      this,
      attributes(optionalAxis('argmin', axis), keepDim('argmin', options)),
    ) as Tensor<never, never>
  }

  /** Whether any element is not zero, along one, several or all axes. */
  any(axis?: Axes | null, options?: ReduceOptions): Tensor<Shape, 'bool'> {
    return reduced(Code.any, 'any', this, axis, options)
  }

  /** Whether no element is zero, along one, several or all axes. */
  all(axis?: Axes | null, options?: ReduceOptions): Tensor<Shape, 'bool'> {
    return reduced(Code.all, 'all', this, axis, options)
  }

  /** The variance along one, several or all axes, divided by the count less `correction` (1). */
  var(
    axis?: Axes | null,
    options: ReduceOptions & { readonly correction?: number | undefined } = {},
  ): Tensor<Shape, FloatOf<D>> {
    return apply1(
      Code.var,
      this,
      attributes(...axisList('var', axis), keepDim('var', options, corrected), correction('var', options)),
    ) as Tensor<never, never>
  }

  /** The standard deviation along one, several or all axes, with {@link var}'s `correction` (1). */
  std(
    axis?: Axes | null,
    options: ReduceOptions & { readonly correction?: number | undefined } = {},
  ): Tensor<Shape, FloatOf<D>> {
    return apply1(
      Code.std,
      this,
      attributes(...axisList('std', axis), keepDim('std', options, corrected), correction('std', options)),
    ) as Tensor<never, never>
  }

  /** The logarithm of the sum of exponentials along one, several or all axes, without overflow. */
  logSumExp(axis?: Axes | null, options?: ReduceOptions): Tensor<Shape, FloatOf<D>> {
    return reduced(Code.logSumExp, 'logSumExp', this, axis, options)
  }

  /** The p-norm of the elements along one, several or all axes; `p` may be `Infinity`, `-Infinity`, 0 or `'fro'` (2). */
  norm(p: number | 'fro' = 2, axis?: Axes | null, options?: ReduceOptions): Tensor<Shape, FloatOf<D>> {
    if (p !== 'fro' && (typeof p !== 'number' || Number.isNaN(p)))
      throw located(ValueError, `norm: ${shown(p)} as p; expected a number or 'fro'.`)
    return apply1(
      Code.norm,
      this,
      attributes(p === 'fro' ? 2 : p, ...axisList('norm', axis), keepDim('norm', options)),
    ) as Tensor<never, never>
  }

  /** exp(x) along an axis, divided by its sum. */
  softmax(axis: number): Tensor<S, FloatOf<D>> {
    return apply1(Code.softmax, this, attributes(axisOf('softmax', axis))) as Tensor<never, never>
  }

  /** The logarithm of {@link softmax}, without overflow. */
  logSoftmax(axis: number): Tensor<S, FloatOf<D>> {
    return apply1(Code.logSoftmax, this, attributes(axisOf('logSoftmax', axis))) as Tensor<never, never>
  }

  /** The product of matrices, batched and broadcast over leading axes; vectors as in PyTorch. */
  matmul<This extends TensorBase, Other extends TensorLike>(
    this: This,
    other: Other &
      Multiplies<Matmul<This[typeof sizes], ShapeOf<Other>>, 'matmul', This[typeof sizes], Other>,
  ): Tensor<Known<Matmul<This[typeof sizes], ShapeOf<Other>>>, This['dtype']> {
    return apply2(Code.matmul, this, asTensor(other, 'matmul')) as Tensor<never, never>
  }

  /** The product of two matrices, `[m, k] × [k, n] → [m, n]`. */
  mm<This extends TensorBase, Other extends TensorLike>(
    this: This,
    other: Other & Multiplies<Mm<This[typeof sizes], ShapeOf<Other>>, 'mm', This[typeof sizes], Other>,
  ): Tensor<Known<Mm<This[typeof sizes], ShapeOf<Other>>>, This['dtype']> {
    return apply2(Code.mm, this, asTensor(other, 'mm')) as Tensor<never, never>
  }

  /** The products of two batches of matrices, `[b, m, k] × [b, k, n] → [b, m, n]`. */
  bmm<This extends TensorBase, Other extends TensorLike>(
    this: This,
    other: Other & Multiplies<Bmm<This[typeof sizes], ShapeOf<Other>>, 'bmm', This[typeof sizes], Other>,
  ): Tensor<Known<Bmm<This[typeof sizes], ShapeOf<Other>>>, This['dtype']> {
    return apply2(Code.bmm, this, asTensor(other, 'bmm')) as Tensor<never, never>
  }

  /** The product of a matrix and a vector, `[m, k] × [k] → [m]`. */
  mv<This extends TensorBase, Other extends TensorLike>(
    this: This,
    other: Other & Multiplies<Mv<This[typeof sizes], ShapeOf<Other>>, 'mv', This[typeof sizes], Other>,
  ): Tensor<Known<Mv<This[typeof sizes], ShapeOf<Other>>>, This['dtype']> {
    return apply2(Code.mv, this, asTensor(other, 'mv')) as Tensor<never, never>
  }

  /** The inner product of two vectors of one length. */
  dot<This extends TensorBase, Other extends TensorLike>(
    this: This,
    other: Other & Multiplies<Dot<This[typeof sizes], ShapeOf<Other>>, 'dot', This[typeof sizes], Other>,
  ): Tensor<Known<Dot<This[typeof sizes], ShapeOf<Other>>>, This['dtype']> {
    return apply2(Code.dot, this, asTensor(other, 'dot')) as Tensor<never, never>
  }

  /** beta · this + alpha · (a × b) for matrices. */
  addmm(a: TensorLike, b: TensorLike, options: Factors = {}): Tensor<Shape, D> {
    const [left, right] = [asTensor(a, 'addmm'), asTensor(b, 'addmm')]
    const [beta, alpha] = factors('addmm', options)
    return apply3(Code.addmm, this, left, right, attributes(beta, alpha)) as Tensor<Shape, D>
  }

  /** beta · this + alpha · (a × b) for batches of matrices. */
  baddbmm(a: TensorLike, b: TensorLike, options: Factors = {}): Tensor<Shape, D> {
    const [left, right] = [asTensor(a, 'baddbmm'), asTensor(b, 'baddbmm')]
    const [beta, alpha] = factors('baddbmm', options)
    return apply3(Code.baddbmm, this, left, right, attributes(beta, alpha)) as Tensor<Shape, D>
  }

  /** Single elements along an axis: `index` has the result's shape and says which entry of the axis goes there. */
  gather(axis: number, index: TensorLike): Tensor<Shape, D> {
    const at = asTensor(index, 'gather', 'i32')
    return apply2(Code.gather, this, at, attributes(axisOf('gather', axis))) as Tensor<Shape, D>
  }

  /** {@link gather} where all axes but `axis` broadcast (PyTorch's order of arguments); without an axis both are flattened. */
  takeAlongDim(index: TensorLike, axis?: number | null): Tensor<Shape, D> {
    const at = asTensor(index, 'takeAlongDim', 'i32')
    return apply2(Code.takeAlongDim, this, at, attributes(optionalAxis('takeAlongDim', axis))) as Tensor<
      Shape,
      D
    >
  }

  /** Whole slices along an axis, in the order of a vector of indices. */
  indexSelect(axis: number, index: TensorLike): Tensor<Shape, D> {
    const at = asTensor(index, 'indexSelect', 'i32')
    return apply2(Code.indexSelect, this, at, attributes(axisOf('indexSelect', axis))) as Tensor<Shape, D>
  }

  /** This tensor with the elements of `source` added where `index` says along an axis; equal indices add up in order. */
  scatterAdd(axis: number, index: TensorLike, source: TensorLike): Tensor<S, D> {
    const at = asTensor(index, 'scatterAdd', 'i32')
    const values = operandTensor(source, this, 'scatterAdd')
    return apply3(Code.scatterAdd, this, at, values, attributes(axisOf('scatterAdd', axis))) as Tensor<
      never,
      never
    >
  }

  /** This tensor with whole slices of `source`, times `alpha`, added at a vector of indices along an axis. */
  indexAdd(
    axis: number,
    index: TensorLike,
    source: TensorLike,
    options: { readonly alpha?: number | undefined } = {},
  ): Tensor<S, D> {
    const at = asTensor(index, 'indexAdd', 'i32')
    const values = operandTensor(source, this, 'indexAdd')
    requireOptions('indexAdd', options, ['alpha'])
    return apply3(
      Code.indexAdd,
      this,
      at,
      values,
      attributes(axisOf('indexAdd', axis), requireNumber('indexAdd', 'alpha', options.alpha ?? 1)),
    ) as Tensor<never, never>
  }

  /** A new last axis of `classes` entries, one where the index is and zero elsewhere; i32. */
  oneHot(classes: number): Tensor<Shape, 'i32'> {
    return apply1(Code.oneHot, this, attributes(requireInteger('oneHot', 'classes', classes))) as Tensor<
      Shape,
      'i32'
    >
  }
}

function reduced(
  code: number,
  op: string,
  x: TensorBase,
  axis: Axes | null | undefined,
  options?: ReduceOptions,
): Tensor<never, never> {
  return apply1(code, x, attributes(...axisList(op, axis), keepDim(op, options))) as Tensor<never, never>
}

function extreme<D extends DType>(
  op: string,
  x: TensorBase<Shape, D>,
  indices: Tensor<Shape, 'i32'>,
  axis: number,
  options?: ReduceOptions,
): Extreme<D> {
  const values = (x as Tensor<Shape, D>).takeAlongDim(indices, axis)
  return keepDim(op, options) === 1
    ? { values, indices }
    : { values: values.squeeze(axis), indices: indices.squeeze(axis) }
}

function operandTensor(value: TensorLike, like: TensorBase, op: string): Tensor {
  const given = operand(value, op)
  return typeof given === 'number' ? asTensor(given, op, like.dtype) : given
}

/** An axis number; throws where it is none. */
export function axisOf(op: string, axis: unknown): number {
  if (!Number.isInteger(axis))
    throw located(ValueError, `${op}: ${shown(axis)} as axis; expected an integer.`)
  return axis as number
}

/** The same where none means the flattened tensor. */
function optionalAxis(op: string, axis: unknown): number {
  return axis === null || axis === undefined ? Number.NaN : axisOf(op, axis)
}

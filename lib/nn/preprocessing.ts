import { DTypeError, ShapeError, ValueError } from '../errors.js'
import { type Tensor, noGrad } from '../tensor.js'
import { isTensor, located } from '../tensor/base.js'
import { requireFlag, requireInteger, requireOptions, requireTensor } from '../tensor/checks.js'
import { asTensor, isFloat, shown } from '../tensor/create.js'
import { ones, zeros } from '../tensor/factories.js'
import type { Shape, TensorLike } from '../types.js'
import type { JsonObject } from '../types/json.js'
import type { KeepsShape, KeptFloat, flow } from '../types/layers.js'
import { requireSize } from './linear.js'
import { Module } from './module.js'

export interface NormalizationOptions {
  /** The axis or axes with a mean and a variance of their own for each index; `-1` by default, `null` for one of all. */
  readonly axis?: number | readonly number[] | null | undefined
  /** The mean, where it is known; with `variance`. Of the sizes of `axis`, or what broadcasts to them. */
  readonly mean?: TensorLike | undefined
  /** The variance, where it is known; with `mean`. */
  readonly variance?: TensorLike | undefined
  /** Whether numbers go back to what they were before; `false` by default. */
  readonly invert?: boolean | undefined
  /** The sizes of `axis`, where a state is loaded and not adapted to: `[4]` for four features. */
  readonly shape?: Shape | null | undefined
}

/** Samples that a layer adapts to: a tensor, or `{ x }` of a data set. */
export type AdaptSamples = TensorLike | { readonly x: TensorLike }

/** What Keras divides by at least. */
const EPSILON = 1e-7

/** Rows that are taken into f64 at once. */
const PORTION = 1 << 16

/**
 * Shifts and scales numbers so that each feature has mean 0 and variance 1: `(x − mean) / max(√variance, 1e-7)`.
 *
 * `adapt` takes mean and variance from data; they are buffers, saved with the model and not trained. u8, i32 and bool
 * become f32; f64 stays. A feature that is the same everywhere becomes 0.
 *
 * @throws ValueError for a mean without a variance, and in `forward` before there is a mean
 * @throws ShapeError where an input has other sizes than the data had
 * @see https://keras.io/api/layers/preprocessing_layers/numerical/normalization/
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * const x = tensor([[0, 7, 4], [2, 9, 6], [0, 7, 4], [2, 9, 6]])
 * const normalize = new nn.Normalization().adapt(x)
 * console.log(normalize.forward(tensor([[0, 7, 4]])).toArray()) // [ [ -1, -1, -1 ] ]
 * ```
 */
export class Normalization extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape
  readonly axis: number | readonly number[] | null
  readonly invert: boolean
  /** The mean; null before `adapt`. */
  readonly mean!: Tensor | null
  /** The variance (of all samples, without correction); null before `adapt`. */
  readonly variance!: Tensor | null

  constructor(options: NormalizationOptions = {}) {
    super()
    const op = 'nn.Normalization'
    requireOptions(op, options, ['axis', 'mean', 'variance', 'invert', 'shape'])
    const { axis = -1, mean, variance, invert = false, shape } = options
    for (const one of typeof axis === 'number' ? [axis] : (axis ?? [])) requireInteger(op, 'axis', one)
    this.axis = axis
    this.invert = requireFlag(op, 'invert', invert)
    this.mean = null
    this.variance = null
    if ((mean === undefined) !== (variance === undefined))
      throw new ValueError(`${op}: one of mean and variance; expected both or none.`)
    if (mean !== undefined && variance !== undefined)
      this.#keep(asTensor(mean, op, 'f32').to('f32'), asTensor(variance, op, 'f32').to('f32'))
    else if (shape !== undefined && shape !== null) this.#keep(zeros(shape), ones(shape))
    else if (axis === null) this.#keep(zeros([]), ones([]))
  }

  /**
   * Takes mean and variance from samples, in f64.
   *
   * @param samples - a tensor or arrays `[n, …]`, or `{ x }` such as a data set; or batches of these that come one after
   * the other, from a pipeline or a loader
   * @returns the layer; a promise of it where batches come one after the other
   * @throws ValueError for no samples, and where a mean is not finite
   * @throws ShapeError where batches have different sizes, or samples have no such axis
   * @example
   * ```ts
   * import { data, nn, randn } from 'neuroxide'
   * const loader = new data.DataLoader({ x: randn([100, 3]), y: randn([100, 1]) })
   * const normalize = await new nn.Normalization().adapt(loader)
   * console.log(normalize.mean?.shape) // [ 3 ]
   * ```
   */
  adapt(samples: AdaptSamples): this
  adapt(samples: AsyncIterable<AdaptSamples | readonly [x: TensorLike, ...rest: unknown[]]>): Promise<this>
  adapt(
    samples: AdaptSamples | AsyncIterable<AdaptSamples | readonly [x: TensorLike, ...rest: unknown[]]>,
  ): this | Promise<this> {
    const op = 'nn.Normalization.adapt'
    const moments = new Moments(op, this.axis)
    if (typeof samples === 'object' && samples !== null && Symbol.asyncIterator in samples)
      return this.#adaptLater(samples, moments)
    moments.add(inputOf(op, samples))
    return this.#finish(moments)
  }

  async #adaptLater(batches: AsyncIterable<unknown>, moments: Moments): Promise<this> {
    for await (const batch of batches) moments.add(inputOf('nn.Normalization.adapt', batch))
    return this.#finish(moments)
  }

  #finish(moments: Moments): this {
    const [mean, variance] = moments.finish()
    this.#keep(mean, variance)
    return this
  }

  /** Keeps the buffers that programs may hold, as long as their sizes are the same. */
  #keep(mean: Tensor, variance: Tensor): void {
    if (mean.shape.join() !== variance.shape.join())
      throw new ShapeError(
        `nn.Normalization: a mean [${mean.shape.join(', ')}] and a variance [${variance.shape.join(', ')}]; expected both of one shape.`,
      )
    const entries = [['mean', mean] as const, ['variance', variance] as const]
    for (const [name, value] of entries) {
      const held = this[name]
      if (held !== null && held.shape.join() === value.shape.join()) noGrad(() => held.copyFrom(value))
      else this.registerBuffer(name, value)
    }
  }

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireTensor('nn.Normalization', 'input', x)
    const { mean, variance } = this
    if (mean === null || variance === null)
      throw located(
        ValueError,
        'nn.Normalization: there is no mean yet; expected adapt(x) before, or { shape } and a state that is loaded.',
      )
    const float: Tensor = isFloat(x.dtype) ? x : x.to('f32')
    const sizes = broadcastSizes(x, this.axis, mean.shape)
    const fitted = (buffer: Tensor): Tensor => {
      const same = buffer.dtype === float.dtype ? buffer : buffer.to(float.dtype)
      return sizes === null ? same : same.reshape(sizes)
    }
    const deviation = fitted(variance).sqrt().clamp(EPSILON)
    const center = fitted(mean)
    const result: Tensor = this.invert ? float.mul(deviation).add(center) : float.sub(center).div(deviation)
    return result as unknown as KeptFloat<X>
  }

  override config(): JsonObject {
    return { axis: this.axis, invert: this.invert, shape: this.mean?.shape ?? null }
  }

  override describe(): string {
    const axis = this.axis === null ? 'null' : JSON.stringify(this.axis)
    return `Normalization({ axis: ${axis}${this.invert ? ', invert: true' : ''} })`
  }
}

/** The inputs of a batch, however it comes. */
function inputOf(op: string, batch: unknown): Tensor {
  let given = batch
  if (Array.isArray(batch) && batch.some(isTensor)) [given] = batch as unknown[]
  else if (typeof batch === 'object' && batch !== null && !isTensor(batch) && 'x' in batch) given = batch.x
  if (!isTensor(given) && !Array.isArray(given) && !ArrayBuffer.isView(given))
    throw new ValueError(`${op}: ${shown(given)}; expected a tensor or arrays of samples, or { x } of them.`)
  return asTensor(given as TensorLike, op)
}

/** The axes that have a mean for each index, counted from the first and in order. */
function keptAxes(op: string, rank: number, axis: number | readonly number[] | null): number[] {
  const asked = axis === null ? [] : typeof axis === 'number' ? [axis] : axis
  const axes = asked.map((one) => (one < 0 ? one + rank : one)).toSorted((a, b) => a - b)
  if (axes.some((one, i) => one < 0 || one >= rank || one === axes[i - 1]))
    throw located(
      ShapeError,
      `${op}: axis ${JSON.stringify(axis)} of ${rank} axes; expected each of ${-rank} to ${rank - 1} at most once.`,
    )
  return axes
}

/** The shape in which a mean meets an input; null where it is its own. */
function broadcastSizes(
  x: Tensor,
  axis: number | readonly number[] | null,
  own: Shape,
): readonly number[] | null {
  if (own.length === 0) return null
  const axes = keptAxes('nn.Normalization', x.rank, axis)
  const sizes = axes.map((one) => x.shape[one] as number)
  const missing = sizes.length - own.length
  if (missing < 0 || own.some((size, i) => size !== 1 && size !== sizes[i + missing]))
    throw located(
      ShapeError,
      `nn.Normalization: an input [${x.shape.join(', ')}] for a mean [${own.join(', ')}]; expected the sizes of the data that it was adapted to.`,
    )
  if (axes.length === 1 && axes[0] === x.rank - 1) return null
  const full = x.shape.map(() => 1)
  for (const [i, size] of own.entries()) full[axes[i + missing] as number] = size
  return full
}

/** Mean and variance of samples that come in portions, in f64. */
class Moments {
  readonly #op: string
  readonly #axis: number | readonly number[] | null
  #count = 0
  #mean: Tensor | null = null
  #variance: Tensor | null = null

  constructor(op: string, axis: number | readonly number[] | null) {
    this.#op = op
    this.#axis = axis
  }

  add(x: Tensor): void {
    const kept = keptAxes(this.#op, x.rank, this.#axis)
    const rows = x.shape[0] ?? 1
    // All of a large input in f64 would take twice its memory.
    const portion = x.rank === 0 || kept.includes(0) ? rows : Math.min(rows, PORTION)
    for (let start = 0; start < rows; start += portion)
      this.#addPortion(portion === rows ? x : x.narrow(0, start, Math.min(portion, rows - start)), kept)
  }

  #addPortion(x: Tensor, kept: readonly number[]): void {
    const axes = x.shape.map((_, axis) => axis).filter((axis) => !kept.includes(axis))
    const count = axes.reduce((product, axis) => product * (x.shape[axis] as number), 1)
    if (count === 0 || x.numel === 0) return
    noGrad(() => {
      const double: Tensor = x.detach().to('f64')
      const centered = axes.length === 0 ? double : double.mean(axes, { keepDim: true })
      const squares = double.sub(centered).square()
      const mean = axes.length === 0 ? double : double.mean(axes)
      const variance = axes.length === 0 ? squares : squares.mean(axes)
      this.#merge(count, mean, variance)
    })
  }

  /** The mean and variance of two groups of samples, from those of each. */
  #merge(count: number, mean: Tensor, variance: Tensor): void {
    const [before, spread] = [this.#mean, this.#variance]
    this.#count += count
    if (before === null || spread === null) {
      this.#mean = mean
      this.#variance = variance
      return
    }
    if (before.shape.join() !== mean.shape.join())
      throw new ShapeError(
        `${this.#op}: a batch with sizes [${mean.shape.join(', ')}] of its axis; expected [${before.shape.join(', ')}], as the first.`,
      )
    const share = count / this.#count
    const both = before.mul(1 - share).add(mean.mul(share))
    this.#variance = spread
      .add(before.sub(both).square())
      .mul(1 - share)
      .add(variance.add(mean.sub(both).square()).mul(share))
    this.#mean = both
  }

  finish(): [mean: Tensor, variance: Tensor] {
    const [mean, variance] = [this.#mean, this.#variance]
    if (mean === null || variance === null)
      throw new ValueError(`${this.#op}: no samples; expected at least one.`)
    const odd = Array.from(mean.toTypedArray()).findIndex((value) => !Number.isFinite(value))
    if (odd >= 0)
      throw new ValueError(
        `${this.#op}: the mean of feature ${odd} is not finite; expected numbers without NaN and infinities.`,
      )
    return [mean.to('f32'), variance.to('f32')]
  }
}

export interface CategoryEncodingOptions {
  /** How many categories there are: indices are 0 to `numTokens − 1`. */
  readonly numTokens: number
  /**
   * `'multiHot'` (default): ones where an index is among those of a sample; `'oneHot'`: a vector for each index;
   * `'count'`: how often each index is among those of a sample.
   */
  readonly outputMode?: 'oneHot' | 'multiHot' | 'count' | undefined
}

const modes: ReadonlySet<unknown> = new Set(['oneHot', 'multiHot', 'count'])

/**
 * Indices of categories as vectors of zeros and ones, or of counts.
 *
 * Shapes: with `'multiHot'` and `'count'`, `[…, k]` → `[…, numTokens]`, over the k indices of a sample; with `'oneHot'`,
 * `[…]` → `[…, numTokens]`, and `[…, 1]` → `[…, numTokens]`. i32 or u8 in, f32 out.
 *
 * @throws ValueError for a number of tokens that is no positive integer, and an unknown mode
 * @throws IndexError for an index outside of 0 to `numTokens − 1`
 * @throws DTypeError for an input that is no integer
 * @see https://keras.io/api/layers/preprocessing_layers/categorical/category_encoding/
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * const colors = tensor([[0, 1], [2, 2]], { dtype: 'i32' })
 * console.log(new nn.CategoryEncoding({ numTokens: 3 }).forward(colors).toArray()) // [ [ 1, 1, 0 ], [ 0, 0, 1 ] ]
 * const count = new nn.CategoryEncoding({ numTokens: 3, outputMode: 'count' })
 * console.log(count.forward(colors).toArray()) // [ [ 1, 1, 0 ], [ 0, 0, 2 ] ]
 * ```
 */
export class CategoryEncoding extends Module {
  readonly numTokens: number
  readonly outputMode: 'oneHot' | 'multiHot' | 'count'

  constructor(options: CategoryEncodingOptions) {
    super()
    const op = 'nn.CategoryEncoding'
    requireOptions(op, options, ['numTokens', 'outputMode'])
    if (options === undefined) throw new ValueError(`${op}: no options; expected { numTokens }.`)
    const { numTokens, outputMode = 'multiHot' } = options
    this.numTokens = requireSize(numTokens, 'numTokens', 'CategoryEncoding')
    if (!modes.has(outputMode))
      throw new ValueError(
        `${op}: ${shown(outputMode)} as outputMode; expected 'oneHot', 'multiHot' or 'count'.`,
      )
    this.outputMode = outputMode
  }

  override forward(x: Tensor): Tensor {
    requireTensor('nn.CategoryEncoding', 'input', x)
    if (x.dtype !== 'i32' && x.dtype !== 'u8')
      throw located(
        DTypeError,
        `nn.CategoryEncoding: the input is ${x.dtype}; expected indices, i32 or u8: x.to('i32').`,
      )
    const indices: Tensor = x.dtype === 'i32' ? x : x.to('i32')
    if (this.outputMode === 'oneHot') {
      const alone = indices.rank > 1 && indices.shape.at(-1) === 1
      return (alone ? indices.squeeze(-1) : indices).oneHot(this.numTokens).to('f32')
    }
    const each = (indices.rank === 0 ? indices.unsqueeze(0) : indices).oneHot(this.numTokens)
    return (this.outputMode === 'count' ? each.sum(-2) : each.amax(-2)).to('f32')
  }

  override config(): JsonObject {
    return { numTokens: this.numTokens, outputMode: this.outputMode }
  }

  override describe(): string {
    return `CategoryEncoding({ numTokens: ${this.numTokens}, outputMode: '${this.outputMode}' })`
  }
}

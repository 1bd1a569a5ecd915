import { requireInteger, requireNumber, requireTensor } from '../tensor/checks.js'
import type { Tensor } from '../tensor.js'
import type { FlattenedRows, Flattens, Keeps, KeepsShape, Kept, KeptFloat, flow } from '../types/layers.js'
import { Module } from './module.js'
import type { JsonObject } from '../types/json.js'

/**
 * Joins the axes from `startDim` to `endDim` into one; by default all but the first, so that each sample is a row.
 *
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * console.log(new nn.Flatten().forward(zeros([32, 28, 28])).shape) // [ 32, 784 ]
 * ```
 */
export class Flatten<
  Axes extends readonly [startDim?: number, endDim?: number] = readonly [startDim?: number, endDim?: number],
> extends Module {
  /** @hidden */
  declare readonly [flow]: Flattens<Axes>
  readonly startDim: number
  readonly endDim: number

  constructor(...axes: Axes) {
    super()
    const [startDim = 1, endDim = -1] = axes
    this.startDim = requireInteger('nn.Flatten', 'startDim', startDim)
    this.endDim = requireInteger('nn.Flatten', 'endDim', endDim)
  }

  override forward<X extends Tensor>(x: X): FlattenedRows<X, Axes> {
    requireTensor('nn.Flatten', 'input', x)
    return x.flatten(this.startDim, this.endDim)
  }

  override config(): JsonObject {
    return { startDim: this.startDim, endDim: this.endDim }
  }

  override describe(): string {
    return `Flatten(${this.startDim}, ${this.endDim})`
  }
}

/**
 * Gives back what it is given: a place that a layer may take later.
 *
 * @example
 * ```ts
 * import { nn, ones } from 'neuroxide'
 * console.log(new nn.Identity().forward(ones([2])).toArray()) // [ 1, 1 ]
 * ```
 */
export class Identity extends Module {
  /** @hidden */
  declare readonly [flow]: Keeps

  override forward<X extends Tensor>(x: X): Kept<X> {
    requireTensor('nn.Identity', 'input', x)
    return x
  }
}

/**
 * `x · scale + offset` in f32: makes numbers around zero and one of bytes, as the first layer for images.
 *
 * u8, i32 and bool become f32, f64 stays f64.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * const pixels = tensor([0, 51, 255], { dtype: 'u8' })
 * console.log(new nn.Rescale(1 / 255).forward(pixels).dtype) // f32
 * ```
 */
export class Rescale extends Module {
  /** @hidden */
  declare readonly [flow]: KeepsShape
  readonly scale: number
  readonly offset: number

  constructor(scale: number, offset = 0) {
    super()
    this.scale = requireNumber('nn.Rescale', 'scale', scale)
    this.offset = requireNumber('nn.Rescale', 'offset', offset)
  }

  override forward<X extends Tensor>(x: X): KeptFloat<X> {
    requireTensor('nn.Rescale', 'input', x)
    const float = x.dtype === 'f64' ? x : x.to('f32')
    const scaled = float.mul(this.scale)
    return this.offset === 0 ? scaled : scaled.add(this.offset)
  }

  override config(): JsonObject {
    return { scale: this.scale, offset: this.offset }
  }

  override describe(): string {
    return `Rescale(${this.scale}${this.offset === 0 ? '' : `, ${this.offset}`})`
  }
}

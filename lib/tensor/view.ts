import { ShapeError, ValueError } from '../errors.js'
import { Code } from '../ops.generated.js'
import type { Tensor } from '../tensor.js'
import type { Axes, DType, Shape, Sizes } from '../types.js'
import type { sizes } from '../types/fit.js'
import type {
  FlattenedTo,
  Inserted,
  Permutes,
  PermutedTo,
  ReshapedTo,
  Reshapes,
  Transposed,
} from '../types/view.js'
import { type TensorBase, apply1, attributes, located } from './base.js'
import { requireInteger, requireNumber } from './checks.js'
import { shown } from './create.js'
import { ReducingTensor, axisOf } from './reduce.js'

/** A list as the core takes it: its length, then its entries. */
function counted(values: readonly number[]): readonly number[] {
  return [values.length, ...values]
}

function list(op: string, what: string, values: unknown): readonly number[] {
  if (!Array.isArray(values) || !values.every((value) => Number.isInteger(value)))
    throw located(ValueError, `${op}: ${shown(values)} as ${what}; expected an array of integers.`)
  return values as number[]
}

/** Other looks at the same elements, as methods; they copy only where strides cannot say it. */
export abstract class ViewTensor<S extends Shape = Shape, D extends DType = DType> extends ReducingTensor<
  S,
  D
> {
  /** The elements in row-major order under another shape; one size may be -1 and is computed. */
  reshape<This extends TensorBase, const T extends Shape>(
    this: This,
    shape: T & Reshapes<This[typeof sizes], T>,
  ): Tensor<ReshapedTo<This[typeof sizes], T>, This['dtype']> {
    return apply1(Code.reshape, this, attributes(...counted(list('reshape', 'shape', shape)))) as Tensor<
      never,
      never
    >
  }

  /** The axes from `start` to `end` (inclusive) joined into one. */
  flatten<This extends TensorBase, Start extends number = 0, End extends number = -1>(
    this: This,
    start: Start = 0 as number as Start,
    end: End = -1 as number as End,
  ): Tensor<FlattenedTo<This[typeof sizes], Start, End>, This['dtype']> {
    return apply1(Code.flatten, this, attributes(axisOf('flatten', start), axisOf('flatten', end))) as Tensor<
      never,
      never
    >
  }

  /** The axes in another order. */
  permute<This extends TensorBase, const Axes extends readonly number[]>(
    this: This,
    axes: Axes & Permutes<This[typeof sizes], Axes>,
  ): Tensor<PermutedTo<This[typeof sizes], Axes>, This['dtype']> {
    return apply1(Code.permute, this, attributes(...counted(list('permute', 'axes', axes)))) as Tensor<
      never,
      never
    >
  }

  /** Two axes exchanged; the last two by default. */
  transpose<This extends TensorBase, First extends number = -2, Second extends number = -1>(
    this: This,
    first: First = -2 as number as First,
    second: Second = -1 as number as Second,
  ): Tensor<Transposed<This[typeof sizes], First, Second>, This['dtype']> {
    return apply1(
      Code.transpose,
      this,
      attributes(axisOf('transpose', first), axisOf('transpose', second)),
    ) as Tensor<never, never>
  }

  /** Axes of size 1 repeated without a copy; -1 keeps a size. */
  expand<const T extends Shape>(shape: T): Tensor<Sizes<T>, D> {
    return apply1(Code.expand, this, attributes(...counted(list('expand', 'shape', shape)))) as Tensor<
      never,
      never
    >
  }

  /** Without axes of size 1: without all of them, or without the given ones where they have size 1. */
  squeeze(axis?: Axes): Tensor<Shape, D> {
    const axes =
      axis === undefined
        ? [Number.NaN]
        : counted(typeof axis === 'number' ? [axisOf('squeeze', axis)] : list('squeeze', 'axes', axis))
    return apply1(Code.squeeze, this, attributes(...axes)) as Tensor<Shape, D>
  }

  /** With a new axis of size 1 at a place. */
  unsqueeze<This extends TensorBase, Axis extends number>(
    this: This,
    axis: Axis,
  ): Tensor<Inserted<This[typeof sizes], Axis, 1>, This['dtype']> {
    return apply1(Code.unsqueeze, this, attributes(axisOf('unsqueeze', axis))) as Tensor<never, never>
  }

  /** Entries `start` to `end` (exclusive) along an axis, every `step`-th, by Python's rules: ends beyond the axis are cut back, negative ones count from its end, a negative step walks backwards. */
  slice(axis: number, start?: number | null, end?: number | null, step = 1): Tensor<Shape, D> {
    const first = bound('start', start)
    const last = end === Infinity ? Number.NaN : bound('end', end)
    return apply1(
      Code.slice,
      this,
      attributes(axisOf('slice', axis), first, last, requireInteger('slice', 'step', step)),
    ) as Tensor<Shape, D>
  }

  /** `length` entries from `start` along an axis. */
  narrow(axis: number, start: number, length: number): Tensor<Shape, D> {
    requireInteger('narrow', 'start', start)
    requireInteger('narrow', 'length', length)
    return apply1(Code.narrow, this, attributes(axisOf('narrow', axis), start, length)) as Tensor<Shape, D>
  }

  /** One entry along an axis, which goes away. */
  select(axis: number, index: number): Tensor<Shape, D> {
    return apply1(
      Code.select,
      this,
      attributes(axisOf('select', axis), requireInteger('select', 'index', index)),
    ) as Tensor<Shape, D>
  }

  /** The entries along axes in reverse order. */
  flip(axes: Axes): Tensor<S, D> {
    const reversed = typeof axes === 'number' ? [axes] : list('flip', 'axes', axes)
    return apply1(Code.flip, this, attributes(...counted(reversed))) as Tensor<never, never>
  }

  /** `value` around the elements: `[before, after]` of the last axis, then of the one before it, and so on. */
  pad(padding: readonly number[], value = 0): Tensor<Shape, D> {
    const amounts = list('pad', 'padding', padding)
    // The value may be NaN: a mask for what was padded.
    if (typeof value !== 'number') requireNumber('pad', 'value', value)
    return apply1(Code.pad, this, attributes(...counted(amounts), value)) as Tensor<Shape, D>
  }

  /** Pieces along an axis: of one size (the last may be smaller), or of the sizes given. */
  split(sizes: number | readonly number[], axis = 0): Tensor<Shape, D>[] {
    const length = this.#length('split', axis)
    const wanted = typeof sizes === 'number' ? equalPieces(length, sizes) : list('split', 'sizes', sizes)
    if (wanted.some((size) => size < 0) || wanted.reduce((sum, size) => sum + size, 0) !== length)
      throw located(
        ShapeError,
        `split: sizes [${wanted.join(', ')}] of an axis of ${length}; expected sizes that add up to it.`,
      )
    let start = 0
    return wanted.map((size) => {
      start += size
      return this.narrow(axis, start - size, size)
    })
  }

  /** At most `count` equally long pieces along an axis; the last may be smaller. */
  chunk(count: number, axis = 0): Tensor<Shape, D>[] {
    if (!Number.isInteger(count) || count < 1)
      throw located(ValueError, `chunk: ${shown(count)} pieces; expected an integer ≥ 1.`)
    const length = this.#length('chunk', axis)
    return this.split(Math.max(1, Math.ceil(length / count)), axis)
  }

  /** The entries along an axis, each without it. */
  unbind(axis = 0): Tensor<Shape, D>[] {
    const length = this.#length('unbind', axis)
    return Array.from({ length }, (_, index) => this.select(axis, index))
  }

  /** The lower triangle of the last two axes, zero elsewhere; `diagonal` is the last one kept. */
  tril(diagonal = 0): Tensor<S, D> {
    return apply1(Code.tril, this, attributes(requireInteger('tril', 'diagonal', diagonal))) as Tensor<
      never,
      never
    >
  }

  /** The upper triangle of the last two axes, zero elsewhere; `diagonal` is the first one kept. */
  triu(diagonal = 0): Tensor<S, D> {
    return apply1(Code.triu, this, attributes(requireInteger('triu', 'diagonal', diagonal))) as Tensor<
      never,
      never
    >
  }

  /** The diagonal of two axes as a new last axis. */
  diagonal(offset = 0, first = 0, second = 1): Tensor<Shape, D> {
    return apply1(
      Code.diagonal,
      this,
      attributes(
        requireInteger('diagonal', 'offset', offset),
        axisOf('diagonal', first),
        axisOf('diagonal', second),
      ),
    ) as Tensor<Shape, D>
  }

  #length(op: string, axis: number): number {
    const length = this.shape.at(axisOf(op, axis))
    if (length === undefined || axis >= this.rank)
      throw located(
        ShapeError,
        `${op}: axis ${axis} of a tensor of rank ${this.rank}; expected ${-this.rank} to ${this.rank - 1}.`,
      )
    return length
  }
}

/** One end of a slice; NaN stands for that of the axis. */
function bound(what: string, value: number | null | undefined): number {
  return value === null || value === undefined ? Number.NaN : requireInteger('slice', what, value)
}

function equalPieces(length: number, size: number): number[] {
  if (!Number.isInteger(size) || size < 1)
    throw located(ValueError, `split: pieces of ${shown(size)}; expected an integer of at least 1.`)
  const pieces = Array.from({ length: Math.floor(length / size) }, () => size)
  if (length % size !== 0 || length === 0) pieces.push(length % size)
  return pieces
}

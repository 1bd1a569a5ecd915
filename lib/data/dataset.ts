import { IndexError, ShapeError, ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { requireInteger, requireTensor } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { Shape } from '../types.js'

/** A tensor, or several that are given together: the inputs of a model with more than one. */
export type Tensors = Tensor | readonly Tensor[]

type Inner<S extends Shape> = S extends readonly [number, ...infer Rest extends Shape] ? Rest : Shape

type SampleTensor<T> = T extends Tensor<infer S, infer D> ? Tensor<Inner<S>, D> : Tensor

type RowsTensor<T> =
  T extends Tensor<infer S, infer D>
    ? Tensor<S extends readonly [number, ...infer Rest extends Shape] ? [number, ...Rest] : Shape, D>
    : Tensor

/** One row of a tensor, or of each of several: the sizes of the first axis are gone. */
export type SampleOf<T extends Tensors> = T extends readonly Tensor[]
  ? { readonly [I in keyof T]: SampleTensor<T[I]> }
  : SampleTensor<T>

/** Some rows of a tensor, or of each of several: how many is not known. */
export type RowsOf<T extends Tensors> = T extends readonly Tensor[]
  ? { readonly [I in keyof T]: RowsTensor<T[I]> }
  : RowsTensor<T>

/** Inputs and targets of some samples. */
export interface Batch<X extends Tensors = Tensor, Y extends Tensors = Tensor> {
  readonly x: X
  readonly y: Y
}

/** Samples by index, wherever they come from; each has the same shapes. */
export interface Dataset {
  readonly length: number
  /** One sample, without a batch axis. */
  get(index: number): Batch
}

/** @internal */
export function listed(tensors: Tensors): readonly Tensor[] {
  return isTensor(tensors) ? [tensors] : tensors
}

/** @internal Applies a function to the tensor, or to each of several. */
export function mapped<R extends Tensors>(tensors: Tensors, fn: (tensor: Tensor) => Tensor): R {
  return (isTensor(tensors) ? fn(tensors) : tensors.map(fn)) as R
}

/** One tensor or several, as a list; anything else is refused. */
function requireTensors(op: string, tensors: Tensors): readonly Tensor[] {
  const list: readonly unknown[] = Array.isArray(tensors) ? tensors : [tensors]
  const stranger = list.findIndex((entry) => !isTensor(entry))
  if (stranger >= 0 || list.length === 0)
    throw new ValueError(
      `${op}: ${shown(list.length === 0 ? tensors : list[stranger])}; expected tensors, as in new TensorDataset(x, y).`,
    )
  return list as readonly Tensor[]
}

/** @internal The common number of rows; throws where tensors disagree. */
export function rowCount(op: string, tensors: readonly Tensor[]): number {
  const count = tensors[0]?.shape[0]
  if (count === undefined)
    throw new ShapeError(`${op}: a tensor without axes; expected [n, …], one sample per row.`)
  for (const tensor of tensors) {
    if (tensor.shape[0] !== count) {
      const given = tensors.map(({ shape }) => `[${shape.join(', ')}]`).join(' and ')
      throw new ShapeError(
        `${op}: tensors of ${given}; expected the same number of samples along the first axis.`,
      )
    }
  }
  return count
}

/**
 * Samples that lie in memory as rows of tensors. `fit` runs over them without returning to JavaScript.
 *
 * @throws ShapeError when inputs and targets have different numbers of rows
 * @example
 * ```ts
 * import { data, zeros } from 'neuroxide'
 * const set = new data.TensorDataset(zeros([100, 8]), zeros([100, 1]))
 * console.log(set.length, set.get(3).x.shape) // 100 [ 8 ]
 * ```
 */
export class TensorDataset<X extends Tensors = Tensor, Y extends Tensors = Tensor> implements Batch<X, Y> {
  /** Inputs, `[n, …]`. */
  readonly x: X
  /** Targets, `[n, …]`. */
  readonly y: Y
  /** The number of samples. */
  readonly length: number

  constructor(x: X, y: Y) {
    const all = [x, y].flatMap((tensors: Tensors) => requireTensors('TensorDataset', tensors))
    this.x = x
    this.y = y
    this.length = rowCount('TensorDataset', all)
  }

  /** One sample: the rows at `index`. */
  get(index: number): Batch<SampleOf<X>, SampleOf<Y>> {
    requireInteger('TensorDataset.get', 'index', index)
    const row = (tensor: Tensor): Tensor => tensor.select(0, index)
    return { x: mapped(this.x, row), y: mapped(this.y, row) }
  }

  /** The samples at some indices, in their order, as a batch. */
  gather(indices: Tensor): Batch<RowsOf<X>, RowsOf<Y>> {
    requireTensor('TensorDataset.gather', 'indices', indices)
    const rows = (tensor: Tensor): Tensor => tensor.indexSelect(0, indices)
    return { x: mapped(this.x, rows), y: mapped(this.y, rows) }
  }

  /** The samples from `start` up to, but not including, `end`; nothing is copied. */
  slice(start: number, end: number = this.length): TensorDataset<RowsOf<X>, RowsOf<Y>> {
    for (const bound of [start, end]) requireInteger('TensorDataset.slice', 'bound', bound, 0)
    if (start > end || end > this.length)
      throw new IndexError(
        `TensorDataset.slice: ${start} to ${end} of ${this.length} samples; expected 0 ≤ start ≤ end ≤ ${this.length}.`,
      )
    const rows = (tensor: Tensor): Tensor => tensor.narrow(0, start, end - start)
    return new TensorDataset(mapped(this.x, rows), mapped(this.y, rows))
  }
}

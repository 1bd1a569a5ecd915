import { IndexError, ShapeError, ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { isPlainRecord } from '../jit/arguments.js'
import { requireInteger, requireTensor } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { Shape } from '../types.js'

/**
 * A tensor, or several that are given together: the inputs or targets of a model with more than one, in an order or by
 * name.
 */
export type Tensors = Tensor | readonly Tensor[] | Readonly<Record<string, Tensor>>

type Inner<S extends Shape> = S extends readonly [number, ...infer Rest extends Shape] ? Rest : Shape

type SampleTensor<T> = T extends Tensor<infer S, infer D> ? Tensor<Inner<S>, D> : Tensor

type RowsTensor<T> =
  T extends Tensor<infer S, infer D>
    ? Tensor<S extends readonly [number, ...infer Rest extends Shape] ? [number, ...Rest] : Shape, D>
    : Tensor

/** One row of a tensor, or of each of several: the sizes of the first axis are gone. */
export type SampleOf<T extends Tensors> = T extends Tensor
  ? SampleTensor<T>
  : { readonly [I in keyof T]: SampleTensor<T[I]> }

/** Some rows of a tensor, or of each of several: how many is not known. */
export type RowsOf<T extends Tensors> = T extends Tensor
  ? RowsTensor<T>
  : { readonly [I in keyof T]: RowsTensor<T[I]> }

/** Inputs and targets of some samples. */
export interface Batch<X extends Tensors = Tensor, Y extends Tensors = Tensor> {
  readonly x: X
  readonly y: Y
  /** How much each sample counts, `[n]`; for a model of several outputs, one of these for each is possible too. */
  readonly sampleWeight?: Tensors | undefined
}

/** Samples by index, wherever they come from; each has the same shapes. */
export interface Dataset {
  readonly length: number
  /** One sample, without a batch axis. */
  get(index: number): Batch<Tensors, Tensors>
}

/** @internal The tensors in the order in which programs take them: that of the list, or of the keys. */
export function listed(tensors: Tensors): readonly Tensor[] {
  if (isTensor(tensors)) return [tensors]
  return Array.isArray(tensors) ? (tensors as readonly Tensor[]) : Object.values(tensors)
}

/** @internal Applies a function to the tensor, or to each of several. */
export function mapped<R extends Tensors>(tensors: Tensors, fn: (tensor: Tensor) => Tensor): R {
  return rebuilt<R>(tensors, listed(tensors).map(fn))
}

/** @internal Tensors in a list, put together as those of `like` are. */
export function rebuilt<R extends Tensors>(like: Tensors, list: readonly Tensor[]): R {
  if (isTensor(like)) return list[0] as R
  if (Array.isArray(like)) return list as R
  return Object.fromEntries(Object.keys(like).map((key, i) => [key, list[i] as Tensor])) as R
}

/** @internal Whether a value is tensors: one, a list or a record of them, none of them empty. */
export function isTensors(value: unknown): value is Tensors {
  if (isTensor(value)) return true
  if (typeof value !== 'object' || value === null) return false
  if (!Array.isArray(value) && !isPlainRecord(value)) return false
  const list: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  return list.length > 0 && list.every(isTensor)
}

/** @internal One tensor or several, as a list; anything else is refused. */
export function requireTensors(op: string, tensors: unknown): readonly Tensor[] {
  if (isTensors(tensors)) return listed(tensors)
  const list: readonly unknown[] = Array.isArray(tensors)
    ? tensors
    : isPlainRecord(tensors)
      ? Object.values(tensors)
      : [tensors]
  const stranger = list.findIndex((entry) => !isTensor(entry))
  throw new ValueError(
    `${op}: ${shown(list.length === 0 ? tensors : list[stranger])}; expected tensors, as in new TensorDataset(x, y).`,
  )
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
 * Inputs and targets are a tensor each, or lists or records of them for models with several; a third argument says how
 * much each sample counts.
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
  /** How much each sample counts, `[n]`; undefined where all count the same. */
  readonly sampleWeight: Tensors | undefined
  /** The number of samples. */
  readonly length: number

  constructor(x: X, y: Y, sampleWeight?: Tensors | undefined) {
    const given: readonly unknown[] = sampleWeight === undefined ? [x, y] : [x, y, sampleWeight]
    const all = given.flatMap((tensors) => requireTensors('TensorDataset', tensors))
    this.x = x
    this.y = y
    this.sampleWeight = sampleWeight
    this.length = rowCount('TensorDataset', all)
  }

  /** One sample: the rows at `index`. */
  get(index: number): Batch<SampleOf<X>, SampleOf<Y>> {
    requireInteger('TensorDataset.get', 'index', index)
    const row = (tensor: Tensor): Tensor => tensor.select(0, index)
    return { x: mapped(this.x, row), y: mapped(this.y, row), ...this.#weights(row) }
  }

  /** The samples at some indices, in their order, as a batch. */
  gather(indices: Tensor): Batch<RowsOf<X>, RowsOf<Y>> {
    requireTensor('TensorDataset.gather', 'indices', indices)
    const rows = (tensor: Tensor): Tensor => tensor.indexSelect(0, indices)
    return { x: mapped(this.x, rows), y: mapped(this.y, rows), ...this.#weights(rows) }
  }

  /** The samples from `start` up to, but not including, `end`; nothing is copied. */
  slice(start: number, end: number = this.length): TensorDataset<RowsOf<X>, RowsOf<Y>> {
    for (const bound of [start, end]) requireInteger('TensorDataset.slice', 'bound', bound, 0)
    if (start > end || end > this.length)
      throw new IndexError(
        `TensorDataset.slice: ${start} to ${end} of ${this.length} samples; expected 0 ≤ start ≤ end ≤ ${this.length}.`,
      )
    const rows = (tensor: Tensor): Tensor => tensor.narrow(0, start, end - start)
    return new TensorDataset(mapped(this.x, rows), mapped(this.y, rows), this.#weights(rows).sampleWeight)
  }

  /** A batch without weights has no such field. */
  #weights(fn: (tensor: Tensor) => Tensor): { readonly sampleWeight?: Tensors } {
    return this.sampleWeight === undefined ? {} : { sampleWeight: mapped(this.sampleWeight, fn) }
  }
}

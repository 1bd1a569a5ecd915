import { ValueError } from '../errors.js'
import { stack } from '../functional.js'
import type { Tensor } from '../tensor.js'
import { arange } from '../tensor/factories.js'
import {
  type Batch,
  type Dataset,
  isTensors,
  rebuilt,
  requireTensors,
  type RowsOf,
  TensorDataset,
  type Tensors,
} from './dataset.js'
import { DataError, reasonOf } from './data-error.js'
import { Pace } from './pace.js'
import { drawnSeed, epochOrder } from './shuffle.js'
import { Ahead, guarded, paced } from './stages.js'
import { Origin } from '../errors/origin.js'
import { requireFlag, requireInteger, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

export interface LoaderOptions {
  /** Samples per batch; `32` by default. */
  readonly batchSize?: number | undefined
  /** Whether every epoch visits the samples in another order; `false` by default. */
  readonly shuffle?: boolean | undefined
  /** Whether a last batch of fewer samples is left out; `false` by default. */
  readonly dropLast?: boolean | undefined
  /** What the orders depend on, with the number of the epoch; drawn from the program's random numbers by default. */
  readonly seed?: number | undefined
  /**
   * Batches that are made ahead while one is used, in `for await` and `fit`; by default `2` where samples are promises,
   * `0` otherwise.
   */
  readonly prefetch?: number | undefined
}

/** Samples by index that come later, such as files that are read and decoded when they are asked for. */
export interface AsyncDataset {
  readonly length: number
  /** A promise of one sample, without a batch axis. */
  get(index: number): Promise<Batch<Tensors, Tensors>>
}

/**
 * Batches of a data set, epoch after epoch: each `for … of` and each `for await … of` is the next epoch.
 *
 * Plain `for … of` holds the program until it is left: no timer, no request and no promise runs meanwhile. `for await`
 * lets all of them run at least every 8 ms, unless the body of the loop or one batch takes longer, and is the only way
 * over a data set whose `get` returns promises. Over a {@link TensorDataset} the order is the one in which `fit` visits
 * samples with the same seed.
 *
 * @throws ValueError for a batch size that is no positive integer
 * @throws DataError with the number of the sample, where `get` throws
 * @example
 * ```ts
 * import { data, zeros } from 'neuroxide'
 * const set = new data.TensorDataset(zeros([100, 8]), zeros([100, 1]))
 * const loader = new data.DataLoader(set, { batchSize: 32, shuffle: true, seed: 1 })
 * for (const { x } of loader) console.log(x.shape[0]) // 32 32 32 4
 * console.log(loader.length) // 4
 * ```
 */
export class DataLoader<X extends Tensors = Tensor, Y extends Tensors = Tensor>
  implements Iterable<Batch<RowsOf<X>, RowsOf<Y>>>, AsyncIterable<Batch<RowsOf<X>, RowsOf<Y>>>
{
  readonly dataset: TensorDataset<X, Y> | Dataset | AsyncDataset
  readonly batchSize: number
  readonly shuffle: boolean
  readonly dropLast: boolean
  readonly seed: number | undefined
  readonly prefetch: number | undefined
  #epoch = 0

  constructor(dataset: TensorDataset<X, Y> | Batch<X, Y>, options?: LoaderOptions)
  constructor(dataset: Dataset | AsyncDataset, options?: LoaderOptions)
  constructor(
    dataset: TensorDataset<X, Y> | Batch<X, Y> | Dataset | AsyncDataset,
    options: LoaderOptions = {},
  ) {
    requireOptions('DataLoader', options, ['batchSize', 'shuffle', 'dropLast', 'seed', 'prefetch'])
    const { batchSize = 32, shuffle = false, dropLast = false, seed, prefetch } = options
    this.dataset = datasetOf(dataset) as TensorDataset<X, Y> | Dataset | AsyncDataset
    this.batchSize = requireInteger('DataLoader', 'batchSize', batchSize, 1)
    this.shuffle = requireFlag('DataLoader', 'shuffle', shuffle)
    this.dropLast = requireFlag('DataLoader', 'dropLast', dropLast)
    this.seed = seed === undefined ? undefined : requireInteger('DataLoader', 'seed', seed, 0)
    this.prefetch = prefetch === undefined ? undefined : requireInteger('DataLoader', 'prefetch', prefetch, 0)
  }

  /** The number of batches of an epoch. */
  get length(): number {
    const batches = this.dataset.length / this.batchSize
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches)
  }

  /** The number of the next epoch, on which its order depends; set it to repeat one. */
  get epoch(): number {
    return this.#epoch
  }

  set epoch(value: number) {
    this.#epoch = requireInteger('DataLoader', 'epoch', value, 0)
  }

  /** The batches of the next epoch; nothing else of the program runs until the loop is left. */
  *[Symbol.iterator](): Generator<Batch<RowsOf<X>, RowsOf<Y>>, void, undefined> {
    for (const part of this.#parts()) {
      const batch = this.#batch(part)
      if (batch instanceof Promise) {
        batch.catch(() => {})
        throw new ValueError(
          'DataLoader: a promise as sample in a plain loop; expected a sample. Write for await (const batch of loader).',
        )
      }
      yield batch
    }
  }

  /** The batches of the next epoch; the rest of the program runs at least every 8 ms. */
  [Symbol.asyncIterator](): AsyncGenerator<Batch<RowsOf<X>, RowsOf<Y>>, void, undefined> {
    const pace = new Pace()
    return guarded(this.#ahead(pace), pace, new Origin())
  }

  /** Batches that are made one after the other, or ahead where samples are promises or it was asked for. */
  async *#ahead(pace: Pace): AsyncGenerator<Batch<RowsOf<X>, RowsOf<Y>>, void, undefined> {
    const parts = this.#parts()
    const { value, done } = parts.next()
    if (done === true) return
    const first = this.#batch(value)
    const count = this.prefetch ?? (first instanceof Promise ? 2 : 0)
    if (count === 0) {
      yield first
      for (const part of parts) yield this.#batch(part)
      return
    }
    yield first
    const rest = paced(parts, pace)
    yield* new Ahead('DataLoader', rest, (part) => this.#batch(part), { count, eager: true })
  }

  /** Where the batches of the next epoch lie: the range of their samples, and their indices where that is an order. */
  *#parts(): Generator<Part, void, undefined> {
    const order = this.#order()
    for (let step = 0; step < this.length; step++) {
      const start = step * this.batchSize
      const count = Math.min(this.batchSize, this.dataset.length - start)
      yield { start, count, order: order?.narrow(0, start, count) ?? null }
    }
  }

  /** One batch, or a promise of it where samples are promises. */
  #batch({ start, count, order }: Part): Loaded<X, Y> | Promise<Loaded<X, Y>> {
    if (this.dataset instanceof TensorDataset)
      return order === null ? plain(this.dataset.slice(start, start + count)) : this.dataset.gather(order)
    const { dataset } = this
    const indices = (order ?? arange(start, start + count)).toTypedArray()
    const samples = Array.from(indices, (index) => sampleAt(dataset, index))
    // Their layout is what the data set makes it, which its type does not say.
    if (samples.some((sample) => sample instanceof Promise))
      return Promise.all(samples).then((all) => collated(all, indices)) as Promise<never>
    return collated(samples, indices) as unknown as Loaded<X, Y>
  }

  #order(): ReturnType<typeof epochOrder> | null {
    const epoch = this.#epoch++
    return this.shuffle ? epochOrder(this.dataset.length, this.seed ?? drawnSeed(), epoch) : null
  }
}

function datasetOf(given: unknown): TensorDataset<Tensors, Tensors> | Dataset {
  if (typeof given === 'object' && given !== null) {
    const { x, y, sampleWeight, get, length } = given as Record<string, unknown>
    if (typeof get === 'function' && Number.isSafeInteger(length)) return given as Dataset
    if (x !== undefined && y !== undefined)
      return new TensorDataset(x as Tensors, y as Tensors, sampleWeight as Tensors | undefined)
  }
  throw new ValueError(
    `DataLoader: ${shown(given)} as data set; expected { x, y }, or { length, get(index) } with a whole number and a method.`,
  )
}

type Loaded<X extends Tensors, Y extends Tensors> = Batch<RowsOf<X>, RowsOf<Y>>

/** A record without a class: what jitted functions take apart, and so need not trace anew for each batch. */
function plain<X extends Tensors, Y extends Tensors>({ x, y, sampleWeight }: Batch<X, Y>): Batch<X, Y> {
  return sampleWeight === undefined ? { x, y } : { x, y, sampleWeight }
}

interface Part {
  readonly start: number
  readonly count: number
  readonly order: Tensor | null
}

/** A sample, or a promise of it; what the data set throws comes with the index. */
function sampleAt(dataset: Dataset | AsyncDataset, index: number): unknown {
  const failed = (error: unknown): never => {
    if (error instanceof DataError) throw error
    throw new DataError(
      `DataLoader: sample ${index}: ${reasonOf(error)}; expected a sample at every index below ${dataset.length}.`,
      { row: index },
      { cause: error },
    )
  }
  try {
    const sample: unknown = dataset.get(index)
    return isPromise(sample) ? Promise.resolve(sample).catch(failed) : sample
  } catch (error) {
    return failed(error)
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function collated(given: readonly unknown[], indices: ArrayLike<number>): Batch<Tensors, Tensors> {
  const samples = given.map((sample, i) => {
    if (typeof sample !== 'object' || sample === null || !('x' in sample && 'y' in sample))
      throw new ValueError(`DataLoader: ${shown(sample)} as sample ${indices[i]}; expected { x, y }.`)
    for (const name of ['x', 'y', 'sampleWeight'] as const) {
      const value = (sample as Partial<Batch<Tensors, Tensors>>)[name]
      if (!isTensors(value) && !(name === 'sampleWeight' && value === undefined))
        throw new ValueError(
          `DataLoader: ${shown(value)} as ${name} of sample ${indices[i]}; expected a tensor, or several in a list or a record.`,
        )
    }
    return sample as Batch<Tensors, Tensors>
  })
  const [first] = samples
  const weights = samples.map(({ sampleWeight }) => sampleWeight)
  return {
    x: stacked(samples.map(({ x }) => x)),
    y: stacked(samples.map(({ y }) => y)),
    ...(first?.sampleWeight === undefined ? {} : { sampleWeight: stacked(weights as Tensors[]) }),
  }
}

/** Samples of the same layout as one batch. */
function stacked(samples: readonly Tensors[]): Tensors {
  const [first] = samples
  const rows = samples.map((sample) => requireTensors('DataLoader', sample))
  const columns = (rows[0] ?? []).map((_, i) =>
    stack(
      rows.map((row, sample) => {
        const value = row[i]
        if (value === undefined || row.length !== rows[0]?.length)
          throw new ValueError(
            `DataLoader: sample ${sample} of a batch has ${row.length} tensors; expected ${rows[0]?.length ?? 0}, as the first.`,
          )
        return value
      }),
    ),
  )
  return rebuilt(first as Tensors, columns)
}

import { ValueError } from '../errors.js'
import { stack } from '../functional.js'
import type { Tensor } from '../tensor.js'
import { arange } from '../tensor/factories.js'
import {
  type Batch,
  type Dataset,
  rebuilt,
  requireTensors,
  type RowsOf,
  TensorDataset,
  type Tensors,
} from './dataset.js'
import { drawnSeed, epochOrder } from './shuffle.js'
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
}

/**
 * Batches of a data set, epoch after epoch: each `for … of` is the next epoch.
 *
 * Over a {@link TensorDataset} the order is the one in which `fit` visits samples with the same seed.
 *
 * @throws ValueError for a batch size that is no positive integer
 * @example
 * ```ts
 * import { data, zeros } from 'neuroxide'
 * const set = new data.TensorDataset(zeros([100, 8]), zeros([100, 1]))
 * const loader = new data.DataLoader(set, { batchSize: 32, shuffle: true, seed: 1 })
 * for (const { x } of loader) console.log(x.shape[0]) // 32 32 32 4
 * console.log(loader.length) // 4
 * ```
 */
export class DataLoader<X extends Tensors = Tensor, Y extends Tensors = Tensor> implements Iterable<
  Batch<RowsOf<X>, RowsOf<Y>>
> {
  readonly dataset: TensorDataset<X, Y> | Dataset
  readonly batchSize: number
  readonly shuffle: boolean
  readonly dropLast: boolean
  readonly seed: number | undefined
  #epoch = 0

  constructor(dataset: TensorDataset<X, Y> | Batch<X, Y>, options?: LoaderOptions)
  constructor(dataset: Dataset, options?: LoaderOptions)
  constructor(dataset: TensorDataset<X, Y> | Batch<X, Y> | Dataset, options: LoaderOptions = {}) {
    requireOptions('DataLoader', options, ['batchSize', 'shuffle', 'dropLast', 'seed'])
    const { batchSize = 32, shuffle = false, dropLast = false, seed } = options
    this.dataset = datasetOf(dataset) as TensorDataset<X, Y> | Dataset
    this.batchSize = requireInteger('DataLoader', 'batchSize', batchSize, 1)
    this.shuffle = requireFlag('DataLoader', 'shuffle', shuffle)
    this.dropLast = requireFlag('DataLoader', 'dropLast', dropLast)
    this.seed = seed === undefined ? undefined : requireInteger('DataLoader', 'seed', seed, 0)
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

  *[Symbol.iterator](): Generator<Batch<RowsOf<X>, RowsOf<Y>>, void, undefined> {
    const { length } = this
    const order = this.#order()
    for (let step = 0; step < length; step++) {
      const start = step * this.batchSize
      const count = Math.min(this.batchSize, this.dataset.length - start)
      if (this.dataset instanceof TensorDataset) {
        yield order === null
          ? this.dataset.slice(start, start + count)
          : this.dataset.gather(order.narrow(0, start, count))
      } else {
        const indices =
          order?.narrow(0, start, count).toTypedArray() ?? arange(start, start + count).toTypedArray()
        yield collated(this.dataset, indices) as unknown as Batch<RowsOf<X>, RowsOf<Y>>
      }
    }
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

function collated(dataset: Dataset, indices: Iterable<number>): Batch<Tensors, Tensors> {
  const samples = Array.from(indices, (index) => {
    const sample: unknown = dataset.get(index)
    if (typeof sample !== 'object' || sample === null || !('x' in sample && 'y' in sample))
      throw new ValueError(`DataLoader: ${shown(sample)} as sample ${index}; expected { x, y }.`)
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

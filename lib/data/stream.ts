import { ValueError } from '../errors.js'
import { requireFlag, requireFunction, requireInteger, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { Origin } from '../errors/origin.js'
import { type Batched, collate, type ElementTypes } from './collate.js'
import { DataError } from './data-error.js'
import { drawing, drawnAt } from './draw.js'
import { Pace } from './pace.js'
import { drawnSeed } from './shuffle.js'
import {
  Ahead,
  guarded,
  batched,
  filtered,
  mapped,
  paced,
  picked,
  type Rows,
  shuffled,
  skipped,
  taken,
} from './stages.js'

/** Rows one after the other. */
export type RowSource<T> = Iterable<T> | AsyncIterable<T>

/** Where the rows of a pipeline come from: what can be iterated each epoch anew, or a function that opens it. */
export type PipelineOrigin<T> = RowSource<T> | (() => RowSource<T> | PromiseLike<RowSource<T>>)

export interface MapOptions {
  /** Rows that the function works on at once; `1` by default. They keep their order. */
  readonly concurrency?: number | undefined
}

export interface BatchOptions {
  /** Whether a last batch of fewer rows is left out; `false` by default. */
  readonly dropLast?: boolean | undefined
  /** Element types where numbers are not to be f32: `{ y: 'i32' }` for class labels. */
  readonly types?: ElementTypes | undefined
}

export interface BufferOptions {
  /** What the orders depend on, with the number of the epoch; drawn from the program's random numbers by default. */
  readonly seed?: number | undefined
}

export interface PartOptions {
  /** What the division depends on, beside the row's place; `0` by default. */
  readonly seed?: number | undefined
}

/** What stages have to know of those before them. */
export interface Traits {
  readonly types: ElementTypes
  /** Whether rows come in another order each epoch. */
  readonly reordered: boolean
}

type Open<T> = (epoch: number, pace: Pace) => Rows<T>

/**
 * Rows that come one after the other, from anything that can be iterated: each `for await … of` is the next epoch, and
 * `fit` and `evaluate` take a pipeline of batches as a loader.
 *
 * Nothing runs before it is asked for. Others run at least every 8 ms while rows come, unless one row takes longer.
 * Leaving the loop, or an error, closes the origin; what a function of yours throws comes with the number of its row.
 *
 * @param origin - an array, a data set of rows, an async iterable; or a function that gives one, where it can be read
 * only once: it is called at the beginning of every epoch
 * @throws ValueError for an origin that cannot be iterated
 * @throws DataError with the number of the row, where a stage fails; in the second epoch of an origin that is spent
 * @example
 * ```ts
 * import { data } from 'neuroxide'
 * const rows = new data.Pipeline([1, 2, 3, 4, 5])
 * const batches = rows
 *   .map((value) => ({ x: [value, value * value], y: value }))
 *   .shuffle(100, { seed: 1 })
 *   .batch(2)
 * for await (const { x, y } of batches) console.log(x.shape, y.shape) // [ 2, 2 ] [ 2 ] [ 2, 2 ] [ 2 ] [ 1, 2 ] [ 1 ]
 * ```
 */
export class Pipeline<T> implements AsyncIterable<T> {
  #open: Open<T>
  readonly #traits: Traits
  #epoch = 0

  constructor(origin: PipelineOrigin<T>)
  /** @internal Stages say what they know of their rows. */
  constructor(origin: PipelineOrigin<T>, traits: Traits)
  constructor(origin: PipelineOrigin<T>, traits: Traits = { types: {}, reordered: false }) {
    if (typeof origin !== 'function' && !isRows(origin))
      throw new ValueError(
        `data.Pipeline: ${shown(origin)} as origin; expected rows that can be iterated, or a function that gives some.`,
      )
    this.#traits = traits
    const opened = onceOnly()
    this.#open = (_, pace) => fromOrigin(origin, pace, opened)
  }

  /** The number of the next epoch, on which the order of `shuffle` depends; set it to repeat one. */
  get epoch(): number {
    return this.#epoch
  }

  set epoch(value: number) {
    this.#epoch = requireInteger('data.Pipeline', 'epoch', value, 0)
  }

  #then<R>(open: (epoch: number, pace: Pace) => Rows<R>, traits: Partial<Traits> = {}): Pipeline<R> {
    const next = new Pipeline<R>([], { ...this.#traits, ...traits })
    next.#open = open
    return next
  }

  /**
   * Each row through a function, which may be async.
   *
   * @param fn - called with a row and its number in the epoch
   * @param options - `concurrency` (1): rows that are worked on at once; the results keep the rows' order
   * @throws DataError with the row's number and the cause, where the function throws
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * const squares = new data.Pipeline([1, 2, 3]).map(async (value) => value ** 2, { concurrency: 2 })
   * for await (const square of squares) console.log(square) // 1 4 9
   * ```
   */
  map<const R>(fn: (value: T, row: number) => R | PromiseLike<R>, options: MapOptions = {}): Pipeline<R> {
    const op = 'Pipeline.map'
    requireFunction(op, fn)
    requireOptions(op, options, ['concurrency'])
    const count = requireInteger(op, 'concurrency', options.concurrency ?? 1, 1)
    const open: Open<R> = (epoch, pace) => {
      const rows = this.#open(epoch, pace)
      return count === 1 ? mapped(op, rows, fn) : new Ahead(op, rows, fn, { count, eager: false })
    }
    return this.#then(open, { types: {} })
  }

  /**
   * The rows that pass a test, which may be async.
   *
   * @param test - called with a row and its number in the epoch; what is truthy stays
   * @throws DataError with the row's number and the cause, where the function throws
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * for await (const even of new data.Pipeline([1, 2, 3, 4]).filter((n) => n % 2 === 0)) console.log(even) // 2 4
   * ```
   */
  filter(test: (value: T, row: number) => unknown): Pipeline<T> {
    requireFunction('Pipeline.filter', test)
    return this.#then((epoch, pace) => filtered('Pipeline.filter', this.#open(epoch, pace), test))
  }

  /**
   * Rows in batches, as tensors: numbers and booleans become `[n]`, lists of numbers and typed arrays `[n, …]`, tensors
   * are stacked; records and tuples such as `[x, y]` keep their layout. Numbers become f32 unless `types` says otherwise.
   *
   * A list at the top of a row is one of its own if all of it is numbers, else a tuple.
   *
   * @param size - rows of a batch, at least 1
   * @param options - `dropLast` (false); `types`: element types by path, `{ y: 'i32' }` for class labels
   * @throws DataError with the row's number, where its layout is not that of the first row of the batch
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * const rows = [{ x: [0.1, 0.2], y: 3 }, { x: [0.3, 0.4], y: 1 }]
   * for await (const { x, y } of new data.Pipeline(rows).batch(2, { types: { y: 'i32' } }))
   *   console.log(x.shape, y.dtype) // [ 2, 2 ] i32
   * ```
   */
  batch(size: number, options: BatchOptions = {}): Pipeline<Batched<T>> {
    const op = 'Pipeline.batch'
    requireInteger(op, 'size', size, 1)
    requireOptions(op, options, ['dropLast', 'types'])
    const dropLast = requireFlag(op, 'dropLast', options.dropLast ?? false)
    const types = options.types ?? this.#traits.types
    if (typeof types !== 'object' || types === null)
      throw new ValueError(`${op}: ${shown(types)} as types; expected a record such as { y: 'i32' }.`)
    const together = (rows: readonly T[], first: number): Batched<T> =>
      collate(op, rows, first, types) as Batched<T>
    return this.#then((epoch, pace) => batched(this.#open(epoch, pace), size, dropLast, together), {
      types: {},
    })
  }

  /**
   * Rows in a random order, as far as a buffer reaches: each row that leaves it is drawn from `bufferSize` of them. With
   * a buffer of all rows the order is any; with a smaller one, rows stay near their places.
   *
   * The order depends on the seed and the number of the epoch alone.
   *
   * @param bufferSize - rows that are held, at least 1
   * @param options - `seed`; drawn from the program's random numbers by default, which `manualSeed` decides
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * const rows = new data.Pipeline([1, 2, 3]).shuffle(3, { seed: 7 })
   * let sum = 0
   * for await (const row of rows) sum += row
   * console.log(sum, rows.epoch) // 6 1
   * ```
   */
  shuffle(bufferSize: number, options: BufferOptions = {}): Pipeline<T> {
    const op = 'Pipeline.shuffle'
    requireInteger(op, 'bufferSize', bufferSize, 1)
    requireOptions(op, options, ['seed'])
    const { seed } = options
    if (seed !== undefined) requireInteger(op, 'seed', seed, 0)
    return this.#then(
      (epoch, pace) => shuffled(this.#open(epoch, pace), bufferSize, drawing(seed ?? drawnSeed(), epoch)),
      { reordered: true },
    )
  }

  /**
   * Rows that are made before they are asked for: while one is used, up to `count` more are under way.
   *
   * @param count - at least 1
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * const rows = new data.Pipeline([1, 2, 3]).map(async (value) => -value).prefetch(2)
   * for await (const row of rows) console.log(row) // -1 -2 -3
   * ```
   */
  prefetch(count: number): Pipeline<T> {
    const op = 'Pipeline.prefetch'
    requireInteger(op, 'count', count, 1)
    return this.#then(
      (epoch, pace) => new Ahead<T, T>(op, this.#open(epoch, pace), (value) => value, { count, eager: true }),
    )
  }

  /**
   * The first rows.
   *
   * @param count - at least 0
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * for await (const row of new data.Pipeline([1, 2, 3]).take(2)) console.log(row) // 1 2
   * ```
   */
  take(count: number): Pipeline<T> {
    requireInteger('Pipeline.take', 'count', count, 0)
    return this.#then((epoch, pace) => taken(this.#open(epoch, pace), count))
  }

  /**
   * All rows but the first.
   *
   * @param count - at least 0
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * for await (const row of new data.Pipeline([1, 2, 3]).skip(2)) console.log(row) // 3
   * ```
   */
  skip(count: number): Pipeline<T> {
    requireInteger('Pipeline.skip', 'count', count, 0)
    return this.#then((epoch, pace) => skipped(this.#open(epoch, pace), count))
  }

  /**
   * Two pipelines that divide the rows between them: each row goes to the first with the probability `share`, decided
   * by its place and the seed, so the same way in every epoch. Each of the two reads the origin for itself.
   *
   * @param share - the share of the first, between 0 and 1
   * @param options - `seed` (0)
   * @returns the part of `share` of the rows, and the rest
   * @throws ValueError after `shuffle`, where a row's place is another one in each epoch
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * const [train, test] = new data.Pipeline(Array.from({ length: 1000 }, (_, i) => i)).split(0.8)
   * let count = 0
   * for await (const row of train) if (row >= 0) count++
   * for await (const row of test) if (row >= 0) count++
   * console.log(count) // 1000
   * ```
   */
  split(share: number, options: PartOptions = {}): [Pipeline<T>, Pipeline<T>] {
    const op = 'Pipeline.split'
    if (typeof share !== 'number' || !(share > 0 && share < 1))
      throw new ValueError(`${op}: ${shown(share)} as share; expected one between 0 and 1.`)
    requireOptions(op, options, ['seed'])
    const seed = requireInteger(op, 'seed', options.seed ?? 0, 0)
    if (this.#traits.reordered)
      throw new ValueError(
        `${op}: rows in an order that changes each epoch; expected split before shuffle: rows would change sides.`,
      )
    const part = (first: boolean): Pipeline<T> =>
      this.#then((epoch, pace) =>
        picked(this.#open(epoch, pace), (row) => drawnAt(seed, row) < share === first),
      )
    return [part(true), part(false)]
  }

  /** The rows of the next epoch. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    const pace = new Pace()
    return guarded(this.#open(this.#epoch++, pace), pace, new Origin())
  }
}

function isRows(value: unknown): value is RowSource<unknown> {
  if (typeof value !== 'object' || value === null) return false
  return Symbol.asyncIterator in value || Symbol.iterator in value
}

/** Refuses to begin again what gives its rows once only: a second epoch would be empty without a word. */
function onceOnly(): (rows: RowSource<unknown>, iterator: unknown) => void {
  let spent = false
  return (rows, iterator) => {
    if (rows !== iterator && !('pipe' in rows) && !('getReader' in rows)) return
    if (spent)
      throw new DataError(
        'data.Pipeline: the rows were read before, and their origin gives them once only; expected a function that opens it anew, as in new data.Pipeline(() => rows()).',
      )
    spent = true
  }
}

async function* fromOrigin<T>(
  origin: PipelineOrigin<T>,
  pace: Pace,
  opened: ReturnType<typeof onceOnly>,
): Rows<T> {
  const rows = typeof origin === 'function' ? await origin() : origin
  if (!isRows(rows))
    throw new DataError(
      `data.Pipeline: ${shown(rows)}, which the function of the origin gave; expected rows that can be iterated.`,
    )
  const made: AsyncIterator<T> | Iterator<T> =
    Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]()
  if (typeof origin !== 'function') opened(rows, made)
  const again =
    Symbol.asyncIterator in rows
      ? { [Symbol.asyncIterator]: () => made as AsyncIterator<T> }
      : { [Symbol.iterator]: () => made as Iterator<T> }
  yield* paced<T>(again, pace)
}

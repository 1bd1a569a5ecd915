import { DataError, reasonOf } from './data-error.js'
import type { Pace } from './pace.js'
import type { Origin } from '../errors/origin.js'

/** The rows of one epoch, as one stage of a pipeline gives them to the next. */
export type Rows<T> = AsyncIterableIterator<T, void, undefined>

const ended = { done: true, value: undefined } as const

/** Rows from where they come from; others run in between. */
export async function* paced<T>(rows: Iterable<T | PromiseLike<T>> | AsyncIterable<T>, pace: Pace): Rows<T> {
  for await (const row of rows) {
    yield row
    if (pace.due) await pace.turn()
  }
}

/** Rows as they are given out: their errors show the user's line. */
export async function* guarded<T>(
  rows: AsyncIterable<T>,
  pace: Pace,
  origin: Origin,
): AsyncGenerator<T, void, undefined> {
  try {
    for await (const row of rows) {
      yield row
      if (pace.due) await pace.turn()
    }
  } catch (error) {
    throw origin.error(error)
  }
}

/** What a function of the user's throws at a row, with the number of the row. */
function thrown(op: string, row: number, error: unknown): unknown {
  if (error instanceof DataError) return error
  return new DataError(
    `${op}: row ${row}: ${reasonOf(error)}; expected a function that takes every row.`,
    { row },
    { cause: error },
  )
}

/** One row after the other through a function. */
export async function* mapped<T, R>(
  op: string,
  rows: Rows<T>,
  fn: (value: T, row: number) => R | PromiseLike<R>,
): Rows<R> {
  let row = 0
  for await (const value of rows) {
    let result: R
    try {
      result = await fn(value, row)
    } catch (error) {
      throw thrown(op, row, error)
    }
    yield result
    row++
  }
}

/** Rows that pass a test. */
export async function* filtered<T>(
  op: string,
  rows: Rows<T>,
  test: (value: T, row: number) => unknown,
): Rows<T> {
  let row = 0
  for await (const value of rows) {
    let passes: unknown
    try {
      passes = await test(value, row)
    } catch (error) {
      throw thrown(op, row, error)
    }
    if (passes) yield value
    row++
  }
}

/** Rows in groups of `size`; the last may be smaller. */
export async function* batched<T, R>(
  rows: Rows<T>,
  size: number,
  dropLast: boolean,
  collate: (rows: readonly T[], first: number) => R,
): Rows<R> {
  let group: T[] = []
  let first = 0
  for await (const row of rows) {
    group.push(row)
    if (group.length < size) continue
    yield collate(group, first)
    first += group.length
    group = []
  }
  if (group.length > 0 && !dropLast) yield collate(group, first)
}

/** Rows out of a buffer of `size` of them, drawn at random: each row's place is taken by the next one that comes. */
export async function* shuffled<T>(rows: Rows<T>, size: number, random: () => number): Rows<T> {
  const buffer: T[] = []
  const drawn = (): number => Math.floor(random() * buffer.length)
  for await (const row of rows) {
    if (buffer.length < size) {
      buffer.push(row)
      continue
    }
    const at = drawn()
    const value = buffer[at] as T
    buffer[at] = row
    yield value
  }
  while (buffer.length > 0) {
    const at = drawn()
    const value = buffer[at] as T
    // Length was just checked.
    buffer[at] = buffer[buffer.length - 1] as T
    buffer.pop()
    yield value
  }
}

/** The first rows; the origin is closed as soon as they have come. */
export async function* taken<T>(rows: Rows<T>, count: number): Rows<T> {
  if (count === 0) {
    await rows.return?.()
    return
  }
  let left = count
  for await (const row of rows) {
    yield row
    left--
    if (left === 0) return
  }
}

/** All rows but the first. */
export async function* skipped<T>(rows: Rows<T>, count: number): Rows<T> {
  let left = count
  for await (const row of rows) {
    if (left > 0) left--
    else yield row
  }
}

/** Rows that a function of their numbers picks. */
export async function* picked<T>(rows: Rows<T>, picks: (row: number) => boolean): Rows<T> {
  let row = 0
  for await (const value of rows) {
    if (picks(row)) yield value
    row++
  }
}

/** How far a stage runs ahead. */
export interface Reach {
  /** Rows that are worked on at once. */
  readonly count: number
  /** Whether work goes on while the one who asked is busy with what it got; otherwise it begins when asked for more. */
  readonly eager: boolean
}

/** Rows that are worked on at the same time, and still come in their order. */
export class Ahead<T, R> implements AsyncIterableIterator<R, void, undefined> {
  readonly #op: string
  readonly #rows: Rows<T>
  readonly #work: (value: T, row: number) => R | PromiseLike<R>
  readonly #reach: Reach
  readonly #queue: Promise<IteratorResult<R, void>>[] = []
  /** Rows are asked for one after the other: not every iterator can take the second question before it has answered the first. */
  #asked: Promise<unknown> = Promise.resolve()
  #row = 0
  #drained = false

  constructor(op: string, rows: Rows<T>, work: (value: T, row: number) => R | PromiseLike<R>, reach: Reach) {
    this.#op = op
    this.#rows = rows
    this.#work = work
    this.#reach = reach
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<R, void>> {
    this.#fill()
    const first = this.#queue.shift()
    if (first === undefined) return ended
    try {
      const result = await first
      if (result.done !== true && this.#reach.eager) this.#fill()
      return result
    } catch (error) {
      await this.#close()
      throw error
    }
  }

  async return(): Promise<IteratorResult<R, void>> {
    const closed = await this.#close()
    if (closed.status === 'rejected') throw closed.reason
    return ended
  }

  /** Closes the origin and waits for what is under way, so that nothing runs after the end. */
  async #close(): Promise<PromiseSettledResult<unknown>> {
    this.#drained = true
    const under = this.#queue.splice(0)
    const [closed] = await Promise.allSettled([Promise.resolve(this.#rows.return?.()), ...under])
    return closed
  }

  #fill(): void {
    while (!this.#drained && this.#queue.length < this.#reach.count) this.#queue.push(this.#begin())
  }

  #begin(): Promise<IteratorResult<R, void>> {
    const asked = this.#asked.then(() => (this.#drained ? ended : this.#rows.next()))
    const entry = asked.then(async (result): Promise<IteratorResult<R, void>> => {
      if (result.done === true) {
        this.#drained = true
        return ended
      }
      const row = this.#row++
      try {
        return { done: false, value: await this.#work(result.value, row) }
      } catch (error) {
        throw thrown(this.#op, row, error)
      }
    })
    // Errors are thrown when it is their row's turn; until then, nobody may call them unhandled.
    this.#asked = asked.catch(() => {})
    entry.catch(() => {})
    return entry
  }
}

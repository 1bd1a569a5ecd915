import { ValueError, data } from 'neuroxide'
import { bad, row, some, type Rows } from './row.js'

const rows = (): data.Pipeline<number> => new data.Pipeline([1, 2, 3])

const gone = (): data.DataLoader =>
  new data.DataLoader({ length: 2, get: () => Promise.reject(new Error('gone')) })

function first(rows: AsyncIterable<unknown>): Promise<unknown> {
  return rows[Symbol.asyncIterator]().next()
}

export const pipelines: Rows = [
  row('new data.Pipeline', ValueError, /3 as origin; expected rows/, () => new data.Pipeline(bad(3))),
  row('data.Pipeline#epoch=', ValueError, /-1 as epoch; expected/, () => (rows().epoch = -1)),
  row('data.Pipeline#map', ValueError, /3; expected a function/, () => rows().map(bad(3))),
  row('data.Pipeline#map', ValueError, /0 as concurrency; expected/, () =>
    rows().map((n) => n, { concurrency: 0 }),
  ),
  row('data.Pipeline#map', ValueError, /no option "parallel"; expected concurrency/, () =>
    rows().map((n) => n, bad({ parallel: 2 })),
  ),
  row('data.Pipeline#filter', ValueError, /undefined; expected a function/, () => rows().filter(bad())),
  row('data.Pipeline#batch', ValueError, /0 as size; expected/, () => rows().batch(0)),
  row('data.Pipeline#batch', ValueError, /"i32" as types; expected/, () =>
    rows().batch(2, { types: bad('i32') }),
  ),
  row('data.Pipeline#batch', ValueError, /no option "drop_last"; expected/, () =>
    rows().batch(2, bad({ drop_last: true })),
  ),
  row('data.Pipeline#shuffle', ValueError, /undefined as bufferSize; expected/, () => rows().shuffle(bad())),
  row('data.Pipeline#shuffle', ValueError, /-1 as seed; expected/, () => rows().shuffle(2, { seed: -1 })),
  row('data.Pipeline#prefetch', ValueError, /0 as count; expected/, () => rows().prefetch(0)),
  row('data.Pipeline#take', ValueError, /-1 as count; expected/, () => rows().take(-1)),
  row('data.Pipeline#skip', ValueError, /"2" as count; expected/, () => rows().skip(bad('2'))),
  row('data.Pipeline#split', ValueError, /80 as share; expected/, () => rows().split(80)),
  row('data.Pipeline#split', ValueError, /expected split before shuffle/, () => rows().shuffle(2).split(0.5)),
  row(
    'data.Pipeline#[Symbol.asyncIterator]',
    data.DataError,
    /row 0: boom; expected/,
    async () => await first(rows().map(() => Promise.reject(new Error('boom')))),
  ),
  row(
    'data.Pipeline#[Symbol.asyncIterator]',
    data.DataError,
    /row 1: "b"; expected a number/,
    async () => await first(new data.Pipeline<unknown>([1, 'b']).batch(2)),
  ),
  row(
    'data.Pipeline#[Symbol.asyncIterator]',
    data.DataError,
    /3, which the function .*; expected/,
    async () => await first(new data.Pipeline(() => bad(3))),
  ),
]

export const loaders: Rows = [
  row('data.DataLoader#[Symbol.iterator]', ValueError, /a promise as sample .*; expected a sample/, () => [
    ...new data.DataLoader({ length: 2, get: async () => ({ x: some(), y: some() }) }),
  ]),
  row(
    'data.DataLoader#[Symbol.asyncIterator]',
    data.DataError,
    /sample 0: gone; expected/,
    async () => await gone()[Symbol.asyncIterator]().next(),
  ),
  row(
    'data.DataLoader#[Symbol.asyncIterator]',
    ValueError,
    /3 as sample 0; expected/,
    async () => await new data.DataLoader({ length: 2, get: () => bad(3) })[Symbol.asyncIterator]().next(),
  ),
  row(
    'new data.DataLoader',
    ValueError,
    /-1 as prefetch; expected/,
    () => new data.DataLoader({ x: some(), y: some() }, { prefetch: -1 }),
  ),
]

import { DTypeError, IndexError, ShapeError, ValueError, data, nn, tensor } from 'neuroxide'
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

const people = [
  { age: 31, city: 'Rome', buys: 'yes' },
  { age: 45, city: 'Oslo', buys: 'no' },
]
const known = (): data.Preprocessing => data.records(people, { target: 'buys' }).preprocessing

export const tables: Rows = [
  row('new data.Preprocessing', ValueError, /its own constructor was called; expected/, () =>
    Reflect.construct(data.Preprocessing, [{}]),
  ),
  row('data.csv', ValueError, /3 as path; expected a text/, async () => await data.csv(bad(3))),
  row(
    'data.csv',
    data.DataError,
    /no-such\.csv: ENOENT.*; expected a file/,
    async () => await data.csv('no-such.csv'),
  ),
  row(
    'data.csv',
    ValueError,
    /no option "targets"; expected target/,
    async () => await data.csv('no-such.csv', bad({ targets: ['a'] })),
  ),
  row(
    'data.csv',
    ValueError,
    /"" as separator; expected/,
    async () => await data.csv('no-such.csv', { separator: '' }),
  ),
  row(
    'data.csv',
    ValueError,
    /"yes" as header; expected/,
    async () => await data.csv('no-such.csv', { header: bad('yes') }),
  ),
  row(
    'data.csvStream',
    ValueError,
    /"median" as encoding; expected/,
    async () => await data.csvStream('no-such.csv', { encoding: bad('median') }),
  ),
  row(
    'data.csvStream',
    data.DataError,
    /ENOENT.*; expected a file/,
    async () => await data.csvStream('no-such.csv'),
  ),
  row('data.records', ValueError, /an object; expected an array/, () => data.records(bad({ a: 1 }))),
  row('data.records', data.DataError, /no records; expected/, () => data.records([])),
  row('data.records', data.DataError, /record 0, column "age": "old"; expected a number/, () =>
    data.records([{ age: 'old' }], { types: { age: 'number' } }),
  ),
  row('data.records', ValueError, /no column "sells", asked for in target; expected/, () =>
    data.records(people, { target: 'sells' }),
  ),
  row('data.records', ValueError, /"int" as type of "age"; expected/, () =>
    data.records(people, { types: { age: bad('int') } }),
  ),
  row('data.records', ValueError, /"max" as missing of all; expected/, () =>
    data.records(people, { missing: bad('max') }),
  ),
  row('data.records', ValueError, /3 as preprocessing; expected/, () =>
    data.records(people, { preprocessing: bad(3) }),
  ),
  row('data.records', ValueError, /"zeros" as unknown; expected/, () =>
    data.records(people, { unknown: 'zeros' }),
  ),
  row('data.Preprocessing#inputs', ValueError, /3 as record 0; expected/, () => known().inputs(bad(3))),
  row('data.Preprocessing#inputs', data.DataError, /record 0, column "age": a missing value; expected/, () =>
    known().inputs({ city: 'Rome' }),
  ),
  row('data.Preprocessing#inputs', data.DataError, /"Bonn", which the table did not have; expected/, () =>
    known().inputs([{ age: 1, city: 'Bonn' }]),
  ),
  row('data.Preprocessing#outputs', data.DataError, /column "buys": "maybe".*; expected/, () =>
    known().outputs({ buys: 'maybe' }),
  ),
  row('data.Preprocessing#categories', ValueError, /no column "sex"; expected "?age/, () =>
    known().categories('sex'),
  ),
  row('data.Preprocessing#labels', ShapeError, /\[1, 3\] for 2 classes; expected/, () =>
    known().labels([[1, 2, 3]]),
  ),
  row('data.Preprocessing#labels', ValueError, /3 as prediction; expected/, () => known().labels(bad(3))),
  row('data.Preprocessing.fromJSON', data.DataError, /undefined; expected the object/, () =>
    data.Preprocessing.fromJSON(undefined),
  ),
  row('data.trainTestSplit', ValueError, /f32\[2, 3\] as stratify; expected/, () =>
    data.trainTestSplit({ x: some(), y: some() }, { stratify: true }),
  ),
  row('data.trainTestSplit', ValueError, /class 1 has one sample; expected/, () =>
    data.trainTestSplit({ x: some([4, 1]), y: tensor([0, 0, 1, 0], { dtype: 'i32' }) }, { stratify: true }),
  ),
]

export const layers: Rows = [
  row(
    'new nn.Normalization',
    ValueError,
    /one of mean and variance; expected/,
    () => new nn.Normalization({ mean: 1 }),
  ),
  row(
    'new nn.Normalization',
    ValueError,
    /no option "axes"; expected axis/,
    () => new nn.Normalization(bad({ axes: 1 })),
  ),
  row(
    'new nn.Normalization',
    ValueError,
    /"last" as axis; expected/,
    () => new nn.Normalization({ axis: bad(['last']) }),
  ),
  row('nn.Normalization#adapt', ValueError, /undefined; expected a tensor/, () =>
    new nn.Normalization().adapt(bad()),
  ),
  row('nn.Normalization#adapt', ShapeError, /axis -1 of 0 axes; expected/, () =>
    new nn.Normalization().adapt(some([])),
  ),
  row('nn.Normalization#forward', ValueError, /no mean yet; expected adapt/, () =>
    new nn.Normalization().forward(some()),
  ),
  row('nn.Normalization#forward', ShapeError, /\[2, 3\] for a mean \[4\]; expected/, () =>
    new nn.Normalization({ shape: [4] }).forward(some()),
  ),
  row('new nn.CategoryEncoding', ValueError, /no options; expected/, () => new nn.CategoryEncoding(bad())),
  row(
    'new nn.CategoryEncoding',
    ValueError,
    /numTokens is 0; expected/,
    () => new nn.CategoryEncoding({ numTokens: 0 }),
  ),
  row(
    'new nn.CategoryEncoding',
    ValueError,
    /"hot" as outputMode; expected/,
    () => new nn.CategoryEncoding({ numTokens: 2, outputMode: bad('hot') }),
  ),
  row('nn.CategoryEncoding#forward', DTypeError, /the input is f32; expected indices/, () =>
    new nn.CategoryEncoding({ numTokens: 2 }).forward(some()),
  ),
  row('nn.CategoryEncoding#forward', IndexError, /; expected/, () =>
    new nn.CategoryEncoding({ numTokens: 2 }).forward(tensor([5], { dtype: 'i32' })),
  ),
]

export const pictures: Rows = [
  row('data.image', ValueError, /3 as source; expected/, async () => await data.image(bad(3))),
  row(
    'data.image',
    data.DataError,
    /no-such\.png: .*; expected a whole picture/,
    async () => await data.image('no-such.png'),
  ),
  row(
    'data.image',
    ValueError,
    /2 as channels; expected/,
    async () => await data.image('no-such.png', { channels: bad(2) }),
  ),
  row(
    'data.image',
    ValueError,
    /0 as size; expected/,
    async () => await data.image('no-such.png', { size: [4, 0] }),
  ),
  row('data.images', ValueError, /undefined as folder; expected/, async () => await data.images(bad())),
  row(
    'data.images',
    data.DataError,
    /no-such-folder: ENOENT.*; expected/,
    async () => await data.images('no-such-folder'),
  ),
  row(
    'data.images',
    ValueError,
    /"stretch" as fit; expected/,
    async () => await data.images('no-such-folder', { fit: bad('stretch') }),
  ),
  row(
    'data.images',
    ValueError,
    /"ignore" as corrupt; expected/,
    async () => await data.images('no-such-folder', { corrupt: bad('ignore') }),
  ),
  row(
    'data.images',
    ValueError,
    /no option "shape"; expected size/,
    async () => await data.images('no-such-folder', bad({ shape: 3 })),
  ),
]

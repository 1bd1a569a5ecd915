import { describe, expect, test } from 'vitest'
import { type Tensor, data, tensor } from 'neuroxide'

const values = (x: unknown): unknown => (x as Tensor).toArray()

describe('data.records', () => {
  const rows = [
    { age: 31, city: 'Rome', buys: true, since: new Date('1970-01-02') },
    { age: null, city: 'Oslo', buys: false, since: '1970-01-03' },
    { age: '45', city: 'Rome', buys: true, since: new Date(0) },
  ]

  test('finds out what columns hold as data.csv does', () => {
    const table = data.records(rows, { target: 'city', missing: { age: 'mean' } })
    expect([table.columns, values(table.x), values(table.y), table.classes]).toEqual([
      ['age', 'buys', 'since'],
      [
        [31, 1, 1],
        [38, 0, 2],
        [45, 1, 0],
      ],
      [1, 0, 1],
      ['Oslo', 'Rome'],
    ])
    expect(values(data.records(rows, { target: 'buys', missing: 'drop' }).y)).toEqual([[1], [1]])
  })

  test.each<[string, unknown[], data.TableOptions, object, RegExp]>([
    ['no records', [], {}, {}, /no records; expected at least one/],
    ['what is no object', [{ a: 1 }, 3], {}, { row: 1 }, /record 1: 3; expected an object/],
    [
      'a field that is left out',
      [{ a: 1, b: 2 }, { a: 1 }],
      {},
      { row: 1, column: 'b' },
      /record 1, column "b": a missing value/,
    ],
    [
      'a value of no kind',
      [{ a: { b: 1 } }],
      {},
      { row: 0, column: 'a' },
      /an object; expected a text, a number, true or false/,
    ],
    ['missing values only', [{ a: null }], { missing: 'drop' }, {}, /a missing value in each of 1 records/],
  ])('%s is refused', (_, records, options, place, message) => {
    expect(() => data.records(records as data.RawRecord[], options)).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringMatching(message), ...place }),
    )
  })
})

describe('Preprocessing', () => {
  const table = data.records(
    [
      { height: 1.9, color: 'red', rare: 1, kind: 'a' },
      { height: 1.1, color: 'blue', rare: undefined, kind: 'b' },
      { height: 1.1, color: 'blue', rare: 5, kind: 'c' },
    ],
    { target: 'kind', missing: { rare: 'median' }, encoding: 'oneHot' },
  )
  const { preprocessing } = table

  test('makes the inputs and targets of the table of raw records, after JSON too', () => {
    const again = data.Preprocessing.fromJSON(JSON.parse(JSON.stringify(preprocessing)))
    for (const one of [preprocessing, again]) {
      expect(one.columns).toEqual(['height', 'color=blue', 'color=red', 'rare'])
      expect(one.names).toEqual(['height', 'color', 'rare'])
      expect(
        values(
          one.inputs([
            { height: '2', color: 'red', other: 1 },
            { height: 3, color: 'blue', rare: 0 },
          ]),
        ),
      ).toEqual([
        [2, 0, 1, 3],
        [3, 1, 0, 0],
      ])
      expect(values(one.outputs({ kind: 'c' }))).toEqual([2])
      expect(one.classes).toEqual(['a', 'b', 'c'])
    }
  })

  test.each<[string, data.RawRecord, RegExp]>([
    [
      'an unknown category',
      { height: 1, color: 'green' },
      /record 0, column "color": "green", which the table did not have; expected one of "blue", "red"/,
    ],
    [
      'a missing value that nothing fills',
      { color: 'red' },
      /column "height": a missing value; expected a number/,
    ],
    [
      'a text that is no number',
      { height: 'tall', color: 'red' },
      /column "height": "tall"; expected a number/,
    ],
  ])('refuses %s', (_, record, message) => {
    expect(() => preprocessing.inputs(record)).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', row: 0, message: expect.stringMatching(message) }),
    )
  })

  test('names the classes of predictions', () => {
    expect(
      preprocessing.labels([
        [0.1, 0.7, 0.2],
        [9, 0, 0],
      ]),
    ).toEqual(['b', 'a'])
    const two = data.records(
      [
        { a: 1, ok: 'no' },
        { a: 2, ok: 'yes' },
      ],
      { target: 'ok' },
    ).preprocessing
    expect(two.labels([[0.2], [0.9]])).toEqual(['no', 'yes'])
    expect(() => preprocessing.labels([[0.5, 0.5]])).toThrow(/\[1, 2\] for 3 classes; expected \[n, 3\]/)
  })

  test.each<[string, unknown]>([
    ['nothing', null],
    ['a list', []],
    ['another version', { ...preprocessing.toJSON(), version: 2 }],
    ['another encoding', { ...preprocessing.toJSON(), encoding: 'hash' }],
    ['columns that are none', { ...preprocessing.toJSON(), inputs: [3] }],
    ['a type that is none', { ...preprocessing.toJSON(), inputs: [{ name: 'a', type: 'text' }] }],
    [
      'categories that are none',
      { ...preprocessing.toJSON(), inputs: [{ name: 'a', type: 'category', categories: [1] }] },
    ],
    [
      'a fill of another kind',
      { ...preprocessing.toJSON(), inputs: [{ name: 'a', type: 'number', fill: 'x' }] },
    ],
    [
      'a fill that is no category',
      { ...preprocessing.toJSON(), targets: [{ name: 'a', type: 'category', categories: [], fill: 'x' }] },
    ],
    ['missing texts that are none', { ...preprocessing.toJSON(), missingValues: [null] }],
  ])('is not made of %s', (_, json) => {
    expect(() => data.Preprocessing.fromJSON(json)).toThrow(
      expect.objectContaining({
        code: 'ERR_DATA',
        message: expect.stringMatching(/^Preprocessing\.fromJSON: .*; expected /),
      }),
    )
  })
})

describe('objects of classes', () => {
  class Row {
    constructor(
      readonly a: number,
      readonly kind: string,
    ) {}

    get double(): number {
      return this.a * 2
    }
  }
  const rows = [new Row(1, 'x'), new Row(2, 'y')]

  test('are records by their own properties', async () => {
    const table = data.records(rows as never, { target: 'kind' })
    expect([table.columns, table.x.toArray()]).toEqual([['a'], [[1], [2]]])
    expect(table.preprocessing.inputs(rows[1] as never).toArray()).toEqual([[2]])
    const pipeline = new data.Pipeline(rows.map(({ a }) => Object.assign(new Row(a, ''), { kind: a }))).batch(
      2,
    )
    for await (const batch of pipeline) expect(Object.keys(batch)).toEqual(['a', 'kind'])
  })

  test.each<[string, object, string]>([
    ['a map', new Map([['a', 1]]), 'an object of Map without properties of its own'],
    ['what its prototype has', Object.create(rows[0] as Row) as object, 'an object of Row without'],
    ['a list', [1], 'an array of 1'],
    ['a promise', Promise.resolve(rows[0]), 'an object of Promise without'],
  ])('%s is none', (_, given, what) => {
    expect(() => data.records([given as never])).toThrow(what)
    expect(() =>
      data.records([{ a: 1, b: 1 }], { target: 'b' }).preprocessing.inputs([given as never]),
    ).toThrow(what)
  })

  test('a sample of a data set that holds no tensors is named', () => {
    const set = { length: 3, get: (i: number) => ({ x: i === 2 ? rows[0] : tensor([i]), y: tensor([i]) }) }
    expect(() => [...new data.DataLoader(set as never, { batchSize: 3 })]).toThrow(
      /as x of sample 2; expected a tensor/,
    )
  })
})

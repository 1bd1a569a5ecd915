import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { type Tensor, data, nn } from 'neuroxide'
import { gapsDuring } from './gaps.js'

const folder = mkdtempSync(join(tmpdir(), 'neuroxide-csv-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const file = (text: string | Uint8Array, ending = 'csv'): string => {
  const path = join(folder, `${files++}.${ending}`)
  writeFileSync(path, text)
  return path
}

const flowers =
  'height,color,open,seen,kind\n1.5,red,true,2024-01-02,rose\n0.5,blue,false,1970-01-03,iris\n2,red,true,1970-01-01T12:00:00Z,rose\n'

const values = (x: unknown): unknown => (x as Tensor).toArray()

describe('data.csv', () => {
  test('finds out what columns hold, and keeps the vocabularies', async () => {
    const table = await data.csv(file(flowers), { target: 'kind' })
    expect([table.columns, table.classes, table.targets, table.length, table.dropped]).toEqual([
      ['height', 'color', 'open', 'seen'],
      ['iris', 'rose'],
      ['kind'],
      3,
      0,
    ])
    expect([table.x.dtype, values(table.x)]).toEqual([
      'f32',
      [
        [1.5, 1, 1, 19_724],
        [0.5, 0, 0, 2],
        [2, 1, 1, 0.5],
      ],
    ])
    expect([table.y.dtype, values(table.y)]).toEqual(['i32', [1, 0, 1]])
    expect(table.preprocessing.categories('color')).toEqual(['blue', 'red'])
    expect(table.preprocessing.categories('height')).toBe(null)
  })

  test('reads what pandas reads', async () => {
    const { text, columns } = JSON.parse(readFileSync('test/golden/data/csv.json', 'utf8')) as {
      text: string
      columns: Record<string, (number | string | boolean | null)[]>
    }
    const missing = { name: { value: 'missing' }, score: -99, 'odd, name': { value: 'missing' } }
    const { x, preprocessing, columns: names } = await data.csv(file(text), { missing })
    expect(names).toEqual(Object.keys(columns))
    for (const [i, [name, wanted]] of Object.entries(columns).entries()) {
      const categories = preprocessing.categories(name)
      const read = (x.select(1, i).toArray() as number[]).map((value) => categories?.[value] ?? value)
      const expected = wanted.map((value) =>
        value === null
          ? categories === null
            ? -99
            : 'missing'
          : categories === null
            ? Math.fround(Number(value))
            : String(value),
      )
      expect(read, name).toEqual(expected)
    }
  })

  test.each<[string, string, string]>([
    ['line ends of Windows', 'a,b\r\n1,2\r\n3,4\r\n', 'csv'],
    ['of old Macs', 'a,b\r1,2\r3,4', 'csv'],
    ['of all kinds', 'a,b\n1,2\r\n3,4', 'csv'],
    ['a byte order mark', '\ufeffa,b\n1,2\n3,4', 'csv'],
    ['blank lines', '\na,b\n\n1,2\n\n\n3,4\n\n', 'csv'],
    ['quotes around everything', '"a","b"\n"1","2"\n"3","4"\n', 'csv'],
    ['tabs', 'a\tb\n1\t2\n3\t4\n', 'tsv'],
    ['spaces around', ' a , b \n 1, 2 \n3 ,4\n', 'csv'],
  ])('reads %s', async (_, text, ending) => {
    const table = await data.csv(file(text, ending), { target: 'b' })
    expect([table.columns, values(table.x), values(table.y), table.y.shape]).toEqual([
      ['a'],
      [[1], [3]],
      [[2], [4]],
      [2, 1],
    ])
    expect(table.classes).toBe(null)
  })

  test('reads gzip, other separators, files without names, and picks columns in an order', async () => {
    const zipped = await data.csv(file(gzipSync(flowers), 'csv.gz'), { target: 'kind' })
    expect(zipped.length).toBe(3)
    const options = { header: ['a', 'b', 'c'], separator: ';', columns: ['c', 'a'], target: 'b' }
    const named = await data.csv(file('1;2;3\n4;5;6\n'), options)
    expect([values(named.x), values(named.y)]).toEqual([
      [
        [3, 1],
        [6, 4],
      ],
      [[2], [5]],
    ])
    const unnamed = await data.csv(file('1,2\n3,4\n'), { header: false, target: '1' })
    expect([unnamed.columns, values(unnamed.y)]).toEqual([['0'], [[2], [4]]])
    const indexed = await data.csv(file(',a\n0,5\n1,6\n'))
    expect(indexed.columns).toEqual(['Unnamed: 0', 'a'])
  })

  test('has several targets, and none', async () => {
    const numbers = await data.csv(file('a,b,c\n1,2,3\n4,5,6\n'), { target: ['c', 'b'] })
    expect(values(numbers.y)).toEqual([
      [3, 2],
      [6, 5],
    ])
    const mixed = await data.csv(file(flowers), { target: ['kind', 'height'], columns: ['open'] })
    const { kind, height } = mixed.y as unknown as Record<string, Tensor>
    expect([kind?.dtype, values(kind), values(height), mixed.classes]).toEqual([
      'i32',
      [1, 0, 1],
      [[1.5], [0.5], [2]],
      null,
    ])
    const none = await data.csv(file('a\n1\n2\n'))
    expect(none.y).toBe(none.x)
  })

  test('follows types and categories that are given', async () => {
    const path = file('digit,size,answer\n10,S,yes\n9,L,no\n10,M,yes\n')
    const table = await data.csv(path, {
      target: 'digit',
      types: { digit: 'category', answer: 'boolean' },
      categories: { size: ['S', 'M', 'L'] },
    })
    expect([table.classes, values(table.y), values(table.x)]).toEqual([
      ['9', '10'],
      [1, 0, 1],
      [
        [0, 1],
        [2, 0],
        [1, 1],
      ],
    ])
    await expect(data.csv(path, { categories: { size: ['S', 'M'] } })).rejects.toMatchObject({
      line: 3,
      column: 'size',
      message: expect.stringMatching(/"L", which the table did not have; expected one of "S", "M"/),
    })
    const hot = await data.csv(path, {
      target: 'digit',
      columns: ['size', 'digit'].slice(0, 1),
      encoding: 'oneHot',
    })
    expect([hot.columns, values(hot.x)]).toEqual([
      ['size=L', 'size=M', 'size=S'],
      [
        [0, 0, 1],
        [1, 0, 0],
        [0, 1, 0],
      ],
    ])
    const options = {
      encoding: 'oneHot',
      unknown: 'zeros',
      categories: { size: ['S', 'M'] },
      columns: ['size'],
    } as const
    expect(values((await data.csv(path, options)).x)).toEqual([
      [1, 0],
      [0, 0],
      [0, 1],
    ])
  })

  test('a column that turns out to be of categories late has all of them', async () => {
    const lines = Array.from({ length: 8 }, (_, i) => `${i % 3},x`)
    const table = await data.csv(file(`a,b\n${lines.join('\n')}\nnone,x\ntrue,x\n`))
    expect(table.preprocessing.categories('a')).toEqual(['0', '1', '2', 'none', 'true'])
  })

  test.each<[string, data.CsvOptions['missing'], unknown[]]>([
    [
      'drop',
      'drop',
      [
        [1, 0],
        [3, 1],
        [8, 0],
      ],
    ],
    [
      'a mean and a mode',
      { a: 'mean', b: 'mode' },
      [
        [1, 0],
        [4, 0],
        [3, 1],
        [4, 0],
        [8, 0],
      ],
    ],
    [
      'a median',
      { a: 'median', b: { value: 'z' } },
      [
        [1, 0],
        [3.5, 0],
        [3, 1],
        [4, 2],
        [8, 0],
      ],
    ],
    [
      'a value',
      { a: -1, b: 'mode' },
      [
        [1, 0],
        [-1, 0],
        [3, 1],
        [4, 0],
        [8, 0],
      ],
    ],
  ])('fills missing values: %s', async (_, missing, expected) => {
    const path = file('a,b\n1,x\n,x\n3,y\n4,NA\n8,x\n')
    const table = await data.csv(path, { missing })
    expect(values(table.x)).toEqual(expected)
    expect(table.dropped).toBe(missing === 'drop' ? 2 : 0)
  })

  test('takes more texts for missing values, and never makes a target up', async () => {
    const path = file('a,b\n1,2\n?,3\n5,?\n')
    const marks = { target: 'b', missingValues: ['?'] } as const
    expect(values((await data.csv(path, { ...marks, missing: 'drop' })).x)).toEqual([[1]])
    await expect(data.csv(path, { ...marks, missing: 'mean' })).rejects.toMatchObject({
      line: 4,
      column: 'b',
    })
    const given = await data.csv(path, { ...marks, missing: { a: 'mean', b: 0 } })
    expect([values(given.x), values(given.y)]).toEqual([
      [[1], [3], [5]],
      [[2], [3], [0]],
    ])
  })

  test('takes over the columns, categories and fillings of another table', async () => {
    const train = await data.csv(file('a,b,c\n1,x,p\n,y,q\n3,x,p\n'), { target: 'c', missing: { a: 'mean' } })
    const later = await data.csv(file('c,extra,b,a\nq,9,y,\n'), { preprocessing: train.preprocessing })
    expect([values(later.x), values(later.y)]).toEqual([[[2, 1]], [1]])
    await expect(
      data.csv(file('c,b,a\nq,new,1\n'), { preprocessing: train.preprocessing }),
    ).rejects.toMatchObject({ line: 2, column: 'b' })
  })

  test('reads fields of megabytes, and a file that ends in the middle of a line', async () => {
    const long = 'x'.repeat(5_000_000)
    const table = await data.csv(file(`a,b\n1,"${long}"\n2,"y"`), { target: 'a' })
    expect(table.preprocessing.categories('b')?.map(({ length }) => length)).toEqual([5_000_000, 1])
  })

  test('trains a model', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => [Math.sin(i), Math.cos(i * 7)] as const)
    const text = rows.map(([a, b]) => `${a},${b},${a + b > 0 ? 'more' : 'less'}`).join('\n')
    const table = await data.csv(file(`a,b,sum\n${text}\n`), { target: 'sum' })
    const { train, test: unseen } = data.trainTestSplit(table, { testSize: 0.25, stratify: true, seed: 1 })
    const model = new nn.Sequential(new nn.Linear(2, 8), new nn.ReLU(), new nn.Linear(8, 2)).compile({
      optimizer: 'adam',
      loss: 'crossEntropy',
      metrics: ['accuracy'],
    })
    await model.fit(train, { epochs: 60, batchSize: 16, verbose: 0, seed: 1 })
    expect((await model.evaluate(unseen)).accuracy).toBeGreaterThan(0.9)
  })
})

describe('a CSV file that cannot be used', () => {
  const many = Array.from({ length: 20 }, (_, i) => `${i},${i}`).join('\n')
  test.each<[string, string | Uint8Array, data.CsvOptions, { line?: number; column?: string }, RegExp]>([
    ['is empty', '', {}, {}, /an empty file; expected a row of names/],
    ['has a byte order mark only', '\ufeff', {}, {}, /an empty file/],
    ['has names only', 'a,b\n', {}, {}, /no row of values.*; expected at least one row/],
    ['has a short row', 'a,b\n1,2\n\n3\n', {}, { line: 4 }, /line 4: 1 values; expected 2/],
    ['has a long row', 'a,b\n"1\n2",2\n1,2,3\n', {}, { line: 4 }, /line 4: 3 values; expected 2/],
    [
      'names two columns the same',
      'a,b,a\n1,2,3\n',
      {},
      { line: 1, column: 'a' },
      /"a" as name of the columns 1 and 3; expected a name of its own/,
    ],
    [
      'has a missing value',
      'a,b\n1,2\n1,\n',
      {},
      { line: 3, column: 'b' },
      /line 3, column "b": a missing value; expected a value in every row\. Say/,
    ],
    [
      'has a mistake among numbers',
      `a,b\n${many}\n12o,1\n`,
      {},
      { line: 22, column: 'a' },
      /"12o" among 20 numbers; expected numbers only.*types.*missingValues/,
    ],
    [
      'has a text where a number is said to be',
      'a,b\n1,x\n',
      { types: { b: 'number' } },
      { line: 2, column: 'b' },
      /"x"; expected a number/,
    ],
    [
      'has a date that is none',
      'a\n2023-02-29\n',
      { types: { a: 'date' } },
      { line: 2 },
      /"2023-02-29"; expected a date/,
    ],
    [
      'has a quote that is not closed',
      'a,b\n1,2\n3,"4\n5,6\n',
      {},
      { line: 3 },
      /line 3: a quote that is not closed; expected/,
    ],
    [
      'has a quote in a value',
      'a,b\n1,2\n3,"4"5\n',
      {},
      { line: 3 },
      /a quote in the middle of a value; expected quotes around/,
    ],
    ['has too few names given', '1,2\n', { header: ['a'] }, { line: 1 }, /1 names in header for 2 columns/],
    [
      'has nothing to take the mean of',
      'a,b\n,2\n,3\n',
      { missing: { a: 'mean' } },
      { column: 'a' },
      /no value at all; expected some/,
    ],
    [
      'has texts to take the mean of',
      'a,b\nx,2\n,3\n',
      { missing: 'mean' },
      { column: 'a' },
      /the mean of texts for 1 missing values; expected 'mode'/,
    ],
    [
      'has a missing value in each row',
      'a,b\n,2\n3,\n',
      { missing: 'drop' },
      {},
      /a missing value in each; expected at least one/,
    ],
  ])('%s', async (_, text, options, place, message) => {
    const path = file(text)
    for (const read of [data.csv, data.csvStream]) {
      const error: unknown = await read(path, options).then(
        async (rows) => {
          // Rows that stream are only looked at one by one.
          for await (const row of rows as data.TableStream) expect(row).toBeDefined()
          return null
        },
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(data.DataError)
      expect(error).toMatchObject({ code: 'ERR_DATA', file: path, ...place })
      expect((error as Error).message).toMatch(message)
    }
  })

  test('is not there, is a folder, or is damaged', async () => {
    await expect(data.csv(join(folder, 'none.csv'))).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/none\.csv: ENOENT.*; expected a file that can be read/),
    })
    await expect(data.csv(folder)).rejects.toMatchObject({ code: 'ERR_DATA' })
    const cut = gzipSync(flowers.repeat(50)).subarray(0, 60)
    await expect(data.csv(file(cut, 'csv.gz'))).rejects.toMatchObject({ code: 'ERR_DATA' })
  })

  test.each<[string, data.CsvOptions, RegExp]>([
    [
      'a column that is not there',
      { target: 'sort' },
      /no column "sort", asked for in target; expected "height", /,
    ],
    ['an option for one', { types: { hight: 'number' } }, /no column "hight", asked for in types/],
    ['a column twice', { columns: ['open', 'open'] }, /"open" twice/],
    ['a target among the columns', { columns: ['kind'], target: 'kind' }, /"kind" among columns and target/],
    [
      'nothing but a target',
      { target: ['height', 'color', 'open', 'seen', 'kind'] },
      /no column beside the target/,
    ],
  ])('%s is an option that does not fit', async (_, options, message) => {
    await expect(data.csv(file(flowers), options)).rejects.toMatchObject({
      code: 'ERR_VALUE',
      message: expect.stringMatching(message),
    })
  })

  test('another separator is found out', async () => {
    await expect(data.csv(file(flowers.replaceAll(',', ';')), { target: 'kind' })).rejects.toThrow(
      /no column "kind".*All of the first line is one column: say \{ separator: ";" \}/,
    )
  })
})

describe('data.csvStream', () => {
  test('streams the rows of the table, each epoch anew', async () => {
    const path = file(flowers)
    const [rows, table] = [
      await data.csvStream(path, { target: 'kind' }),
      await data.csv(path, { target: 'kind' }),
    ]
    expect([rows.rows, rows.columns, rows.classes]).toEqual([3, table.columns, table.classes])
    for (let epoch = 0; epoch < 2; epoch++)
      for await (const { x, y } of rows.batch(8)) {
        expect([values(x), values(y), y.dtype]).toEqual([values(table.x), values(table.y), 'i32'])
      }
    const numbers = await data.csvStream(path, { target: 'height' })
    for await (const { y } of numbers.batch(2)) expect([y.dtype, y.shape.slice(1)]).toEqual(['f32', [1]])
    const both = await data.csvStream(path, { target: ['kind', 'height'] })
    for await (const { y } of both.batch(3)) {
      const { kind, height } = y as unknown as Record<string, Tensor>
      expect([kind?.dtype, height?.shape]).toEqual(['i32', [3, 1]])
    }
    const known = await data.csvStream(path, { preprocessing: table.preprocessing })
    expect(known.rows).toBe(null)
    for await (const { x } of known.batch(3)) expect(values(x)).toEqual(values(table.x))
  })

  test('200,000 rows take little memory, and the program goes on', async () => {
    const lines = Array.from(
      { length: 200_000 },
      (_, i) => `${i},${(i * 7919) % 1000},c${i % 5},${i % 3 === 0}`,
    )
    const path = file(`id,number,group,third\n${lines.join('\n')}\n`)
    lines.length = 0
    let most = 0
    let count = 0
    let sum = 0
    const gaps = await gapsDuring(async () => {
      const rows = await data.csvStream(path, { target: 'group', columns: ['number', 'third'] })
      const begin = process.memoryUsage()
      for await (const { x, y } of rows.shuffle(1000, { seed: 1 }).batch(500).prefetch(2)) {
        count += y.numel
        sum += x.select(1, 0).sum().item()
        const { heapUsed, external } = process.memoryUsage()
        most = Math.max(most, heapUsed - begin.heapUsed + external - begin.external)
      }
      expect(rows.classes).toEqual(['c0', 'c1', 'c2', 'c3', 'c4'])
    })
    expect([count, sum]).toEqual([200_000, (999 * 1000 * 200) / 2])
    // All rows as they come out would take some 100 MB.
    expect(most).toBeLessThan(80e6)
    expect(gaps[Math.floor(gaps.length * 0.9)]).toBeLessThan(12)
  })

  test('closes the file when the loop is left and when a row fails', async () => {
    const { readdirSync, readlinkSync } = await import('node:fs')
    const open = (path: string): number =>
      readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`) === path
        } catch {
          return false
        }
      }).length
    const path = file(`a,b\n${'1,2\n'.repeat(50_000)}`)
    const rows = await data.csvStream(path, { target: 'b' })
    for await (const row of rows) if (row.x[0] === 1) break
    if (process.platform === 'linux') {
      expect(open(path)).toBe(0)
      // The way of looking finds a file that is open.
      const stream = createReadStream(path)
      await new Promise((resolve) => stream.once('open', resolve))
      expect(open(path)).toBe(1)
      stream.destroy()
      await sleep(5)
    }
    writeFileSync(path, `a,b\n${'1,2\n'.repeat(50_000)}x,3\n`)
    await expect(
      (async () => {
        for await (const row of rows) expect(row.x[0]).toBe(1)
      })(),
    ).rejects.toMatchObject({ code: 'ERR_DATA', line: 50_002, column: 'a', row: 50_000 })
    if (process.platform === 'linux') expect(open(path)).toBe(0)
  })
})

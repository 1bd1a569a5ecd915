import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type Tensor, data, manualSeed, nn, tensor } from 'neuroxide'
import { gapsDuring } from './gaps.js'

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const row of rows) list.push(row)
  return list
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** An origin that tells how often it was opened and closed. */
function watched(count: number): { open: () => AsyncGenerator<number>; opened: number; closed: number } {
  const log = {
    opened: 0,
    closed: 0,
    async *open(): AsyncGenerator<number> {
      log.opened++
      try {
        for (let i = 0; i < count; i++) yield i
      } finally {
        await sleep(1)
        log.closed++
      }
    },
  }
  return log
}

describe('Pipeline', () => {
  test('gives the rows of every kind of origin, each epoch anew', async () => {
    for (const origin of [
      range(3),
      new Set(range(3)),
      () => range(3),
      async () => range(3),
      watched(3).open,
      [0, Promise.resolve(1), 2] as unknown as number[],
    ]) {
      const rows = new data.Pipeline<number>(origin)
      expect(await all(rows)).toEqual([0, 1, 2])
      expect(await all(rows)).toEqual([0, 1, 2])
      expect(rows.epoch).toBe(2)
    }
  })

  test('refuses a second epoch of what gives its rows once only', async () => {
    const rows = new data.Pipeline(watched(3).open())
    expect(await all(rows)).toEqual([0, 1, 2])
    await expect(all(rows)).rejects.toThrow(/read before.*expected a function that opens it anew/)
    const web = new data.Pipeline(new Blob(['ab']).stream() as unknown as AsyncIterable<Uint8Array>)
    expect(await all(web)).toHaveLength(1)
    await expect(all(web)).rejects.toMatchObject({ code: 'ERR_DATA' })
  })

  test('stages work in their order', async () => {
    const rows = new data.Pipeline(range(20))
      .filter((n) => n % 2 === 0)
      .skip(2)
      .map(async (n, row) => `${n}:${row}`)
      .take(3)
    expect(await all(rows)).toEqual(['4:0', '6:1', '8:2'])
    expect(await all(new data.Pipeline(range(3)).take(0))).toEqual([])
    expect(await all(new data.Pipeline(range(3)).skip(9))).toEqual([])
  })

  test('works on as many rows at once as was asked for, in their order', async () => {
    let running = 0
    let most = 0
    const work = async (n: number): Promise<number> => {
      most = Math.max(most, ++running)
      await sleep(n % 3 === 0 ? 8 : 1)
      running--
      return n
    }
    for (const [concurrency, expected] of [
      [1, 1],
      [4, 4],
    ] as const) {
      most = 0
      expect(await all(new data.Pipeline(range(16)).map(work, { concurrency }))).toEqual(range(16))
      expect(most).toBe(expected)
    }
  })

  test('prefetches while a row is used, and not before one is asked for', async () => {
    let made = 0
    const rows = new data.Pipeline(range(10)).map((n) => (made++, n)).prefetch(3)
    const iterator = rows[Symbol.asyncIterator]()
    await sleep(5)
    expect(made).toBe(0)
    expect((await iterator.next()).value).toBe(0)
    await sleep(5)
    expect(made).toBe(4)
    await iterator.return()
    await sleep(5)
    expect(made).toBe(4)
  })

  test('shuffles by seed and epoch alone, within its buffer', async () => {
    const make = (seed?: number): data.Pipeline<number> =>
      new data.Pipeline(range(50)).shuffle(10, seed === undefined ? {} : { seed })
    const [rows, again] = [make(3), make(3)]
    const [first, second] = [await all(rows), await all(rows)]
    expect(first).not.toEqual(second)
    expect(first).not.toEqual(range(50))
    expect(first.toSorted((a, b) => a - b)).toEqual(range(50))
    // A row leaves the buffer before its place at most by as many as the buffer holds.
    for (const [at, row] of first.entries()) expect(row - at).toBeLessThan(10)
    again.epoch = 1
    expect(await all(again)).toEqual(second)
    expect(await all(make(4))).not.toEqual(first)
    manualSeed(9)
    const drawn = await all(make())
    manualSeed(9)
    expect(await all(make())).toEqual(drawn)
    const wide = new data.Pipeline(range(1000)).shuffle(1000, { seed: 1 })
    const places = (await all(wide)).map((row, at) => Math.abs(row - at))
    // The mean distance of a random order is a third of its length.
    expect(places.reduce((a, b) => a + b) / 1000).toBeGreaterThan(280)
    expect(places.reduce((a, b) => a + b) / 1000).toBeLessThan(390)
  })

  test('splits by place and seed, the same way in each epoch', async () => {
    const origin = watched(4000)
    const [train, rest] = new data.Pipeline(origin.open).split(0.8)
    const [a, b] = [await all(train), await all(rest)]
    expect([...a, ...b].toSorted((x, y) => x - y)).toEqual(range(4000))
    expect(a.length / 4000).toBeCloseTo(0.8, 1)
    expect(await all(train.shuffle(4000, { seed: 1 }))).not.toEqual(a)
    expect(await all(rest)).toEqual(b)
    expect(await all(new data.Pipeline(range(4000)).split(0.8, { seed: 1 })[1])).not.toEqual(b)
    // Neither side takes every other row.
    expect(new Set(b.map((row) => row % 4)).size).toBe(4)
    expect(() => new data.Pipeline(range(4)).shuffle(4).map(String).split(0.5)).toThrow(/before shuffle/)
  })

  test('batches numbers, lists, typed arrays, tensors, records and tuples', async () => {
    const [numbers, last] = await all(new data.Pipeline([1, 2, 3]).batch(2))
    expect([numbers?.toArray(), last?.toArray()]).toEqual([[1, 2], [3]])
    expect(await all(new data.Pipeline([1, 2, 3]).batch(2, { dropLast: true }))).toHaveLength(1)
    const [lists] = await all(
      new data.Pipeline([
        [1, 2],
        [3, 4],
      ]).batch(2),
    )
    expect(lists?.shape).toEqual([2, 2])
    const [typed] = await all(new data.Pipeline([new Uint8Array(3), new Uint8Array(3)]).batch(2))
    expect([typed?.dtype, typed?.shape]).toEqual(['u8', [2, 3]])
    const [records] = await all(
      new data.Pipeline(range(2))
        .map((n) => ({
          x: {
            image: [
              [n, 1],
              [2, 3],
            ],
            flag: n > 0,
          },
          y: n,
          w: tensor([n]),
        }))
        .batch(2, { types: { y: 'i32', w: 'f64' } }),
    )
    expect([records?.x.image.shape, records?.x.flag.toArray()]).toEqual([
      [2, 2, 2],
      [false, true],
    ])
    expect([records?.y.dtype, records?.w.dtype, records?.w.shape]).toEqual(['i32', 'f64', [2, 1]])
    const [pairs] = await all(
      new data.Pipeline(range(2))
        .map((n) => [
          [n, 1],
          [n, 2],
        ])
        .batch(2),
    )
    expect((pairs as unknown as Tensor[]).map(({ shape }) => shape)).toEqual([
      [2, 2],
      [2, 2],
    ])
  })

  test.each<[string, unknown[], RegExp, number]>([
    ['another length', [[1, 2], [3]], /row 1: \[1\] values; expected \[2\] of them, as in row 0/, 1],
    ['another kind', [1, 'a'], /row 1: "a"; expected a number, as in row 0/, 1],
    ['text', ['a'], /row 0: "a"; expected numbers/, 0],
    ['a text within', [{ x: [1], y: 'cat' }], /row 0: "cat" at y; expected numbers/, 0],
    ['another field', [{ x: 1 }, { x: 1, z: 2 }], /row 1: a record of x, z; expected one of x/, 1],
    ['another size of tensor', [tensor([1]), tensor([1, 2])], /row 1: f32\[2\]; expected f32\[1\]/, 1],
    ['another tuple', [[[1], 2], [[1]]], /row 1: an array of 1; expected a tuple of 2/, 1],
    ['a ragged matrix', [{ x: [[1, 2], [3]] }], /row 0: an array of 2 at x; expected rows of one length/, 0],
    [
      'a typed array of another length',
      [new Float32Array(2), new Float32Array(3)],
      /row 1: a Float32Array of 3;/,
      1,
    ],
    ['null', [{ x: 1 }, null], /row 1: null; expected one of x/, 1],
  ])('names the row of %s', async (_, rows, message, row) => {
    const batches = new data.Pipeline([0, 0, ...rows]).skip(2).batch(8)
    await expect(all(batches)).rejects.toMatchObject({
      code: 'ERR_DATA',
      row,
      message: expect.stringMatching(message),
    })
  })

  test('names the row that does not fit the element type asked for', async () => {
    const rows = new data.Pipeline([{ y: 1 }, { y: 2 }, { y: 0.5 }]).batch(3, { types: { y: 'i32' } })
    await expect(all(rows)).rejects.toMatchObject({
      row: 2,
      message: expect.stringMatching(/row 2: 0\.5 as i32/),
    })
  })
})

describe('ends and errors of a pipeline', () => {
  const boom = (n: number): number => {
    if (n === 5) throw new TypeError('boom')
    return n
  }

  test.each<[string, (rows: data.Pipeline<number>) => data.Pipeline<unknown>]>([
    ['map', (rows) => rows.map(boom)],
    ['map with others at once', (rows) => rows.map(async (n) => boom(n), { concurrency: 4 })],
    ['filter', (rows) => rows.filter(boom)],
    ['map before prefetch', (rows) => rows.map(boom).prefetch(8).batch(2)],
    ['map before shuffle', (rows) => rows.map(boom).shuffle(3, { seed: 0 })],
  ])('an error in %s comes with its row, and closes the origin', async (_, stages) => {
    const origin = watched(100)
    const unhandled: unknown[] = []
    const note = (reason: unknown): number => unhandled.push(reason)
    process.on('unhandledRejection', note)
    const error = await all(stages(new data.Pipeline(origin.open))).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(data.DataError)
    expect(error).toMatchObject({ row: 5, cause: expect.objectContaining({ message: 'boom' }) })
    expect([origin.opened, origin.closed]).toEqual([1, 1])
    await sleep(5)
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  test('an error of the origin arrives as it is', async () => {
    const error = new Error('no network')
    async function* rows(): AsyncGenerator<number> {
      yield 1
      throw error
    }
    for (const stages of [
      new data.Pipeline(rows).map((n) => n),
      new data.Pipeline(rows).map((n) => n, { concurrency: 4 }),
      new data.Pipeline(rows).prefetch(4).batch(2),
    ])
      await expect(all<unknown>(stages)).rejects.toBe(error)
  })

  test('leaving the loop closes the origin, with rows under way', async () => {
    for (const stages of [
      (rows: data.Pipeline<number>) => rows.map(async (n) => (await sleep(2), n), { concurrency: 8 }),
      (rows: data.Pipeline<number>) => rows.prefetch(8),
      (rows: data.Pipeline<number>) => rows.shuffle(4).batch(2).prefetch(2),
      (rows: data.Pipeline<number>) => rows.take(3),
    ]) {
      const origin = watched(100)
      let seen = 0
      for await (const _ of stages(new data.Pipeline(origin.open)) as AsyncIterable<unknown>)
        if (++seen === 3) break
      expect([seen, origin.closed]).toEqual([3, 1])
    }
  })

  test('nothing of the library is between the error and the user’s line', async () => {
    const error = await all(new data.Pipeline(['a']).batch(1)).catch((caught: unknown) => caught)
    expect((error as Error).stack?.split('\n').find((line) => /^\s+at /.test(line))).toContain(
      'pipeline.test',
    )
  })
})

describe('the event loop', () => {
  /** Spins as a slow step would. */
  const spin = (milliseconds: number): void => {
    const end = performance.now() + milliseconds
    while (performance.now() < end);
  }

  const set = new data.TensorDataset(tensor(range(400)), tensor(range(400)))

  test('runs at least every 8 ms while for await goes over a loader', async () => {
    const loader = new data.DataLoader(set, { batchSize: 2, shuffle: true, seed: 1 })
    const longest: number[] = []
    // What the loader does it does each time; garbage that is collected just then, or a busy machine, once.
    for (let attempt = 0; attempt < 3 && !(Math.min(...longest) < 32); attempt += 1) {
      const gaps = await gapsDuring(async () => {
        for await (const batch of loader) if (batch.x.shape[0] === 2) spin(1)
      })
      // 200 ms of batches. Without a turn there is one gap of all of them.
      expect(gaps.length).toBeGreaterThanOrEqual(16)
      expect(gaps[Math.floor(gaps.length * 0.9)]).toBeLessThan(8)
      longest.push(gaps.at(-1) ?? Infinity)
    }
    // No gap is longer than four times that: the longest, not a share of them.
    expect(Math.min(...longest)).toBeLessThan(32)
  })

  test('never runs while plain for … of does', async () => {
    let fired = false
    const timer = setTimeout(() => (fired = true), 0)
    for (const batch of new data.DataLoader(set, { batchSize: 2 })) if (batch.x.shape[0] === 2) spin(0.2)
    expect(fired).toBe(false)
    await sleep(5)
    expect(fired).toBe(true)
    clearTimeout(timer)
  })

  test('runs while a pipeline works on plain rows', async () => {
    const rows = new data.Pipeline(range(20_000)).map((n) => ({ x: [n, n], y: n })).shuffle(1000, { seed: 1 })
    const gaps = await gapsDuring(async () => await all(rows.batch(100)))
    // Half of them: the first rows are slow, and the garbage of all is collected in one.
    expect(gaps[Math.floor(gaps.length / 2)]).toBeLessThan(8)
    expect(gaps.length).toBeGreaterThanOrEqual(4)
  })
})

describe('DataLoader over samples that are promises', () => {
  let most = 0
  let running = 0
  const slow: data.AsyncDataset = {
    length: 10,
    async get(index) {
      most = Math.max(most, ++running)
      await sleep(1)
      running--
      return { x: tensor([index]), y: tensor(index) }
    },
  }
  const first = (batches: { x: unknown }[]): number[][][] =>
    batches.map(({ x }) => (x as Tensor).toArray() as number[][])

  test('batches in for await, with some made ahead', async () => {
    const plain = first(await all(new data.DataLoader(slow, { batchSize: 4 })))
    expect(plain).toEqual([
      [[0], [1], [2], [3]],
      [[4], [5], [6], [7]],
      [[8], [9]],
    ])
    expect(most).toBeGreaterThan(4)
    most = 0
    expect(first(await all(new data.DataLoader(slow, { batchSize: 4, prefetch: 0 })))).toEqual(plain)
    expect(most).toBe(4)
    const shuffled = new data.DataLoader(slow, { batchSize: 4, shuffle: true, seed: 3 })
    const order = first(await all(shuffled)).flat(2)
    expect(order.toSorted((a, b) => a - b)).toEqual(range(10))
    shuffled.epoch = 0
    expect(first(await all(shuffled)).flat(2)).toEqual(order)
  })

  test('are refused by plain for … of', () => {
    expect(() => [...new data.DataLoader(slow)]).toThrow(/promise as sample.*expected a sample.*for await/)
  })

  test('an error comes with the number of the sample', async () => {
    const broken: data.AsyncDataset = {
      length: 100,
      get: async (index) => {
        if (index === 37) throw new Error('no such file')
        return await slow.get(index)
      },
    }
    await expect(all(new data.DataLoader(broken, { batchSize: 8 }))).rejects.toMatchObject({
      code: 'ERR_DATA',
      row: 37,
      message: expect.stringContaining('sample 37: no such file; expected'),
    })
  })

  test('train a model', async () => {
    const model = new nn.Sequential(new nn.Linear(1, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
    const set: data.AsyncDataset = {
      length: 32,
      get: async (index) => ({ x: tensor([index / 32]), y: tensor([index / 16]) }),
    }
    const loader = new data.DataLoader(set, { batchSize: 8, shuffle: true, seed: 1 })
    const history = await model.fit(loader, { epochs: 20, verbose: 0 })
    expect(history.loss.at(-1)).toBeLessThan(history.loss[0] as number)
  })
})

describe('fit and evaluate over a pipeline', () => {
  const rows = (): data.Pipeline<{ x: number[]; y: number }> =>
    new data.Pipeline(range(200)).map((n) => ({ x: [Math.sin(n), Math.cos(n)], y: Math.sin(n) > 0 ? 1 : 0 }))

  test('are the same as over the same batches in memory', async () => {
    const make = (): nn.Sequential => {
      manualSeed(3)
      return new nn.Sequential(new nn.Linear(2, 8), new nn.ReLU(), new nn.Linear(8, 2))
    }
    const options = { optimizer: 'adam', loss: 'crossEntropy', metrics: ['accuracy'] } as const
    const streamed = make().compile(options)
    const batches = rows()
      .batch(25, { types: { y: 'i32' } })
      .prefetch(2)
    const history = await streamed.fit(batches, { epochs: 3, verbose: 0 })
    const inMemory = make().compile(options)
    const list = await all(rows())
    const set = {
      x: tensor(list.map(({ x }) => x)),
      y: tensor(
        list.map(({ y }) => y),
        { dtype: 'i32' },
      ),
    }
    const expected = await inMemory.fit(set, { epochs: 3, batchSize: 25, shuffle: false, verbose: 0 })
    expect(history.loss).toHaveLength(3)
    for (const [epoch, loss] of history.loss.entries())
      expect(loss).toBeCloseTo(expected.loss[epoch] as number, 5)
    const { accuracy } = await streamed.evaluate(batches)
    expect(accuracy).toBeCloseTo((await inMemory.evaluate(set)).accuracy, 5)
  })

  test('an error in a stage rejects fit with its row', async () => {
    const model = new nn.Sequential(new nn.Linear(2, 2)).compile({ optimizer: 'sgd', loss: 'crossEntropy' })
    const broken = rows().map((row, at) => {
      if (at === 60) throw new Error('odd row')
      return row
    })
    await expect(model.fit(broken.batch(20, { types: { y: 'i32' } }), { verbose: 0 })).rejects.toMatchObject({
      code: 'ERR_DATA',
      row: 60,
    })
  })
})

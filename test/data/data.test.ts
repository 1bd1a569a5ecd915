import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { type Tensor, arange, data, datasets, manualSeed, rand, tensor, zeros } from 'neuroxide'

const folder = mkdtempSync(join(tmpdir(), 'neuroxide-data-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** An IDX file of one-byte elements. */
const idx = (shape: number[], values: number[], type = 8): Uint8Array => {
  const bytes = new Uint8Array(4 + 4 * shape.length + values.length)
  bytes.set([0, 0, type, shape.length])
  const view = new DataView(bytes.buffer)
  for (const [axis, size] of shape.entries()) view.setUint32(4 + 4 * axis, size)
  bytes.set(values, 4 + 4 * shape.length)
  return bytes
}

const saved = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

describe('IDX', () => {
  test('bytes keep their shape and type, compressed or not', () => {
    const bytes = idx([2, 3], [1, 2, 3, 4, 5, 255])
    for (const path of [saved('plain', bytes), saved('zipped', gzipSync(bytes))]) {
      const x = data.readIdx(path)
      expect([x.dtype, x.shape, x.toArray()]).toEqual([
        'u8',
        [2, 3],
        [
          [1, 2, 3],
          [4, 5, 255],
        ],
      ])
    }
  })

  test('every element type is read big-endian', () => {
    expect(data.parseIdx(idx([2], [0xff, 1], 0x09)).toArray()).toEqual([-1, 1])
    expect(data.parseIdx(idx([1], [0xff, 0xfe], 0x0b)).toArray()).toEqual([-2])
    expect(data.parseIdx(idx([1], [0, 1, 0, 0], 0x0c)).toArray()).toEqual([65_536])
    expect(data.parseIdx(idx([1], [0x3f, 0x80, 0, 0], 0x0d)).toArray()).toEqual([1])
    const double = data.parseIdx(idx([1], [0xbf, 0xf0, 0, 0, 0, 0, 0, 0], 0x0e))
    expect([double.dtype, double.toArray()]).toEqual(['f64', [-1]])
  })

  test('edges: rank 0, no rows', () => {
    expect(data.parseIdx(idx([], [7])).item()).toBe(7)
    expect(data.parseIdx(idx([0, 28], [])).shape).toEqual([0, 28])
  })

  test.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /no IDX file/],
    ['another format', new Uint8Array([0x89, 0x50, 0x4e, 0x47]), /no IDX file/],
    ['an unknown type', idx([1], [1], 0x0a), /element type 0xa/],
    ['a header that is cut off', new Uint8Array([0, 0, 8, 3, 0, 0]), /cut off/],
    ['data that is cut off', idx([2, 3], [1, 2, 3]), /15 bytes; expected 18 /],
    ['bytes behind the data', idx([2], [1, 2, 3]), /11 bytes; expected 10 /],
    ['a forged size', idx([0xffffffff, 0xffffffff], [1]), /bytes; expected/],
  ])('%s is refused', (name, bytes, message) => {
    expect(() => data.parseIdx(bytes)).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE', message: expect.stringMatching(message) }),
    )
    expect(() => data.readIdx(saved(name.replaceAll(' ', '-'), bytes))).toThrow(message)
  })
})

describe('datasets.mnist', () => {
  const train = join(folder, 'train-images-idx3-ubyte')
  const write = (names: [string, string, string, string]): void => {
    const files = [idx([2, 1, 1], [1, 2]), idx([2], [7, 8]), idx([1, 1, 1], [3]), idx([1], [9])]
    for (const [i, name] of names.entries())
      saved(name, name.endsWith('.gz') ? gzipSync(files[i] as Uint8Array) : (files[i] as Uint8Array))
  }

  test('reads a folder of IDX files, dashed or dotted, compressed or not', () => {
    write([
      'train-images-idx3-ubyte',
      'train-labels.idx1-ubyte',
      't10k-images-idx3-ubyte.gz',
      't10k-labels-idx1-ubyte',
    ])
    const { train, test: tested } = datasets.mnist({ dir: folder })
    expect([train.x.shape, train.y.toArray(), tested.x.toArray(), tested.y.dtype]).toEqual([
      [2, 1, 1],
      [7, 8],
      [[[3]]],
      'u8',
    ])
  })

  test('names what is missing or does not fit', () => {
    expect(() => datasets.mnist({ dir: join(folder, 'none') })).toThrow(
      /has no file train-images-idx3-ubyte \(or \.gz\)/,
    )
    writeFileSync(train, idx([3, 1, 1], [1, 2, 3]))
    expect(() => datasets.mnist({ dir: folder })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }))
  })

  test('reads the complete set of the installed package', () => {
    const { train, test: tested } = datasets.mnist()
    expect([train.x.shape, train.x.dtype, train.y.shape, train.y.dtype]).toEqual([
      [60_000, 28, 28],
      'u8',
      [60_000],
      'u8',
    ])
    expect([tested.x.shape, tested.y.shape]).toEqual([[10_000, 28, 28], [10_000]])
    expect(train.y.at([0, 10]).toArray()).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    expect(Number(train.y.to('i32').sum().item())).toBe(267_236)
  })
})

const rows = (x: Tensor): number[] => Array.from(x.flatten().toTypedArray())

describe('TensorDataset', () => {
  test('gives rows, ranges and batches', () => {
    const set = new data.TensorDataset(
      tensor([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
      tensor([10, 20, 30]),
    )
    expect([set.length, set.get(1).x.toArray(), set.get(1).y.item()]).toEqual([3, [3, 4], 20])
    expect(set.slice(1).y.toArray()).toEqual([20, 30])
    expect(set.gather(tensor([2, 0], { dtype: 'i32' })).y.toArray()).toEqual([30, 10])
    const several = new data.TensorDataset([zeros([2, 1]), zeros([2, 3])], zeros([2]))
    expect(several.get(0).x.map(({ shape }) => shape)).toEqual([[1], [3]])
  })

  test('refuses what does not belong together', () => {
    expect(() => new data.TensorDataset(zeros([2]), zeros([3]))).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    )
    expect(() => new data.TensorDataset(zeros([]), zeros([]))).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    )
    expect(() => new data.TensorDataset([1] as never, zeros([1]))).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE' }),
    )
  })
})

describe('DataLoader', () => {
  const set = new data.TensorDataset(arange(10), arange(10))
  const epoch = (loader: Iterable<{ x: Tensor; y: Tensor }>): number[][] =>
    Array.from(loader, ({ x, y }) => {
      expect(rows(y)).toEqual(rows(x))
      return rows(x)
    })

  test('visits all samples in order, the last batch smaller', () => {
    const loader = new data.DataLoader(set, { batchSize: 4 })
    expect(loader.length).toBe(3)
    expect(epoch(loader)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ])
    const short = new data.DataLoader({ x: arange(10), y: arange(10) }, { batchSize: 4, dropLast: true })
    expect([short.length, epoch(short).length]).toEqual([2, 2])
  })

  test('shuffles by seed and epoch alone', () => {
    const make = (): data.DataLoader<Tensor, Tensor> =>
      new data.DataLoader(set, { batchSize: 10, shuffle: true, seed: 5 })
    const loader = make()
    const [first, second] = [epoch(loader), epoch(loader)]
    expect(first).not.toEqual(second)
    expect(first[0]?.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    const again = make()
    again.epoch = 1
    expect(epoch(again)).toEqual(second)
    loader.epoch = 0
    expect(epoch(loader)).toEqual(first)
    expect(loader.epoch).toBe(1)
  })

  test('does not disturb the program’s random numbers when it has a seed, and follows manualSeed when it has none', () => {
    manualSeed(1)
    const plain = rand([3]).toArray()
    manualSeed(1)
    epoch(new data.DataLoader(set, { shuffle: true, seed: 3 }))
    expect(rand([3]).toArray()).toEqual(plain)
    const drawn = (): number[][] => epoch(new data.DataLoader(set, { shuffle: true }))
    manualSeed(2)
    const first = drawn()
    expect(drawn()).not.toEqual(first)
    manualSeed(2)
    expect(drawn()).toEqual(first)
  })

  test('collates samples of a data set of one’s own', () => {
    const own: data.Dataset = { length: 3, get: (i) => ({ x: tensor([i, i]), y: tensor(i) }) }
    const batches = [...new data.DataLoader(own, { batchSize: 2 })]
    expect(batches.map(({ x }) => (x as Tensor).shape)).toEqual([
      [2, 2],
      [1, 2],
    ])
    expect(rows(batches[0]!.y as Tensor)).toEqual([0, 1])
    const shuffled = [...new data.DataLoader(own, { batchSize: 3, shuffle: true, seed: 1 })]
    expect(rows(shuffled[0]?.y as Tensor).toSorted()).toEqual([0, 1, 2])
  })

  test('refuses what is no number of samples', () => {
    expect(() => new data.DataLoader(set, { batchSize: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE' }),
    )
    expect(() => new data.DataLoader(set, { seed: -1 })).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE' }),
    )
    expect(() => (new data.DataLoader(set).epoch = 0.5)).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE' }),
    )
  })
})

describe('trainTestSplit', () => {
  const samples = { x: arange(10), y: arange(10) }

  test('divides all samples', () => {
    const { train, test: tested } = data.trainTestSplit(samples, { testSize: 0.25, seed: 1 })
    expect([train.length, tested.length]).toEqual([7, 3])
    expect([...rows(train.x), ...rows(tested.x)].toSorted((a, b) => a - b)).toEqual(rows(samples.x))
    expect(rows(train.y)).toEqual(rows(train.x))
    expect(rows(data.trainTestSplit(samples, { seed: 1 }).test.x)).toEqual(rows(tested.x))
  })

  test('takes the tail without shuffling, and numbers of samples', () => {
    const { train, test: tested } = data.trainTestSplit(samples, { testSize: 4, shuffle: false })
    expect([rows(train.x), rows(tested.x)]).toEqual([
      [0, 1, 2, 3, 4, 5],
      [6, 7, 8, 9],
    ])
    expect(() => data.trainTestSplit(samples, { testSize: 10 })).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE' }),
    )
    expect(() => data.trainTestSplit(samples, { testSize: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE' }),
    )
  })

  test('keeps the shares of classes, and weights', () => {
    const classes = Array.from({ length: 100 }, (_, i) => (i < 70 ? 0 : i < 95 ? 1 : 2))
    const all = { x: arange(100), y: tensor(classes, { dtype: 'i32' }), sampleWeight: arange(100) }
    for (const stratify of [true, all.y]) {
      const { train, test: tested } = data.trainTestSplit(all, { testSize: 0.2, stratify, seed: 3 })
      const counts = [0, 1, 2].map((own) => rows(tested.y).filter((value) => value === own).length)
      expect(counts).toEqual([14, 5, 1])
      expect([...rows(train.x), ...rows(tested.x)].toSorted((a, b) => a - b)).toEqual(rows(all.x))
      expect(rows(train.sampleWeight as Tensor)).toEqual(rows(train.x))
      // Drawn, and not the first of each class.
      expect(rows(tested.x).toSorted((a, b) => a - b)).not.toEqual([
        ...Array(14).keys(),
        70,
        71,
        72,
        73,
        74,
        95,
      ])
      expect(rows(data.trainTestSplit(all, { testSize: 0.2, stratify, seed: 3 }).test.x)).toEqual(
        rows(tested.x),
      )
    }
    expect(() => data.trainTestSplit(all, { stratify: true, shuffle: false })).toThrow(
      /stratify without shuffle/,
    )
  })
})

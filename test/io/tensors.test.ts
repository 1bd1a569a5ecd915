import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  FileError,
  FormatError,
  Model,
  TraceError,
  arange,
  io,
  jit,
  nn,
  ones,
  optim,
  tensor,
  zeros,
  type Tensor,
} from 'neuroxide'
import { describe, expect, test } from 'vitest'
import { leftovers, scratch } from './scratch.js'

const named = (): Map<string, Tensor> =>
  new Map<string, Tensor>([
    ['__proto__', tensor([1, 2, 3])],
    ['', zeros([0, 3])],
    ['bool', tensor([true, false])],
    ['u8', tensor([1, 255], { dtype: 'u8' })],
    ['i32', tensor([-1, 2 ** 31 - 1], { dtype: 'i32' })],
    ['f64', tensor([[0.1]], { dtype: 'f64' })],
    ['turned', arange(6).reshape([2, 3]).transpose(0, 1)],
    ['scalar', tensor(7)],
    ['odd', tensor([Number.NaN, Infinity, -0])],
    ['weight', new nn.Linear(3, 2).weight],
  ])

const seen = (tensors: ReadonlyMap<string, Tensor>): Record<string, unknown> =>
  Object.fromEntries(
    [...tensors].map(([name, x]) => [`key ${name}`, [x.dtype, x.shape, [...x.toTypedArray()]]]),
  )

describe('safetensors', () => {
  test('what is saved is loaded again: every type, shape and name', async () => {
    const file = join(scratch(), 'all.safetensors')
    const tensors = named()
    await io.saveTensors(file, tensors, { metadata: new Map([['__proto__', 'a "b"\n\u2028']]) })
    const loaded = await io.loadTensors(pathToFileURL(file))
    expect(seen(loaded.tensors)).toEqual(seen(tensors))
    expect([...loaded.metadata]).toEqual([['__proto__', 'a "b"\n\u2028']])
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
  })

  test('records and Maps are the same, and equal tensors give equal bytes in any order', async () => {
    const folder = scratch()
    const [a, b] = [join(folder, 'a'), join(folder, 'b')]
    await io.saveTensors(a, { x: ones([2]), y: zeros([3]) }, { metadata: { m: '1', n: '2' } })
    const turned = new Map<string, Tensor>([
      ['y', zeros([3])],
      ['x', ones([2])],
    ])
    await io.saveTensors(b, turned, {
      metadata: new Map([
        ['m', '1'],
        ['n', '2'],
      ]),
    })
    expect(readFileSync(a)).toEqual(readFileSync(b))
  })

  test('tensors may be disposed of, or written, as soon as saving has begun', async () => {
    const file = join(scratch(), 'x')
    const [x, y] = [ones([1000]), ones([1000])]
    const saving = io.saveTensors(file, { x, y })
    x.dispose()
    y.copyFrom(zeros([1000]))
    await saving
    const { tensors } = await io.loadTensors(file)
    expect(tensors.get('x')?.sum().item()).toBe(1000)
    expect(tensors.get('y')?.sum().item()).toBe(1000)
  })

  test('a file that cannot be written or read is told with its path, and the old one stays', async () => {
    const folder = scratch()
    const file = join(folder, 'there', 'x')
    await expect(io.saveTensors(file, { x: ones([2]) })).rejects.toThrow(FileError)
    await expect(io.loadTensors(file)).rejects.toThrow(file)
    expect(readdirSync(folder)).toEqual([])
    const damaged = join(folder, 'damaged')
    await io.saveTensors(damaged, { x: ones([2]) })
    writeFileSync(damaged, readFileSync(damaged).subarray(0, -1))
    await expect(io.loadTensors(damaged)).rejects.toThrow(FormatError)
    await expect(io.loadTensors(damaged)).rejects.toThrow(
      /bytes, where the header describes \d+; expected a file that is neither cut/,
    )
  })

  test.skipIf(process.platform === 'win32')('a pipe is not waited for, and never replaced', async () => {
    const pipe = join(scratch(), 'pipe')
    execFileSync('mkfifo', [pipe])
    await expect(io.loadTensors(pipe)).rejects.toThrow(/a pipe or a device; expected a file/)
    await expect(io.saveTensors(pipe, { x: ones([2]) })).rejects.toThrow(FileError)
    expect(statSync(pipe).isFIFO()).toBe(true)
  })

  test('many at once to one file: the file is whole and one of them', async () => {
    const folder = scratch()
    const file = join(folder, 'x')
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => io.saveTensors(file, { x: ones([100]).mul(i), y: tensor(i) })),
    )
    const { tensors } = await io.loadTensors(file)
    expect(tensors.get('x')?.mean().item()).toBe(tensors.get('y')?.item())
    expect(leftovers(folder)).toEqual([])
  })

  test('a traced function cannot save: it would happen once', async () => {
    const file = join(scratch(), 'x')
    const saving: Promise<string>[] = []
    const step = jit((x: Tensor) => {
      const y = x.mul(2)
      // Attempted in each run of the function: traced, and again where programs are checked.
      saving.push(
        io.saveTensors(file, { y }).then(
          () => 'saved',
          (error: unknown) => (error as Error).constructor.name,
        ),
      )
      return y
    })
    step(ones([2]))
    expect(await saving[0]).toBe(TraceError.name)
  })
})

/** Its two parameters move alike in every step, so that they differ only within one. */
class Twins extends Model {
  readonly a = new nn.Parameter(zeros([20_000]))
  readonly b = new nn.Parameter(zeros([50]))
  override forward(x: Tensor): Tensor {
    return x.mean().mul(0).add(this.a.sum()).add(this.b.sum())
  }
}

test('while a fit runs, all tensors are those of one moment between two steps', async () => {
  const folder = scratch()
  const model = new Twins()
  model.compile({
    optimizer: new optim.SGD(model.parameters(), { lr: 1 }),
    loss: (prediction) => prediction.reshape([]),
  })
  const state = { running: true }
  const fitting = model
    .fit(ones([2000, 1]), ones([2000, 1]), { batchSize: 1, epochs: 3, verbose: 0 })
    .finally(() => (state.running = false))
  const moments = new Set<number>()
  for (let i = 0; state.running; i += 1) {
    const file = join(folder, String(i % 3))
    await model.saveWeights(file)
    const { tensors } = await io.loadTensors(file)
    const values = ['a', 'b'].flatMap((name) => [...(tensors.get(name)?.toTypedArray() ?? [])])
    const [first = Number.NaN] = values
    expect(values).toHaveLength(20_050)
    expect(values.every((value) => value === first)).toBe(true)
    moments.add(first)
  }
  await fitting
  expect(model.b.toArray()[0]).toBe(-6000)
  // More than the first and the last: some were taken in between.
  expect(moments.size).toBeGreaterThan(2)
})

describe('npy and npz', () => {
  test('what is saved is loaded again', async () => {
    const folder = scratch()
    const tensors = named()
    await io.saveNpz(join(folder, 'all.npz'), tensors)
    expect(seen(await io.loadNpz(join(folder, 'all.npz')))).toEqual(seen(tensors))
    for (const [i, x] of [...tensors.values()].entries()) {
      const file = join(folder, `${i}.npy`)
      await io.saveNpy(file, x)
      expect(seen(new Map([['x', await io.loadNpy(file)]]))).toEqual(seen(new Map([['x', x]])))
    }
    expect(leftovers(folder)).toEqual([])
  })

  test('one kind is not taken for another', async () => {
    const folder = scratch()
    await io.saveNpz(join(folder, 'x.npz'), { x: ones([2]) })
    await io.saveNpy(join(folder, 'x.npy'), ones([2]))
    await expect(io.loadNpy(join(folder, 'x.npz'))).rejects.toThrow(FormatError)
    await expect(io.loadNpz(join(folder, 'x.npy'))).rejects.toThrow(FormatError)
    await expect(io.loadTensors(join(folder, 'x.npz'))).rejects.toThrow(FormatError)
  })
})

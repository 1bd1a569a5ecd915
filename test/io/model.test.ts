import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  FormatError,
  Model,
  constraints,
  io,
  losses,
  manualSeed,
  nn,
  ones,
  optim,
  randn,
  regularizers,
  rngState,
  tensor,
  zeros,
  type JsonObject,
  type Tensor,
} from 'neuroxide'
import { describe, expect, test, vi } from 'vitest'
import { scratch } from './scratch.js'

const HEADER = 'neuroxide'

/** One layer of each class that a file may name. */
const layers: Readonly<Record<string, () => nn.TensorModule>> = {
  AlphaDropout: () => new nn.AlphaDropout(0.3),
  CategoryEncoding: () => new nn.CategoryEncoding({ numTokens: 4, outputMode: 'count' }),
  Dropout: () => new nn.Dropout(0.3),
  ELU: () => new nn.ELU(0.7),
  Flatten: () => new nn.Flatten(1, 2),
  GELU: () => new nn.GELU('tanh'),
  GaussianNoise: () => new nn.GaussianNoise(0.2),
  Identity: () => new nn.Identity(),
  LeakyReLU: () => new nn.LeakyReLU(0.2),
  Linear: () =>
    new nn.Linear(2, 3, {
      dtype: 'f64',
      regularizer: regularizers.l1l2({ l1: 0.1, l2: 0.2 }),
      biasConstraint: constraints.maxNorm(3),
    }),
  LogSoftmax: () => new nn.LogSoftmax(0),
  Normalization: () => new nn.Normalization().adapt(randn([10, 3])),
  ReLU: () => new nn.ReLU(),
  Rescale: () => new nn.Rescale(1 / 3, -1),
  Sequential: () => new nn.Sequential(new nn.Linear(2, 2), new nn.Tanh()),
  SiLU: () => new nn.SiLU(),
  Sigmoid: () => new nn.Sigmoid(),
  Softmax: () => new nn.Softmax(1),
  Softplus: () => new nn.Softplus(2, Infinity),
  Tanh: () => new nn.Tanh(),
}

/** Writes a file with a header that nobody would write. */
async function forged(
  header: object | string,
  tensors: Readonly<Record<string, Tensor>> = {},
): Promise<string> {
  const file = join(scratch(), 'forged.safetensors')
  const text = typeof header === 'string' ? header : JSON.stringify(header)
  await io.saveTensors(file, tensors, { metadata: { [HEADER]: text } })
  return file
}

const described = (...given: readonly unknown[]): object => ({
  format: 1,
  structure: { class: 'Sequential', layers: given },
})

async function refusal(file: string): Promise<string> {
  const error: unknown = await nn.Sequential.load(file).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(FormatError)
  return (error as Error).message
}

describe('a Sequential', () => {
  test('is loaded without code, and is the same', async () => {
    const file = join(scratch(), 'model.safetensors')
    manualSeed(1)
    const model = new nn.Sequential(
      new nn.Rescale(1 / 255),
      new nn.Linear(4, 8),
      new nn.ReLU(),
      new nn.Sequential(new nn.Linear(8, 8), new nn.GELU()),
      new nn.Linear(8, 3),
    )
    model.at(1)?.freeze()
    await model.save(file, { metadata: { note: 'mine' } })
    const before = rngState()
    // Values that would be overwritten are not drawn either: they would take longer than reading the file.
    const drawn = vi.spyOn(nn.Linear.prototype, 'resetParameters').mockImplementation(function (
      this: nn.Linear,
    ) {
      const earlier = rngState()
      nn.init.uniform(this.weight)
      nn.init.orthogonal(this.weight)
      expect(rngState()).toEqual(earlier)
      expect(this.weight.abs().sum().item()).toBe(0)
    })
    const loaded = await nn.Sequential.load(file)
    expect(drawn).toHaveBeenCalledTimes(3)
    drawn.mockRestore()
    expect(rngState()).toEqual(before)
    expect(
      nn.init
        .uniform(zeros([4]))
        .abs()
        .sum()
        .item(),
    ).toBeGreaterThan(0)
    expect(String(loaded)).toBe(String(model))
    const x = randn([5, 4])
    expect(loaded.forward(x).toArray()).toEqual(model.forward(x).toArray())
    expect(loaded.parameters().map((p) => p.requiresGrad)).toEqual([false, false, true, true, true, true])
    expect(loaded.optimizer).toBeNull()
    expect((await io.loadTensors(file)).metadata.get('note')).toBe('mine')
  })

  test('keeps what it was compiled with, where names say it', async () => {
    const file = join(scratch(), 'model.safetensors')
    const net = new nn.Sequential(new nn.Linear(4, 3))
    const [weight, bias] = net.parameters()
    const optimizer = new optim.AdamW(
      [{ params: [weight as Tensor] }, { params: [bias as Tensor], weightDecay: 0 }],
      {
        lr: 0.02,
        amsgrad: true,
      },
    )
    const model = net.compile({ optimizer, loss: 'crossEntropy', metrics: ['accuracy'] })
    const x = randn([30, 4])
    const y = tensor(
      Array.from({ length: 30 }, (_, i) => i % 3),
      { dtype: 'i32' },
    )
    await model.fit(x, y, { epochs: 2, verbose: 0 })
    optimizer.lr = 0.005
    await model.save(file)
    const loaded = await nn.Sequential.load(file)
    expect(await loaded.evaluate(x, y)).toEqual(await model.evaluate(x, y))
    expect(String(loaded.optimizer)).toBe(String(optimizer))
  })

  test('saved with its optimizer, it trains on as if it had never been away', async () => {
    const file = join(scratch(), 'model.safetensors')
    const model = new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 1)).compile({
      optimizer: 'adam',
      loss: losses.mse,
      ema: 0.9,
    })
    const [x, y] = [randn([40, 3]), randn([40, 1])]
    await model.fit(x, y, { epochs: 3, shuffle: false, verbose: 0 })
    await model.save(file, { optimizer: true })
    const loaded = await nn.Sequential.load(file)
    const keys = [...(await io.loadTensors(file)).tensors.keys()]
    expect(keys.filter((key) => key.startsWith('training.')).length).toBeGreaterThan(8)
    const again = { epochs: 2, shuffle: false, verbose: 0 } as const
    const [theirs, ours] = [await model.fit(x, y, again), await loaded.fit(x, y, again)]
    expect(ours.loss).toEqual(theirs.loss)
    expect(loaded.forward(x).toArray()).toEqual(model.forward(x).toArray())
    const plain = new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 1))
    expect(await plain.loadWeights(file)).toEqual({ missing: [], unexpected: [] })
  })

  test('compiled with a function of the user’s own, it has to be compiled again', async () => {
    const file = join(scratch(), 'model.safetensors')
    const model = new nn.Sequential(new nn.Linear(2, 1))
    model.compile({ optimizer: 'sgd', loss: (a, b) => a.sub(b).abs().mean() })
    await model.save(file)
    const loaded = await nn.Sequential.load(file)
    await expect(loaded.evaluate(ones([2, 2]), ones([2, 1]))).rejects.toThrow(/First call compile/)
  })

  test('every layer of the table is made again with its settings', async () => {
    const message = await refusal(await forged(described({ class: 'NoSuchLayer' })))
    const table = /The table of layers has (.+?);/.exec(message)?.[1]?.split(', ') ?? []
    expect(table.length).toBeGreaterThan(15)
    for (const name of table) {
      const make = layers[name]
      if (make === undefined) throw new Error(`no layer in this test for the row ${name} of the table`)
      const model = new nn.Sequential(make())
      const file = join(scratch(), 'model.safetensors')
      await model.save(file)
      const loaded = await nn.Sequential.load(file)
      expect(loaded.at(0)?.config(), name).toEqual(model.at(0)?.config())
      expect(String(loaded)).toBe(String(model))
      const values = (module: nn.Module): unknown =>
        Object.entries(module.stateDict()).map(([key, value]) => [key, value.dtype, value.toArray()])
      expect(values(loaded), name).toEqual(values(model))
    }
  })

  test('a layer in two places stays one, and its weights are there under both names', async () => {
    const file = join(scratch(), 'model.safetensors')
    const shared = new nn.Linear(2, 2)
    const model = new nn.Sequential(shared, new nn.Tanh(), shared)
    await model.save(file)
    expect([...(await io.loadTensors(file)).tensors.keys()].toSorted()).toEqual([
      '0.bias',
      '0.weight',
      '2.bias',
      '2.weight',
    ])
    const loaded = await nn.Sequential.load(file)
    expect(loaded.at(0)).toBe(loaded.at(2))
    expect(loaded.parameters()).toHaveLength(2)
    // Files of others may have one name only.
    const { tensors } = await io.loadTensors(file)
    tensors.delete('2.weight')
    tensors.delete('2.bias')
    const half = join(scratch(), 'half.safetensors')
    await io.saveTensors(half, tensors)
    expect(await loaded.loadWeights(half)).toEqual({ missing: [], unexpected: [] })
  })

  test('with a layer of the user’s own is refused by its name, and gets its weights by loadWeights', async () => {
    class Mine extends nn.Module {
      readonly scale = new nn.Parameter(ones([2]).mul(3))
      override forward(x: Tensor): Tensor {
        return x.mul(this.scale)
      }
    }
    const file = join(scratch(), 'model.safetensors')
    await new nn.Sequential(new nn.Linear(2, 2), new Mine()).save(file)
    const message = await refusal(file)
    expect(message).toContain('layer "1" is of the class "Mine"')
    expect(message).toContain('call loadWeights(path)')
    const again = new nn.Sequential(new nn.Linear(2, 2), new Mine())
    again.parameters().forEach((p) => nn.init.zeros(p))
    await again.loadWeights(file)
    expect(again.parameters()[2]?.toArray()).toEqual([3, 3])
  })
})

describe('a model of one’s own', () => {
  class Net extends Model {
    readonly hidden = new nn.Linear(2, 3)
    readonly out = new nn.Linear(3, 1)
    override forward(x: Tensor): Tensor {
      return this.out.forward(this.hidden.forward(x).tanh())
    }
  }

  test('gets its weights, and nothing of a training is in its way', async () => {
    const file = join(scratch(), 'net.safetensors')
    const [a, b] = [new Net(), new Net()]
    await a.save(file)
    expect(await b.loadWeights(file)).toEqual({ missing: [], unexpected: [] })
    expect(b.forward(ones([1, 2])).item()).toBe(a.forward(ones([1, 2])).item())
    const message = await refusal(file)
    expect(message).toContain('the weights of a Net and no structure')
  })

  test('is told every missing, unexpected and mis-shaped key, and nothing is written', async () => {
    const file = join(scratch(), 'net.safetensors')
    const model = new Net()
    const before = model.hidden.bias?.toArray()
    const others = {
      'hidden.bias': ones([3]),
      'hidden.weight': ones([2, 3]),
      extra: ones([1]),
      'training.x': ones([1]),
    }
    await io.saveTensors(file, others)
    const error = (await model.loadWeights(file).catch((reason: unknown) => reason)) as Error
    expect(error).toBeInstanceOf(nn.StateDictError)
    expect(error.message).toContain(`loadWeights: "${file}": Net: missing: out.weight, out.bias`)
    expect(error.message).toContain('unexpected: extra.')
    expect(error.message).toContain('hidden.weight: [2, 3] given, [3, 2] here')
    expect(model.hidden.bias?.toArray()).toEqual(before)
    await io.saveTensors(file, { 'hidden.bias': ones([3]), extra: ones([1]) })
    const report = await model.loadWeights(file, { strict: false })
    expect(report).toEqual({ missing: ['hidden.weight', 'out.weight', 'out.bias'], unexpected: ['extra'] })
    expect(model.hidden.bias?.toArray()).toEqual([1, 1, 1])
  })
})

describe('a file that means harm, or comes from tomorrow', () => {
  test('of a newer format is refused with what to do', async () => {
    const file = await forged({ ...described(), format: 2 })
    expect(await refusal(file)).toMatch(/format 2 of models; expected at most 1\. A newer version/)
    await expect(new nn.Sequential().loadWeights(file)).rejects.toThrow(/newer version/)
  })

  test.each([
    ['no JSON', 'hello', /"neuroxide" that is no JSON object; expected/],
    ['a list', [], /no JSON object; expected/],
    ['no format', { structure: {} }, /without its format; expected/],
    ['no structure', { format: 1, class: 'Net' }, /the weights of a Net and no structure; expected/],
    ['a layer alone', { format: 1, structure: { class: 'ReLU' } }, /a structure of ReLU alone; expected/],
    ['a structure that is none', { format: 1, structure: 7 }, /7 as layer ""/],
    ['__proto__ as class', described({ class: '__proto__' }), /of the class "__proto__"; expected/],
    ['constructor as class', described({ class: 'constructor' }), /of the class "constructor"; expected/],
    ['a path as class', described({ class: '../../evil.js' }), /of the class "..\/..\/evil.js"; expected/],
    [
      'layers that are no list',
      { format: 1, structure: { class: 'Sequential', layers: 1 } },
      /expected an object/,
    ],
    [
      'a config that is no object',
      described({ class: 'ReLU', config: [] }),
      /expected an object with its class/,
    ],
    ['settings of tomorrow', described({ class: 'Dropout', config: { p: 0.5, q: 1 } }), /"q" as setting/],
    ['settings out of range', described({ class: 'Dropout', config: { p: 2 } }), /p is 2; expected/],
    [
      'itself within itself',
      described({ class: 'ReLU', same: '0' }),
      /is the same as "0"; expected a layer before/,
    ],
  ])('with %s is refused', async (_, header, message) => {
    expect(await refusal(await forged(header))).toMatch(message)
  })

  test('nested beyond reason is refused', async () => {
    for (const depth of [65, 100_000]) {
      const inner = `${'{"class":"Sequential","layers":['.repeat(depth)}${']}'.repeat(depth)}`
      const file = await forged(`{"format":1,"structure":{"class":"Sequential","layers":[${inner}]}}`)
      expect(await refusal(file)).toMatch(/more than 64 deep; expected/)
    }
  })

  test('that claims sizes gets no memory for them', async () => {
    const config = { inFeatures: 2 ** 20, outFeatures: 2 ** 20, bias: false, dtype: 'f32' }
    const file = await forged(described({ class: 'Linear', config }), { '0.weight': ones([2, 2]) })
    const error: unknown = await nn.Sequential.load(file).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(nn.StateDictError)
    expect((error as Error).message).toContain('0.weight: [2, 2] given, [1048576, 1048576] here')
    await expect(nn.Sequential.load(await forged(described({ class: 'Linear', config })))).rejects.toThrow(
      /missing: 0.weight of Linear/,
    )
  })

  test.each([
    [
      'an optimizer that is none',
      { optimizer: { class: 'Object', groups: [] }, loss: 'mse' },
      /"Object" as optimizer/,
    ],
    [
      'a loss that is none',
      { optimizer: { class: 'SGD', groups: [{ params: ['0.bias'] }] }, loss: 'constructor' },
      /no loss "constructor"/,
    ],
    [
      'parameters that are none',
      { optimizer: { class: 'SGD', groups: [{ params: ['x'] }] }, loss: 'mse' },
      /"x" as optimizer/,
    ],
  ])('compiled with %s is refused', async (_, compile, message) => {
    const file = join(scratch(), 'model.safetensors')
    await new nn.Sequential(new nn.Linear(1, 1)).save(file)
    const { tensors, metadata } = await io.loadTensors(file)
    const header = JSON.parse(metadata.get(HEADER) ?? '') as JsonObject
    const bad = await forged({ ...header, compile }, Object.fromEntries(tensors))
    expect(await refusal(bad)).toMatch(message)
  })

  test('whose tensors are not those of its structure is refused with their names', async () => {
    const config = { inFeatures: 1, outFeatures: 1, bias: true, dtype: 'f32' }
    const tensors = { '0.weight': zeros([1, 1]), '0.bias': zeros([1]), '1.weight': zeros([1]) }
    const file = await forged(described({ class: 'Linear', config }), tensors)
    await expect(nn.Sequential.load(file)).rejects.toThrow(/unexpected: 1\.weight/)
  })
})

test('the header of a file is what docs/saving.md says, byte for byte', async () => {
  const file = join(scratch(), 'model.safetensors')
  await new nn.Sequential(new nn.Linear(1, 1), new nn.Dropout(0.5)).save(file)
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  expect(
    bytes
      .subarray(8, 8 + length)
      .toString('utf8')
      .trimEnd(),
  ).toBe(
    JSON.stringify({
      __metadata__: {
        format: 'pt',
        neuroxide: JSON.stringify({
          format: 1,
          library: 'neuroxide',
          class: 'Sequential',
          structure: {
            class: 'Sequential',
            layers: [
              { class: 'Linear', config: { inFeatures: 1, outFeatures: 1, bias: true, dtype: 'f32' } },
              { class: 'Dropout', config: { p: 0.5 } },
            ],
          },
        }),
      },
      '0.bias': { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
      '0.weight': { dtype: 'F32', shape: [1, 1], data_offsets: [4, 8] },
    }),
  )
})

import { describe, expect, test } from 'vitest'
import {
  type FitOptions,
  IndexError,
  Model,
  type Tensor,
  data,
  nn,
  optim,
  randn,
  tensor,
  zeros,
} from 'neuroxide'

interface Told {
  readonly lines: () => string[]
  readonly options: FitOptions
}

/** What fit says beside its epochs. */
function listener(more: FitOptions = {}): Told {
  const texts: string[] = []
  return {
    lines: () =>
      texts
        .join('')
        .split('\n')
        .filter((line) => line.startsWith('fit: ')),
    options: { verbose: 2, progressStream: { write: (text: string) => void texts.push(text) }, ...more },
  }
}

const pixels = (rows: number): Tensor =>
  tensor(
    Array.from({ length: rows }, (_, row) => Array.from({ length: 4 }, (__, i) => (row * 37 + i * 91) % 256)),
  )

describe('inputs up to 255', () => {
  const net = (...first: nn.TensorModule[]): nn.Sequential => {
    const made: nn.Sequential = new nn.Sequential(...first, new nn.Linear(4, 2))
    made.compile({ optimizer: new optim.SGD(made.parameters(), { lr: 1e-6 }), loss: 'mse' })
    return made
  }
  const y = zeros([32, 2])

  test('are told of once, with the layer that meets them', async () => {
    const { lines, options } = listener({ epochs: 3 })
    const model = net(new nn.Identity())
    await model.fit(pixels(32), y, options)
    expect(lines()).toEqual([
      'fit: inputs reach 248 in the layer "1", unscaled: training is slow or fails on such numbers. Put nn.Rescale(1 / 255) or nn.Normalization first.',
    ])
    await model.fit(pixels(32), y, options)
    expect(lines()).toHaveLength(1)
  })

  test('as a stream', async () => {
    const { lines, options } = listener({ epochs: 2 })
    await net().fit(
      new data.DataLoader({ length: 32, get: (i) => ({ x: pixels(32).select(0, i), y: y.select(0, i) }) }),
      options,
    )
    expect(lines()).toHaveLength(1)
  })

  test('are fine behind a layer that scales, and so are small ones; verbose 0 says nothing', async () => {
    const { lines, options } = listener()
    await net(new nn.Rescale(1 / 255)).fit(pixels(32), y, options)
    await net().fit(pixels(32).div(255), y, options)
    await net().fit(pixels(32), y, { ...options, verbose: 0 })
    expect(lines()).toEqual([])
  })
})

describe('a gradient that is always zero', () => {
  const x = randn([64, 3])
  const y = randn([64, 1])

  class Forgetful extends Model {
    readonly used = new nn.Linear(3, 1)
    readonly cut = new nn.Linear(3, 1)
    readonly unused = new nn.Linear(3, 1, { bias: false })
    override forward(input: Tensor): Tensor {
      return this.used.forward(input).add(this.cut.forward(input).detach())
    }
  }

  test('is told of by the names of its parameters, after the first epoch', async () => {
    const { lines, options } = listener({ epochs: 3 })
    await new Forgetful().compile({ optimizer: 'sgd', loss: 'mse' }).fit(x, y, options)
    expect(lines()).toHaveLength(1)
    expect(lines()[0]).toMatch(/^fit: the gradient of "cut.weight", "cut.bias", "unused.weight" is zero/)
  })

  test('of a ReLU that is never active', async () => {
    const { lines, options } = listener()
    const hidden = new nn.Linear(3, 2)
    nn.init.constant(hidden.bias as Tensor, -1000)
    const model: nn.Sequential = new nn.Sequential(hidden, new nn.ReLU(), new nn.Linear(2, 1))
    model.compile({ optimizer: 'adam', loss: 'mse' })
    await model.fit(x, y, options)
    expect(lines()[0]).toContain('"0.weight", "0.bias", "2.weight" is zero')
    // Nothing of the look stays behind.
    expect(model.parameters().map(({ grad }) => grad)).toEqual([null, null, null, null])
  })

  test('is not told of a healthy model, and changes nothing', async () => {
    const run = async (options: FitOptions): Promise<unknown> => {
      const model: nn.Sequential = new nn.Sequential(
        new nn.Linear(3, 4),
        new nn.Dropout(0.5),
        new nn.Linear(4, 1),
      )
      model.loadStateDict(start)
      model.compile({ optimizer: 'adam', loss: 'mse' })
      const { loss } = await model.fit(x, y, { ...options, seed: 3, epochs: 3 })
      return [loss, model.parameters().map((parameter) => parameter.toArray())]
    }
    const start = new nn.Sequential(new nn.Linear(3, 4), new nn.Dropout(0.5), new nn.Linear(4, 1)).stateDict()
    const { lines, options } = listener()
    expect(await run(options)).toEqual(await run({ verbose: 0 }))
    expect(lines()).toEqual([])
  })
})

describe('a loss that is not finite', () => {
  test('is told of with batch and layer', async () => {
    const { lines, options } = listener({ epochs: 2, batchSize: 8, shuffle: false })
    class Log extends Model {
      readonly inner = new nn.Linear(2, 2)
      readonly logs = new Logarithm()
      override forward(input: Tensor): Tensor {
        return this.logs.forward(input).add(this.inner.forward(input))
      }
    }
    class Logarithm extends nn.Module {
      forward(input: Tensor): Tensor {
        return input.log()
      }
    }
    const rows = Array.from({ length: 32 }, (_, i) => [1, i === 19 ? 0 : 2])
    for (const samples of [{ x: tensor(rows), y: zeros([32, 2]) }, batches(tensor(rows), zeros([32, 2]))])
      await new Log().compile({ optimizer: 'sgd', loss: 'l1' }).fit(samples, options)
    expect(lines()).toHaveLength(2)
    for (const line of lines()) {
      expect(line).toMatch(/^fit: the loss is not finite since batch 3 of epoch 1/)
      // The infinite loss has left the weights as they are: the layer is found.
      expect(line).toMatch(/: logs: log: .*-inf/)
    }
  })

  test('and with data that has NaN, or weights that are lost', async () => {
    const net = (lr: number): nn.Sequential => {
      const made: nn.Sequential = new nn.Sequential(new nn.Linear(2, 1))
      made.compile({ optimizer: new optim.SGD(made.parameters(), { lr }), loss: 'mse' })
      return made
    }
    const strange = listener({ batchSize: 4 })
    await net(0.1).fit(
      tensor([
        [1, NaN],
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
      zeros([4, 1]),
      strange.options,
    )
    expect(strange.lines()).toEqual([
      'fit: the loss is not finite since batch 1 of epoch 1: the data has NaN or infinity. Look for them with isfinite() before fit.',
    ])
    const lost = listener({ epochs: 200 })
    await net(1e9).fit(randn([32, 2]), randn([32, 1]), lost.options)
    expect(lost.lines()).toHaveLength(1)
    expect(lost.lines()[0]).toMatch(/since batch 1 of epoch \d+: mse: square: .*inf/)
    const single = listener({ epochs: 3 })
    await net(1e30).fit(randn([320, 2]), randn([320, 1]), single.options)
    expect(single.lines()[0]).toMatch(/: 0: linear: .*; the parameter "0\.\w+" is not finite any more/)
  })
})

function batches(x: Tensor, y: Tensor): data.Batch[] {
  return [...new data.DataLoader(new data.TensorDataset(x, y), { batchSize: 8 })]
}

describe('labels that are no classes', () => {
  const net = (): nn.Sequential => {
    const made: nn.Sequential = new nn.Sequential(new nn.Linear(2, 3))
    made.compile({ optimizer: 'sgd', loss: 'crossEntropy' })
    return made
  }
  const x = randn([70, 2])
  const y = (wrong: number): Tensor =>
    tensor(
      Array.from({ length: 70 }, (_, i) => (i === wrong ? 7 : i % 3)),
      { dtype: 'i32' },
    )

  test('are named with their row, shuffled or not, and in the validation', async () => {
    for (const shuffle of [true, false]) {
      const error: unknown = await net()
        .fit(x, y(41), { verbose: 0, shuffle })
        .catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(IndexError)
      expect((error as Error).message).toBe(
        'fit: the label 7 in row 41 of the training data; expected a class in [0, 3), as the model knows 3.',
      )
    }
    await expect(net().fit(x, y(-1), { verbose: 0, validationData: [x, y(5)] })).rejects.toThrow(
      'the label 7 in row 5 of the validation data',
    )
    await expect(net().fit(batches(x, y(41)), { verbose: 0 })).rejects.toThrow('label 7 in row 1 of batch 6')
    await expect(net().evaluate(x, y(69))).rejects.toThrow('evaluate: the label 7 in row 69 of the data')
  })
})

import { describe, expect, test, vi } from 'vitest'
import {
  type FitOptions,
  type LossName,
  Model,
  type Tensor,
  ValueError,
  arange,
  data,
  losses,
  nn,
  optim,
  randn,
  tensor,
  zeros,
} from 'neuroxide'

const quiet = { verbose: 0 } as const

describe('compile', () => {
  const net = (): nn.Sequential => new nn.Sequential(new nn.Linear(2, 1))

  test.each<[string, () => unknown]>([
    ['an unknown optimizer', () => net().compile({ optimizer: 'adm' as 'adam', loss: 'mse' })],
    ['an unknown loss', () => net().compile({ optimizer: 'adam', loss: 'msee' as 'mse' })],
    ['no loss', () => net().compile({ optimizer: 'adam', loss: undefined as never })],
    [
      'an unknown metric',
      () => net().compile({ optimizer: 'adam', loss: 'mse', metrics: ['acc' as 'accuracy'] }),
    ],
    ['a metric twice', () => net().compile({ optimizer: 'adam', loss: 'mse', metrics: ['mae', 'mae'] })],
    [
      'a metric called loss',
      () =>
        net().compile({ optimizer: 'adam', loss: 'mse', metrics: [{ name: 'loss', compute: losses.mse }] }),
    ],
    [
      'a metric without a name',
      () => net().compile({ optimizer: 'adam', loss: 'mse', metrics: [(p: Tensor) => p] }),
    ],
    [
      'a metric that is called as a number of validations is',
      () =>
        net().compile({
          optimizer: 'adam',
          loss: 'mse',
          metrics: [{ name: 'valLoss', compute: losses.mse }],
        }),
    ],
    [
      'metrics whose numbers of validations are called the same',
      () =>
        net().compile({
          optimizer: 'adam',
          loss: 'mse',
          metrics: ['mae', { name: 'Mae', compute: losses.mse }],
        }),
    ],
    [
      'an output whose loss is called as that of validations is',
      () => net().compile({ optimizer: 'adam', loss: { val: 'mse', other: 'mse' } }),
    ],
    ['an optimizer that is none', () => net().compile({ optimizer: {} as optim.Adam, loss: 'mse' })],
    ['names of Object.prototype', () => net().compile({ optimizer: 'adam', loss: 'toString' as 'mse' })],
  ])('%s is refused', (_name, call) => {
    expect(call).toThrow(ValueError)
  })

  test('a name that two numbers would share is told', () => {
    const metrics = [{ name: 'valLoss', compute: losses.mse }]
    expect(() => net().compile({ optimizer: 'adam', loss: 'mse', metrics })).toThrow(
      'compile: two numbers called "valLoss"; expected a name for each. With validation data, each number has a second one, called val….',
    )
  })

  test.each<[string, FitOptions]>([
    ['epochs', { epochs: 0 }],
    ['batchSize', { batchSize: 1.5 }],
    ['validationSplit of all', { validationSplit: 1 }],
    ['validationSplit of all but a part of one', { validationSplit: 0.9 }],
    ['both validations', { validationSplit: 0.5, validationData: { x: zeros([1, 2]), y: zeros([1]) } }],
    ['a misspelt option', { epoch: 3 } as FitOptions],
    ['seed', { seed: -1 }],
  ])('fit refuses %s', async (_name, options) => {
    const model = net().compile({ optimizer: 'adam', loss: 'mse' })
    await expect(model.fit(zeros([4, 2]), zeros([4, 1]), options)).rejects.toThrow(ValueError)
  })

  test('an option that is undefined counts as left out', async () => {
    const [x, y] = [zeros([4, 2]), zeros([4, 1])]
    const options = {
      epochs: undefined,
      batchSize: undefined,
      shuffle: undefined,
      validationSplit: undefined,
      validationData: undefined,
      validationFreq: undefined,
      validationBatchSize: undefined,
      validationSteps: undefined,
      stepsPerEpoch: undefined,
      classWeight: undefined,
      sampleWeight: undefined,
      callbacks: undefined,
      resume: undefined,
      verbose: undefined,
      signal: undefined,
      initialEpoch: undefined,
      seed: undefined,
      onEpochEnd: undefined,
      onBatchEnd: undefined,
      progressStream: { write: () => {} },
    } satisfies Required<{ readonly [K in keyof FitOptions]: FitOptions[K] | undefined }>
    const model = net().compile({ optimizer: 'adam', loss: 'mse', metrics: undefined })
    const history = await model.fit(x, y, options)
    expect(history.epoch).toEqual([0])
    expect(history.valLoss).toEqual([])
    expect((await model.evaluate(x, y, { batchSize: undefined, signal: undefined })).loss).toBeGreaterThan(0)
    expect((await model.predict(x, { batchSize: undefined, signal: undefined })).shape).toEqual([4, 1])
    expect(losses.mse(x, x, { reduction: undefined }).item()).toBe(0)
  })

  test('fit, evaluate and predict say what is missing', async () => {
    await expect(net().fit(zeros([4, 2]), zeros([4, 1]))).rejects.toThrow(/call compile/)
    await expect(net().evaluate(zeros([4, 2]), zeros([4, 1]))).rejects.toThrow(/call compile/)
    const model = net().compile({ optimizer: 'adam', loss: 'mse' })
    await expect(model.fit(zeros([4, 2]) as never)).rejects.toThrow(/no targets/)
    await expect(model.fit(zeros([4, 2]), zeros([3, 1]))).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    )
    await expect(model.fit(zeros([0, 2]), zeros([0, 1]))).rejects.toThrow(/no samples/)
    await expect(model.fit([])).rejects.toThrow()
    await expect(model.fit([{ z: 1 }] as never)).rejects.toThrow()
    await expect(model.predict(zeros([0, 2]))).rejects.toThrow(/no samples/)
    const noScalar = net().compile({ optimizer: 'adam', loss: (p: Tensor) => p })
    await expect(noScalar.fit(zeros([4, 2]), zeros([4, 1]), quiet)).rejects.toThrow(/expected one number/)
    const frozen = net().compile({ optimizer: 'adam', loss: 'mse' })
    frozen.freeze()
    await expect(frozen.fit(zeros([4, 2]), zeros([4, 1]), quiet)).rejects.toThrow(/frozen/)
  })

  test.each<[string, Tensor, Tensor, number]>([
    [
      'crossEntropy',
      tensor([
        [1, 3, 2],
        [5, 1, 1],
      ]),
      tensor([1, 2], { dtype: 'i32' }),
      0.5,
    ],
    [
      'crossEntropy',
      tensor([
        [1, 3, 2],
        [5, 1, 1],
      ]),
      tensor([
        [0, 1, 0],
        [1, 0, 0],
      ]),
      1,
    ],
    [
      'sparseCategoricalCrossentropy',
      tensor([
        [0.1, 0.9],
        [0.8, 0.2],
      ]),
      tensor([[1], [1]], { dtype: 'i32' }),
      0.5,
    ],
    [
      'categoricalCrossentropy',
      tensor([
        [0.1, 0.9],
        [0.8, 0.2],
      ]),
      tensor([
        [0, 1],
        [0, 1],
      ]),
      0.5,
    ],
    ['binaryCrossentropy', tensor([[0.1], [0.6]]), tensor([0, 1]), 1],
    ['binaryCrossEntropy', tensor([[0.1], [0.6]]), tensor([[0], [0]]), 0.5],
    ['binaryCrossEntropyWithLogits', tensor([[0.1], [-0.6]]), tensor([[1], [0]]), 1],
    ['mse', tensor([[0.1], [0.6]]), tensor([[1], [1]]), 0.5],
  ])('accuracy with %s', async (loss, prediction, target, wanted) => {
    const model = new nn.Sequential(new nn.Identity()).compile({
      optimizer: new optim.SGD([new nn.Parameter(zeros([1]))]),
      loss: loss as 'mse',
      metrics: ['accuracy'],
    })
    const { accuracy } = await model.evaluate(prediction, target)
    expect(accuracy).toBeCloseTo(wanted, 6)
  })

  test('metrics of one’s own are averaged over samples', async () => {
    const first = (prediction: Tensor): Tensor => prediction.narrow(1, 0, 1)
    const model = new nn.Sequential(new nn.Identity()).compile({
      optimizer: new optim.SGD([new nn.Parameter(zeros([1]))]),
      loss: 'mse',
      metrics: [first, { name: 'double', compute: (p: Tensor) => p.mean().mul(2) }],
    })
    const x = arange(70).to('f32').reshape([70, 1])
    const result = await model.evaluate(x, x)
    expect(result.double).toBeCloseTo(69, 3)
    expect(result['first' as 'double']).toBeCloseTo(34.5, 3)
  })
})

describe('predict', () => {
  test('gives what forward gives, in evaluation mode, for any number of rows', async () => {
    const model = new nn.Sequential(new nn.Linear(3, 5), new nn.Dropout(0.9))
    const x = randn([70, 3])
    const whole = model.eval().forward(x).toArray()
    model.train()
    expect((await model.predict(x)).toArray()).toEqual(whole)
    expect((await model.predict(x, { batchSize: 70 })).toArray()).toEqual(whole)
    expect(model.training).toBe(true)
    expect((await model.predict([[1, 2, 3]])).shape).toEqual([1, 5])
    await expect(model.predict(x, { signal: AbortSignal.abort('no') })).rejects.toBe('no')
  })

  test('keeps the outputs of all batches, also large ones', async () => {
    const model = new nn.Sequential(new nn.Identity())
    const x = randn([64, 4096])
    expect((await model.predict(x)).sub(x).abs().max().item()).toBe(0)
  })
})

describe('summary', () => {
  test('is a table of layers, shapes and parameters', () => {
    const model = new nn.Sequential(
      new nn.Flatten(),
      new nn.Linear(784, 128),
      new nn.ReLU(),
      new nn.Linear(128, 10),
    )
    ;(model.at(1) as nn.Linear).freeze()
    const print = vi.fn<(text: string) => void>()
    const text = model.summary({ inputShape: [28, 28], print })
    expect(print).toHaveBeenCalledWith(text)
    expect(text).toMatchInlineSnapshot(`
      "Sequential
      ─────────────────────────────────────────
      Layer                Output    Parameters
      ─────────────────────────────────────────
      0: Flatten(1, -1)    [?, 784]           0
      1: Linear(784, 128)  [?, 128]     100,480
      2: ReLU()            [?, 128]           0
      3: Linear(128, 10)   [?, 10]        1,290
      ─────────────────────────────────────────
      Parameters: 101,770 (1,290 trained, 100,480 frozen)"
    `)
    expect(model.summary({ print: () => {} })).toContain('?')
  })
})

describe('targets as plain lists', () => {
  const x = [
    [1, 0],
    [0, 1],
    [1, 1],
  ]
  const classes = (loss: 'crossEntropy' | 'sparseCategoricalCrossentropy' | 'nll'): nn.Sequential => {
    const last = {
      crossEntropy: [],
      sparseCategoricalCrossentropy: [new nn.Softmax()],
      nll: [new nn.LogSoftmax()],
    }
    return new nn.Sequential(new nn.Linear(2, 3), ...last[loss]).compile({ optimizer: 'sgd', loss })
  }

  test.each(['crossEntropy', 'sparseCategoricalCrossentropy', 'nll'] as const)(
    'are class indices for %s',
    async (loss) => {
      const model = classes(loss)
      const { loss: expected } = await model.evaluate(tensor(x), tensor([0, 1, 2], { dtype: 'i32' }))
      expect((await model.evaluate(x, [0, 1, 2])).loss).toBe(expected)
      expect((await model.evaluate([{ x, y: [0, 1, 2] }])).loss).toBe(expected)
      const { valLoss } = await model.fit(x, [0, 1, 2], {
        ...quiet,
        batchSize: 3,
        validationData: [x, [0, 1, 2]],
      })
      expect(valLoss).toHaveLength(1)
      await expect(model.fit(x, [0, 0.5, 1], quiet)).rejects.toThrow('0.5 as i32; expected an integer')
    },
  )

  test('are numbers for other losses, and float tensors of classes are refused by name', async () => {
    const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
    const { loss } = await model.evaluate(x, [0.5, 1, 2])
    expect((await model.evaluate(tensor(x), tensor([0.5, 1, 2]))).loss).toBe(loss)
    await expect(classes('crossEntropy').fit(tensor(x), tensor([0, 1, 2]), quiet)).rejects.toThrow(
      "crossEntropy: prediction [3, 3] against a target [3] of f32; expected class indices as i32 or u8. Hint: to('i32')",
    )
  })
})

test('a metric that does not exist is answered with all that do, accuracy among them', () => {
  const net = new nn.Sequential(new nn.Linear(2, 1))
  expect(() => net.compile({ optimizer: 'sgd', loss: 'mse', metrics: ['acuracy' as 'accuracy'] })).toThrow(
    'expected one of accuracy, binaryAccuracy,',
  )
})

test('after fit a loop of the user begins without gradients', async () => {
  const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
  const [x, y] = [randn([8, 2]), zeros([8, 1])]
  await model.fit(x, y, quiet)
  expect(model.parameters().map((parameter) => parameter.grad)).toEqual([null, null])
  losses.mse(model.forward(x), y).backward()
  model.optimizer?.step()
  expect(model.parameters().every((parameter) => parameter.grad !== null)).toBe(true)
})

test('predict joins more batches than one call of the core takes tensors', async () => {
  const model = new nn.Sequential(new nn.Linear(1, 1))
  const x = arange(16_400).to('f32').unsqueeze(1)
  const output = await model.predict(x, { batchSize: 1 })
  expect(output.eq(model.forward(x)).all().item()).toBe(true)
})

describe('Keras’s losses', () => {
  const x = randn([12, 4])
  const target = randn([12, 3]).softmax(1)
  const sampleWeight = tensor(Array.from({ length: 12 }, (_, i) => (i % 3) + 0.5))
  const softmax = (): nn.Sequential => new nn.Sequential(new nn.Linear(4, 3), new nn.Softmax(1))

  test.each<[string, LossName, LossName, (prediction: Tensor, target: Tensor) => Tensor]>([
    ['mae', 'mae', 'meanAbsoluteError', losses.meanAbsoluteError],
    ['kld', 'kld', 'klDivergence', losses.klDivergence],
  ])('%s is the short name', async (_, short, long, compute) => {
    const model = softmax()
    const expected = Number(compute(model.forward(x), target).item())
    for (const loss of [short, long]) {
      model.compile({ optimizer: 'sgd', loss })
      expect((await model.evaluate(x, target)).loss).toBeCloseTo(expected, 5)
    }
  })

  test.each([
    ['meanHuber', losses.meanHuber],
    ['meanPoisson', losses.meanPoisson],
  ] as const)('%s goes with weights of samples', async (_, loss) => {
    const model = softmax()
    model.compile({ optimizer: 'sgd', loss })
    const apart = loss(model.forward(x), target, { reduction: 'none' })
    const expected = Number(apart.mul(sampleWeight).sum().item()) / 12
    const { loss: measured } = await model.evaluate(x, target, { sampleWeight })
    expect(measured).toBeCloseTo(expected, 5)
    await model.fit(x, target, { sampleWeight, verbose: 0, epochs: 1 })
  })
})

describe('inputs of several', () => {
  class Sum extends Model {
    forward(a: Tensor, b: Tensor): Tensor {
      return a.add(b)
    }
  }

  test('may be typed arrays, or arrays beside a tensor; a list of plain arrays is rows', async () => {
    const a = tensor([[1], [2]])
    expect((await new Sum().predict([a, [[10], [20]]])).toArray()).toEqual([[11], [22]])
    expect((await new Sum().predict([Float32Array.of(1, 2), tensor([3, 4])])).toArray()).toEqual([4, 6])
    const typed = [Float32Array.of(1, 2), Float32Array.of(3, 4)]
    expect((await new Sum().predict(typed)).toArray()).toEqual([4, 6])
    const rows = new nn.Sequential(new nn.Flatten())
    const plain = [
      [1, 2],
      [3, 4],
    ]
    expect((await rows.predict(plain)).toArray()).toEqual(plain)
    await expect(new Sum().predict([a, 3 as never])).rejects.toThrow(
      'predict: tensors or typed arrays and 3 in one list; expected tensors or arrays, one for each input.',
    )
  })

  test('are told apart from data sets and loaders', async () => {
    const set = new data.TensorDataset(zeros([4, 2]), zeros([4, 1]))
    const model = new nn.Sequential(new nn.Linear(2, 1))
    await expect(model.predict(new data.DataLoader(set) as never)).rejects.toThrow(
      'predict: a DataLoader; expected a tensor, an array, or several in a list or by name. Of a data set or a loader, give the inputs alone, such as dataset.x.',
    )
    await expect(model.predict(set as never)).rejects.toThrow(/predict: a TensorDataset; expected a tensor/)
  })
})

import { describe, expect, test } from 'vitest'
import { F, LossInputError, type Tensor, jit, losses, nn, noGrad, randn, tensor, zeros } from 'neuroxide'

const value = (x: Tensor): number => Number(x.item())
const p = tensor([0.8, 0.3, 0.6])
const t = tensor([1, 0, 1])

describe('values are PyTorch’s', () => {
  const x = tensor([
    [1, -2, 0.5],
    [0.3, 2, -1],
  ])
  const y = tensor([
    [0.5, -1, 2],
    [0, 0, 0],
  ])

  test.each<[string, Tensor, number]>([
    ['mse', losses.mse(x, y), 1.4316666],
    ['l1', losses.l1(x, y), 1.0499999],
    ['smoothL1', losses.smoothL1(x, y), 0.6116666],
    ['smoothL1 beta 2', losses.smoothL1(x, y, { beta: 2 }), 0.3579167],
    ['huber delta 2', losses.huber(x, y, { delta: 2 }), 0.7158333],
    ['poisson', losses.poisson(x, y), F.mean(x.exp().sub(y.mul(x))).item() as unknown as Tensor & number],
    ['binaryCrossEntropy', losses.binaryCrossEntropy(p, t), 0.3635481],
    [
      'binaryCrossEntropyWithLogits',
      losses.binaryCrossEntropyWithLogits(tensor([2, -1]), tensor([1, 0])),
      0.2200948,
    ],
    [
      'posWeight',
      losses.binaryCrossEntropyWithLogits(tensor([2, -1]), tensor([1, 0]), { posWeight: 3 }),
      0.3470228,
    ],
    ['crossEntropy', losses.crossEntropy(x, [0, 2]), 1.8637],
    [
      'klDiv',
      losses.klDiv(tensor([[0.5, 0.5]]).log(), tensor([[0.25, 0.75]]), { reduction: 'batchMean' }),
      0.1308121,
    ],
    ['cosineEmbedding', losses.cosineEmbedding(tensor([[1, 0]]), tensor([[1, 1]]), tensor([1])), 0.2928932],
    ['hingeEmbedding', losses.hingeEmbedding(tensor([0.5, 0.25]), tensor([1, -1])), 0.625],
    ['marginRanking', losses.marginRanking(tensor([1]), tensor([3]), tensor([1]), { margin: 0.5 }), 2.5],
    ['softMargin', losses.softMargin(tensor([0]), tensor([1])), Math.LN2],
    ['tripletMargin', losses.tripletMargin(tensor([[0, 0]]), tensor([[0, 2]]), tensor([[0, 1]])), 2],
  ])('%s', (name, loss, wanted) => {
    if (name === 'crossEntropy') {
      const rows = F.logSoftmax(x, 1).toArray() as number[][]
      expect(value(loss)).toBeCloseTo(-((rows[0]?.[0] ?? 0) + (rows[1]?.[2] ?? 0)) / 2, 5)
    } else expect(value(loss)).toBeCloseTo(wanted, 5)
  })

  test('reductions', () => {
    expect(losses.mse(x, y, { reduction: 'none' }).shape).toEqual([2, 3])
    expect(value(losses.mse(x, y, { reduction: 'sum' }))).toBeCloseTo(8.59, 4)
    expect(() => losses.mse(x, y, { reduction: 'batchMean' as 'mean' })).toThrow(/'none', 'mean', 'sum'/)
    expect(() => losses.mse(x, y, { reduction: 'avg' as 'mean' })).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE' }),
    )
  })

  test('crossEntropy with weight, ignoreIndex, labelSmoothing and soft targets', () => {
    const logits = tensor([
      [2, 0, 1],
      [0, 1, 3],
      [1, 1, 1],
    ])
    const each = losses.crossEntropy(logits, [0, 2, 1], { reduction: 'none' }).toArray() as number[]
    const [a = 0, b = 0, c = 0] = each
    expect(value(losses.crossEntropy(logits, [0, 2, -100]))).toBeCloseTo((a + b) / 2, 5)
    expect(value(losses.crossEntropy(logits, [0, 2, 1], { ignoreIndex: 1 }))).toBeCloseTo((a + b) / 2, 5)
    expect(value(losses.crossEntropy(logits, [0, 2, 1], { weight: [1, 2, 3] }))).toBeCloseTo(
      (a + 3 * b + 2 * c) / 6,
      5,
    )
    const soft = tensor([
      [0.9, 0.05, 0.05],
      [0.05, 0.05, 0.9],
      [0.05, 0.9, 0.05],
    ])
    const smoothed = losses.crossEntropy(logits, [0, 2, 1], { labelSmoothing: 0.15 })
    expect(value(smoothed)).toBeCloseTo(value(losses.crossEntropy(logits, soft)), 5)
    expect(() => losses.crossEntropy(logits, [0, 2, 1], { labelSmoothing: 2 })).toThrow(/labelSmoothing/)
    expect(() => losses.crossEntropy(logits, [0, 3, 1])).toThrow(
      expect.objectContaining({ code: 'ERR_INDEX' }),
    )
  })

  test('u8 class indices, as in MNIST', () => {
    const labels = tensor([0, 2], { dtype: 'u8' })
    expect(value(losses.crossEntropy(x, labels))).toBe(value(losses.crossEntropy(x, [0, 2])))
  })
})

describe('Keras’s losses', () => {
  const x = tensor([
    [1, 2],
    [3, 5],
  ])
  const y = tensor([
    [0, 0],
    [0, 0],
  ])

  test('average over the last axis first', () => {
    expect(losses.meanSquaredError(x, y, { reduction: 'none' }).toArray()).toEqual([2.5, 17])
    expect(losses.meanAbsoluteError(x, y, { reduction: 'sum' }).item()).toBe(5.5)
    expect(losses.meanHuber(x, y, { reduction: 'none' }).toArray()).toEqual([1, 3.5])
    expect(losses.hinge(tensor([[0.5, -2]]), tensor([[1, -1]])).item()).toBe(0.25)
    expect(losses.squaredHinge(tensor([[0.5, -2]]), tensor([[1, 0]])).item()).toBe(0.125)
    expect(value(losses.logCosh(x, y))).toBeCloseTo((0.4337808 + 1.3250027 + 2.3093285 + 4.3068983) / 4, 5)
    expect(value(losses.meanPoisson(tensor([[1, 2]]), tensor([[3, 1]])))).toBeCloseTo(
      (1 + 2 - Math.LN2) / 2,
      5,
    )
    expect(
      value(
        losses.cosine(
          tensor([
            [3, 0],
            [0, 1],
          ]),
          tensor([
            [1, 0],
            [1, 1],
          ]),
        ),
      ),
    ).toBeCloseTo(-(1 + Math.SQRT1_2) / 2, 5)
    expect(losses.cosineSimilarity).toBe(losses.cosine)
  })

  test('take probabilities', () => {
    const probabilities = tensor([
      [0.25, 0.75],
      [0.5, 0.5],
    ])
    const wanted = -(Math.log(0.75) + Math.log(0.5)) / 2
    expect(value(losses.sparseCategoricalCrossentropy(probabilities, [1, 0]))).toBeCloseTo(wanted, 5)
    expect(value(losses.sparseCategoricalCrossentropy(probabilities, tensor([[1], [0]])))).toBeCloseTo(
      wanted,
      5,
    )
    expect(
      value(
        losses.categoricalCrossentropy(
          probabilities,
          tensor([
            [0, 1],
            [1, 0],
          ]),
        ),
      ),
    ).toBeCloseTo(wanted, 5)
    expect(value(losses.binaryCrossentropy(tensor([[0.75]]), tensor([1])))).toBeCloseTo(-Math.log(0.75), 5)
    expect(value(losses.klDivergence(tensor([[0.5, 0.5]]), tensor([[0.25, 0.75]])))).toBeCloseTo(0.1308121, 4)
  })

  test('scale probabilities that do not sum to 1, as Keras does', () => {
    expect(value(losses.categoricalCrossentropy(tensor([[1, 3]]), tensor([[0, 1]])))).toBeCloseTo(
      -Math.log(0.75),
      5,
    )
  })

  test('align a last axis of size 1; PyTorch’s do not', () => {
    expect(losses.meanSquaredError(tensor([[1], [2]]), tensor([1, 4])).item()).toBe(2)
    expect(() => losses.mse(zeros([32, 1]), zeros([32]) as Tensor)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    )
    expect(() => losses.meanSquaredError(zeros([32, 2]), zeros([32]) as Tensor)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    )
  })
})

describe('which losses take what', () => {
  const logits = tensor([
    [30, -30, 0],
    [1, 2, 3],
  ])
  const classes = tensor([1, 2], { dtype: 'i32' })
  const oneHot = tensor([
    [0, 1, 0],
    [0, 0, 1],
  ])

  test('softmax before a probability loss is built as the stable logits form, to the bit', () => {
    const made = F.softmax(logits, 1)
    const stable = value(losses.sparseCategoricalCrossentropy(logits, classes, { fromLogits: true }))
    expect(stable).toBeGreaterThan(29)
    expect(value(losses.sparseCategoricalCrossentropy(made, classes))).toBe(stable)
    expect(value(losses.categoricalCrossentropy(made, oneHot))).toBe(
      value(losses.categoricalCrossentropy(logits, oneHot, { fromLogits: true })),
    )
    // Detached, it is only numbers: Keras limits them to 1e-7.
    expect(value(losses.sparseCategoricalCrossentropy(made.detach(), classes))).toBeLessThan(9)
  })

  test('so is sigmoid', () => {
    const made = tensor([100, -200]).sigmoid()
    const y = tensor([0, 0])
    expect(value(losses.binaryCrossEntropy(made, y))).toBe(
      value(losses.binaryCrossEntropyWithLogits(tensor([100, -200]), y)),
    )
    expect(value(losses.binaryCrossentropy(made, y))).toBe(50)
  })

  test('through views, under noGrad and in a trace', () => {
    const y = tensor([1])
    const wanted = value(losses.binaryCrossEntropyWithLogits(tensor([-200]), y))
    expect(wanted).toBe(200)
    const viewed = (x: Tensor): Tensor => losses.binaryCrossEntropy(x.sigmoid().squeeze(1), y)
    expect(value(viewed(tensor([[-200]])))).toBe(wanted)
    expect(noGrad(() => value(viewed(tensor([[-200]]))))).toBe(wanted)
    expect(value(jit(viewed)(tensor([[-200]])))).toBe(wanted)
  })

  test('gradients are those of the stable form', () => {
    const x = tensor([[-200]], { requiresGrad: true })
    losses.binaryCrossEntropy(x.sigmoid(), tensor([[1]])).backward()
    expect(x.grad?.toArray()).toEqual([[-1]])
  })

  const softmax = (): Tensor => F.softmax(logits, 1)
  const linear = (): Tensor => new nn.Linear(2, 3).forward(randn([2, 2]))
  test.each<[string, () => unknown]>([
    ['softmax into crossEntropy', () => losses.crossEntropy(softmax(), classes)],
    [
      'sigmoid into binaryCrossEntropyWithLogits',
      () => losses.binaryCrossEntropyWithLogits(logits.sigmoid(), oneHot),
    ],
    ['linear into nll', () => losses.nll(linear(), classes)],
    ['softmax into nll', () => losses.nll(softmax(), classes)],
    ['linear into binaryCrossEntropy', () => losses.binaryCrossEntropy(linear(), oneHot)],
    ['linear into categoricalCrossentropy', () => losses.categoricalCrossentropy(linear(), oneHot)],
    [
      'linear into sparseCategoricalCrossentropy',
      () => losses.sparseCategoricalCrossentropy(linear(), classes),
    ],
    ['linear into binaryCrossentropy', () => losses.binaryCrossentropy(linear(), oneHot)],
    [
      'softmax with fromLogits',
      () => losses.categoricalCrossentropy(softmax(), oneHot, { fromLogits: true }),
    ],
    ['softmax into klDiv', () => losses.klDiv(softmax(), oneHot)],
    ['logSoftmax into klDivergence', () => losses.klDivergence(F.logSoftmax(logits, 1), oneHot)],
  ])('%s is refused', (_name, call) => {
    expect(call).toThrow(LossInputError)
  })

  test('the error names the layer and the fix', () => {
    const model = new nn.Sequential(new nn.Linear(2, 3), new nn.Softmax())
    expect(() => losses.crossEntropy(model.forward(randn([2, 2])), classes)).toThrow(
      /losses\.crossEntropy: the prediction is probabilities, made by softmax \(layer "1"\); expected logits\. Leave that layer out/,
    )
    const bare = new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 3))
    expect(() => losses.categoricalCrossentropy(bare.forward(randn([2, 2])), oneHot)).toThrow(
      /layer "1".*fromLogits: true/,
    )
  })

  test('unknown producers pass', () => {
    const detached = softmax().detach()
    expect(value(losses.crossEntropy(detached, classes))).toBeGreaterThan(0)
    const jitted = jit((x: Tensor) => F.softmax(x, 1))(logits)
    expect(value(losses.crossEntropy(jitted, classes))).toBeGreaterThan(0)
    expect(value(losses.nll(F.logSoftmax(logits, 1), classes))).toBeGreaterThan(0)
  })
})

test('losses as modules take their options', () => {
  const x = tensor([[1, 2]])
  expect(new nn.MSELoss({ reduction: 'sum' }).forward(x, tensor([[0, 0]])).item()).toBe(5)
  expect(new nn.L1Loss().forward(x, tensor([[0, 0]])).item()).toBe(1.5)
  expect(new nn.HuberLoss({ delta: 1 }).forward(x, tensor([[0, 0]])).item()).toBe(1)
  expect(new nn.SmoothL1Loss().forward(x, tensor([[0, 0]])).item()).toBe(1)
  expect(new nn.CrossEntropyLoss().forward(x, tensor([1], { dtype: 'i32' })).item()).toBeCloseTo(0.3132617)
  expect(new nn.NLLLoss().forward(F.logSoftmax(x, 1), tensor([1], { dtype: 'i32' })).item()).toBeCloseTo(
    0.3132617,
  )
  expect(new nn.BCELoss().forward(p, t).item()).toBeCloseTo(0.3635481)
  expect(new nn.BCEWithLogitsLoss().forward(tensor([0]), tensor([1])).item()).toBeCloseTo(Math.LN2)
  expect(new nn.KLDivLoss({ reduction: 'sum' }).forward(p.log(), p).item()).toBeCloseTo(0)
})

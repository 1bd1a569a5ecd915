import { describe, expect, test } from 'vitest'
import {
  ShapeError,
  constraints,
  manualSeed,
  metrics,
  nn,
  ones,
  optim,
  rand,
  randint,
  randn,
  regularizers,
  tensor,
  zeros,
  type Tensor,
} from 'neuroxide'

const values = (x: Tensor): number[] => x.flatten().toArray() as number[]

describe('metrics by name in fit and evaluate', () => {
  const names = ['precision', 'recall', 'f1', 'auc', 'prAuc', 'rmse', 'r2'] as const

  test('are those of their classes over all samples, whatever the batches', async () => {
    manualSeed(5)
    const [x, y] = [randn([50, 3]), randint([50, 1], 0, 2).to('f32')]
    const model = new nn.Sequential(new nn.Linear(3, 1), new nn.Sigmoid()).compile({
      optimizer: 'sgd',
      loss: 'binaryCrossentropy',
      metrics: [...names],
    })
    const prediction = await model.predict(x)
    const made = {
      precision: new metrics.Precision(),
      recall: new metrics.Recall(),
      f1: new metrics.F1(),
      auc: new metrics.AUC(),
      prAuc: new metrics.AUC({ curve: 'pr' }),
      rmse: new metrics.RootMeanSquaredError(),
      r2: new metrics.R2(),
    }
    const first = await model.evaluate(x, y, { batchSize: 50 })
    const second = await model.evaluate(x, y, { batchSize: 7 })
    for (const name of names) {
      made[name].update(prediction, y)
      expect(first[name]).toBeCloseTo(made[name].compute(), 6)
      expect(second[name]).toBeCloseTo(made[name].compute(), 6)
    }
  })

  test('know where logits are even and on which axis the classes are', async () => {
    manualSeed(6)
    const x = randn([40, 3])
    const binary = new nn.Sequential(new nn.Linear(3, 1)).compile({
      optimizer: 'sgd',
      loss: 'binaryCrossEntropyWithLogits',
      metrics: ['precision', 'auc'],
    })
    const y = randint([40, 1], 0, 2).to('f32')
    const logits = await binary.predict(x)
    const measured = await binary.evaluate(x, y)
    const [precision, auc] = [new metrics.Precision({ threshold: 0 }), new metrics.AUC()]
    precision.update(logits, y)
    auc.update(logits.sigmoid(), y)
    expect(measured.precision).toBeCloseTo(precision.compute(), 6)
    expect(measured.auc).toBeCloseTo(auc.compute(), 6)

    const several = new nn.Sequential(new nn.Linear(3, 4)).compile({
      optimizer: 'sgd',
      loss: 'crossEntropy',
      metrics: ['f1', 'perplexity', 'sparseTopKCategoricalAccuracy'],
    })
    const labels = randint([40], 0, 4)
    const { f1, loss, perplexity, sparseTopKCategoricalAccuracy } = await several.evaluate(x, labels)
    const macro = new metrics.F1({ average: 'macro' })
    macro.update(await several.predict(x), labels)
    expect(f1).toBeCloseTo(macro.compute(), 6)
    expect(perplexity).toBeCloseTo(Math.exp(loss), 4)
    // Four classes are all among the five best.
    expect(sparseTopKCategoricalAccuracy).toBe(1)
  })

  test('go by the names that instances were given, and stand in the history', async () => {
    const model = new nn.Sequential(new nn.Linear(2, 1), new nn.Sigmoid()).compile({
      optimizer: 'adam',
      loss: 'binaryCrossentropy',
      metrics: [new metrics.Recall({ name: 'hits', threshold: 0 }), new metrics.BinaryAccuracy()],
    })
    const history = await model.fit(rand([20, 2]), ones([20, 1]), {
      epochs: 2,
      validationSplit: 0.25,
      verbose: 0,
    })
    const hits: readonly number[] = history.hits
    expect(hits).toEqual([1, 1])
    expect(history.valHits).toEqual([1, 1])
    expect(history.binaryAccuracy).toHaveLength(2)
  })

  test('are weighted where weightedMetrics has them', async () => {
    const model = new nn.Sequential(new nn.Linear(1, 1, { bias: false })).compile({
      optimizer: new optim.SGD([tensor([1], { requiresGrad: true })]),
      loss: 'mse',
      metrics: ['rmse'],
      weightedMetrics: [new metrics.RootMeanSquaredError({ name: 'heavy' })],
    })
    nn.init.zeros((model.at(0) as nn.Linear).weight)
    const samples = { x: ones([2, 1]), y: tensor([[1], [3]]), sampleWeight: tensor([3, 1]) }
    const { rmse, heavy } = await model.evaluate(samples)
    expect(rmse).toBeCloseTo(Math.sqrt(5), 6)
    expect(heavy).toBeCloseTo(Math.sqrt(3), 6)
  })

  test('are 0 where no sample counts', async () => {
    const model = new nn.Sequential(new nn.Linear(1, 1)).compile({
      optimizer: 'sgd',
      loss: 'mse',
      weightedMetrics: ['mae', new metrics.RootMeanSquaredError()],
    })
    const samples = { x: ones([2, 1]), y: ones([2, 1]), sampleWeight: tensor([0, 0]) }
    expect(await model.evaluate(samples)).toEqual({ loss: 0, mae: 0, rmse: 0 })
  })
})

describe('penalties and sets in fit', () => {
  test('a penalty is part of the loss that fit and evaluate report', async () => {
    const layer = new nn.Linear(2, 1, { bias: false, regularizer: regularizers.l1(0.5) })
    nn.init.ones(layer.weight)
    const model = new nn.Sequential(layer).compile({
      optimizer: new optim.SGD(layer.parameters(), { lr: 0.1 }),
      loss: 'mse',
    })
    const [x, y] = [zeros([5, 2]), zeros([5, 1])]
    expect((await model.evaluate(x, y, { batchSize: 2 })).loss).toBeCloseTo(1, 6)
    const { loss } = await model.fit(x, y, { epochs: 2, batchSize: 5, verbose: 0 })
    expect(loss[0]).toBeCloseTo(1, 6)
    // Each step takes lr · 0.5 off each of the two weights.
    expect(loss[1]).toBeCloseTo(0.95, 6)
  })

  test('constraints hold after every step', async () => {
    manualSeed(7)
    const first = new nn.Linear(4, 8, {
      constraint: constraints.maxNorm(0.5),
      biasConstraint: constraints.nonNeg(),
    })
    const second = new nn.Linear(8, 1, { constraint: constraints.nonNeg() })
    const model = new nn.Sequential(first, second)
    model.compile({ optimizer: new optim.SGD(model.parameters(), { lr: 0.05 }), loss: 'mse' })
    await model.fit(randn([16, 4]), randn([16, 1]), { epochs: 3, batchSize: 8, verbose: 0 })
    const norms = values(first.weight.norm(2, 1))
    for (const norm of norms) expect(norm).toBeLessThanOrEqual(0.5 + 1e-6)
    expect(Math.max(...norms)).toBeGreaterThan(0.49)
    for (const w of [...values(first.bias as Tensor), ...values(second.weight)])
      expect(w).toBeGreaterThanOrEqual(0)
  })

  test('constraints of one’s own have to keep the shape', async () => {
    const layer = new nn.Linear(2, 1)
    layer.weight.constraint = { apply: () => zeros([3]), config: () => ({ name: 'own' }) }
    const model = new nn.Sequential(layer).compile({ optimizer: 'sgd', loss: 'mse' })
    await expect(model.fit(ones([4, 2]), ones([4, 1]), { verbose: 0 })).rejects.toThrow(ShapeError)
  })
})

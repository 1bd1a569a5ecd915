import { describe, expect, test } from 'vitest'
import { ValueError, callbacks, nn, optim } from 'neuroxide'
import { x, y } from './stage.js'

const options = { verbose: 0, shuffle: false, batchSize: 2 } as const

interface Made {
  readonly model: nn.Sequential
  readonly optimizer: optim.SGD
  /** The rate before each batch. */
  readonly rates: number[]
  readonly spy: { onTrainBatchBegin(): void }
}

function made(lr = 1e-3): Made {
  const net = new nn.Sequential(new nn.Linear(1, 1))
  const optimizer = new optim.SGD(net.parameters(), { lr })
  const rates: number[] = []
  const spy = { onTrainBatchBegin: () => void rates.push(optimizer.lr) }
  return { model: net.compile({ optimizer, loss: 'mse' }), optimizer, rates, spy }
}

describe('LearningRateScheduler', () => {
  test('sets what a function says before each epoch', async () => {
    const { model, rates, spy } = made(1)
    const scheduler = new callbacks.LearningRateScheduler((epoch, lr) => (epoch === 0 ? 0.004 : lr / 2))
    await model.fit(x, y, { ...options, epochs: 3, callbacks: [scheduler, spy] })
    expect(rates).toEqual([0.004, 0.002, 0.001].flatMap((lr) => [lr, lr, lr, lr]))
  })

  test('sets what a function says before each batch of the training', async () => {
    const { model, rates, spy } = made()
    const scheduler = new callbacks.LearningRateScheduler((batch) => 0.001 / (1 + batch), { per: 'batch' })
    await model.fit(x, y, { ...options, epochs: 2, callbacks: [scheduler, spy] })
    expect(rates).toEqual(Array.from({ length: 8 }, (_, i) => 0.001 / (1 + i)))
  })

  test('steps a scheduler after each batch, and the very next one has the rate', async () => {
    const { model, optimizer, rates, spy } = made(1e-3)
    const schedule = new optim.lrScheduler.LinearLR(optimizer, { startFactor: 0.5, totalIters: 4 })
    const scheduler = new callbacks.LearningRateScheduler(schedule, { per: 'batch' })
    await model.fit(x, y, { ...options, epochs: 2, callbacks: [scheduler, spy] })
    expect(rates.map((lr) => Number((lr * 1000).toFixed(6)))).toEqual([0.5, 0.625, 0.75, 0.875, 1, 1, 1, 1])
    expect(schedule.lastEpoch).toBe(8)
  })

  test('the rates act: weights are those of the same steps in a loop', async () => {
    const { model, optimizer } = made(0.01)
    for (const parameter of model.parameters()) parameter.copyFrom(1)
    const schedule = new optim.lrScheduler.ExponentialLR(optimizer, { gamma: 0.5 })
    const scheduler = new callbacks.LearningRateScheduler(schedule, { per: 'batch' })
    await model.fit(x, y, { ...options, epochs: 1, callbacks: [scheduler] })
    const loop = made(0.01)
    for (const parameter of loop.model.parameters()) parameter.copyFrom(1)
    for (let batch = 0; batch < 4; batch += 1) {
      loop.optimizer.lr = 0.01 * 0.5 ** batch
      const rows = { ...options, epochs: 1 }
      await loop.model.fit(x.slice(0, 2 * batch, 2 * batch + 2), y.slice(0, 2 * batch, 2 * batch + 2), rows)
    }
    const values = (model: nn.Sequential): unknown[] =>
      model.parameters().map((parameter) => parameter.toArray())
    expect(values(model)).toEqual(values(loop.model))
  })

  test('steps a scheduler after each epoch; a plateau with what it monitors', async () => {
    const { model, optimizer } = made(1e-3)
    const plateau = new optim.lrScheduler.ReduceLROnPlateau(optimizer, {
      patience: 0,
      factor: 0.5,
      threshold: 1e9,
      thresholdMode: 'abs',
    })
    const scheduler = new callbacks.LearningRateScheduler(plateau, { monitor: 'loss' })
    await model.fit(x, y, { ...options, epochs: 3, callbacks: [scheduler] })
    expect(optimizer.lr).toBe(0.00025)
    const other = new callbacks.LearningRateScheduler(plateau)
    await expect(model.fit(x, y, { ...options, callbacks: [other] })).rejects.toThrow(
      /monitor is "valLoss", which no epoch ends with; expected one of loss\. Numbers/,
    )
  })

  test('refuses a scheduler of another optimizer, and what is no rate', async () => {
    const { model } = made()
    const schedule = new optim.lrScheduler.StepLR(made().optimizer, { stepSize: 1 })
    const stranger = new callbacks.LearningRateScheduler(schedule)
    await expect(model.fit(x, y, { ...options, callbacks: [stranger] })).rejects.toThrow(
      /a scheduler of another optimizer; expected/,
    )
    const broken = new callbacks.LearningRateScheduler(() => 'fast' as never)
    await expect(model.fit(x, y, { ...options, callbacks: [broken] })).rejects.toThrow(ValueError)
    const negative = new callbacks.LearningRateScheduler(() => -1)
    await expect(model.fit(x, y, { ...options, callbacks: [negative] })).rejects.toThrow(/-1 as lr; expected/)
  })

  test('keeps the state of its scheduler', () => {
    const first = made(1)
    const scheduled = (of: Made): callbacks.LearningRateScheduler =>
      new callbacks.LearningRateScheduler(new optim.lrScheduler.StepLR(of.optimizer, { stepSize: 2 }))
    const [a, second] = [new optim.lrScheduler.StepLR(first.optimizer, { stepSize: 2 }), made(1)]
    const saving = new callbacks.LearningRateScheduler(a)
    for (let i = 0; i < 3; i += 1) a.step()
    scheduled(second).loadState(JSON.parse(JSON.stringify(saving.state())))
    expect(second.optimizer.lr).toBe(0.1)
  })
})

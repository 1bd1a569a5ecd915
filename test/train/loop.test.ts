import { describe, expect, test, vi } from 'vitest'
import {
  type FitOptions,
  Model,
  type Tensor,
  data,
  jit,
  losses,
  metrics,
  nn,
  optim,
  randn,
  regularizers,
  constraints,
  tensor,
  zeros,
} from 'neuroxide'

const quiet: FitOptions = { verbose: 0, batchSize: 8, shuffle: false }
const x = randn([20, 3])
const y = randn([20, 1])

function regression(): nn.Sequential {
  const net: nn.Sequential = new nn.Sequential(new nn.Linear(3, 1))
  net.compile({ optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }), loss: 'mse' })
  return net
}

describe('a loop over a training', () => {
  test('is given each epoch, while the training stands still', async () => {
    const model = regression()
    const epochs: number[] = []
    const training = model.fit(x, y, { ...quiet, epochs: 4, validationSplit: 0.2 })
    expect(training).toBeInstanceOf(Promise)
    for await (const { epoch, loss, valLoss } of training) {
      epochs.push(epoch)
      const before = model.parameters()[0]?.toArray()
      await new Promise((resolve) => setTimeout(resolve, 15))
      expect(model.parameters()[0]?.toArray()).toEqual(before)
      expect([loss, valLoss].every(Number.isFinite)).toBe(true)
    }
    expect(epochs).toEqual([0, 1, 2, 3])
    expect((await training).epoch).toEqual(epochs)
  })

  test('ends the training where it is left', async () => {
    const model = regression()
    const ended = vi.fn<() => void>()
    const training = model.fit(x, y, { ...quiet, epochs: 1000, callbacks: { onTrainEnd: ended } })
    for await (const { epoch } of training) if (epoch === 2) break
    expect(ended).toHaveBeenCalledOnce()
    expect((await training).epoch).toEqual([0, 1, 2])
    // It is free again.
    await model.fit(x, y, quiet)
  })

  test('gets errors and aborts, and then nobody else has to', async () => {
    const unhandled = vi.fn<(error: unknown) => void>()
    process.on('unhandledRejection', unhandled)
    const looped = async (options: FitOptions): Promise<number> => {
      let count = 0
      for await (const _ of regression().fit(x, y, { ...quiet, epochs: 9, ...options })) count += 1
      return count
    }
    const failing = {
      onEpochEnd: (epoch: number) => (epoch === 1 ? Promise.reject(new RangeError('no')) : null),
    }
    await expect(looped({ callbacks: failing })).rejects.toThrow(new RangeError('no'))
    const abort = new AbortController()
    await expect(
      looped({ signal: abort.signal, callbacks: { onEpochEnd: () => abort.abort('enough') } }),
    ).rejects.toBe('enough')
    await expect(looped({ epochs: 0 })).rejects.toThrow('epochs is 0')
    await new Promise((resolve) => setTimeout(resolve, 20))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('is one; without it the training waits for nobody', async () => {
    const training = regression().fit(x, y, { ...quiet, epochs: 2 })
    const loop = training[Symbol.asyncIterator]()
    expect(() => training[Symbol.asyncIterator]()).toThrow('a second loop')
    await loop.next()
    await loop.return?.()
    expect((await regression().fit(x, y, { ...quiet, epochs: 3 })).epoch).toHaveLength(3)
    // A loop that comes late is told what is left.
    const late = regression().fit(x, y, quiet)
    await late
    expect(await late[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined })
  })
})

describe('several inputs and outputs', () => {
  class Named extends Model {
    readonly wide = new nn.Linear(3, 2)
    readonly deep = new nn.Linear(2, 2)
    override forward({ wide, deep }: { wide: Tensor; deep: Tensor }): {
      sum: Tensor
      both: readonly Tensor[]
    } {
      const [a, b] = [this.wide.forward(wide), this.deep.forward(deep)]
      return { sum: a.add(b), both: [a, b] }
    }
  }
  class Pair extends Model {
    readonly wide = new nn.Linear(3, 2)
    override forward(a: Tensor, b: Tensor): [Tensor, Tensor] {
      return [this.wide.forward(a), b.mul(2).add(this.wide.forward(a).mul(0))]
    }
  }

  test('predict gives what forward gives, in its layout', async () => {
    const inputs = { wide: randn([40, 3]), deep: randn([40, 2]) }
    const model = new Named()
    const output = await model.predict(inputs)
    expect(Object.keys(output)).toEqual(['sum', 'both'])
    expect(output.both[1]?.shape).toEqual([40, 2])
    expect(output.sum.toArray()).toEqual(model.forward(inputs).sum.toArray())
    const single = await model.predictOnBatch(inputs)
    expect(single.sum.toArray()).toEqual(output.sum.toArray())
  })

  test('a tuple: losses and metrics by place, and one name for all', async () => {
    const model = new Pair().compile({
      optimizer: 'sgd',
      loss: ['mse', null],
      metrics: [['mae'], ['mse']],
    })
    const [a, b] = [randn([12, 3]), randn([12, 2])]
    const targets = [zeros([12, 2]), zeros([12, 2])] as const
    const { loss, output0Loss, output0Mae, output1Mse } = await model.evaluate([a, b], targets)
    expect(loss).toBe(output0Loss)
    const [first, second] = model.forward(a, b)
    expect(output0Mae).toBeCloseTo(first.abs().mean().item(), 5)
    expect(output1Mse).toBeCloseTo(second.mul(second).mean().item(), 4)
    const history = await model.fit([a, b], targets, quiet)
    expect(Object.keys(history.history)).toEqual(['loss', 'output0Loss', 'output0Mae', 'output1Mse'])
    const all = new Pair().compile({ optimizer: 'sgd', loss: 'mse' })
    const sum = all.forward(a, b).reduce((total, own) => total + own.mul(own).mean().item(), 0)
    expect((await all.evaluate([a, b], targets)).loss).toBeCloseTo(sum, 4)
    // A function of one's own is given all of it.
    const own = new Pair().compile({
      optimizer: 'sgd',
      loss: (prediction) => (prediction as unknown as Tensor[])[0]?.mean() ?? zeros([]),
    })
    expect((await own.evaluate([a, b], targets)).loss).toBeCloseTo(own.forward(a, b)[0].mean().item(), 5)
  })

  test('the same record goes to a loader, to fit and to jit', async () => {
    const set = new data.TensorDataset(
      { wide: randn([20, 3]), deep: randn([20, 2]) },
      { sum: zeros([20, 2]) },
    )
    const loader = new data.DataLoader(set, { batchSize: 8 })
    const model = new Named().compile({ optimizer: 'sgd', loss: { sum: 'mse' } })
    const step = jit((inputs: { wide: Tensor; deep: Tensor }, targets: { sum: Tensor }) => ({
      loss: losses.mse(model.forward(inputs).sum, targets.sum),
    }))
    let [total, rows] = [0, 0]
    for (const batch of loader) {
      const count = batch.x.wide.shape[0] as number
      total += step(batch.x, batch.y).loss.item() * count
      rows += count
    }
    expect(step.traces).toBe(2)
    const { loss, sumLoss } = await model.evaluate(loader)
    expect([loss, sumLoss]).toEqual([total / rows, total / rows].map((mean) => expect.closeTo(mean, 5)))
    expect(set.get(3).x.wide.shape).toEqual([3])
    const samples: data.Dataset = { length: 20, get: (index) => set.get(index) }
    const streamed = await model.evaluate(new data.DataLoader(samples, { batchSize: 8 }))
    expect(streamed.loss).toBe(loss)
    await model.fit(loader, { ...quiet, epochs: 2 })
    expect((await model.trainOnBatch(set.x, set.y)).loss).toBeLessThan(loss)
  })
})

describe('metrics that add sums', () => {
  test('are exact over uneven batches, in memory and as a stream, for training too', async () => {
    const net: nn.Sequential = new nn.Sequential(new nn.Identity())
    const prediction = tensor([0.9, 0.8, 0.3, 0.6, 0.2]).reshape([5, 1])
    const target = tensor([1, 0, 1, 1, 0]).reshape([5, 1])
    const precision = new metrics.Precision()
    const model = net.compile({
      optimizer: new optim.SGD([new nn.Parameter(zeros([1]))]),
      loss: 'mse',
      metrics: ['recall', precision],
    })
    const { recall, precision: share } = await model.evaluate(prediction, target, { batchSize: 2 })
    expect([recall, share]).toEqual([expect.closeTo(2 / 3, 12), expect.closeTo(2 / 3, 12)])
    const batches = [0, 2, 4].map((start) => ({
      x: prediction.narrow(0, start, Math.min(2, 5 - start)),
      y: target.narrow(0, start, Math.min(2, 5 - start)),
    }))
    expect((await model.evaluate(batches)).recall).toBe(recall)
    const seen: unknown[] = []
    const trained = regression()
    trained.compile({ optimizer: 'sgd', loss: 'mse', metrics: ['rmse'] })
    const history = await trained.fit(x, y, {
      ...quiet,
      onBatchEnd: (_, logs) => void seen.push(Object.keys(logs)),
    })
    expect(history.history['rmse']?.[0]).toBeCloseTo(Math.sqrt(history.loss[0] ?? 0), 4)
    expect(seen).toEqual([
      ['loss', 'rmse'],
      ['loss', 'rmse'],
      ['loss', 'rmse'],
    ])
  })
})

describe('averages of weights', () => {
  test('follow the formula in fit, and swap puts them in', async () => {
    const net = regression()
    net.compile({ optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }), loss: 'mse', ema: 0.8 })
    const kernel = net.parameters()[0] as Tensor
    let average = kernel.toTypedArray().slice()
    await net.fit(x, y, {
      ...quiet,
      epochs: 2,
      callbacks: {
        onTrainBatchEnd: () => {
          const now = kernel.toTypedArray()
          average = average.map(
            (value, i) => Math.fround(value * 0.8) + Math.fround((now[i] ?? 0) * (1 - 0.8)),
          )
        },
      },
    })
    const held = Object.values(net.ema?.stateDict().averages ?? {})[0] as Tensor
    for (const [i, value] of held.toTypedArray().entries()) expect(value).toBeCloseTo(average[i] ?? 0, 5)
    const [weights, averages] = [kernel.toArray(), held.toArray()]
    net.ema?.swap()
    expect([kernel.toArray(), held.toArray()]).toEqual([averages, weights])
    net.ema?.swap()
    expect(kernel.toArray()).toEqual(weights)
    const other = new optim.EMA(net, { decay: 0.5 })
    other.loadStateDict(
      JSON.parse(
        JSON.stringify({
          decay: 0.8,
          averages: {
            '0.weight': held.toArray(),
            '0.bias': Object.values(net.ema?.stateDict().averages ?? {})[1]?.toArray(),
          },
        }),
      ) as optim.EMAState,
    )
    expect(Object.values(other.stateDict().averages)[0]?.toArray()).toEqual(averages)
  })

  test('update inside a jitted step', () => {
    const w = new nn.Parameter(zeros([2]))
    const ema = new optim.EMA([w], { decay: 0.5 })
    const step = jit(() => {
      w.copyFrom(w.add(2))
      ema.update()
    })
    step()
    step()
    expect(ema.stateDict().averages['0']?.toArray()).toEqual([2.5, 2.5])
  })
})

describe('single batches', () => {
  test('trainOnBatch does what fit does, and keeps its programs', async () => {
    const [a, b] = [regression(), regression()]
    b.loadStateDict(a.stateDict())
    const history = await a.fit(x, y, quiet)
    const parts: number[] = []
    for (const start of [0, 8, 16]) {
      const rows = Math.min(8, 20 - start)
      const { loss } = await b.trainOnBatch(x.narrow(0, start, rows), y.narrow(0, start, rows))
      parts.push(loss * rows)
    }
    expect(parts.reduce((sum, part) => sum + part) / 20).toBeCloseTo(history.loss[0] ?? 0, 6)
    expect(b.parameters().map((own) => own.toArray())).toEqual(a.parameters().map((own) => own.toArray()))
    expect((await b.testOnBatch(x, y)).loss).toBe((await b.evaluate(x, y, { batchSize: 20 })).loss)
    // A mode that changes is no stale program.
    b.freeze()
    await expect(b.trainOnBatch(x.narrow(0, 0, 8), y.narrow(0, 0, 8))).rejects.toThrow('frozen')
    b.unfreeze()
    await b.trainOnBatch(x.narrow(0, 0, 8), y.narrow(0, 0, 8))
  })

  test('trainOnBatch is refused from the moment on in which fit is called', async () => {
    const net = regression()
    const other = regression()
    other.loadStateDict(net.stateDict())
    const training = net.fit(x, y, { ...quiet, epochs: 2 })
    const wanted = { code: 'ERR_BUSY', message: expect.stringMatching(/^trainOnBatch: fit\(\) is training/) }
    await expect(net.trainOnBatch(x, y)).rejects.toMatchObject(wanted)
    await new Promise((resolve) => setImmediate(resolve))
    await training
    await other.fit(x, y, { ...quiet, epochs: 2 })
    expect(net.parameters().map((own) => own.toArray())).toEqual(
      other.parameters().map((own) => own.toArray()),
    )
    await net.trainOnBatch(x, y)
  })

  test('gradients add up over batches, also across fit and trainOnBatch', async () => {
    const net = regression()
    net.compile({
      optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }),
      loss: 'mse',
      gradientAccumulationSteps: 4,
    })
    const start = net.parameters()[0]?.toArray()
    await net.fit(x, y, quiet)
    expect(net.parameters()[0]?.toArray()).toEqual(start)
    await net.trainOnBatch(x, y)
    expect(net.parameters()[0]?.toArray()).not.toEqual(start)
  })
})

test('penalties and constraints take part in fit', async () => {
  const layer = new nn.Linear(3, 4, {
    regularizer: regularizers.l2(0.1),
    constraint: constraints.maxNorm(0.5),
  })
  const net: nn.Sequential = new nn.Sequential(layer, new nn.Linear(4, 1))
  net.compile({ optimizer: new optim.SGD(net.parameters(), { lr: 0.5 }), loss: 'mse' })
  const { loss } = await net.evaluate(x, y)
  const plain = losses.mse(net.forward(x), y).item()
  expect(loss).toBeCloseTo(plain + 0.1 * layer.weight.mul(layer.weight).sum().item(), 5)
  await net.fit(x, y, { ...quiet, epochs: 3 })
  expect(layer.weight.mul(layer.weight).sum(1).sqrt().max().item()).toBeLessThanOrEqual(0.5 + 1e-6)
})

test('a loss of one value per sample is averaged, and takes weights', async () => {
  const net: nn.Sequential = new nn.Sequential(new nn.Linear(3, 1))
  net.compile({ optimizer: 'sgd', loss: (p, t) => p.sub(t).abs().squeeze(-1) })
  const error = net.forward(x).sub(y).abs().squeeze(-1)
  expect((await net.evaluate(x, y)).loss).toBeCloseTo(error.mean().item(), 5)
  const weight = tensor(Array.from({ length: 20 }, (_, i) => i % 3))
  const { loss } = await net.evaluate(x, y, { sampleWeight: weight })
  expect(loss).toBeCloseTo(error.mul(weight).sum().item() / 20, 5)
  const { loss: weighted } = await net.testOnBatch(x, y, { sampleWeight: weight })
  expect(weighted).toBeCloseTo(loss, 6)
})

test('inputs by name are arrays too, typed or nested, wherever inputs are given', async () => {
  class Sum extends Model {
    readonly out = new nn.Linear(2, 1)
    override forward({ a, b }: { readonly a: Tensor; readonly b: Tensor }): Tensor {
      return this.out.forward(a.add(b.unsqueeze(1)))
    }
  }
  const model = new Sum().compile({ optimizer: 'sgd', loss: 'mse' })
  const plain = {
    a: [
      [1, 2],
      [3, 4],
    ],
    b: Float32Array.of(5, 6),
  }
  const made = {
    a: tensor([
      [1, 2],
      [3, 4],
    ]),
    b: tensor([5, 6]),
  }
  const targets = [[1], [2]]
  expect((await model.predict(plain)).toArray()).toEqual((await model.predict(made)).toArray())
  expect((await model.predict({ ...made, b: [5, 6] })).shape).toEqual([2, 1])
  const { loss } = await model.evaluate(made, tensor(targets))
  expect((await model.evaluate(plain, targets)).loss).toBe(loss)
  expect((await model.evaluate({ x: plain, y: targets })).loss).toBe(loss)
  expect((await model.fit(plain, targets, quiet)).loss).toHaveLength(1)
  await expect(model.predict({ ...plain, b: 'five' as never })).rejects.toThrow('"five" as "b"')
  await expect(model.predict({})).rejects.toThrow('by name')
})

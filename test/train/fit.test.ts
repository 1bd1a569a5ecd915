import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import {
  AnomalyError,
  BusyError,
  type FitOptions,
  Model,
  type Tensor,
  data,
  detectAnomaly,
  jit,
  losses,
  manualSeed,
  nn,
  ones,
  optim,
  randn,
  tensor,
  zeros,
} from 'neuroxide'

const quiet = { verbose: 0 } as const

function classifier(seed = 1): nn.Sequential {
  manualSeed(seed)
  return new nn.Sequential(new nn.Linear(6, 16), new nn.ReLU(), new nn.Linear(16, 3))
}

function samples(rows = 200): { x: Tensor; y: Tensor } {
  manualSeed(77)
  const x = randn([rows, 6])
  return { x, y: x.narrow(1, 0, 3).argmax(1) }
}

const compiled = (model = classifier()) =>
  model.compile({
    optimizer: new optim.Adam(model.parameters(), { lr: 0.01 }),
    loss: 'crossEntropy',
    metrics: ['accuracy'],
  })
const weights = (model: nn.Module): unknown => model.parameters().map((parameter) => parameter.toArray())

describe('fit', () => {
  test('learns, records every epoch and is typed by its metrics', async () => {
    const { x, y } = samples()
    const history = await compiled().fit(x, y, { epochs: 12, validationSplit: 0.2, ...quiet })
    expect(history.epoch).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    const { loss, accuracy, valLoss, valAccuracy } = history
    for (const curve of [loss, accuracy, valLoss, valAccuracy]) expect(curve).toHaveLength(12)
    expect(loss.at(-1)).toBeLessThan((loss[0] ?? 0) / 2)
    expect(accuracy.at(-1)).toBeGreaterThan(0.85)
    expect(Object.keys(history.history)).toEqual(['loss', 'accuracy', 'valLoss', 'valAccuracy'])
  })

  test('onBatchEnd hears of every batch in order, with the means so far', async () => {
    const { x, y } = samples(70)
    const heard: (readonly [epoch: number, batch: number, loss: number])[] = []
    let epoch = 0
    const history = await compiled().fit(x, y, {
      epochs: 2,
      seed: 9,
      onBatchEnd: (batch, { loss = Number.NaN, accuracy }) => {
        expect(accuracy).toBeGreaterThanOrEqual(0)
        heard.push([epoch, batch, loss])
      },
      onEpochEnd: () => {
        epoch += 1
      },
      ...quiet,
    })
    expect(heard.map(([e, batch]) => [e, batch])).toEqual([0, 1].flatMap((e) => [0, 1, 2].map((b) => [e, b])))
    // The last batch of an epoch completes its means.
    expect([heard[2]?.[2], heard[5]?.[2]]).toEqual(history.loss)
    // The same of batches that JavaScript makes.
    const streamed: number[] = []
    const batches = [0, 32, 64].map((start) => {
      const rows = Math.min(32, 70 - start)
      return { x: x.narrow(0, start, rows), y: y.narrow(0, start, rows) }
    })
    const again = await compiled().fit(batches, {
      onBatchEnd: [(batch) => streamed.push(batch), (_, { loss = Number.NaN }) => streamed.push(loss)],
      ...quiet,
    })
    expect(streamed.filter((_, i) => i % 2 === 0)).toEqual([0, 1, 2])
    expect(streamed.at(-1)).toBe(again.loss[0])
  })

  test('onBatchEnd ends a training by false or by what it throws', async () => {
    const { x, y } = samples(64 * 200)
    for (const shuffle of [true, false]) {
      let calls = 0
      const fitted = compiled()
      const history = await fitted.fit(x, y, {
        epochs: 1000,
        shuffle,
        onBatchEnd: (batch) => {
          calls += 1
          return batch < 20
        },
        ...quiet,
      })
      expect(calls).toBe(21)
      expect(history.epoch).toEqual([])
      calls = 0
      const failing = fitted.fit(x, y, {
        epochs: 1000,
        onBatchEnd: () => {
          calls += 1
          throw new RangeError('enough')
        },
        ...quiet,
      })
      await expect(failing).rejects.toThrow(RangeError)
      expect(calls).toBe(1)
    }
    const stream = Array.from({ length: 5 }, (_, i) => ({
      x: x.narrow(0, i * 8, 8),
      y: y.narrow(0, i * 8, 8),
    }))
    const heard: number[] = []
    await compiled().fit(stream, { onBatchEnd: (batch) => heard.push(batch) < 2, ...quiet })
    expect(heard).toEqual([0, 1])
    // @ts-expect-error a callback is a function
    await expect(compiled().fit(x, y, { onBatchEnd: 3, ...quiet })).rejects.toThrow('onBatchEnd')
  })

  test('is the loop that one would write, to the bit: order, partial last batch, steps', async () => {
    const { x, y } = samples(70)
    const fitted = compiled()
    const history = await fitted.fit(x, y, { epochs: 3, seed: 9, ...quiet })
    const model = classifier()
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 })
    const loader = new data.DataLoader({ x, y }, { shuffle: true, seed: 9 })
    const step = jit((bx: Tensor, by: Tensor) => {
      const loss = losses.crossEntropy(model.forward(bx), by)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    const curve: number[] = []
    for (let epoch = 0; epoch < 3; epoch++) {
      let sum = 0
      for (const batch of loader) sum += Number(step(batch.x, batch.y).item()) * (batch.x.shape[0] ?? 0)
      curve.push(sum / 70)
    }
    expect(weights(fitted)).toEqual(weights(model))
    for (const [epoch, loss] of curve.entries()) expect(history.loss[epoch]).toBeCloseTo(loss, 6)
  })

  test('takes x and y, { x, y }, a TensorDataset and loaders of all kinds, to the same bits', async () => {
    const { x, y } = samples(70)
    const options: FitOptions = { epochs: 2, ...quiet }
    const results: unknown[] = []
    const run = async (fit: (model: ReturnType<typeof compiled>) => Promise<unknown>): Promise<void> => {
      const model = compiled()
      await fit(model)
      results.push(weights(model))
    }
    await run((model) => model.fit(x, y, { ...options, shuffle: false }))
    await run((model) => model.fit({ x, y }, { ...options, shuffle: false }))
    await run((model) => model.fit(new data.TensorDataset(x, y), { ...options, shuffle: false }))
    await run((model) => model.fit(new data.DataLoader({ x, y }), options))
    const batches = [...new data.DataLoader({ x, y })]
    await run((model) => model.fit(batches, options))
    await run((model) =>
      model.fit(
        batches.map((batch) => [batch.x, batch.y] as const),
        options,
      ),
    )
    const own: data.Dataset = { length: 70, get: (i) => ({ x: x.select(0, i), y: y.select(0, i) }) }
    await run((model) => model.fit(own, { ...options, shuffle: false }))
    const generated = {
      async *[Symbol.asyncIterator]() {
        for (const batch of batches) {
          await sleep(0)
          yield batch
        }
      },
    }
    await run((model) => model.fit(generated, options))
    for (const result of results) expect(result).toEqual(results[0])
    expect(results).toHaveLength(8)
  })

  test('a shuffling loader gives the order of fit with the same seed', async () => {
    const { x, y } = samples(70)
    const [a, b] = [compiled(), compiled()]
    await a.fit(x, y, { epochs: 2, seed: 4, batchSize: 16, ...quiet })
    await b.fit(new data.DataLoader({ x, y }, { shuffle: true, seed: 4, batchSize: 16 }), {
      epochs: 2,
      ...quiet,
    })
    expect(weights(b)).toEqual(weights(a))
  })

  test('dropLast leaves the smaller batch out', async () => {
    const { x, y } = samples(70)
    const model = compiled()
    await model.fit(new data.DataLoader({ x, y }, { dropLast: true }), quiet)
    expect(model.optimizer?.stateDict().state['0']?.['step']).toBe(2)
  })

  test('the same seed of the program gives the same training, and two fits differ', async () => {
    const { x, y } = samples(64)
    const run = async (): Promise<unknown[]> => {
      const model = compiled(classifier(3))
      const first = await model.fit(x, y, quiet)
      const second = await model.fit(x, y, quiet)
      return [first.loss, second.loss, weights(model)]
    }
    expect(await run()).toEqual(await run())
  })

  test('random layers draw anew in every step and rest in validation', async () => {
    manualSeed(1)
    const model = new nn.Sequential(new nn.Linear(4, 4), new nn.Dropout(0.5)).compile({
      optimizer: new optim.SGD([new nn.Parameter(zeros([1]))], { lr: 0 }),
      loss: (prediction: Tensor) => prediction.sum(),
    })
    model.train()
    const x = randn([8, 4])
    const history = await model.fit(x, zeros([8]), {
      epochs: 3,
      batchSize: 8,
      validationData: [x, zeros([8])],
      ...quiet,
    })
    expect(new Set(history.loss).size).toBe(3)
    expect(new Set(history.valLoss).size).toBe(1)
    expect(model.modules().every(({ training }) => training)).toBe(true)
  })

  test('validation: the unshuffled tail, or data of its own', async () => {
    const { x, y } = samples(50)
    const [a, b] = [compiled(), compiled()]
    const split = await a.fit(x, y, { epochs: 2, seed: 1, validationSplit: 0.3, ...quiet })
    const [head, tail] = [(t: Tensor) => t.narrow(0, 0, 35), (t: Tensor) => t.narrow(0, 35, 15)]
    const given = await b.fit(head(x), head(y), {
      epochs: 2,
      seed: 1,
      validationData: [tail(x), tail(y)],
      ...quiet,
    })
    expect(given.valLoss).toEqual(split.valLoss)
    const { loss, accuracy } = await a.evaluate(tail(x), tail(y))
    expect([loss, accuracy]).toEqual([split.valLoss.at(-1), split.valAccuracy.at(-1)])
    const streamed = await compiled().fit([...new data.DataLoader({ x: head(x), y: head(y) })], {
      validationData: { x: tail(x), y: tail(y) },
      ...quiet,
    })
    expect(streamed.valLoss).toHaveLength(1)
  })

  test('callbacks see the numbers of each epoch and can end the training', async () => {
    const { x, y } = samples(64)
    const seen: [number, string[]][] = []
    const history = await compiled().fit(x, y, {
      epochs: 10,
      onEpochEnd: [
        (epoch, logs) => void seen.push([epoch, Object.keys(logs)]),
        async (epoch) => {
          await sleep(1)
          return epoch < 2
        },
      ],
      ...quiet,
    })
    expect(seen).toEqual([0, 1, 2].map((epoch) => [epoch, ['loss', 'accuracy']]))
    expect(history.epoch).toEqual([0, 1, 2])
    const failing = compiled().fit(x, y, {
      epochs: 10,
      onEpochEnd: () => Promise.reject(new RangeError('mine')),
      ...quiet,
    })
    await expect(failing).rejects.toThrow(RangeError)
  })

  test('initialEpoch counts on, as in Keras', async () => {
    const { x, y } = samples(64)
    const history = await compiled().fit(x, y, { initialEpoch: 3, epochs: 5, ...quiet })
    expect(history.epoch).toEqual([3, 4])
    const [whole, parts] = [compiled(), compiled()]
    await whole.fit(x, y, { epochs: 4, seed: 2, ...quiet })
    await parts.fit(x, y, { epochs: 2, seed: 2, ...quiet })
    await parts.fit(x, y, { epochs: 4, initialEpoch: 2, seed: 2, ...quiet })
    expect(weights(parts)).toEqual(weights(whole))
  })

  test('a model with several inputs and a class of one’s own', async () => {
    class Two extends Model {
      readonly a = new nn.Linear(2, 1)
      readonly b = new nn.Linear(3, 1)
      override forward(first: Tensor, second: Tensor): Tensor {
        return this.a.forward(first).add(this.b.forward(second))
      }
    }
    const model = new Two().compile({ optimizer: 'adam', loss: 'mse', metrics: ['mae'] })
    const inputs = [randn([40, 2]), randn([40, 3])]
    const history = await model.fit(inputs, zeros([40, 1]), { epochs: 2, ...quiet })
    expect(history.mae).toHaveLength(2)
    expect((await model.predict(inputs)).shape).toEqual([40, 1])
    expect((await model.evaluate({ x: inputs, y: zeros([40, 1]) })).mae).toBeGreaterThan(0)
  })

  test('aligns a last axis of size 1 of the target', async () => {
    const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
    await model.fit(randn([8, 2]), zeros([8]), quiet)
    const classes = compiled()
    await classes.fit(randn([8, 6]), zeros([8, 1], { dtype: 'i32' }), quiet)
    expect(model.optimizer?.stateDict).toBeDefined()
  })

  test('bytes are scaled by the model', async () => {
    const model = new nn.Sequential(new nn.Rescale(1 / 255), new nn.Flatten(), new nn.Linear(4, 2)).compile({
      optimizer: 'adam',
      loss: 'crossEntropy',
    })
    const x = tensor(
      [
        [
          [0, 255],
          [10, 20],
        ],
        [
          [30, 40],
          [50, 60],
        ],
      ],
      { dtype: 'u8' },
    )
    const history = await model.fit(x, tensor([0, 1], { dtype: 'u8' }), { epochs: 2, ...quiet })
    expect(history.loss.every(Number.isFinite)).toBe(true)
    const bare = new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 2)).compile({
      optimizer: 'adam',
      loss: 'crossEntropy',
    })
    await expect(bare.fit(x, tensor([0, 1], { dtype: 'u8' }), quiet)).rejects.toThrow(
      /1: nn\.Linear.*nn\.Rescale\(1 \/ 255\)/,
    )
  })
})

describe('while fit runs', () => {
  const long = (): Promise<unknown> & { model: ReturnType<typeof compiled>; stop: AbortController } => {
    const { x, y } = samples(512)
    const [model, stop] = [compiled(), new AbortController()]
    const promise = model.fit(x, y, { epochs: 100_000, signal: stop.signal, ...quiet })
    promise.catch(() => {})
    return Object.assign(promise, { model, stop })
  }

  test('a timer of 10 ms goes on firing, with a thread of the kernels on every core', async () => {
    // Large enough that every step is split over all threads, of which there are as many as cores by default.
    const wide = new nn.Sequential(new nn.Linear(784, 512), new nn.ReLU(), new nn.Linear(512, 10))
    const model = wide.compile({ optimizer: 'adam', loss: 'crossEntropy' })
    const stop = new AbortController()
    const labels = zeros([2048], { dtype: 'i32' })
    const options: FitOptions = { epochs: 100_000, batchSize: 512, signal: stop.signal, ...quiet }
    const run = model.fit(randn([2048, 784]), labels, options)
    run.catch(() => {})
    let ticks = 0
    const timer = setInterval(() => ticks++, 10)
    await sleep(500)
    clearInterval(timer)
    stop.abort()
    await expect(run).rejects.toThrow()
    expect(ticks).toBeGreaterThan(12)
  })

  test('an abort rejects with its reason after a whole step, and a second fit goes on', async () => {
    const run = long()
    await sleep(60)
    const reason = new RangeError('enough')
    run.stop.abort(reason)
    await expect(run).rejects.toBe(reason)
    const state = run.model.optimizer?.stateDict().state
    const steps = [0, 1, 2, 3].map((i) => state?.[i]?.['step'])
    expect(steps[0]).toBeGreaterThan(0)
    expect(new Set(steps).size).toBe(1)
    const { x, y } = samples(64)
    await run.model.fit(x, y, { epochs: 2, ...quiet })
    expect(run.model.optimizer?.stateDict().state['0']?.['step']).toBe(Number(steps[0]) + 4)
  })

  test('weights after an abort are those of as many steps', async () => {
    const { x, y } = samples(64)
    const [model, stop] = [compiled(), new AbortController()]
    const options: FitOptions = {
      epochs: 100_000,
      batchSize: 64,
      shuffle: false,
      signal: stop.signal,
      ...quiet,
    }
    const run = model.fit(x, y, options)
    setTimeout(() => stop.abort(), 40)
    await expect(run).rejects.toThrow()
    const steps = Number(model.optimizer?.stateDict().state['0']?.['step'])
    const again = compiled()
    await again.fit(x, y, { epochs: steps, batchSize: 64, shuffle: false, ...quiet })
    expect(weights(again)).toEqual(weights(model))
  })

  test('an abort before the start changes nothing', async () => {
    const { x, y } = samples(64)
    const model = compiled()
    const before = weights(model)
    await expect(model.fit(x, y, { signal: AbortSignal.abort('no'), ...quiet })).rejects.toBe('no')
    expect(weights(model)).toEqual(before)
  })

  test('an abort ends a loader’s training too', async () => {
    const { x, y } = samples(64)
    const stop = new AbortController()
    const endless = {
      *[Symbol.iterator]() {
        for (;;) yield { x, y }
      },
    }
    const run = compiled().fit(endless, { signal: stop.signal, ...quiet })
    setTimeout(() => stop.abort('done'), 30)
    await expect(run).rejects.toBe('done')
  })

  test('a second fit and a step of the optimizer are refused, other work goes on', async () => {
    const run = long()
    const { x, y } = samples(64)
    await expect(run.model.fit(x, y, quiet)).rejects.toThrow(BusyError)
    expect(() => run.model.optimizer?.step()).toThrow(BusyError)
    const other = compiled(classifier(2))
    const history = await other.fit(x, y, { epochs: 2, ...quiet })
    expect(history.loss).toHaveLength(2)
    run.stop.abort()
    await expect(run).rejects.toThrow()
    await run.model.fit(x, y, quiet)
  })
})

describe('errors of a training', () => {
  const frame = (error: Error): string => error.stack?.split('\n').find((line) => /^\s+at /.test(line)) ?? ''
  const failed = async (run: Promise<unknown>): Promise<Error> => {
    try {
      await run
    } catch (error) {
      return error as Error
    }
    throw new Error('it did not fail')
  }
  const { x } = samples(64)
  const wrong = x.narrow(1, 0, 1).mul(0).add(7).to('i32').flatten()

  test.each<[string, () => Promise<unknown>]>([
    ['fit', () => compiled().fit(x, wrong, quiet)],
    ['fit of a loader', () => compiled().fit([{ x, y: wrong }], quiet)],
    ['evaluate', () => compiled().evaluate(x, wrong)],
    ['fit with samples that do not belong together', () => compiled().fit(x, zeros([3]), quiet)],
    ['fit with a layer that does not fit', () => compiled().fit(x.narrow(1, 0, 2), wrong, quiet)],
    ['predict', () => compiled().predict(x.narrow(1, 0, 2))],
  ])('%s: the first frame is the line of the call', async (_name, run) => {
    const error = await failed(run())
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(INDEX|SHAPE)$/) })
    expect(frame(error)).toContain('fit.test.ts')
  })

  test.each(['fit', 'evaluate'] as const)('an anomaly in %s names op, module and line', async (method) => {
    class Logarithm extends nn.Module {
      override forward(input: Tensor): Tensor {
        return input.log()
      }
    }
    const net = new nn.Sequential(new nn.Linear(6, 3), new nn.Identity(), new Logarithm())
    const model = net.compile({ optimizer: 'adam', loss: 'mse' })
    const samples = { x, y: zeros([64, 3]) }
    const run = (): Promise<unknown> =>
      method === 'fit' ? model.fit(samples, quiet) : model.evaluate(samples)
    const error = await failed(detectAnomaly(run))
    expect(error).toBeInstanceOf(AnomalyError)
    expect(error.message).toMatch(/log/)
    expect(error.message).toMatch(/\b2\b/)
    expect(error.message).toMatch(/fit\.test\.ts:\d+/)
  })

  test('looking for anomalies trains to the same bits', async () => {
    const { x, y } = samples(70)
    const options: FitOptions = { epochs: 2, seed: 3, validationSplit: 0.2, ...quiet }
    const [a, b] = [compiled(), compiled()]
    const plain = await a.fit(x, y, options)
    const watched = await detectAnomaly(() => b.fit(x, y, options))
    expect(weights(b)).toEqual(weights(a))
    expect(watched.valLoss.length).toBe(plain.valLoss.length)
    for (const [i, loss] of plain.loss.entries()) expect(watched.loss[i]).toBeCloseTo(loss, 6)
  })
})

describe('a parameter that is left out', () => {
  const warned = async (body: () => unknown): Promise<string[]> => {
    const warnings: string[] = []
    const listen = (warning: Error): void =>
      void (warning.name === 'NeuroxideWarning' && warnings.push(warning.message))
    process.on('warning', listen)
    await body()
    await sleep(5)
    process.off('warning', listen)
    return warnings
  }
  const x = randn([8, 2])
  const step = (model: nn.Sequential, optimizer: optim.SGD): void => {
    for (let i = 0; i < 2; i++) {
      optimizer.zeroGrad()
      model.forward(x).square().mean().backward()
      optimizer.step()
    }
  }
  const two = (): nn.Sequential =>
    new nn.Sequential(new nn.Linear(2, 2, { bias: false }), new nn.Linear(2, 1, { bias: false }))

  test('of the optimizer is named once', async () => {
    const model = two()
    const [first] = model
    const optimizer = new optim.SGD((first as nn.Linear).parameters())
    expect(await warned(() => step(model, optimizer))).toEqual([
      'The parameter 1.weight reaches the loss but is in no optimizer, so it is not trained.',
    ])
  })

  test('of the optimizer of a fit is named', async () => {
    const net = two()
    const [first] = net
    const model = net.compile({ optimizer: new optim.SGD((first as nn.Linear).parameters()), loss: 'mse' })
    expect(await warned(() => model.fit(x, zeros([8, 1]), quiet))).toEqual([
      'The parameter 1.weight reaches the loss but is in no optimizer, so it is not trained.',
    ])
  })

  test('of the state is named', async () => {
    class Hiding extends Model {
      readonly #hidden = new nn.Linear(2, 1, { bias: false })
      readonly shown = new nn.Linear(2, 2, { bias: false })
      override forward(input: Tensor): Tensor {
        return this.#hidden.forward(this.shown.forward(input))
      }
    }
    const model = new Hiding().compile({ optimizer: 'sgd', loss: 'mse' })
    const [text = '', ...more] = await warned(() => model.fit(x, zeros([8, 1]), quiet))
    expect(more).toEqual([])
    expect(text).toMatch(
      /Linear inside Hiding: weight reaches the loss but is in no optimizer.* and is in no module's stateDict/,
    )
  })

  test('that nothing can name is refused by fit and told by shape in a loop', async () => {
    class Secret extends Model {
      readonly shown = new nn.Linear(2, 1)
      readonly #scale = new nn.Parameter(ones([1]))
      override forward(input: Tensor): Tensor {
        return this.shown.forward(input).mul(this.#scale)
      }
    }
    const model = new Secret().compile({ optimizer: 'sgd', loss: 'mse' })
    await expect(model.fit(x, zeros([8, 1]), quiet)).rejects.toThrow(
      /fit: a parameter that is in no public field/,
    )
    const looped = new Secret()
    const optimizer = new optim.SGD(looped.parameters())
    const [text = '', ...more] = await warned(() => {
      looped.forward(x).sum().backward()
      optimizer.step()
    })
    expect(more).toEqual([])
    expect(text).toMatch(
      /The parameter of shape \[1\] reaches the loss but is in no optimizer.*in no module's stateDict/,
    )
  })

  test('frozen, or of an optimizer of its own, is not', async () => {
    const model = two()
    const [first, second] = model
    const optimizer = new optim.SGD((first as nn.Linear).parameters())
    ;(second as nn.Linear).freeze()
    expect(await warned(() => step(model, optimizer))).toEqual([])
    const pair = two()
    const [a, b] = pair
    const one = new optim.SGD((a as nn.Linear).parameters())
    const other = new optim.SGD((b as nn.Linear).parameters())
    expect(other.lr).toBe(1e-3)
    expect(await warned(() => step(pair, one))).toEqual([])
  })
})

import { describe, expect, test } from 'vitest'
import {
  Callback,
  type CallbackHooks,
  type Logs,
  data,
  manualSeed,
  nn,
  optim,
  randn,
  tensor,
  zeros,
} from 'neuroxide'

const quiet = { verbose: 0, batchSize: 8 } as const
const x = randn([20, 3])
const y = randn([20, 1])

function regression(lr = 0.1): nn.Sequential {
  const net: nn.Sequential = new nn.Sequential(new nn.Linear(3, 1))
  net.compile({ optimizer: new optim.SGD(net.parameters(), { lr }), loss: 'mse', metrics: ['mae'] })
  return net
}

/** Everything that has hooks, written down as it is called. */
function recorder(told: string[], logs: Record<string, Logs> = {}): CallbackHooks {
  const note =
    (name: string) =>
    async (first: number | Logs, second?: Logs): Promise<void> => {
      await Promise.resolve()
      const text = typeof first === 'number' ? `${name} ${first}` : name
      told.push(text)
      logs[text] = typeof first === 'number' ? (second ?? {}) : first
    }
  return {
    onTrainBegin: note('train begin'),
    onTrainEnd: note('train end'),
    onEpochBegin: note('epoch begin'),
    onEpochEnd: note('epoch end'),
    onTrainBatchBegin: note('batch begin'),
    onTrainBatchEnd: note('batch end'),
    onTestBegin: note('test begin'),
    onTestEnd: note('test end'),
    onTestBatchBegin: note('test batch begin'),
    onTestBatchEnd: note('test batch end'),
    onPredictBegin: note('predict begin'),
    onPredictEnd: note('predict end'),
    onPredictBatchBegin: note('predict batch begin'),
    onPredictBatchEnd: note('predict batch end'),
  }
}

const oneEpoch = (epoch: number): string[] => [
  `epoch begin ${epoch}`,
  ...[0, 1, 2].flatMap((batch) => [`batch begin ${batch}`, `batch end ${batch}`]),
  'test begin',
  'test batch begin 0',
  'test batch end 0',
  'test end',
  `epoch end ${epoch}`,
]

const stream = (): data.Batch[] => [...new data.DataLoader(new data.TensorDataset(x, y), { batchSize: 8 })]

describe.each([
  ['in memory', () => ({ x, y })],
  ['of a stream', stream],
] as const)('hooks %s', (_, samples) => {
  test('are called in Keras’s order, awaited, with the numbers so far', async () => {
    const told: string[] = []
    const logs: Record<string, Logs> = {}
    const validation = { x: x.narrow(0, 0, 5), y: y.narrow(0, 0, 5) }
    const history = await regression().fit(samples(), {
      ...quiet,
      epochs: 2,
      validationData: validation,
      callbacks: recorder(told, logs),
    })
    expect(told).toEqual(['train begin', ...oneEpoch(0), ...oneEpoch(1), 'train end'])
    expect(Object.keys(logs['batch end 2'] ?? {})).toEqual(['loss', 'mae'])
    // The numbers after the last batch are those of the epoch.
    expect(logs['batch end 2']?.['loss']).toBe(history.loss[1])
    expect(logs['test end']?.['loss']).toBe(history.valLoss[1])
    expect(logs['epoch end 1']).toEqual({
      loss: history.loss[1],
      mae: history.history['mae']?.[1],
      valLoss: history.valLoss[1],
      valMae: history.history['valMae']?.[1],
    })
    expect(logs['train end']).toEqual(logs['epoch end 1'])
  })

  test('set a learning rate that the very next step takes', async () => {
    const model = regression(0)
    const before = model.parameters()[0]?.toArray()
    const seen: unknown[] = []
    await model.fit(samples(), {
      ...quiet,
      shuffle: false,
      callbacks: [
        {
          onTrainBatchBegin: (batch) => {
            ;(model.optimizer as optim.SGD).lr = batch === 1 ? 0.5 : 0
          },
          onTrainBatchEnd: () => void seen.push(model.parameters()[0]?.toArray()),
        },
      ],
    })
    expect(seen[0]).toEqual(before)
    expect(seen[1]).not.toEqual(before)
    expect(seen[2]).toEqual(seen[1])
  })

  test('end the training after a batch, after an epoch, or by throwing', async () => {
    const told: string[] = []
    const model = regression()
    const stop = (hook: 'onTrainBatchEnd' | 'onEpochEnd'): CallbackHooks => ({
      [hook]: (index: number) => {
        if (index === 1) model.stopTraining = true
      },
    })
    const short = await model.fit(samples(), {
      ...quiet,
      epochs: 5,
      callbacks: [recorder(told), stop('onTrainBatchEnd')],
    })
    // The epoch that was cut short is recorded.
    expect(short.epoch).toEqual([0])
    expect(told.filter((name) => name.startsWith('batch'))).toEqual([
      'batch begin 0',
      'batch end 0',
      'batch begin 1',
      'batch end 1',
    ])
    expect(told.at(-1)).toBe('train end')
    expect(
      (await model.fit(samples(), { ...quiet, epochs: 5, callbacks: stop('onEpochEnd') })).epoch,
    ).toEqual([0, 1])
    expect(model.stopTraining).toBe(true)
    for (const hook of [
      'onTrainBegin',
      'onEpochBegin',
      'onTrainBatchBegin',
      'onTrainBatchEnd',
      'onTestEnd',
      'onEpochEnd',
      'onTrainEnd',
    ] as const) {
      const callbacks: CallbackHooks = {
        [hook]: async () => {
          await Promise.resolve()
          throw new RangeError(hook)
        },
      }
      const options = { ...quiet, epochs: 2, validationData: { x, y }, callbacks }
      await expect(model.fit(samples(), options)).rejects.toThrow(new RangeError(hook))
    }
    // Nothing of a training that failed is left behind.
    expect((await model.fit(samples(), quiet)).epoch).toEqual([0])
  })

  test('of evaluate', async () => {
    const told: string[] = []
    const { loss } = await regression().evaluate(samples(), { batchSize: 8, callbacks: recorder(told) })
    expect(loss).toBeGreaterThan(0)
    expect(told).toEqual([
      'test begin',
      ...[0, 1, 2].flatMap((batch) => [`test batch begin ${batch}`, `test batch end ${batch}`]),
      'test end',
    ])
  })
})

test('hooks of predict', async () => {
  const told: string[] = []
  await regression().predict(x, { batchSize: 16, callbacks: recorder(told) })
  expect(told).toEqual([
    'predict begin',
    'predict batch begin 0',
    'predict batch end 0',
    'predict batch begin 1',
    'predict batch end 1',
    'predict end',
  ])
})

test('a training that asks is the same to the bit as one that does not', async () => {
  const run = async (callbacks: CallbackHooks[]): Promise<unknown> => {
    manualSeed(3)
    const net: nn.Sequential = new nn.Sequential(
      new nn.Linear(3, 8),
      new nn.Dropout(0.5),
      new nn.Linear(8, 1),
    )
    net.compile({ optimizer: 'adam', loss: 'mse' })
    const history = await net.fit(x, y, { ...quiet, epochs: 3, validationSplit: 0.3, callbacks })
    return [history.history, net.parameters().map((parameter) => parameter.toArray())]
  }
  expect(await run([recorder([])])).toEqual(await run([]))
})

test('Callback knows its model and what is known of the training', async () => {
  class Curious extends Callback {
    override onEpochEnd(): void {
      expect(this.model).toBe(model)
      expect(this.params).toEqual({
        epochs: 2,
        steps: 3,
        samples: 20,
        batchSize: 8,
        verbose: 0,
        metrics: ['loss', 'mae'],
      })
    }
  }
  const model = regression()
  const callback = new Curious()
  expect(() => callback.model).toThrow('Curious: model was read outside a training')
  expect(() => callback.params).toThrow('params was read outside')
  await model.fit(x, y, { ...quiet, epochs: 2, callbacks: [callback] })
  expect.assertions(6)
})

describe('how often what is measured', () => {
  test('validationFreq, as a number and as epochs', async () => {
    const ended: string[][] = []
    const options = {
      ...quiet,
      epochs: 5,
      validationSplit: 0.5,
      callbacks: { onEpochEnd: (_: number, logs: Logs) => void ended.push(Object.keys(logs)) },
    }
    const second = await regression().fit(x, y, { ...options, validationFreq: 2 })
    expect([second.loss.length, second.valLoss.length]).toEqual([5, 2])
    expect(ended.map((keys) => keys.includes('valLoss'))).toEqual([false, true, false, true, false])
    const some = await regression().fit(x, y, { ...options, validationFreq: [1, 4] })
    expect(some.valLoss).toHaveLength(2)
    const streamed = await regression().fit(stream(), {
      ...quiet,
      epochs: 5,
      validationData: [x, y],
      validationFreq: [2],
    })
    expect(streamed.valLoss).toHaveLength(1)
  })

  test('validationSteps and validationBatchSize take the first samples', async () => {
    const model = regression(0)
    const few = await model.fit(x, y, {
      ...quiet,
      validationData: [x, y],
      validationBatchSize: 3,
      validationSteps: 2,
    })
    const { loss } = await model.evaluate(x.narrow(0, 0, 6), y.narrow(0, 0, 6), { batchSize: 3 })
    expect(few.valLoss).toEqual([loss])
    expect((await model.evaluate(x, y, { batchSize: 3, steps: 2 })).loss).toBe(loss)
    const streamed = await model.fit(stream(), {
      ...quiet,
      validationData: new data.DataLoader(new data.TensorDataset(x, y), { batchSize: 3 }),
      validationSteps: 2,
    })
    expect(streamed.valLoss).toEqual([loss])
  })

  test('stepsPerEpoch goes on through the samples from epoch to epoch', async () => {
    const rows = tensor(Array.from({ length: 12 }, (_, i) => [i]))
    const seen = async (give: (model: nn.Sequential) => Promise<unknown>): Promise<number[]> => {
      const net: nn.Sequential = new nn.Sequential(new nn.Identity())
      const trained = new nn.Parameter(zeros([1]))
      net.compile({
        optimizer: new optim.SGD([trained]),
        // The mean of a batch says which it was.
        loss: (prediction) => prediction.mean().add(trained.sum().mul(0)),
      })
      const means: number[] = []
      callbacks = { onTrainBatchEnd: () => {}, onEpochEnd: (_, { loss = 0 }) => void means.push(loss) }
      await give(net)
      return means
    }
    let callbacks: CallbackHooks = {}
    const options = { verbose: 0, batchSize: 4, shuffle: false, epochs: 3, stepsPerEpoch: 2 } as const
    const memory = await seen((net) => net.fit(rows, rows, { ...options, callbacks }))
    // Batches of 1.5, 5.5, 9.5; two an epoch.
    expect(memory).toEqual([3.5, 5.5, 7.5])
    const loader = new data.DataLoader(new data.TensorDataset(rows, rows), { batchSize: 4 })
    const batches = { [Symbol.iterator]: () => loader[Symbol.iterator]() }
    expect(await seen((net) => net.fit(batches, { ...options, callbacks }))).toEqual(memory)
    const shuffled = await seen((net) =>
      net.fit(rows, rows, { ...options, shuffle: true, seed: 4, epochs: 3, callbacks }),
    )
    // Six batches are two visits of all samples.
    expect(shuffled.reduce((sum, mean) => sum + mean, 0) / 3).toBeCloseTo(5.5, 5)
  })

  test('initialEpoch counts on', async () => {
    const history = await regression().fit(x, y, { ...quiet, initialEpoch: 3, epochs: 5 })
    expect(history.epoch).toEqual([3, 4])
    expect((await regression().fit(x, y, { ...quiet, initialEpoch: 5, epochs: 5 })).epoch).toEqual([])
  })
})

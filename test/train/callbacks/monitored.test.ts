import { describe, expect, test, vi } from 'vitest'
import { type Tensor, ValueError, callbacks, manualSeed, memory, nn, optim, tensor } from 'neuroxide'
import { played, small, x, y } from './stage.js'

const quiet = { verbose: 0, shuffle: false } as const

/** What is written to stderr meanwhile. */
async function told(body: () => Promise<unknown>): Promise<string> {
  let text = ''
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    text += String(chunk)
    return true
  })
  try {
    await body()
  } finally {
    spy.mockRestore()
  }
  return text
}

describe('EarlyStopping in fit', () => {
  test('ends the training and restores the weights of the best epoch', async () => {
    const model = small(0.01)
    const stopping = new callbacks.EarlyStopping({ monitor: 'loss', patience: 2, restoreBestWeights: true })
    // From the fourth epoch on the steps go uphill.
    const weights: number[][] = []
    const losing = {
      onEpochBegin: (epoch: number) => {
        if (epoch === 3) for (const parameter of model.parameters()) parameter.copyFrom(99)
      },
      onEpochEnd: () => void weights.push(model.parameters().map((parameter) => parameter.item())),
    }
    const history = await model.fit(x, y, { ...quiet, epochs: 20, callbacks: [losing, stopping] })
    expect(history.loss).toHaveLength(5)
    expect([stopping.bestEpoch, stopping.stoppedEpoch]).toEqual([2, 4])
    expect(stopping.best).toBe(history.loss[2])
    expect(model.parameters().map((parameter) => parameter.item())).toEqual(weights[2])
  })

  test('tells of it where it is asked to', async () => {
    const stopping = new callbacks.EarlyStopping({
      monitor: 'loss',
      minDelta: 1e9,
      patience: 1,
      restoreBestWeights: true,
      verbose: 1,
    })
    const text = await told(() => small(0.001).fit(x, y, { ...quiet, epochs: 9, callbacks: [stopping] }))
    expect(text).toBe('Epoch 2: early stopping\nRestoring the weights of the best epoch: 1\n')
  })

  test('holds one copy of the weights, in the core, and gives it back', async () => {
    const model = small()
    const stopping = new callbacks.EarlyStopping({ monitor: 'x', mode: 'min', restoreBestWeights: true })
    const before = memory().tensors
    let during = 0
    await played(stopping, model, [{ x: 3 }, { x: 2 }, { x: 1 }, { x: 2 }], (epoch) => {
      if (epoch === 3) during = memory().tensors
    })
    expect(during - before).toBe(2)
    expect(memory().tensors).toBe(before)
  })

  test('copies buffers too', async () => {
    class Counting extends nn.Module {
      readonly seen: Tensor
      constructor() {
        super()
        this.seen = this.registerBuffer('seen', tensor([0]))
      }
      forward(x: Tensor): Tensor {
        return x
      }
    }
    const counting = new Counting()
    const net = new nn.Sequential(counting, new nn.Linear(1, 1))
    const model = net.compile({ optimizer: 'sgd', loss: 'mse' }) as never as ReturnType<typeof small>
    const stopping = new callbacks.EarlyStopping({
      monitor: 'x',
      mode: 'min',
      patience: 9,
      restoreBestWeights: true,
    })
    await played(
      stopping,
      model,
      [{ x: 2 }, { x: 1 }, { x: 3 }],
      (epoch) => void counting.seen.copyFrom(epoch),
    )
    expect(counting.seen.toArray()).toEqual([1])
  })

  test('can be used again', async () => {
    const stopping = new callbacks.EarlyStopping({ monitor: 'x', mode: 'min', patience: 2 })
    const numbers = [1, 2, 3, 4, 5].map((x) => ({ x }))
    expect(await played(stopping, small(), numbers)).toBe(3)
    expect(await played(stopping, small(), numbers)).toBe(3)
  })

  test('takes NaN for no improvement', async () => {
    const stopping = new callbacks.EarlyStopping({ monitor: 'x', mode: 'min', patience: 3 })
    await played(stopping, small(), [{ x: NaN }, { x: 2 }, { x: NaN }, { x: 1 }])
    expect([stopping.best, stopping.bestEpoch]).toEqual([1, 3])
  })
})

describe('what is monitored', () => {
  test('has to exist: the first epoch says what does', async () => {
    const stopping = new callbacks.EarlyStopping({ monitor: 'valAccuracy' })
    const fit = small().fit(x, y, { ...quiet, epochs: 9, callbacks: [stopping] })
    await expect(fit).rejects.toThrow(ValueError)
    await expect(fit).rejects.toThrow(
      'callbacks.EarlyStopping: monitor is "valAccuracy", which no epoch ends with; expected one of loss. ' +
        'Numbers that begin with val need validationData or validationSplit.',
    )
  })

  test('may be written as Keras writes it', async () => {
    const stopping = new callbacks.EarlyStopping({ monitor: 'val_loss', patience: 9 })
    await small(0.001).fit(x, y, { ...quiet, epochs: 2, validationSplit: 0.5, callbacks: [stopping] })
    expect(stopping.best).not.toBeNull()
  })

  test('is awaited where not each epoch is validated', async () => {
    const stopping = new callbacks.EarlyStopping({ patience: 9 })
    const options = { ...quiet, epochs: 4, validationSplit: 0.5, validationFreq: 2 }
    await small(0.001).fit(x, y, { ...options, callbacks: [stopping] })
    expect(stopping.bestEpoch).toBe(3)
  })

  test.each([
    ['loss', 'min'],
    ['valLoss', 'min'],
    ['outLoss', 'min'],
    ['mse', 'min'],
    ['valMae', 'min'],
    ['rmse', 'min'],
    ['perplexity', 'min'],
    ['accuracy', 'max'],
    ['valAccuracy', 'max'],
    ['sparseCategoricalAccuracy', 'max'],
    ['topKCategoricalAccuracy', 'max'],
    ['precision', 'max'],
    ['valRecall', 'max'],
    ['f1', 'max'],
    ['auc', 'max'],
    ['r2', 'max'],
  ] as const)('%s should go to its %s', async (monitor, mode) => {
    const stopping = new callbacks.EarlyStopping({ monitor, patience: 9 })
    await played(stopping, small(), [{ [monitor]: 1 }, { [monitor]: 2 }, { [monitor]: 0 }])
    expect(stopping.best).toBe(mode === 'min' ? 0 : 2)
  })
})

describe('ReduceLROnPlateau in fit', () => {
  test('writes the rate of every group, down to the smallest', async () => {
    manualSeed(0)
    const net = new nn.Sequential(new nn.Linear(1, 1))
    const [weight, bias] = net.parameters()
    const optimizer = new optim.SGD([
      { params: [weight!], lr: 0.01 },
      { params: [bias!], lr: 0.001 },
    ])
    const model = net.compile({ optimizer, loss: 'mse' })
    const plateau = new callbacks.ReduceLROnPlateau({
      monitor: 'loss',
      minDelta: 1e9,
      factor: 0.5,
      patience: 1,
      minLr: 0.0005,
      verbose: 1,
    })
    const text = await told(() => model.fit(x, y, { ...quiet, epochs: 4, callbacks: [plateau] }))
    expect(optimizer.paramGroups.map(({ lr }) => lr)).toEqual([0.00125, 0.0005])
    expect(text).toBe(
      [
        'Epoch 2: ReduceLROnPlateau sets the learning rate to 0.005, 0.0005\n',
        'Epoch 3: ReduceLROnPlateau sets the learning rate to 0.0025\n',
        'Epoch 4: ReduceLROnPlateau sets the learning rate to 0.00125\n',
      ].join(''),
    )
    expect(plateau.inCooldown).toBe(false)
  })

  test('counts nothing while it cools down', async () => {
    const plateau = new callbacks.ReduceLROnPlateau({ monitor: 'x', mode: 'min', patience: 1, cooldown: 2 })
    const model = small(1)
    const rates: number[] = []
    await played(
      plateau,
      model,
      [1, 1, 1, 1, 1, 1, 1].map((x) => ({ x })),
      () => {
        rates.push(model.optimizer!.lr)
      },
    )
    expect(rates.map((lr) => lr.toPrecision(1))).toEqual(['1', '1', '0.1', '0.1', '0.01', '0.01', '0.001'])
  })
})

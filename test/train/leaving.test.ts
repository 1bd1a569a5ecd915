// Trainings that end before their last epoch: what is awaited, and what is saved.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { callbacks, io, nn, ones, optim, randn, type Tensor, zeros } from 'neuroxide'

const folder = mkdtempSync(join(tmpdir(), 'leaving-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const x = randn([64, 3])
const y = randn([64, 1])

function compiled() {
  return new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'adam', loss: 'mse' })
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
}

async function training(path: string): Promise<{
  position: { epoch: number; step: number; batches: number } | null
  optimizer: { steps: Record<string, number> }
  batches: number
}> {
  const { metadata } = await io.loadTensors(path)
  return JSON.parse(metadata.get('training') ?? 'null')
}

describe('a signal in a hook that waits', () => {
  test.each(['onTrainBatchEnd', 'onEpochEnd', 'onTestBatchEnd'] as const)('%s', async (hook) => {
    const controller = new AbortController()
    const log: string[] = []
    const waits = async (): Promise<void> => {
      if (log.length > 0) return
      controller.abort()
      log.push('begins')
      await pause(50)
      log.push('ends')
    }
    const fit = compiled().fit(x, y, {
      epochs: 3,
      batchSize: 16,
      validationSplit: 0.5,
      verbose: 0,
      signal: controller.signal,
      callbacks: [{ [hook]: waits, onEpochBegin: (epoch: number) => void (epoch > 0 && log.push('next')) }],
    })
    await expect(fit).rejects.toThrow(/abort/i)
    log.push('rejected')
    await pause(60)
    expect(log).toEqual(['begins', 'ends', 'rejected'])
  })

  test('what it throws afterwards is what fit rejects with', async () => {
    const controller = new AbortController()
    const fails = async (): Promise<void> => {
      controller.abort()
      await pause(10)
      throw new RangeError('of the hook')
    }
    const fit = compiled().fit(x, y, {
      verbose: 0,
      signal: controller.signal,
      callbacks: [{ onTrainBatchEnd: fails }],
    })
    await expect(fit).rejects.toThrow('of the hook')
  })
})

test.each(['at once', 'later'])(
  'an abort in a hook before the backup leaves a good one: %s',
  async (when) => {
    const path = join(folder, `backup-${when}.safetensors`)
    const fit = async (more: object, signal?: AbortSignal): Promise<readonly number[]> => {
      const backup = new callbacks.BackupAndRestore(path, { deleteOnEnd: false })
      const options = { epochs: 6, batchSize: 16, verbose: 0, seed: 3, callbacks: [more, backup] } as const
      return (await compiled().fit(x, y, { ...options, signal })).epoch
    }
    const controller = new AbortController()
    const aborts = {
      onEpochEnd: async (epoch: number): Promise<void> => {
        if (epoch !== 3) return
        controller.abort()
        if (when === 'later') await pause(50)
      },
    }
    await expect(fit(aborts, controller.signal)).rejects.toThrow(/abort/i)
    expect(await training(path)).toMatchObject({ position: { epoch: 4, step: 0 } })
    expect(await fit({ onEpochEnd: () => {} })).toEqual([0, 1, 2, 3, 4, 5])
  },
)

test('an abort in the body of a loop, before it saves', async () => {
  const path = join(folder, 'body.safetensors')
  const controller = new AbortController()
  const model = compiled()
  const loop = async (): Promise<void> => {
    for await (const { epoch } of model.fit(x, y, { epochs: 5, verbose: 0, signal: controller.signal })) {
      if (epoch !== 1) continue
      controller.abort()
      await pause(30)
      await model.save(path, { optimizer: true })
    }
  }
  await expect(loop()).rejects.toThrow(/abort/i)
  expect(await training(path)).toMatchObject({ position: { epoch: 2, step: 0, batches: 4 } })
})

/** Gradient 1 and learning rate 1: each step of the optimizer takes 1 from the weight. */
function accumulating() {
  const net = new nn.Sequential(new nn.Linear(1, 1, { bias: false }))
  const optimizer = new optim.SGD(net.parameters(), { lr: 1 })
  return net.compile({
    optimizer,
    loss: (prediction: Tensor) => prediction.mean(),
    gradientAccumulationSteps: 4,
  })
}

describe.each(['onBatchEnd', 'signal', 'error'] as const)('ended within an epoch by %s', (how) => {
  async function end(model: ReturnType<typeof accumulating>, data: Tensor, targets: Tensor): Promise<void> {
    const options = { batchSize: 1, epochs: 2, verbose: 0 } as const
    const controller = new AbortController()
    const stops = (batch: number): boolean => {
      if (batch < 2) return true
      if (how === 'error') throw new RangeError('on purpose')
      if (how === 'signal') controller.abort()
      return how === 'signal'
    }
    const fit = model.fit(data, targets, { ...options, signal: controller.signal, onBatchEnd: stops })
    if (how === 'onBatchEnd') await fit
    else await expect(fit).rejects.toThrow(how === 'error' ? 'on purpose' : /abort/i)
  }

  test('the batches that were done count for the next step of the optimizer', async () => {
    const model = accumulating()
    const weight = model.parameters()[0] as Tensor
    for (let round = 0; round < 4; round += 1) {
      await end(model, ones([20_000, 1]), zeros([20_000, 1]))
      const before = weight.item() as number
      await model.fit(ones([64, 1]), zeros([64, 1]), { batchSize: 16, verbose: 0 })
      expect((weight.item() as number) - before).toBeCloseTo(-1, 2)
    }
  })

  test('a file says where the weights stand', async () => {
    const path = join(folder, `ended-${how}.safetensors`)
    const model = accumulating()
    await model.fit(ones([8, 1]), zeros([8, 1]), { batchSize: 1, verbose: 0 })
    await end(model, ones([20_000, 1]), zeros([20_000, 1]))
    await model.save(path, { optimizer: true })
    const { position, optimizer, batches } = await training(path)
    expect(position).toMatchObject({ epoch: 0, batches })
    expect(position?.step).toBe(batches - 8)
    expect(batches).toBeGreaterThanOrEqual(11)
    expect(optimizer.steps['0'] ?? Math.floor(batches / 4)).toBe(Math.floor(batches / 4))
  })
})

test('a training that a signal ended goes on from a file, to the bits of one that nothing ended', async () => {
  const path = join(folder, 'goes-on.safetensors')
  const model = () =>
    new nn.Sequential(new nn.Linear(3, 8), new nn.Dropout(0.3), new nn.Linear(8, 1)).compile({
      optimizer: 'adam',
      loss: 'mse',
    })
  const whole = model()
  const broken = model()
  broken.loadStateDict(whole.stateDict())
  const options = { epochs: 3, batchSize: 1, verbose: 0, seed: 5 } as const
  const expected = await whole.fit(x, y, options)
  const controller = new AbortController()
  const aborts = (batch: number): void => {
    if (batch === 40) controller.abort()
  }
  const fit = broken.fit(x, y, { ...options, signal: controller.signal, onBatchEnd: aborts })
  await expect(fit).rejects.toThrow(/abort/i)
  await broken.save(path, { optimizer: true })
  const resumed = model()
  const history = await resumed.fit(x, y, { ...options, resume: path })
  expect(history.loss).toEqual(expected.loss)
  expect(resumed.parameters().map((own) => own.toArray())).toEqual(
    whole.parameters().map((own) => own.toArray()),
  )
})

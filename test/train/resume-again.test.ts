import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type CallbackHooks, type FitOptions, io, nn, ones, optim, randn, zeros } from 'neuroxide'
import { fingerprint, prepared } from './resumed-program.js'

const folder = mkdtempSync(join(tmpdir(), 'resume-again-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The state of a file as JSON. */
async function told(path: string): Promise<Readonly<Record<string, unknown>>> {
  const { metadata } = await io.loadTensors(path)
  return JSON.parse(metadata.get('training') ?? '') as Record<string, unknown>
}

test('a resumed training that is saved in onTrainBegin is saved where it goes on', async () => {
  const [first, second] = [join(folder, 'first.safetensors'), join(folder, 'second.safetensors')]
  const straight = prepared('memory')
  let batches = 0
  const saving: CallbackHooks = {
    onTrainBatchEnd: async () => {
      batches += 1
      if (batches === 9) await straight.model.save(first, { optimizer: true })
    },
  }
  const history = await straight.fit({ epochs: 3, callbacks: [straight.counter, saving] })
  const wanted = fingerprint(straight.model, history)
  const again = prepared('memory', false)
  const early: CallbackHooks = {
    onTrainBegin: async () => await again.model.save(second, { optimizer: true }),
    onTrainBatchEnd: () => {},
  }
  await again.fit({ epochs: 3, resume: first, callbacks: [again.counter, early] })
  expect(await told(second)).toEqual(await told(first))
  const third = prepared('memory', false)
  const rest = await third.fit({
    epochs: 3,
    resume: second,
    callbacks: [third.counter, { onTrainBatchEnd: () => {} }],
  })
  expect(fingerprint(third.model, rest)).toBe(wanted)
  expect(third.counter.calls).toBe(straight.counter.calls)
})

test('what was loaded and saved again goes on as the first file does', async () => {
  const [first, second] = [join(folder, 'loaded.safetensors'), join(folder, 'again.safetensors')]
  const [x, y] = [randn([64, 3]), randn([64, 1])]
  const made = (): nn.Sequential => {
    const net: nn.Sequential = new nn.Sequential(new nn.Linear(3, 1))
    net.compile({ optimizer: 'adam', loss: 'mse', gradientAccumulationSteps: 3 })
    return net
  }
  const quiet: FitOptions = { verbose: 0, batchSize: 16, epochs: 4 }
  const model = made()
  let batches = 0
  const saving: CallbackHooks = {
    onTrainBatchEnd: async () => {
      batches += 1
      if (batches === 10) await model.save(first, { optimizer: true })
    },
    state: () => ({ batches }),
  }
  const history = await model.fit(x, y, { ...quiet, callbacks: [saving] })
  const loaded = await nn.Sequential.load(first)
  await loaded.save(second, { optimizer: true })
  expect(await told(second)).toEqual(await told(first))
  const other = made()
  const rest = await other.fit(x, y, { ...quiet, resume: second, callbacks: [{ onTrainBatchEnd: () => {} }] })
  expect(fingerprint(other, rest)).toBe(fingerprint(model, history))
  // What is trained on afterwards is no longer what was loaded.
  await loaded.trainOnBatch(x, y)
  await loaded.save(second, { optimizer: true })
  expect(await told(second)).toMatchObject({ batches: 11, position: { batches: 11, epoch: 2 } })
})

test('single batches after fit count where gradients are added up over several', async () => {
  const file = join(folder, 'single.safetensors')
  const [x, y] = [ones([64, 1]), zeros([64, 1])]
  const made = (): nn.Sequential => {
    const net: nn.Sequential = new nn.Sequential(new nn.Linear(1, 1, { bias: false }))
    net.compile({
      optimizer: new optim.SGD(net.parameters(), { lr: 1 }),
      loss: (prediction) => prediction.mean(),
      gradientAccumulationSteps: 4,
    })
    return net
  }
  const moves = async (model: nn.Sequential): Promise<number[]> => {
    const all: number[] = []
    for (let i = 0; i < 4; i += 1) {
      const before = model.parameters()[0]?.item() as number
      await model.trainOnBatch(x, y)
      all.push(Math.round((model.parameters()[0]?.item() as number) - before))
    }
    return all
  }
  const model = made()
  await model.fit(x, y, { batchSize: 16, verbose: 0 })
  await model.trainOnBatch(x, y)
  await model.save(file, { optimizer: true })
  const other = made()
  await other.fit(x, y, { batchSize: 16, verbose: 0, epochs: 1, resume: file })
  expect(await moves(other)).toEqual([0, 0, -1, 0])
  expect(await moves(model)).toEqual([0, 0, -1, 0])
})

test('a model that only single batches have trained goes on in any fit', async () => {
  const file = join(folder, 'batches.safetensors')
  const [x, y] = [randn([32, 3]), randn([32, 1])]
  const made = (): nn.Sequential =>
    new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'adam', loss: 'mse' }) as nn.Sequential
  const model = made()
  await model.trainOnBatch(x, y)
  await model.save(file, { optimizer: true })
  const other = made()
  const history = await other.fit(x, y, { batchSize: 16, verbose: 0, epochs: 2, resume: file })
  expect(history.epoch).toEqual([0, 1])
  const optimizer = other.optimizer as unknown as optim.Optimizer
  expect(optimizer.stateDict().state['0']).toMatchObject({ step: 5 })
})

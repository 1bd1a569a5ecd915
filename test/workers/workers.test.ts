import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'

interface Training {
  trainJit(steps: number, seed: number): string
  trainEager(steps: number, seed: number): string
}

const { trainJit, trainEager } = (await import(new URL('./training.mjs', import.meta.url).href)) as Training

const STEPS = 40

function start(workerData: {
  mode: string
  seed: number
  steps?: number
  hook?: string
  at?: number
}): Worker {
  return new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { steps: STEPS, ...workerData } })
}

/** The last message of a worker that runs to its end. */
async function result(worker: Worker): Promise<unknown> {
  let last: unknown
  worker.on('message', (message) => (last = message))
  const [code] = (await once(worker, 'exit')) as [number]
  expect(code).toBe(0)
  return last
}

test('eight workers train at once, each to the bits of the main thread', async () => {
  const expected = Array.from({ length: 8 }, (_, seed) => trainJit(STEPS, seed))
  expect(new Set(expected).size).toBe(8)
  const workers = expected.map((_, seed) => start({ mode: seed % 2 === 0 ? 'jit' : 'eager', seed }))
  const mine = trainEager(STEPS, 3)
  const theirs = await Promise.all(workers.map(result))
  expect(theirs).toEqual(expected)
  expect(mine).toBe(expected[3])
})

test('fifty workers are terminated while they train, and the main thread goes on bit-equal', async () => {
  const expected = trainJit(STEPS, 99)
  const modes = ['fit', 'jit', 'fit', 'eager', 'fit']
  for (let round = 0; round < 50; round++) {
    const worker = start({ mode: modes[round % modes.length]!, seed: round, steps: 1e9 })
    const [message] = (await once(worker, 'message')) as [unknown]
    expect(message).toBe('running')
    const during = round % 10 === 0 ? trainJit(STEPS, 99) : null
    expect(await worker.terminate()).toBe(1)
    if (during !== null) expect(during).toBe(expected)
  }
  expect(trainJit(STEPS, 99)).toBe(expected)
})

// Two batches of an epoch, and two of its validation.
test.each([
  ['onTrainBatchBegin', 0],
  ['onTrainBatchBegin', 1],
  ['onTrainBatchEnd', 0],
  ['onTrainBatchEnd', 1],
  ['onTestBatchBegin', 1],
  ['onTestBatchEnd', 0],
  ['onTestBatchEnd', 1],
  ['onEpochEnd', 1],
])('a worker is terminated while %s of %i waits', async (hook, at) => {
  const worker = start({ mode: 'hook', seed: 1, hook, at })
  const [message] = (await once(worker, 'message')) as [unknown]
  expect(message).toBe('running')
  expect(await worker.terminate()).toBe(1)
})

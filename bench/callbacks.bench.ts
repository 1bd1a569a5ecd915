// What hearing of each batch costs a training, beside a call from another thread that does nothing, and how long the
// event loop is held up while fit runs.
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { type FitOptions, manualSeed, nn, optim, rand, type Tensor } from 'neuroxide'
import { bench, describe } from 'vitest'
import { loadAddon } from '../test/boundary/addon.js'
import { mnistLike } from './model.js'

const BATCH = 32
const BATCHES = 20_000
const CALLS = 20_000

const debugCalls = loadAddon()['debugCalls'] as (count: number, callback: () => void) => Promise<void>

manualSeed(0)
const x: Tensor = rand([BATCHES * BATCH, 4])
const y: Tensor = x.sum(1, { keepDim: true })
const model = new nn.Sequential(new nn.Linear(4, 1)).compile({ optimizer: 'sgd', loss: 'mse' })

let heard = 0
const callback = (): void => {
  heard += 1
}

/** Microseconds that an epoch takes per batch. */
async function perBatch(options: FitOptions): Promise<number> {
  const start = performance.now()
  await model.fit(x, y, { batchSize: BATCH, shuffle: false, verbose: 0, ...options })
  return ((performance.now() - start) * 1000) / BATCHES
}

async function perCall(): Promise<number> {
  const start = performance.now()
  await debugCalls(CALLS, callback)
  return ((performance.now() - start) * 1000) / CALLS
}

/** The middle of an odd number of measurements. */
async function median(measure: () => Promise<number>): Promise<number> {
  const all: number[] = []
  for (let i = 0; i < 7; i += 1) all.push(await measure())
  return all.toSorted((a, b) => a - b)[3] as number
}

function rounded(number: number): number {
  return Math.round(number * 100) / 100
}

const [call, silent, told] = [
  await median(perCall),
  await median(() => perBatch({})),
  await median(() => perBatch({ onBatchEnd: callback })),
]
console.table({
  'a call from another thread that does nothing': { µs: rounded(call) },
  'a batch in fit': { µs: rounded(silent) },
  'the same with onBatchEnd': { µs: rounded(told) },
  'so onBatchEnd costs': { µs: rounded(told - silent) },
})

async function delays(options: FitOptions): Promise<Record<string, number>> {
  const samples = mnistLike(BATCH * 256)
  const net = new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(128, 10))
  const trained = net.compile({ optimizer: new optim.Adam(net.parameters()), loss: 'crossEntropy' })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  await trained.fit(samples.x, samples.y, { batchSize: BATCH, verbose: 0 })
  delay.enable()
  await trained.fit(samples.x, samples.y, { batchSize: BATCH, epochs: 10, verbose: 0, ...options })
  delay.disable()
  const at = (percentile: number): number => rounded(delay.percentile(percentile) / 1e6)
  return { 'p50 ms': at(50), 'p99 ms': at(99), 'max ms': rounded(delay.max / 1e6) }
}

console.log('delay of the event loop while fit runs, the timer of 1 ms included')
console.table({ silent: await delays({}), 'with onBatchEnd': await delays({ onBatchEnd: callback }) })
if (heard === 0) throw new Error('no callback was called')

describe(`${BATCHES} batches`, () => {
  bench('without a callback', async () => void (await perBatch({})), { iterations: 5, time: 0 })
  bench('with onBatchEnd', async () => void (await perBatch({ onBatchEnd: callback })), {
    iterations: 5,
    time: 0,
  })
})

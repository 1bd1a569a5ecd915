// A step of training the model of `npm start`: what it asks of the boundary and the core, then how long it takes.
import { deviceInfo, nn, optim } from 'neuroxide'
import { bench, describe } from 'vitest'
import { BATCH, counted, kernels, mnistLike } from './model.js'

const STEPS = 100

const { x, y, eager, jitted } = mnistLike(BATCH)
for (let i = 0; i < 3; i += 1) {
  eager(x, y)
  jitted(x, y)
}
const rows = { eager: counted(() => void eager(x, y)), jit: counted(() => void jitted(x, y)) }
const { isa, threads } = deviceInfo()
console.log(`${isa}, ${threads} threads; Linear 784-128, ReLU, Linear 128-10, Adam, batch ${BATCH}`)
console.log(`one program has ${kernels(jitted)} kernels; a step takes`)
console.table(rows)

describe('one step', () => {
  bench('eager', () => void eager(x, y))
  bench('jit', () => void jitted(x, y))
})

describe(`${STEPS} steps`, () => {
  const samples = mnistLike(BATCH * STEPS)
  const batches = Array.from({ length: STEPS }, (_, i) => ({
    x: samples.x.narrow(0, i * BATCH, BATCH),
    y: samples.y.narrow(0, i * BATCH, BATCH),
  }))
  const net = new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(128, 10))
  const model = net.compile({ optimizer: new optim.Adam(net.parameters()), loss: 'crossEntropy' })
  bench('jit', () => {
    for (const batch of batches) samples.jitted(batch.x, batch.y)
  })
  // Shuffles, gathers and reports beside that.
  bench('fit, one epoch', async () => {
    await model.fit(samples.x, samples.y, { batchSize: BATCH, verbose: 0 })
  })
})

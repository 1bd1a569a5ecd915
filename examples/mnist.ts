// Trains a small network on all of MNIST: `npm start`.
import { datasets, manualSeed, nn, optim } from 'neuroxide'
import { mkdirSync } from 'node:fs'

const started = performance.now()
manualSeed(42)
const { train, test } = datasets.mnist()

const layers = new nn.Sequential(
  new nn.Rescale(1 / 255),
  new nn.Flatten(),
  new nn.Linear(784, 128),
  new nn.ReLU(),
  new nn.Linear(128, 10),
)
const model = layers.compile({
  optimizer: new optim.Adam(layers.parameters(), { lr: 1e-3 }),
  loss: 'crossEntropy',
  metrics: ['accuracy'],
})

// Ctrl-C ends the training after a whole step.
const stop = new AbortController()
process.once('SIGINT', () => stop.abort(new Error('stopped by Ctrl-C')))

try {
  await model.fit(train, { epochs: 5, batchSize: 32, signal: stop.signal })
  const { loss, accuracy } = await model.evaluate(test, { signal: stop.signal })
  console.log(`test loss ${loss.toFixed(4)}`)
  console.log(`test accuracy ${(100 * accuracy).toFixed(2)} %`)
  console.log(`time ${((performance.now() - started) / 1000).toFixed(1)} s`)
  mkdirSync('out', { recursive: true })
  await model.save('out/digits.safetensors')
  console.error('saved out/digits.safetensors; `npx tsx examples/predict.ts` reads it')
} catch (error) {
  if (!stop.signal.aborted) throw error
  console.error(stop.signal.reason.message)
  process.exitCode = 130
}

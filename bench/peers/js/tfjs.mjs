// TensorFlow.js on WebAssembly with SIMD. On one thread: its threads want a browser's workers.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { answer, oneHot, options, start, weights } from './peer.mjs'

const o = options()
const require = createRequire(import.meta.url)
const tf = require('@tensorflow/tfjs')
const wasm = require('@tensorflow/tfjs-backend-wasm')
wasm.setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')), '/'))
tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)
await tf.setBackend('wasm')
await tf.ready()

const { layers, x: inputs, y: targets } = start(o)
const classes = o.sizes.at(-1)
const params = layers.map(({ inputs, outputs, weight, bias }) => ({
  weight: tf.variable(tf.tensor2d(weight, [inputs, outputs])),
  bias: tf.variable(tf.tensor1d(bias)),
}))
const variables = params.flatMap(({ weight, bias }) => [weight, bias])
const total = weights(variables.map((variable) => variable.dataSync()))
const x = tf.tensor2d(inputs, [o.batch, o.sizes[0]])
const y = tf.tensor2d(o.loss === 'mse' ? targets : oneHot(targets, classes), [o.batch, classes])
// The default epsilon is that of the backend, 1e-7.
const optimizer = tf.train.adam(1e-3, 0.9, 0.999, 1e-8)

function loss() {
  let out = x
  for (const [i, { weight, bias }] of params.entries()) {
    out = out.matMul(weight).add(bias)
    if (i < params.length - 1) out = out.relu()
  }
  return o.loss === 'mse' ? out.sub(y).square().mean() : tf.losses.softmaxCrossEntropy(y, out)
}

const step = (wanted) => tf.tidy(() => optimizer.minimize(loss, wanted, variables))
const losses = []
for (let i = 0; i < Math.max(...o.checked); i += 1) {
  const value = step(true)
  losses.push(value.dataSync()[0])
  value.dispose()
}

function run(steps) {
  for (let i = 0; i < steps; i += 1) step(false)
  // Reading waits for what may still be under way.
  params.at(-1).bias.dataSync()
}

await answer(o, { version: tf.version.tfjs, losses, total, run, threads: 1 })

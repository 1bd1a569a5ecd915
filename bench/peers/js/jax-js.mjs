// jax-js on WebAssembly, one jitted step. On one thread: without a browser's workers it computes where it is called.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax'
import { answer, oneHot, options, start, weights } from './peer.mjs'

const o = options()
await init('wasm')
defaultDevice('wasm')

const { layers, x: inputs, y: targets } = start(o)
const classes = o.sizes.at(-1)
let params = layers.map(({ inputs, outputs, weight, bias }) => ({
  weight: np.array(weight).reshape([inputs, outputs]),
  bias: np.array(bias),
}))
const held = []
for (const array of tree.leaves(tree.ref(params))) held.push(await array.data())
const total = weights(held)
const zeros = () =>
  params.map(({ weight, bias }) => ({ weight: np.zeros(weight.shape), bias: np.zeros(bias.shape) }))
let mean = zeros()
let square = zeros()
const x = np.array(inputs).reshape([o.batch, o.sizes[0]])
const y = np.array(o.loss === 'mse' ? targets : oneHot(targets, classes)).reshape([o.batch, classes])

function lossOf(params, x, y) {
  let out = x
  for (const [i, { weight, bias }] of params.entries()) {
    out = np.matmul(out, weight).add(bias)
    if (i < params.length - 1) out = nn.relu(out)
  }
  if (o.loss === 'mse') return np.square(out.sub(y)).mean()
  return nn
    .logSoftmax(out)
    .mul(y)
    .sum()
    .mul(-1 / o.batch)
}

// A use of an array takes it, and `.ref` keeps it for another.
const step = jit((params, mean, square, rate, root, x, y) => {
  const [loss, grads] = valueAndGrad(lossOf)(tree.ref(params), x, y)
  const next = { params: [], mean: [], square: [] }
  for (const [i, layer] of params.entries()) {
    for (const part of Object.values(next)) part.push({})
    for (const name of Object.keys(layer)) {
      const grad = grads[i][name]
      const m = mean[i][name].mul(0.9).add(grad.ref.mul(0.1))
      const v = square[i][name].mul(0.999).add(np.square(grad).mul(0.001))
      const scale = np.sqrt(v.ref).div(root.ref).add(1e-8)
      next.params[i][name] = layer[name].sub(m.ref.mul(rate.ref).div(scale))
      next.mean[i][name] = m
      next.square[i][name] = v
    }
  }
  rate.dispose()
  root.dispose()
  return [next.params, next.mean, next.square, loss]
})

let count = 0
let loss = null
function advance() {
  count += 1
  loss?.dispose()
  const rate = np.array(1e-3 / (1 - 0.9 ** count))
  const root = np.array(Math.sqrt(1 - 0.999 ** count))
  ;[params, mean, square, loss] = step(params, mean, square, rate, root, x.ref, y.ref)
}

const losses = []
for (let i = 0; i < Math.max(...o.checked); i += 1) {
  advance()
  losses.push((await loss.ref.data())[0])
}

async function run(steps) {
  for (let i = 0; i < steps; i += 1) advance()
  tree.dispose(await blockUntilReady([tree.ref(params), loss.ref]))
}

const entry = createRequire(import.meta.url).resolve('@jax-js/jax')
const { version } = JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8'))
await answer(o, { version, losses, total, run, threads: 1 })

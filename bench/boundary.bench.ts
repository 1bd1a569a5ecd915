// What crossing from JavaScript costs, with tensors so small that the kernels cost nothing. Each row does a thing a
// thousand times: its mean in milliseconds is the cost of one in microseconds.
import { losses, noGrad, randn, tensor, zeros } from 'neuroxide'
import { bench, describe } from 'vitest'
import { loadAddon } from '../test/boundary/addon.js'
import { counted } from './model.js'

const TIMES = 1000
/** Enough ops in one synchronous loop that results are collected and swept meanwhile. */
const MANY = 100_000

function repeated(body: () => unknown): () => void {
  return () => {
    for (let i = 0; i < TIMES; i += 1) body()
  }
}

const alive = loadAddon()['alive']!
const x = tensor([1, 2])
const y = tensor([3, 4])
const w = tensor([3, 4], { requiresGrad: true })
const values = new Float32Array([1, 2])
const small = randn([32])
const other = randn([32])

const label = tensor(3, { dtype: 'i32' })

x.add(y) // Prepares its kernel.
// A call of many nodes is lowered as a whole when it comes the second time.
for (let i = 0; i < 2; i += 1) losses.crossEntropy(small, label)
console.table({
  'x.add(y)': counted(() => void x.add(y)),
  'tensor([1, 2])': counted(() => void tensor([1, 2])),
  'x.shape, x.dtype': counted(() => void [x.shape, x.dtype]),
  'crossEntropy(…)': counted(() => void losses.crossEntropy(small, label)),
})

describe('a thousand times', () => {
  bench(
    'a native call that does nothing',
    repeated(() => alive(-1)),
  )
  bench(
    'shape and dtype, which stay in JavaScript',
    repeated(() => [x.shape, x.dtype]),
  )
  bench(
    'a tensor of two numbers',
    repeated(() => tensor([1, 2])),
  )
  bench(
    'a tensor of a typed array',
    repeated(() => tensor(values)),
  )
  bench(
    'zeros',
    repeated(() => zeros([2])),
  )
  bench(
    'an op',
    repeated(() => x.add(y)),
  )
  bench(
    'an op with a number',
    repeated(() => x.add(1)),
  )
  bench(
    'an op that is differentiated',
    repeated(() => w.mul(y)),
  )
  bench(
    'an op under noGrad',
    repeated(() => noGrad(() => w.mul(y))),
  )
  bench(
    'forward and backward',
    repeated(() => w.mul(y).sum().backward()),
  )
  bench(
    'an op and its value',
    repeated(() => x.add(y).toArray()),
  )
  bench(
    'an op, disposed of',
    repeated(() => x.add(y).dispose()),
  )
})

describe(`${MANY.toLocaleString('en')} times, with the collection of what nobody holds any more`, () => {
  bench('an op on 32 elements', () => {
    for (let i = 0; i < MANY; i += 1) small.add(other)
  })
})

// Loops that free nothing and never yield, each run in a process of its own: `node loops.mjs <loop> <heap>` prints how
// much the resident set grew over the second half, in MiB, and how long it took.
import { isMainThread, workerData } from 'node:worker_threads'
import {
  fromTypedArray,
  jit,
  losses,
  manualSeed,
  nn,
  optim,
  randint,
  randn,
  tensor,
  zeros,
} from '../../dist/index.js'

const MiB = 2 ** 20

function training(jitted) {
  manualSeed(1)
  const model = new nn.Sequential(new nn.Linear(64, 64), new nn.ReLU(), new nn.Linear(64, 10))
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 })
  const step = (x, y) => {
    const loss = losses.crossEntropy(model.forward(x), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  }
  const run = jitted ? jit(step) : step
  const x = randn([256, 64])
  const y = randint([256], 0, 10)
  return () => run(x, y)
}

/** Each loop: how often its body runs, and the body. */
const loops = {
  jitted: () => [10_000, training(true)],
  eager: () => [10_000, training(false)],
  tiny: () => {
    const values = new Float32Array([1, 2])
    return [1_000_000, () => fromTypedArray(values, [2])]
  },
  large: () => {
    const x = zeros([4, MiB]).add(1)
    return [1_000, (i) => x.add(i)]
  },
}

/** Live objects of the user's, which a full collection has to walk. */
function userHeap(count) {
  return Array.from({ length: count }, (_, i) => ({ id: i, next: { value: i } }))
}

function measure(name, heap) {
  const kept = userHeap(heap)
  const [count, body] = loops[name]()
  const started = performance.now()
  let middle = 0
  let peak = 0
  for (let i = 0; i < count; i += 1) {
    body(i)
    if (i === count / 2) middle = process.memoryUsage.rss()
    if (i > count / 2 && i % Math.ceil(count / 200) === 0) peak = Math.max(peak, process.memoryUsage.rss())
  }
  const end = process.memoryUsage.rss()
  const seconds = (performance.now() - started) / 1000
  return {
    name,
    heap: kept.length,
    growth: (end - middle) / MiB,
    peak: (peak - middle) / MiB,
    resident: end / MiB,
    seconds,
    last: tensor(1).item(),
  }
}

const [names, heap] = isMainThread ? [process.argv[2], Number(process.argv[3] ?? 0)] : workerData
for (const name of names.split(',')) process.stdout.write(`${JSON.stringify(measure(name, heap))}\n`)

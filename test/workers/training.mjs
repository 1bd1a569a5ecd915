// Small trainings that workers, children and the main thread run alike.
import { jit, losses, manualSeed, nn, optim, randint, randn } from '../../dist/index.js'

/** The bits of the loss after some jitted steps from a seed. */
export function trainJit(steps, seed, each = () => {}) {
  const { step, x, y } = setUp(seed)
  const compiled = jit(step)
  return run(steps, () => compiled(x, y), each)
}

/** The same without a trace. */
export function trainEager(steps, seed, each = () => {}) {
  const { step, x, y } = setUp(seed)
  return run(steps, () => step(x, y), each)
}

/** A fit that takes hours, with its promise. */
export function startFit(seed, options = {}) {
  manualSeed(seed)
  const model = new nn.Sequential(new nn.Linear(16, 64), new nn.ReLU(), new nn.Linear(64, 4)).compile({
    optimizer: 'adam',
    loss: 'crossEntropy',
  })
  const x = randn([4096, 16])
  const y = randint([4096], 0, 4)
  return model.fit(x, y, { epochs: 1_000_000, batchSize: 32, verbose: 0, ...options })
}

function setUp(seed) {
  manualSeed(seed)
  const model = new nn.Sequential(new nn.Linear(16, 64), new nn.ReLU(), new nn.Linear(64, 4))
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2 })
  const x = randn([256, 16])
  const y = randint([256], 0, 4)
  const step = (input, target) => {
    const loss = losses.crossEntropy(model.forward(input), target)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  }
  return { step, x, y }
}

function run(steps, step, each) {
  let loss = Number.NaN
  for (let i = 0; i < steps; i++) {
    const result = step()
    loss = result.item()
    each(i)
  }
  return bits(loss)
}

function bits(value) {
  return new Uint32Array(Float32Array.of(value).buffer)[0].toString(16)
}

// Four ways to go downhill on one problem: the same network from the same first weights, on the same data in the same
// order. Only the rule that turns gradients into steps differs.
import { type FloatTensor, concat, manualSeed, nn, optim, plot, rand, randn } from 'neuroxide'
import { mkdirSync } from 'node:fs'

/** Two half-moons, one inside the other: no line parts them. */
function moons(count: number) {
  const angle = rand([count, 1]).mul(Math.PI)
  const upper = concat([angle.cos(), angle.sin()], 1)
  const lower = concat([angle.cos().neg().add(1), angle.sin().neg().add(0.5)], 1)
  const x = concat([upper, lower], 0).add(randn([2 * count, 2]).mul(0.1))
  const y = concat([upper.narrow(1, 0, 1).mul(0), upper.narrow(1, 0, 1).mul(0).add(1)], 0)
  return { x, y }
}

manualSeed(7)
const samples = moons(500)

type Rule = (parameters: FloatTensor[]) => optim.Optimizer<object>
const rules: Record<string, Rule> = {
  // A step against the gradient, and nothing else.
  'gradient descent': (parameters) => new optim.SGD(parameters, { lr: 0.1 }),
  // Steps add up where they agree, and cancel where the ground is a narrow valley.
  momentum: (parameters) => new optim.SGD(parameters, { lr: 0.1, momentum: 0.9 }),
  // Each weight gets a step of its own size: its gradient over how large its gradients have been.
  RMSprop: (parameters) => new optim.RMSprop(parameters, { lr: 0.01 }),
  // Both: momentum, over how large the gradients have been.
  Adam: (parameters) => new optim.Adam(parameters, { lr: 0.01 }),
}

const curves: Record<string, number[]> = {}
for (const [name, rule] of Object.entries(rules)) {
  manualSeed(11)
  const layers = new nn.Sequential(
    new nn.Linear(2, 16),
    new nn.Tanh(),
    new nn.Linear(16, 1),
    new nn.Sigmoid(),
  )
  const model = layers.compile({ optimizer: rule(layers.parameters()), loss: 'binaryCrossentropy' })
  const history = await model.fit(samples, { epochs: 60, batchSize: 50, seed: 5, verbose: 0 })
  curves[name] = history.loss
  const reached = history.loss.findIndex((loss) => loss < 0.1)
  const when = reached < 0 ? 'not below 0.1' : `below 0.1 in epoch ${reached + 1}`
  console.log(`${name.padEnd(17)} loss ${history.loss.at(-1)?.toFixed(4)}  ${when}`)
}

mkdirSync('out', { recursive: true })
await plot
  .curves(curves, {
    title: 'Four optimizers on one problem',
    x: Array.from({ length: 60 }, (_, i) => i + 1),
    xTitle: 'epoch',
    yTitle: 'loss',
    yScale: 'log',
  })
  .save('out/optimizers.png')
console.log('wrote out/optimizers.png')

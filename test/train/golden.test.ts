import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Model, type Tensor, jit, losses, nn, optim } from 'neuroxide'
import { distance, golden } from './safetensors.js'

const relative = (ours: number, theirs: number): number => Math.abs(ours - theirs) / Math.abs(theirs)

describe.each([false, true])('whole PyTorch runs (jit %s)', (jitted) => {
  const cases: [string, nn.Sequential, (model: nn.Sequential) => optim.Adam, typeof losses.mse][] = [
    [
      'train-regression',
      new nn.Sequential(new nn.Linear(10, 64), new nn.ReLU(), new nn.Linear(64, 1)),
      (model) => new optim.Adam(model.parameters(), { lr: 1e-3, eps: 1e-7 }),
      losses.mse,
    ],
    [
      'train-binary',
      new nn.Sequential(new nn.Linear(2, 5), new nn.ReLU(), new nn.Linear(5, 1), new nn.Sigmoid()),
      (model) => new optim.Adam(model.parameters(), { lr: 1e-2 }),
      losses.binaryCrossEntropy,
    ],
  ]

  test.each(cases)('%s', (name, model, make, loss) => {
    const file = golden(name)
    const keys = Object.keys(model.stateDict())
    model.loadStateDict(Object.fromEntries(keys.map((key) => [key, file(`init.${key}`)])))
    const optimizer = make(model)
    const step = (x: Tensor, y: Tensor): Tensor => {
      const value = loss(model.forward(x), y)
      optimizer.zeroGrad()
      value.backward()
      optimizer.step()
      return value
    }
    const run = jitted ? jit(step) : step
    const expected = file('loss').toTypedArray()
    expect(expected).toHaveLength(40)
    for (const [batch, wanted] of expected.entries()) {
      const value = Number(run(file(`x${batch}`), file(`y${batch}`)).item())
      expect(relative(value, wanted)).toBeLessThan(1e-4)
    }
    for (const [key, value] of Object.entries(model.stateDict())) {
      expect(distance(value, file(`final.${key}`))).toBeLessThan(1e-4)
    }
  })
})

interface Recorded {
  readonly layers: readonly { readonly units: number; readonly activation: string }[]
  readonly optimizer: { readonly epsilon: number; readonly learning_rate: number; readonly rho?: number }
  readonly loss: string
  readonly metrics: readonly 'accuracy'[]
  readonly fit: { readonly epochs: number; readonly batch_size: number; readonly validation_split?: number }
  readonly history: Readonly<Record<string, readonly number[]>>
  readonly evaluate: Readonly<Record<string, number>>
}

const activations: Record<string, () => nn.TensorModule> = {
  relu: () => new nn.ReLU(),
  tanh: () => new nn.Tanh(),
  sigmoid: () => new nn.Sigmoid(),
  softmax: () => new nn.Softmax(),
  linear: () => new nn.Identity(),
}
const lossNames = {
  mse: 'mse',
  binary_crossentropy: 'binaryCrossentropy',
  categorical_crossentropy: 'categoricalCrossentropy',
} as const

describe('whole Keras fits', () => {
  test.each(['regression', 'binary', 'onehot'])('%s', async (name) => {
    const recorded = JSON.parse(
      readFileSync(new URL(`../golden/keras/${name}.json`, import.meta.url), 'utf8'),
    ) as Recorded
    const file = golden(`keras/${name}`)
    const [x, y] = [file('x'), file('y')]
    let width = x.shape[1] ?? 0
    const layers = recorded.layers.flatMap(({ units, activation }) => {
      const linear = new nn.Linear(width, units)
      width = units
      return [linear, (activations[activation] as () => nn.TensorModule)()]
    })
    const net = new nn.Sequential(...layers)
    const linears = layers.filter((layer) => layer instanceof nn.Linear)
    for (const [i, linear] of linears.entries()) {
      linear.loadStateDict({ weight: file(`init.${2 * i}`).transpose(0, 1), bias: file(`init.${2 * i + 1}`) })
    }
    const { learning_rate: lr, epsilon: eps } = recorded.optimizer
    const model: Model = net.compile({
      optimizer: new optim.Adam(net.parameters(), { lr, eps }),
      loss: lossNames[recorded.loss as keyof typeof lossNames],
      metrics: recorded.metrics,
    })
    const { epochs, batch_size: batchSize, validation_split: validationSplit } = recorded.fit
    const split = validationSplit === undefined ? {} : { validationSplit }
    const history = await model.fit(x, y, { epochs, batchSize, shuffle: false, verbose: 0, ...split })
    for (const [key, curve] of Object.entries(recorded.history)) {
      const ours = history.history[key.replace(/_(.)/, (_, letter: string) => letter.toUpperCase())]
      expect(ours).toHaveLength(epochs)
      for (const [epoch, wanted] of curve.entries())
        expect(relative(ours?.[epoch] ?? 0, wanted)).toBeLessThan(1e-4)
    }
    const result: Readonly<Record<string, number>> = await model.evaluate(x, y, { batchSize })
    for (const [key, wanted] of Object.entries(recorded.evaluate))
      expect(relative(result[key] ?? 0, wanted)).toBeLessThan(1e-4)
    for (const [i, linear] of linears.entries()) {
      // Keras adds epsilon before it corrects the second moment's bias, PyTorch and we after: weights whose gradients
      // hardly differ from zero feel it in the first steps.
      expect(distance(linear.weight, file(`final.${2 * i}`).transpose(0, 1))).toBeLessThan(1e-3)
      expect(distance(linear.bias as Tensor, file(`final.${2 * i + 1}`))).toBeLessThan(1e-3)
    }
    const prediction = await model.predict(x.narrow(0, 0, 7), { batchSize: 4 })
    expect(distance(prediction, file('prediction'))).toBeLessThan(1e-3)
  })
})

// Overfitting: a large network learns five hundred images by heart, and is much surer of them than of images that it
// has not seen. Four remedies, compared by the gap between the two.
import { callbacks, datasets, losses, manualSeed, nn, plot, regularizers } from 'neuroxide'
import { mkdirSync } from 'node:fs'

const mnist = datasets.mnist()
// Few images to learn from; some to decide by when to stop; and others again to judge by, which decide nothing.
const part = (set: typeof mnist.train, start: number, count: number) => ({
  x: set.x.narrow(0, start, count),
  y: set.y.narrow(0, start, count),
})
const train = part(mnist.train, 0, 500)
const validation = part(mnist.train, 500, 1000)
const test = part(mnist.test, 0, 2000)

interface Remedy {
  /** Adds to the loss for weights that are large, so that only those that are worth it grow. */
  readonly regularizer?: regularizers.Regularizer
  /** Share of the neurons that sleep in each step, so that no neuron can rely on another. */
  readonly dropout?: number
  /** Ends the training when the loss on the validation images has not fallen for five epochs. */
  readonly stop?: boolean
}

const remedies: Record<string, Remedy> = {
  none: {},
  L1: { regularizer: regularizers.l1(3e-4) },
  L2: { regularizer: regularizers.l2(5e-3) },
  Dropout: { dropout: 0.5 },
  'early stopping': { stop: true },
}

function network({ regularizer, dropout = 0 }: Remedy) {
  const options = regularizer === undefined ? {} : { regularizer }
  const layers = new nn.Sequential(
    new nn.Rescale(1 / 255),
    new nn.Flatten(),
    new nn.Linear(784, 256, options),
    new nn.ReLU(),
    new nn.Dropout(dropout),
    new nn.Linear(256, 256, options),
    new nn.ReLU(),
    new nn.Dropout(dropout),
    new nn.Linear(256, 10, options),
  )
  // The loss has the penalty of a regularizer in it; the cross-entropy beside it has not, and can be compared.
  return layers.compile({
    optimizer: 'adam',
    loss: 'crossEntropy',
    metrics: ['accuracy', { name: 'crossEntropy', compute: losses.crossEntropy }],
  })
}

const gaps: Record<string, number[]> = {}
console.log('                 cross-entropy             accuracy')
console.log('remedy           training    test     gap  training    test  epochs')
for (const [name, remedy] of Object.entries(remedies)) {
  manualSeed(1)
  const model = network(remedy)
  const gap: number[] = []
  const history = await model.fit(train, {
    epochs: 40,
    batchSize: 32,
    validationData: validation,
    verbose: 0,
    callbacks: remedy.stop
      ? [new callbacks.EarlyStopping({ monitor: 'valLoss', patience: 5, restoreBestWeights: true })]
      : [],
    onEpochEnd: async () => {
      // Measured as the network will be used: without sleeping neurons.
      const [seen, unseen] = [await model.evaluate(train), await model.evaluate(test)]
      gap.push(unseen.crossEntropy - seen.crossEntropy)
    },
  })
  gaps[name] = gap
  const [seen, unseen] = [await model.evaluate(train), await model.evaluate(test)]
  const numbers = [
    seen.crossEntropy.toFixed(3),
    unseen.crossEntropy.toFixed(3),
    (unseen.crossEntropy - seen.crossEntropy).toFixed(3),
    seen.accuracy.toFixed(3),
    unseen.accuracy.toFixed(3),
    String(history.epoch.length),
  ]
  console.log(
    name.padEnd(15) + numbers.map((text, i) => text.padStart([10, 8, 8, 10, 8, 8][i] ?? 8)).join(''),
  )
}

mkdirSync('out', { recursive: true })
const curves = Object.entries(gaps).map(([name, y]) => [name, { x: y.map((_, i) => i + 1), y }] as const)
await plot
  .curves(Object.fromEntries(curves), {
    title: 'The gap between training and test',
    xTitle: 'epoch',
    yTitle: 'cross-entropy, test minus training',
  })
  .save('out/overfitting.png')
console.log('wrote out/overfitting.png')

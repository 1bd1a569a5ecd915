// Handwritten digits again, with the digits themselves as labels: the same network and the same loss, only that the
// target is written as the number of its class. Nothing has to be made of the labels, so this is the usual form.
import { datasets, manualSeed, nn } from 'neuroxide'

manualSeed(1)
const { train, test } = datasets.mnist()

const model = new nn.Sequential(
  new nn.Rescale(1 / 255),
  new nn.Flatten(),
  new nn.Linear(784, 128),
  new nn.ReLU(),
  new nn.Linear(128, 10),
  new nn.Softmax(),
).compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })

await model.fit(train, { epochs: 5, batchSize: 32 })
const { loss, accuracy } = await model.evaluate(test)
console.log(`test loss ${loss.toFixed(4)}`)
console.log(`test accuracy ${(100 * accuracy).toFixed(2)} %`)

// Regression: the first program of the course. A hundred rows of ten random features, each with a random target.
import { manualSeed, nn, rand } from 'neuroxide'

manualSeed(1)
const x = rand([100, 10])
const y = rand([100, 1])

const model = new nn.Sequential(
  new nn.Linear(10, 64),
  new nn.ReLU(),
  // One linear neuron: a regression may have to answer with any number, so nothing squashes its output.
  new nn.Linear(64, 1),
).compile({ optimizer: 'adam', loss: 'mse' })
model.summary({ inputShape: [10] })

const history = await model.fit(x, y, { epochs: 100, batchSize: 32, verbose: 0 })

// The targets are noise, so there is nothing to understand here. The loss falls all the same: with more weights than
// rows, a network learns the rows by heart. overfitting.ts is about that.
console.log(history)
console.log(`first loss ${history.loss[0]?.toFixed(4)}`)
console.log(`final loss ${history.loss.at(-1)?.toFixed(4)}`)

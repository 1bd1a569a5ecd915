// Handwritten digits, with one-hot labels: the network answers with ten probabilities, and so does the target.
import { datasets, manualSeed, nn, plot } from 'neuroxide'
import { mkdirSync } from 'node:fs'

manualSeed(1)
const { train, test } = datasets.mnist()

// A digit becomes ten numbers: 3 is [0, 0, 0, 1, 0, 0, 0, 0, 0, 0].
const [trainLabels, testLabels] = [train.y.oneHot(10).to('f32'), test.y.oneHot(10).to('f32')]

const model = new nn.Sequential(
  new nn.Rescale(1 / 255), // bytes become numbers between 0 and 1, on which training works best
  new nn.Flatten(),
  new nn.Linear(784, 128),
  new nn.ReLU(),
  new nn.Linear(128, 10),
  new nn.Softmax(),
).compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] })

const history = await model.fit(train.x, trainLabels, { epochs: 10, batchSize: 32, validationSplit: 0.1 })
console.log(history)

const { loss, accuracy } = await model.evaluate(test.x, testLabels)

// Which digits are taken for which others?
const predicted = (await model.predict(test.x)).argmax(1)
const counts = testLabels.transpose().matmul(predicted.oneHot(10).to('f32'))
mkdirSync('out', { recursive: true })
await plot.confusionMatrix(counts, { title: 'MNIST, test set' }).save('out/mnist-confusion.png')
await history.save('out/mnist-history.png', { title: 'MNIST with one-hot labels' })
console.log('wrote out/mnist-confusion.png and out/mnist-history.png')

console.log(`test loss ${loss.toFixed(4)}`)
console.log(`test accuracy ${(100 * accuracy).toFixed(2)} %`)

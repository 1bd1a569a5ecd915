// An autoencoder: a network that has to give back what it was shown, through a layer much narrower than the image. What
// passes through sixteen numbers and can be drawn again from them is what the network has understood of digits.
import { datasets, manualSeed, nn, plot } from 'neuroxide'
import { mkdirSync } from 'node:fs'

/** Numbers that an image of 784 pixels has to pass through. */
export const width = 16

manualSeed(1)
const { train, test } = datasets.mnist()
// The images are inputs and targets at once; there are no labels.
const x = train.x.to('f32').div(255).flatten(1)
const unseen = test.x.to('f32').div(255).flatten(1)

const encoder = new nn.Sequential(new nn.Linear(784, 256), new nn.ReLU(), new nn.Linear(256, width))
const decoder = new nn.Sequential(
  new nn.Linear(width, 256),
  new nn.ReLU(),
  new nn.Linear(256, 784),
  new nn.Sigmoid(), // brightness is between 0 and 1
)
const model = new nn.Sequential(encoder, decoder).compile({ optimizer: 'adam', loss: 'mse' })
model.summary({ inputShape: [784] })

const history = await model.fit(x, x, { epochs: 6, batchSize: 128, validationSplit: 0.1 })
console.log(history)
const { loss } = await model.evaluate(unseen, unseen)

// The first ten images of the test set, which the network has never seen, and what it makes of them.
const originals = unseen.narrow(0, 0, 10)
const reconstructions = await model.predict(originals)
mkdirSync('out', { recursive: true })
await plot
  .imageGrid([originals.reshape([10, 28, 28]), reconstructions.reshape([10, 28, 28])], {
    title: `Digits through ${width} numbers`,
    titles: ['original', 'reconstruction'],
  })
  .save('out/autoencoder.png')
console.log('wrote out/autoencoder.png')
console.log(`test loss ${loss.toFixed(5)}`)

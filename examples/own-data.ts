// Own data: from a CSV file to a saved model, and back to a prediction.
//
// The file has two years of bicycle rides, one row per day. It is made up: we drew weather at random and let a formula
// with noise decide how many people ride. It comes with this repository, under the repository's licence.
import { data, manualSeed, nn, plot } from 'neuroxide'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

manualSeed(1)
const path = fileURLToPath(new URL('data/rides.csv', import.meta.url))

// Types are found out: numbers, true and false, and weekdays, which become a column of zeros and ones each. A few
// thermometers were broken, and their empty cells get the mean.
const table = await data.csv(path, { target: 'rides', missing: 'mean', encoding: 'oneHot' })
console.log(`${table.length} days with ${table.columns.join(', ')}`)
const { train, test } = data.trainTestSplit(table, { testSize: 0.2, seed: 1 })

const model = new nn.Sequential(
  // Degrees, percents and zeros and ones are of different sizes; this brings each column to mean 0 and deviation 1, by
  // what the training rows say, and is saved with the model.
  new nn.Normalization().adapt(train.x),
  new nn.Linear(table.columns.length, 32),
  new nn.ReLU(),
  new nn.Linear(32, 32),
  new nn.ReLU(),
  new nn.Linear(32, 1),
).compile({ optimizer: 'adam', loss: 'mse', metrics: ['mae'] })

const history = await model.fit(train, { epochs: 150, batchSize: 32, validationSplit: 0.1, verbose: 0 })
console.log(history)

// What would somebody be wrong by who always says the mean?
const always = train.y.mean()
const baseline = test.y.sub(always).abs().mean().item()
const { mae } = await model.evaluate(test)

// The file gets the layers, their weights, what Normalization has learnt, and how a row becomes numbers.
mkdirSync('out', { recursive: true })
model.preprocessing = table.preprocessing
await model.save('out/rides.safetensors')
await plot.curves(history, { title: 'Rides per day', yScale: 'log' }).save('out/rides.png')
console.log('wrote out/rides.safetensors and out/rides.png')

// Elsewhere, later: nothing but the file is needed.
const loaded = await nn.Sequential.load('out/rides.safetensors')
const { preprocessing } = loaded
if (preprocessing === null) throw new Error('the file does not say how a row becomes numbers')
const weather = { temperature: 21, humidity: 55, wind: 4, holiday: false }
for (const weekday of ['wednesday', 'sunday']) {
  const rides = await loaded.predict(preprocessing.inputs({ ...weather, weekday }))
  console.log(`${weekday}: ${Number(rides).toFixed(0)} rides`)
}

console.log(`error of the mean ${baseline.toFixed(1)} rides`)
console.log(`error of the model ${mae.toFixed(1)} rides`)

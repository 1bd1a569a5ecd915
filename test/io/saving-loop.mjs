// Saves a model full of one number: once, or as each of the numbers beside one another, or as two of them in turn until
// it is killed.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { nn, ones } from '../../dist/index.js'

const [path, how] = process.argv.slice(2)

const model = new nn.Sequential(new nn.Linear(200, 100), new nn.ReLU(), new nn.Linear(100, 10))

async function save(file, number) {
  for (const parameter of model.parameters()) parameter.copyFrom(ones(parameter.shape).mul(number))
  await model.save(file, { metadata: { number: String(number) } })
}

if (how === 'once') {
  try {
    await save(path, 1)
    console.log('saved')
  } catch (error) {
    console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message }))
  }
} else if (how === 'beside') {
  for (const number of [0, 1, 2]) await save(join(path, String(number)), number)
} else {
  // At once, where console.log leaves it to the event loop.
  writeSync(1, 'saving\n')
  for (;;) for (const number of [1, 2]) await save(path, number)
}

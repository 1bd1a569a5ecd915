// Saves a model of equal numbers over and over, each time others, until it is killed.
import { createInterface } from 'node:readline'
import { Model, nn, ones } from '../../dist/index.js'

const [file, how] = process.argv.slice(2)

class Equal extends Model {
  a = new nn.Parameter(ones([20_000]))
  b = new nn.Parameter(ones([10]))
  forward(x) {
    return x
  }
}

const model = new Equal()

async function save(i) {
  for (const parameter of model.parameters()) parameter.copyFrom(ones(parameter.shape).mul(i))
  await model.save(file, { metadata: { i: String(i) } })
}

if (how === 'once') {
  try {
    await save(1)
    console.log('saved')
  } catch (error) {
    console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message }))
  }
} else {
  console.log('ready')
  for await (const _ of createInterface({ input: process.stdin })) {
    console.log('saving')
    for (let i = 1; ; i += 1) await save(i)
  }
}

// Prediction: a new process loads the model that `npm start` has saved. The file says what its layers are, so there is
// no code of a network here.
import { datasets, nn } from 'neuroxide'
import { existsSync } from 'node:fs'

const path = 'out/digits.safetensors'
if (!existsSync(path)) {
  console.error(`There is no ${path} yet: \`npm start\` trains a network and saves it there.`)
  process.exit(1)
}
const model = await nn.Sequential.load(path)

const { test } = datasets.mnist()
const images = test.x.narrow(0, 0, 10)
const labels = test.y.narrow(0, 0, 10).toArray() as number[]
// The network answers with a number for each digit; softmax makes probabilities of them.
const probabilities = (await model.predict(images)).softmax(1)
const digits = probabilities.argmax(1).toArray() as number[]

/** An image as text: two rows of pixels become one, since letters are about twice as high as wide. */
function drawn(pixels: readonly (readonly number[])[]): string {
  const shades = ' .:-=+*#%@'
  return pixels
    .filter((_, row) => row % 2 === 0)
    .map((row, i) => {
      const below = pixels[2 * i + 1] ?? row
      const letters = row.map(
        (value, x) => shades[Math.floor(((value + (below[x] ?? 0)) / 512) * shades.length)],
      )
      return `  ${letters.join('')}`.trimEnd()
    })
    .filter((line) => line !== '')
    .join('\n')
}

let right = 0
for (const [i, digit] of digits.entries()) {
  const confidence = probabilities.at(i, digit).item()
  console.log(drawn(images.at(i).toArray() as number[][]))
  console.log(`label ${labels[i]}, predicted ${digit} with confidence ${(100 * confidence).toFixed(1)} %\n`)
  if (digit === labels[i]) right += 1
}
console.log(`right ${right} of ${digits.length}`)

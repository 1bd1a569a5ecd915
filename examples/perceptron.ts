// Rosenblatt's perceptron (1958): one neuron that says yes or no, and learns from its mistakes alone.
import { type FloatTensor, manualSeed, rand, tensor, zeros } from 'neuroxide'

/** The step: 1 where the weighted sum is not negative. It has no slope, so there is no gradient to go down. */
function step(sum: FloatTensor): FloatTensor {
  return sum.ge(0).to('f32')
}

/**
 * Goes over the samples until one round is without a mistake. Each mistake turns the weights towards the sample that was
 * missed, or away from the one that was taken: w ← w + (target − answer) · x. Where a line separates the classes, this
 * ends, whatever the order; where none does, it never would.
 */
export function train(x: FloatTensor, targets: readonly number[], rounds: number) {
  // The bias is the weight of an input that is always 1.
  const samples = [...withOne(x).unbind(0)]
  let w: FloatTensor = zeros([samples[0]?.numel ?? 0])
  let mistakes = 0
  for (let round = 1; round <= rounds; round++) {
    mistakes = 0
    for (const [i, sample] of samples.entries()) {
      const error = (targets[i] ?? 0) - step(w.dot(sample)).item()
      if (error === 0) continue
      w = w.add(sample.mul(error))
      mistakes += 1
    }
    if (mistakes === 0) return { w, mistakes, rounds: round }
  }
  return { w, mistakes, rounds }
}

function withOne(x: FloatTensor): FloatTensor {
  return x.pad([0, 1], 1)
}

export function answers(w: FloatTensor, x: FloatTensor): number[] {
  return step(withOne(x).matmul(w)).toArray() as number[]
}

const inputs = tensor([
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
])
const gates = { AND: [0, 0, 0, 1], OR: [0, 1, 1, 1], XOR: [0, 1, 1, 0] }
for (const [name, targets] of Object.entries(gates)) {
  const { w, mistakes, rounds } = train(inputs, targets, 100)
  const answer = answers(w, inputs).join(' ')
  const end =
    mistakes === 0 ? `learnt in ${rounds} rounds` : `still ${mistakes} mistakes after ${rounds} rounds`
  console.log(`${name.padEnd(3)} should be ${targets.join(' ')}, is ${answer}: ${end}`)
}
console.log(
  'No line has the two ones of XOR on one side: network-by-hand.ts has the hidden layer that it takes.',
)

// Points on both sides of the line y = x, with a little room between.
manualSeed(1)
const points = rand([200, 2])
const distance = points.select(1, 1).sub(points.select(1, 0))
const clear = points.add(
  distance
    .sign()
    .mul(0.05)
    .unsqueeze(1)
    .mul(tensor([-1, 1])),
)
const sides = distance.gt(0).to('f32').toArray() as number[]
const { w, mistakes, rounds } = train(clear, sides, 1000)
console.log(
  `A line between 200 points: ${rounds} rounds, weights ${(w.toArray() as number[]).map((value) => value.toFixed(2)).join(', ')}`,
)
console.log(`mistakes ${mistakes}`)

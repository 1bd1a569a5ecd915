// A network of one hidden layer, written out as in a textbook: nothing but tensors, products and the chain rule.
//
//   hidden = σ(x · W1 + b1)        prediction = σ(hidden · W2 + b2)        loss = mean of (prediction − target)²
import { type FloatTensor, manualSeed, ones, randn, tensor, zeros } from 'neuroxide'

/** Squashes any number to between 0 and 1; its slope at σ is σ · (1 − σ). */
function sigmoid(z: FloatTensor): FloatTensor {
  return ones(z.shape).div(z.neg().exp().add(1))
}

export interface Weights {
  readonly W1: FloatTensor
  readonly b1: FloatTensor
  readonly W2: FloatTensor
  readonly b2: FloatTensor
}

/** Keeps what the way back will need. */
export function forward({ W1, b1, W2, b2 }: Weights, x: FloatTensor) {
  const hidden = sigmoid(x.matmul(W1).add(b1))
  const prediction = sigmoid(hidden.matmul(W2).add(b2))
  return { hidden, prediction }
}

export function lossOf(prediction: FloatTensor, target: FloatTensor): FloatTensor {
  return prediction.sub(target).square().mean()
}

/** How the loss changes with each weight: from the loss back to the input, one factor of the chain rule per line. */
export function backward(
  { W2 }: Weights,
  x: FloatTensor,
  target: FloatTensor,
  { hidden, prediction }: ReturnType<typeof forward>,
): Weights {
  // d loss / d prediction
  const slope = prediction.sub(target).mul(2 / prediction.numel)
  // through the sigmoid of the output
  const delta2 = slope.mul(prediction).mul(ones(prediction.shape).sub(prediction))
  // to the hidden layer: each hidden neuron gets its share by the weight that it was heard with
  const delta1 = delta2.matmul(W2.transpose()).mul(hidden).mul(ones(hidden.shape).sub(hidden))
  return {
    // A weight joins an input with a delta: the products of both, summed over the samples.
    W1: x.transpose().matmul(delta1),
    b1: delta1.sum(0),
    W2: hidden.transpose().matmul(delta2),
    b2: delta2.sum(0),
  }
}

/** Gradient descent: a step against the slope. */
function descended(weights: Weights, slopes: Weights, rate: number): Weights {
  const step = (name: keyof Weights): FloatTensor => weights[name].sub(slopes[name].mul(rate))
  return { W1: step('W1'), b1: step('b1'), W2: step('W2'), b2: step('b2') }
}

// XOR, which no single neuron can do: true when exactly one input is.
const x = tensor([
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
])
const target = tensor([[0], [1], [1], [0]])

manualSeed(2)
let weights: Weights = { W1: randn([2, 4]), b1: zeros([4]), W2: randn([4, 1]), b2: zeros([1]) }
for (let epoch = 0; epoch <= 4000; epoch++) {
  const pass = forward(weights, x)
  if (epoch % 1000 === 0)
    console.log(
      `epoch ${String(epoch).padStart(4)}  loss ${lossOf(pass.prediction, target).item().toFixed(5)}`,
    )
  weights = descended(weights, backward(weights, x, target, pass), 2)
}

const { prediction } = forward(weights, x)
for (const [i, [a, b]] of (x.toArray() as number[][]).entries())
  console.log(`${a} xor ${b} = ${prediction.at(i, 0).item().toFixed(3)}`)
console.log(`final loss ${lossOf(prediction, target).item().toFixed(5)}`)

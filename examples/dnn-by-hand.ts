// A deep network by hand: first a neuron, then layers of them, then any number of layers, forward and backward.
import { type FloatTensor, manualSeed, ones, rand, randn, tensor, zeros } from 'neuroxide'

function sigmoid(z: FloatTensor): FloatTensor {
  return ones(z.shape).div(z.neg().exp().add(1))
}

// 1. A neuron: a weighted sum of its inputs, a bias, and a function that bends.
const inputs = tensor([1, 2, 3])
const neuron = { w: tensor([0.2, 0.8, -0.5]), b: 2 }
console.log('one neuron says', inputs.dot(neuron.w).add(neuron.b).item().toFixed(3))

// 2. A layer: several neurons that see the same inputs. One product does what a loop over the neurons would.
export interface Layer {
  readonly W: FloatTensor // [inputs, neurons]
  readonly b: FloatTensor // [neurons]
}

export function layer(inputs: number, neurons: number): Layer {
  // Weights of variance 1 / inputs: sums then keep the size of what went in, however many are summed.
  return { W: randn([inputs, neurons]).div(Math.sqrt(inputs)), b: zeros([neurons]) }
}

/** The outputs of all layers, the input first: the way back goes over each of them. */
export function forward(layers: readonly Layer[], x: FloatTensor): FloatTensor[] {
  const outputs = [x]
  for (const { W, b } of layers) outputs.push(sigmoid((outputs.at(-1) ?? x).matmul(W).add(b)))
  return outputs
}

/** Binary cross-entropy: −log of the probability that the network gave to what is true. */
export function lossOf(prediction: FloatTensor, target: FloatTensor): FloatTensor {
  const [no, notTarget] = [ones(prediction.shape).sub(prediction), ones(target.shape).sub(target)]
  return target.mul(prediction.log()).add(notTarget.mul(no.log())).mean().neg()
}

/** 3. Backpropagation: the last layer's delta, then each earlier one's from the one behind it. */
export function backward(
  layers: readonly Layer[],
  outputs: readonly FloatTensor[],
  target: FloatTensor,
): Layer[] {
  const gradients: Layer[] = []
  const prediction = outputs.at(-1) ?? target
  // Cross-entropy after a sigmoid: the slopes of both cancel, and what is left is the error itself.
  let delta = prediction.sub(target).div(prediction.numel)
  for (let i = layers.length - 1; i >= 0; i--) {
    const [input, { W }] = [outputs[i] as FloatTensor, layers[i] as Layer]
    gradients.unshift({ W: input.transpose().matmul(delta), b: delta.sum(0) })
    // Through the weights to the layer before, and through its sigmoid, whose slope is y · (1 − y).
    delta = delta.matmul(W.transpose()).mul(input).mul(ones(input.shape).sub(input))
  }
  return gradients
}

// 4. Training: is a point inside of a ring?
manualSeed(4)
const x = rand([400, 2]).mul(2).sub(1)
const radius = x.square().sum(1, { keepDim: true }).sqrt()
const target = radius.gt(0.4).and(radius.lt(0.85)).to('f32')

let layers = [layer(2, 16), layer(16, 16), layer(16, 1)]
for (let epoch = 0; epoch <= 3000; epoch++) {
  const outputs = forward(layers, x)
  if (epoch % 500 === 0)
    console.log(
      `epoch ${String(epoch).padStart(4)}  loss ${lossOf(outputs.at(-1) ?? x, target)
        .item()
        .toFixed(4)}`,
    )
  const gradients = backward(layers, outputs, target)
  layers = layers.map(({ W, b }, i) => {
    const { W: dW, b: db } = gradients[i] as Layer
    return { W: W.sub(dW.mul(4)), b: b.sub(db.mul(4)) }
  })
}

const prediction = forward(layers, x).at(-1) ?? x
const right = prediction.gt(0.5).eq(target.gt(0.5)).to('f32').mean().item()
console.log(`final loss ${lossOf(prediction, target).item().toFixed(4)}`)
console.log(`accuracy ${right.toFixed(3)}`)

// The network of network-by-hand.ts, with gradients that are found for us: `backward()` walks back over what was
// computed and applies the chain rule to each step, so only the way forward is written.
import { type FloatTensor, manualSeed, noGrad, randn, tensor, zeros } from 'neuroxide'

const x = tensor([
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
])
const target = tensor([[0], [1], [1], [0]])

// `requiresGrad` marks the tensors whose slopes are wanted.
manualSeed(2)
const W1 = randn([2, 4], { requiresGrad: true })
const b1 = zeros([4], { requiresGrad: true })
const W2 = randn([4, 1], { requiresGrad: true })
const b2 = zeros([1], { requiresGrad: true })
const parameters = [W1, b1, W2, b2]

function network(x: FloatTensor): FloatTensor {
  const hidden = x.matmul(W1).add(b1).sigmoid()
  return hidden.matmul(W2).add(b2).sigmoid()
}

for (let epoch = 0; epoch <= 4000; epoch++) {
  const loss = network(x).sub(target).square().mean()
  if (epoch % 1000 === 0) console.log(`epoch ${String(epoch).padStart(4)}  loss ${loss.item().toFixed(5)}`)
  loss.backward()
  // The step itself is no part of what is differentiated.
  noGrad(() => {
    for (const parameter of parameters) {
      if (parameter.grad !== null) parameter.copyFrom(parameter.sub(parameter.grad.mul(2)))
      // Gradients add up until they are taken away.
      parameter.grad = null
    }
  })
}

const prediction = network(x)
for (const [i, [a, b]] of (x.toArray() as number[][]).entries())
  console.log(`${a} xor ${b} = ${prediction.at(i, 0).item().toFixed(3)}`)
console.log(`final loss ${prediction.sub(target).square().mean().item().toFixed(5)}`)

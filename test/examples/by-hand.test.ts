import { type FloatTensor, manualSeed, rand, randn } from 'neuroxide'
import { describe, expect, test } from 'vitest'
import * as deep from '../../examples/dnn-by-hand.js'
import * as shallow from '../../examples/network-by-hand.js'

/** The largest difference between two tensors, over the largest number of the second. */
function drift(a: FloatTensor, b: FloatTensor): number {
  return a.sub(b).abs().max().item() / b.abs().max().item()
}

const traced = (shape: readonly number[]): FloatTensor => randn(shape, { dtype: 'f64', requiresGrad: true })

describe('gradients that are written out are those of backward()', () => {
  test('for one hidden layer', () => {
    manualSeed(5)
    const [x, target] = [randn([7, 3], { dtype: 'f64' }), rand([7, 2], { dtype: 'f64' })]
    const weights = { W1: traced([3, 4]), b1: traced([4]), W2: traced([4, 2]), b2: traced([2]) }
    const pass = shallow.forward(weights, x)
    shallow.lossOf(pass.prediction, target).backward()
    const byHand = shallow.backward(weights, x, target, pass)
    for (const name of ['W1', 'b1', 'W2', 'b2'] as const) {
      expect(byHand[name].shape).toEqual(weights[name].shape)
      expect(drift(byHand[name], weights[name].grad as FloatTensor)).toBeLessThan(1e-12)
    }
  })

  test('for any number of layers', () => {
    manualSeed(6)
    const sizes = [3, 5, 4, 6, 1]
    const layers = sizes.slice(1).map((size, i) => ({ W: traced([sizes[i] ?? 0, size]), b: traced([size]) }))
    const [x, target] = [randn([9, 3], { dtype: 'f64' }), rand([9, 1], { dtype: 'f64' }).round()]
    const outputs = deep.forward(layers, x)
    deep.lossOf(outputs.at(-1) as FloatTensor, target).backward()
    const byHand = deep.backward(layers, outputs, target)
    expect(byHand).toHaveLength(layers.length)
    for (const [i, { W, b }] of layers.entries()) {
      expect(drift(byHand[i]?.W as FloatTensor, W.grad as FloatTensor)).toBeLessThan(1e-10)
      expect(drift(byHand[i]?.b as FloatTensor, b.grad as FloatTensor)).toBeLessThan(1e-10)
    }
  })
})

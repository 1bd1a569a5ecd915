import { describe, expect, test } from 'vitest'
import { F, jit, manualSeed, nn, ones, randn, tensor, zeros, type Tensor } from 'neuroxide'

function moments(x: Tensor): { readonly mean: number; readonly std: number } {
  const [mean, std] = [x.mean().item(), x.std().item()]
  return { mean: Number(mean), std: Number(std) }
}

/** SELU of numbers of a normal distribution: mean 0 and standard deviation 1. */
function selu(count: number): Tensor {
  const x = randn([count])
  return F.elu(x, 1.6732632423543772).mul(1.0507009873554805)
}

/** Ways to run a forward: op by op, and as a traced program. */
function both(layer: nn.TensorModule, x: Tensor): [eager: unknown, traced: unknown] {
  const traced = jit((given: Tensor) => layer.forward(given))
  traced(x)
  manualSeed(3)
  const eager = [layer.forward(x).toArray(), layer.forward(x).toArray()]
  manualSeed(3)
  return [eager, [traced(x).toArray(), traced(x).toArray()]]
}

describe('GaussianNoise', () => {
  test('adds noise of its standard deviation while training, and nothing otherwise', () => {
    manualSeed(1)
    const layer = new nn.GaussianNoise(0.25)
    const { mean, std } = moments(layer.forward(zeros([40_000])))
    expect(Math.abs(mean)).toBeLessThan(0.005)
    expect(std).toBeCloseTo(0.25, 2)
    const x = ones([3])
    expect(layer.eval().forward(x)).toBe(x)
    expect(new nn.GaussianNoise(0).forward(x)).toBe(x)
  })

  test('draws the same in a program, something else in each call, and lets gradients through', () => {
    const layer = new nn.GaussianNoise(1)
    const [eager, traced] = both(layer, ones([5]))
    expect(traced).toEqual(eager)
    expect((eager as unknown[])[0]).not.toEqual((eager as unknown[])[1])
    const x = tensor([1, 2], { requiresGrad: true })
    layer.forward(x).sum().backward()
    expect(x.grad?.toArray()).toEqual([1, 1])
  })

  test('keeps element types, prints itself and its settings', () => {
    const layer = new nn.GaussianNoise(0.5)
    expect(layer.forward(zeros([2], { dtype: 'f64' })).dtype).toBe('f64')
    expect([String(layer), layer.config()]).toEqual(['GaussianNoise(0.5)', { stddev: 0.5 }])
  })
})

describe('AlphaDropout', () => {
  test.each([0.1, 0.5, 0.8])('keeps mean and standard deviation of SELU at p %s', (p) => {
    manualSeed(2)
    const x = selu(200_000)
    expect(moments(x).mean).toBeCloseTo(0, 1)
    const { mean, std } = moments(new nn.AlphaDropout(p).forward(x))
    expect(Math.abs(mean)).toBeLessThan(0.02)
    expect(Math.abs(std - 1)).toBeLessThan(0.02)
  })

  test('drops the share that it says, to the value of the formula', () => {
    manualSeed(4)
    const p = 0.3
    const limit = 1.0507009873554805 * 1.6732632423543772
    const scale = 1 / Math.sqrt((1 - p) * (1 + p * limit ** 2))
    const values = F.alphaDropout(ones([20_000]), p).toArray() as number[]
    const dropped = values.filter((value) => Math.abs(value - scale * (-limit + limit * p)) < 1e-5)
    const kept = values.filter((value) => Math.abs(value - scale * (1 + limit * p)) < 1e-5)
    expect(dropped.length + kept.length).toBe(values.length)
    expect(dropped.length / values.length).toBeCloseTo(p, 2)
  })

  test('gives its input back in eval and at p 0, and zeros at p 1', () => {
    const x = tensor([1, -2])
    expect(new nn.AlphaDropout(0.5).eval().forward(x)).toBe(x)
    expect(new nn.AlphaDropout(0).forward(x)).toBe(x)
    expect(new nn.AlphaDropout(1).forward(x).toArray()).toEqual([0, -0])
  })

  test('draws the same in a program, and has the gradient of what was kept', () => {
    const layer = new nn.AlphaDropout(0.5)
    const [eager, traced] = both(layer, ones([16]))
    expect(traced).toEqual(eager)
    const x = tensor([1, 2, 3, 4, 5, 6], { requiresGrad: true })
    const y = layer.forward(x)
    y.sum().backward()
    const limit = 1.7580993408473766
    const scale = 1 / Math.sqrt(0.5 * (1 + 0.5 * limit ** 2))
    const gone = scale * (-limit / 2)
    const gradient = x.grad?.toArray() as number[]
    for (const [i, value] of (y.toArray() as number[]).entries()) {
      const kept = Math.abs(value - gone) > 1e-5
      expect(gradient[i]).toBeCloseTo(kept ? scale : 0, 6)
    }
  })
})

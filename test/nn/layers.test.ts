import { describe, expect, test } from 'vitest'
import { type Tensor, manualSeed, nn, ones, randn, tensor, zeros } from 'neuroxide'

const close = (x: Tensor, wanted: number[]): void => {
  for (const [i, value] of x.toTypedArray().entries()) expect(value).toBeCloseTo(wanted[i] ?? Number.NaN, 5)
}

describe('Linear', () => {
  test('computes x · weightᵀ + bias on the last axis', () => {
    const layer = new nn.Linear(3, 2)
    layer.loadStateDict({
      weight: tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]),
      bias: tensor([10, 20]),
    })
    expect(layer.forward(tensor([[1, 0, 1]])).toArray()).toEqual([[14, 30]])
    expect(layer.forward(ones([2, 4, 3])).shape).toEqual([2, 4, 2])
    expect(layer.forward(ones([3])).toArray()).toEqual([16, 35])
    expect(new nn.Linear(3, 2, { bias: false }).bias).toBeNull()
  })

  test('begins as in PyTorch: uniform within 1 / √in', () => {
    manualSeed(3)
    const layer = new nn.Linear(100, 200)
    for (const parameter of layer.parameters()) {
      expect(parameter.abs().max().item()).toBeLessThanOrEqual(0.1)
      expect(parameter.abs().max().item()).toBeGreaterThan(0.09)
      expect(Math.abs(Number(parameter.mean().item()))).toBeLessThan(0.01)
    }
  })

  test('the same seed gives the same weights', () => {
    manualSeed(5)
    const first = new nn.Linear(4, 4).weight.toArray()
    manualSeed(5)
    expect(new nn.Linear(4, 4).weight.toArray()).toEqual(first)
  })

  test('has gradients of the shape of its weight', () => {
    const layer = new nn.Linear(3, 2)
    layer
      .forward(tensor([[1, 2, 3]]))
      .sum()
      .backward()
    expect(layer.weight.grad?.toArray()).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ])
    expect(layer.bias?.grad?.toArray()).toEqual([1, 1])
  })

  test('refuses sizes that are none and inputs that are no floats', () => {
    expect(() => new nn.Linear(0, 2)).toThrow(expect.objectContaining({ code: 'ERR_VALUE' }))
    expect(() => new nn.Linear(2, 1.5)).toThrow(/outFeatures/)
    expect(() => new nn.Linear(2, 1).forward(zeros([1, 2], { dtype: 'u8' }))).toThrow(
      expect.objectContaining({ code: 'ERR_DTYPE', message: expect.stringContaining('nn.Rescale(1 / 255)') }),
    )
    expect(() => new nn.Linear(2, 1).forward(zeros([1, 2], { dtype: 'i32' }))).toThrow(/x\.to\('f32'\)/)
    expect(() => new nn.Linear(2, 1).forward(zeros([1, 3]) as Tensor)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    )
  })

  test('f64 stays f64', () => {
    const layer = new nn.Linear(2, 1, { dtype: 'f64' })
    expect(layer.forward(ones([1, 2], { dtype: 'f64' })).dtype).toBe('f64')
  })
})

describe('shaping', () => {
  test('Flatten joins all but the first axis', () => {
    expect(new nn.Flatten().forward(zeros([2, 3, 4])).shape).toEqual([2, 12])
    expect(new nn.Flatten(0, 1).forward(zeros([2, 3, 4])).shape).toEqual([6, 4])
  })

  test('Rescale makes f32 of bytes', () => {
    const scaled = new nn.Rescale(2, 1).forward(tensor([0, 255], { dtype: 'u8' }))
    expect([scaled.dtype, scaled.toArray()]).toEqual(['f32', [1, 511]])
    expect(new nn.Rescale(1 / 255).forward(ones([1], { dtype: 'f64' })).dtype).toBe('f64')
  })

  test('Identity gives back what it is given', () => {
    const x = ones([2])
    expect(new nn.Identity().forward(x)).toBe(x)
  })
})

describe('Dropout', () => {
  test('drops about p while training and keeps the mean', () => {
    manualSeed(1)
    const y = new nn.Dropout(0.25).forward(ones([40_000]))
    const zero = Number(y.eq(0).to('f32').mean().item())
    expect(Math.abs(zero - 0.25)).toBeLessThan(0.01)
    expect(Math.abs(Number(y.mean().item()) - 1)).toBeLessThan(0.02)
    expect(Number(y.max().item())).toBeCloseTo(4 / 3, 5)
  })

  test('does nothing in evaluation mode and at p = 0', () => {
    const x = randn([8])
    expect(new nn.Dropout(0.5).eval().forward(x).toArray()).toEqual(x.toArray())
    expect(new nn.Dropout(0).forward(x).toArray()).toEqual(x.toArray())
  })

  test('refuses what is no probability', () => {
    expect(() => new nn.Dropout(1.5)).toThrow(expect.objectContaining({ code: 'ERR_VALUE' }))
    expect(() => new nn.Dropout(Number.NaN)).toThrow()
  })
})

test('activations have PyTorch’s values', () => {
  const x = tensor([-2, -0.5, 0, 1, 3])
  close(new nn.ReLU().forward(x), [0, 0, 0, 1, 3])
  close(new nn.LeakyReLU().forward(x), [-0.02, -0.005, 0, 1, 3])
  close(new nn.ELU().forward(x), [-0.864665, -0.393469, 0, 1, 3])
  close(new nn.GELU().forward(x), [-0.0455003, -0.154269, 0, 0.841345, 2.99595])
  close(new nn.GELU('tanh').forward(x), [-0.0454023, -0.1542859, 0, 0.841192, 2.9963627])
  close(new nn.SiLU().forward(x), [-0.2384058, -0.1887703, 0, 0.7310586, 2.8577223])
  close(new nn.Sigmoid().forward(x), [0.1192029, 0.3775407, 0.5, 0.7310586, 0.9525741])
  close(new nn.Tanh().forward(x), [-0.9640276, -0.4621172, 0, 0.7615942, 0.9950548])
  close(
    new nn.Softmax().forward(x),
    [0.0056767, 0.0254416, 0.0419461, 0.1140214, 0.8425118].map((v) => v * (1 / 1.0295976)),
  )
  close(new nn.LogSoftmax().forward(tensor([0, Math.log(3)])), [Math.log(0.25), Math.log(0.75)])
  close(new nn.Softplus().forward(x), [0.126928, 0.474077, Math.LN2, 1.3132617, 3.0485874])
})

describe('init', () => {
  const moments = (x: Tensor): [mean: number, std: number, largest: number] => [
    Number(x.mean().item()),
    Number(x.std().item()),
    Number(x.abs().max().item()),
  ]
  const { init } = nn

  test.each<[string, (w: Tensor) => Tensor, number, number]>([
    ['uniform', (w) => init.uniform(w, -1, 1), 1 / Math.sqrt(3), 1],
    ['normal', (w) => init.normal(w, { std: 2 }), 2, Infinity],
    ['truncNormal', (w) => init.truncNormal(w), 0.8796256, 2],
    ['xavierUniform', (w) => init.xavierUniform(w), Math.sqrt(2 / 300), Math.sqrt(6 / 300)],
    ['xavierNormal', (w) => init.xavierNormal(w, { gain: 2 }), 2 * Math.sqrt(2 / 300), Infinity],
    ['kaimingUniform', (w) => init.kaimingUniform(w), Math.sqrt(2 / 100), Math.sqrt(6 / 100)],
    [
      'kaimingNormal',
      (w) => init.kaimingNormal(w, { mode: 'fanOut', nonlinearity: 'linear' }),
      Math.sqrt(1 / 200),
      Infinity,
    ],
    ['lecunUniform', (w) => init.lecunUniform(w), 0.1, Math.sqrt(3 / 100)],
    ['lecunNormal', (w) => init.lecunNormal(w), 0.1, 0.2 / 0.87962566],
  ])('%s has the right spread', (_name, fill, std, limit) => {
    manualSeed(11)
    const [mean, spread, largest] = moments(fill(zeros([200, 100])))
    expect(Math.abs(mean)).toBeLessThan(0.03 * std)
    expect(Math.abs(spread / std - 1)).toBeLessThan(0.03)
    expect(largest).toBeLessThanOrEqual(limit * (1 + 1e-6))
  })

  test('truncNormal has the quantiles of a cut normal distribution', () => {
    manualSeed(2)
    const x = init.truncNormal(zeros([100_000]), { low: -1, high: 3 })
    // P(x < 0) = (Φ(0) − Φ(−1)) / (Φ(3) − Φ(−1))
    expect(Number(x.lt(0).to('f32').mean().item())).toBeCloseTo(0.3413447 / 0.8399949, 2)
    expect(Number(x.min().item())).toBeGreaterThanOrEqual(-1)
  })

  test('zeros, ones and constant', () => {
    expect(init.zeros(ones([2])).toArray()).toEqual([0, 0])
    expect(init.ones(zeros([2])).toArray()).toEqual([1, 1])
    expect(init.constant(zeros([2]), 0.5).toArray()).toEqual([0.5, 0.5])
  })

  test.each([
    [5, 3],
    [3, 5],
    [4, 4],
  ])('orthogonal %i × %i', (rows, columns) => {
    const w = init.orthogonal(zeros([rows, columns]), { gain: 2 })
    const product = rows < columns ? w.matmul(w.transpose(0, 1)) : w.transpose(0, 1).matmul(w)
    const size = Math.min(rows, columns)
    const flat = product.toTypedArray()
    for (let i = 0; i < size * size; i++) expect(flat[i]).toBeCloseTo(i % (size + 1) === 0 ? 4 : 0, 4)
  })

  test('fills parameters in logical order, whatever their memory order', () => {
    manualSeed(9)
    const plain = init.normal(new nn.Parameter(zeros([3, 2]))).toArray()
    manualSeed(9)
    expect(init.normal(new nn.Parameter(zeros([3, 2]), { memoryOrder: [1, 0] })).toArray()).toEqual(plain)
  })

  test('fans, gains and their errors', () => {
    expect(init.fans(zeros([8, 4, 3, 3]))).toEqual({ fanIn: 36, fanOut: 72 })
    expect(() => init.fans(zeros([3]))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }))
    expect(init.calculateGain('tanh')).toBeCloseTo(5 / 3)
    expect(init.calculateGain('leakyRelu', Math.sqrt(5))).toBeCloseTo(Math.sqrt(1 / 3))
    expect(() => init.calculateGain('x' as 'relu')).toThrow()
    expect(() => init.truncNormal(zeros([2]), { low: 1, high: 0 })).toThrow()
    expect(init.heNormal).toBe(init.kaimingNormal)
    expect(init.glorotUniform).toBe(init.xavierUniform)
  })
})

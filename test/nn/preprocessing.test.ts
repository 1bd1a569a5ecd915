import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Tensor, data, jit, nn, randn, tensor, zeros } from 'neuroxide'

interface Golden {
  readonly x: number[][][]
  readonly cases: readonly {
    readonly axis: number | number[] | null
    readonly invert: boolean
    readonly mean: number | number[]
    readonly variance: number | number[]
    readonly y: number[][][]
  }[]
  readonly encodings: readonly {
    readonly mode: string
    readonly input: number[]
    readonly output: number[]
  }[]
}

const golden = JSON.parse(readFileSync('test/golden/data/keras-preprocessing.json', 'utf8')) as Golden

/** Numbers that differ by no more than single precision does. */
function close(found: Tensor, expected: unknown): void {
  const list = [expected].flat(9 as 0) as number[]
  const values = Array.from(found.toTypedArray())
  expect(values).toHaveLength(list.length)
  for (const [i, value] of values.entries())
    expect(Math.abs(value - (list[i] as number))).toBeLessThanOrEqual(
      2e-5 * Math.max(1, Math.abs(list[i] as number)),
    )
}

describe('Normalization', () => {
  test.each(golden.cases)(
    'is Keras’s with axis $axis, invert $invert',
    ({ axis, invert, mean, variance, y }) => {
      const x = tensor(golden.x)
      const layer = new nn.Normalization({ axis, invert }).adapt(x)
      close(layer.mean as Tensor, mean)
      // Keras takes the variance in single precision, of numbers around −1000.
      for (const [i, value] of Array.from((layer.variance as Tensor).toTypedArray()).entries()) {
        const wanted = [variance].flat(3)[i] as number
        expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-4 * Math.max(1, wanted))
      }
      close(layer.forward(x.narrow(0, 0, 2)), y)
    },
  )

  test('adapts to batches as to all samples at once', async () => {
    const x = randn([100, 3])
      .mul(tensor([1, 10, 100]))
      .add(tensor([0, 50, -500]))
    const set = new data.TensorDataset(x, zeros([100]))
    const whole = new nn.Normalization().adapt(x)
    const others = [
      new nn.Normalization().adapt(set),
      await new nn.Normalization().adapt(new data.DataLoader(set, { batchSize: 7 })),
      await new nn.Normalization().adapt(new data.Pipeline(x.toArray() as number[][]).batch(9)),
      await new nn.Normalization().adapt(
        new data.Pipeline([0, 40, 90]).map(
          (at, i) => [x.narrow(0, at, [40, 50, 10][i] as number), at] as const,
        ),
      ),
      new nn.Normalization().adapt(x.toArray() as number[][]),
    ]
    for (const other of others) {
      close(other.mean as Tensor, Array.from((whole.mean as Tensor).toTypedArray()))
      close(other.variance as Tensor, Array.from((whole.variance as Tensor).toTypedArray()))
    }
    const y = whole.forward(x)
    close(y.mean(0), [0, 0, 0])
    close(y.square().mean(0), [1, 1, 1])
  })

  test('keeps f64, makes floats of bytes, and is not hurt by a feature that is the same everywhere', () => {
    const layer = new nn.Normalization().adapt(
      tensor([
        [1, 5],
        [3, 5],
      ]),
    )
    expect(layer.forward(tensor([[1, 5]], { dtype: 'u8' })).toArray()).toEqual([[-1, 0]])
    expect(layer.forward(tensor([[1, 5]], { dtype: 'f64' })).dtype).toBe('f64')
    expect(layer.forward(tensor([[2, 6]])).toArray()[0]?.[1]).toBeCloseTo(1e7, -1)
  })

  test('takes a mean and a variance, which broadcast', () => {
    const layer = new nn.Normalization({ mean: 3, variance: 2 })
    close(layer.forward(tensor([[1], [2], [3]])), [-Math.SQRT2, -Math.SQRT1_2, 0])
    const features = new nn.Normalization({ axis: 1, mean: [1, 2], variance: [1, 4] })
    close(
      features.forward(
        tensor([
          [
            [1, 2],
            [4, 6],
          ],
        ]),
      ),
      [0, 1, 1, 2],
    )
  })

  test('is state that is saved and not trained, and works in a jitted function', () => {
    const model = new nn.Sequential(
      new nn.Normalization().adapt(
        tensor([
          [1, 10],
          [3, 30],
        ]),
      ),
      new nn.Linear(2, 1),
    )
    expect(Object.keys(model.stateDict())).toEqual(['0.mean', '0.variance', '1.weight', '1.bias'])
    expect(model.namedParameters().map(([name]) => name)).toEqual(['1.weight', '1.bias'])
    const other = new nn.Sequential(new nn.Normalization({ shape: [2] }), new nn.Linear(2, 1))
    other.loadStateDict(model.stateDict())
    const x = tensor([[2, 15]])
    close(other.forward(x), Array.from(model.forward(x).toTypedArray()))
    const layer = model.at(0) as nn.Normalization
    const step = jit((input: Tensor) => layer.forward(input))
    expect(step(x).toArray()).toEqual([[0, -0.5]])
    layer.adapt(
      tensor([
        [0, 0],
        [4, 30],
      ]),
    )
    expect(step(x).toArray()).toEqual([[0, 0]])
  })

  test.each<[string, () => unknown, string, RegExp]>([
    [
      'forward before adapt',
      () => new nn.Normalization().forward(zeros([2, 2])),
      'ERR_VALUE',
      /no mean yet; expected adapt/,
    ],
    [
      'another number of features',
      () => new nn.Normalization().adapt(zeros([2, 3])).forward(zeros([2, 1])),
      'ERR_SHAPE',
      /\[2, 1\] for a mean \[3\]; expected/,
    ],
    ['no samples', () => new nn.Normalization().adapt(zeros([0, 3])), 'ERR_VALUE', /no samples; expected/],
    [
      'NaN',
      () => new nn.Normalization().adapt(tensor([[1, Number.NaN]])),
      'ERR_VALUE',
      /mean of feature 1 is not finite; expected/,
    ],
    [
      'no such axis',
      () => new nn.Normalization({ axis: 2 }).adapt(zeros([2, 3])),
      'ERR_SHAPE',
      /axis 2 of 2 axes; expected/,
    ],
    [
      'what is no tensor',
      () => new nn.Normalization().adapt('x' as never),
      'ERR_VALUE',
      /"x"; expected a tensor/,
    ],
    [
      'a mean alone',
      () => new nn.Normalization({ mean: 1 }),
      'ERR_VALUE',
      /one of mean and variance; expected both/,
    ],
    [
      'two shapes',
      () => new nn.Normalization({ mean: [1, 2], variance: [1] }),
      'ERR_SHAPE',
      /expected both of one shape/,
    ],
  ])('refuses %s', (_, call, code, message) => {
    expect(call).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
  })

  test('refuses batches of other sizes', async () => {
    const batches = new data.Pipeline([zeros([2, 3]), zeros([2, 4])])
    await expect(new nn.Normalization().adapt(batches)).rejects.toMatchObject({ code: 'ERR_SHAPE' })
  })
})

describe('CategoryEncoding', () => {
  const modes = { one_hot: 'oneHot', multi_hot: 'multiHot', count: 'count' } as const
  test.each(golden.encodings)('is Keras’s: $mode of $input', ({ mode, input, output }) => {
    const layer = new nn.CategoryEncoding({ numTokens: 4, outputMode: modes[mode as keyof typeof modes] })
    const encoded = layer.forward(tensor(input, { dtype: 'i32' }))
    expect([encoded.dtype, encoded.toArray()]).toEqual(['f32', output])
  })

  test('refuses indices that are none', () => {
    const layer = new nn.CategoryEncoding({ numTokens: 3 })
    expect(() => layer.forward(tensor([[3]], { dtype: 'i32' }))).toThrow(
      expect.objectContaining({ code: 'ERR_INDEX' }),
    )
    expect(() => layer.forward(tensor([[1]]))).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }))
  })
})

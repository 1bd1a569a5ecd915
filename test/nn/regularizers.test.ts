import { describe, expect, test } from 'vitest'
import {
  ValueError,
  constraints,
  jit,
  losses,
  nn,
  ones,
  regularizers,
  tensor,
  zeros,
  type Tensor,
} from 'neuroxide'

// Numbers of Keras 3.15: keras.regularizers and keras.constraints of the transposed kernel.
const kernel = [
  [0.5, -1, 2],
  [3, 0.25, -0.75],
]

const values = (x: Tensor): number[] => (x.flatten().toArray() as number[]).map((value) => Number(value))

function close(x: Tensor, expected: number[][]): void {
  values(x).forEach((value, i) => expect(value).toBeCloseTo(expected.flat()[i] ?? NaN, 5))
}

describe('regularizers', () => {
  test('are Keras’s sums', () => {
    const w = tensor(kernel)
    expect(regularizers.l1(0.1).penalty(w).item()).toBeCloseTo(0.75, 6)
    expect(regularizers.l2(0.1).penalty(w).item()).toBeCloseTo(1.4875, 6)
    expect(regularizers.l1l2({ l1: 0.1, l2: 0.1 }).penalty(w).item()).toBeCloseTo(2.2375, 6)
    expect(regularizers.l1l2().penalty(w).item()).toBe(0)
    expect(regularizers.l1().config()).toEqual({ name: 'l1', l1: 0.01 })
    expect(regularizers.l2().config()).toEqual({ name: 'l2', l2: 0.01 })
  })

  test('come back from their settings', () => {
    for (const made of [regularizers.l1(0.2), regularizers.l2(0.3), regularizers.l1l2({ l1: 1, l2: 2 })])
      expect(regularizers.fromConfig(made.config()).config()).toEqual(made.config())
  })

  test('of a model are added to a loss by losses.total, with their gradients', () => {
    const model = new nn.Linear(3, 2, {
      regularizer: regularizers.l2(0.5),
      biasRegularizer: regularizers.l1(2),
    })
    model.loadStateDict({ weight: tensor(kernel), bias: tensor([0.5, -3]) })
    const loss = losses.mse(model.forward(zeros([1, 3])), zeros([1, 2]))
    const total = losses.total(model, loss)
    expect(total.item()).toBeCloseTo(Number(loss.item()) + 0.5 * 14.875 + 2 * 3.5, 5)
    total.backward()
    close(model.weight.grad as Tensor, kernel)
    // Of the mean of squares, and ±2 of the penalty.
    close(model.bias?.grad as Tensor, [[0.5 + 2, -3 - 2]])
  })

  test('of what is frozen cost nothing, and a model without any leaves a loss as it is', () => {
    const model = new nn.Linear(3, 2, { regularizer: regularizers.l2(1) })
    const loss = tensor(1)
    expect(losses.total(new nn.Linear(3, 2), loss)).toBe(loss)
    model.freeze()
    expect(losses.total(model, loss)).toBe(loss)
    model.unfreeze()
    expect(Number(losses.total(model, loss).item())).toBeGreaterThan(1)
  })

  test('select a program when they are changed between two calls', () => {
    const model = new nn.Linear(1, 1, { bias: false, regularizer: regularizers.l1(1) })
    nn.init.ones(model.weight)
    const total = jit((loss: Tensor) => losses.total(model, loss.mul(1)))
    expect(total(tensor(1)).item()).toBe(2)
    model.weight.regularizer = regularizers.l1(5)
    expect(total(tensor(1)).item()).toBe(6)
    model.weight.regularizer = null
    expect(total(tensor(1)).item()).toBe(1)
  })

  test('may be one’s own, and have to give one number', () => {
    const model = new nn.Linear(1, 1, { bias: false })
    nn.init.ones(model.weight)
    const own = (penalty: (w: Tensor) => unknown): regularizers.Regularizer =>
      ({ penalty, config: () => ({ name: 'own' }) }) as regularizers.Regularizer
    model.weight.regularizer = own((w) => w.exp().sum())
    expect(losses.total(model, tensor(0)).item()).toBeCloseTo(Math.E, 5)
    model.weight.regularizer = own(() => 3)
    expect(() => losses.total(model, tensor(0))).toThrow(/the penalty of weight is 3; expected a tensor/)
    model.weight.regularizer = own(() => ones([2]))
    expect(() => losses.total(model, tensor(0))).toThrow(ValueError)
  })

  test('stay with a layer through its settings', () => {
    const layer = new nn.Linear(2, 3, {
      regularizer: regularizers.l1l2({ l1: 0.1, l2: 0.2 }),
      biasConstraint: constraints.nonNeg(),
    })
    expect(layer.config()).toEqual({
      inFeatures: 2,
      outFeatures: 3,
      bias: true,
      dtype: 'f32',
      regularizer: { name: 'l1l2', l1: 0.1, l2: 0.2 },
      biasConstraint: { name: 'nonNeg' },
    })
  })
})

describe('constraints', () => {
  test('are Keras’s, over the weights that lead into one unit', () => {
    const w = tensor(kernel)
    close(constraints.maxNorm(2).apply(w), [
      [0.4364358, -0.8728716, 1.7457431],
      [1.9339752, 0.1611646, -0.4834938],
    ])
    close(constraints.unitNorm().apply(w), [
      [0.2182179, -0.4364358, 0.8728716],
      [0.9669876, 0.0805823, -0.2417469],
    ])
    close(constraints.minMaxNorm({ minValue: 2.5, maxValue: 3, rate: 0.5 }).apply(w), [
      [0.5227723, -1.0455447, 2.0910893],
      [2.9504815, 0.2458734, -0.7376204],
    ])
    close(constraints.nonNeg().apply(w), [
      [0.5, 0, 2],
      [3, 0.25, 0],
    ])
  })

  test('take other axes, and a vector as a whole', () => {
    close(constraints.unitNorm({ dim: 0 }).apply(tensor([[3], [4]])), [[0.6, 0.8]])
    close(constraints.unitNorm().apply(tensor([3, 4])), [[0.6, 0.8]])
    close(constraints.unitNorm({ dim: [0, 1] }).apply(tensor([[3], [4]])), [[0.6, 0.8]])
    expect(
      constraints
        .maxNorm(1)
        .apply(zeros([2, 2]))
        .toArray(),
    ).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  test('come back from their settings', () => {
    const made = [
      constraints.maxNorm(3, { dim: [0, 1] }),
      constraints.nonNeg(),
      constraints.unitNorm({ dim: 0 }),
      constraints.minMaxNorm({ minValue: 0.5, maxValue: 2, rate: 0.25 }),
    ]
    for (const constraint of made)
      expect(constraints.fromConfig(constraint.config()).config()).toEqual(constraint.config())
  })
})

import { describe, expect, test } from 'vitest'
import { data, jit, nn, optim, randn, type Tensor, zeros } from 'neuroxide'

const rows = 24
const x = randn([rows, 3])
const y = zeros([rows, 1])
const layer = new nn.Linear(3, 1)
const optimizer = new optim.SGD(layer.parameters())

/** The first tensor of one, a list or a record. */
function firstOf(tensors: data.Tensors): Tensor {
  return 'shape' in tensors ? (tensors as Tensor) : (Object.values(tensors)[0] as Tensor)
}

interface Given {
  readonly x: data.Tensors
  readonly y: data.Tensors
  readonly sampleWeight?: data.Tensors | undefined
}

/** A step that is given a whole batch, as loaders make them. */
const training = () =>
  jit((batch: Given) => {
    const difference = layer.forward(firstOf(batch.x)).sub(firstOf(batch.y))
    const squares = difference.mul(difference).mean(1) as Tensor
    const weight = batch.sampleWeight === undefined ? 1 : firstOf(batch.sampleWeight)
    const loss = squares.mul(weight).mean()
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })

const single: data.Dataset = {
  length: rows,
  get: (index) => ({ x: x.select(0, index), y: y.select(0, index) }),
}

const cases: readonly (readonly [string, data.DataLoader<data.Tensors, data.Tensors>])[] = (
  [
    ['a TensorDataset', new data.TensorDataset(x, y)],
    ['a TensorDataset with weights', new data.TensorDataset(x, y, zeros([rows]))],
    ['{ x, y }', { x, y }],
    ['{ x, y, sampleWeight }', { x, y, sampleWeight: zeros([rows]) }],
    ['tuples', { x: [x, x], y: [y, y] }],
    ['records', { x: { wide: x, deep: x }, y: { sum: y } }],
    ['samples by index', single],
  ] as const
).flatMap(([name, set]) =>
  [false, true].map((shuffle) => {
    const given = set as data.Dataset
    const loader = new data.DataLoader(given, { batchSize: 8, shuffle, seed: 1 })
    return [`${name}${shuffle ? ', shuffled' : ''}`, loader] as const
  }),
)

describe.each(cases)('a jitted step that takes batches of %s', (_, loader) => {
  test('is traced once, by for … of and for await', async () => {
    const step = training()
    let calls = 0
    for (const batch of loader) {
      expect(Object.getPrototypeOf(batch)).toBe(Object.prototype)
      expect(step(batch).item()).toBeGreaterThanOrEqual(0)
      calls += 1
    }
    for await (const batch of loader) {
      step(batch)
      calls += 1
    }
    expect([calls, step.traces]).toEqual([6, 1])
  })
})

test('a step that takes the fields apart, as the guide writes it', () => {
  const loader = new data.DataLoader(new data.TensorDataset(x, y), { batchSize: 8 })
  const step = jit((batch: { x: Tensor; y: Tensor }) => layer.forward(batch.x).sub(batch.y).abs().mean())
  const losses = Array.from(loader, (batch) => step(batch).item())
  expect(losses).toHaveLength(3)
  expect(step.traces).toBe(1)
  expect(Object.keys(loader[Symbol.iterator]().next().value ?? {})).toEqual(['x', 'y'])
})

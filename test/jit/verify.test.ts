import { jit, rand, tensor, TraceError, zeros, type Tensor } from 'neuroxide'
import { expect, test } from 'vitest'

const verified = { verify: true }

test('an honest function passes at every call, and its state is written once', () => {
  const total = zeros([2])
  const f = jit((x: Tensor) => {
    total.copyFrom(total.add(x))
    return total.mul(2).add(rand([2]).mul(0))
  }, verified)
  for (let i = 1; i <= 3; i += 1) expect(f(tensor([1, 2])).toArray()).toEqual([2 * i, 4 * i])
  expect(total.toArray()).toEqual([3, 6])
})

test('a frozen number is found', () => {
  let factor = 2
  const f = jit((x: Tensor) => x.mul(factor), verified)
  expect(f(tensor([1])).toArray()).toEqual([2])
  factor = 3
  expect(() => f(tensor([1]))).toThrow(TraceError)
  expect(() => f(tensor([1]))).toThrow(/verify\.test\.ts/)
})

test('Math.random is found', () => {
  const f = jit((x: Tensor) => x.mul(Math.random()), verified)
  expect(() => f(tensor([1]))).toThrow(TraceError)
})

test('a branch on a variable is found', () => {
  let epoch = 0
  const f = jit((x: Tensor) => (epoch > 2 ? x.add(1) : x.mul(2)), verified)
  f(tensor([3]))
  epoch = 3
  expect(() => f(tensor([3]))).toThrow(TraceError)
})

test('a rebound tensor is found', () => {
  let table = tensor([1])
  const f = jit((x: Tensor) => x.add(table), verified)
  expect(f(tensor([1])).toArray()).toEqual([2])
  table = tensor([5])
  expect(() => f(tensor([1]))).toThrow(TraceError)
})

test('a function that throws the second time leaves the state of the run', () => {
  const total = zeros([1])
  let calls = 0
  const f = jit((x: Tensor) => {
    calls += 1
    total.copyFrom(total.add(x))
    if (calls === 2) throw new Error('stop')
    return total.add(0)
  }, verified)
  expect(() => f(tensor([1]))).toThrow('stop')
  expect(total.toArray()).toEqual([1])
})

test('numbers are weak tensors in both runs', () => {
  const f = jit((x: Tensor, k: Tensor) => x.mul(k).add(k), verified)
  expect(f(tensor([1, 2], { dtype: 'i32' }), 3)).toMatchObject({ dtype: 'i32' })
  expect(f(tensor([1, 2]), 0.5).toArray()).toEqual([1, 1.5])
})

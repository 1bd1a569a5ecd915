import { grad, losses, manualSeed, memory, randint, randn, tensor } from 'neuroxide'
import { expect, test } from 'vitest'
import { BATCH, counted, mnistLike } from '../../bench/model.js'

test('a step without jit is one run for each layer, the loss, backward and the optimizer', () => {
  const { x, y, eager } = mnistLike(BATCH)
  // Calls of many nodes run op by op the first time and are lowered the second.
  for (let i = 0; i < 3; i += 1) eager(x, y)
  const { calls, eagerRuns, prepared } = counted(() => void eager(x, y))
  expect(eagerRuns).toBe(6)
  expect(prepared).toBe(0)
  expect(calls).toBeLessThanOrEqual(9)
})

test('an op is one call and one run', () => {
  const [a, b] = [randn([32]), randn([32])]
  a.add(b)
  expect(counted(() => void a.add(b))).toEqual({ calls: 1, runs: 0, eagerRuns: 1, prepared: 0 })
  expect(counted(() => void a.add(1))).toMatchObject({ calls: 1, eagerRuns: 1 })
})

test('a loss of many ops has the same bits op by op and as one run', () => {
  manualSeed(3)
  const logits = randn([5, 7])
  logits.requiresGrad = true
  const target = randint([5], 0, 7)
  const rounds = Array.from({ length: 3 }, () => {
    const loss = losses.crossEntropy(logits, target, { labelSmoothing: 0.1 })
    return [loss.item(), grad(loss, [logits])[0].toArray()]
  })
  expect(rounds[1]).toEqual(rounds[0])
  expect(rounds[2]).toEqual(rounds[0])
})

test('small results share no memory with what is still held', () => {
  const a = tensor([1, 2, 3, 4])
  const before = memory().tensors
  const held = Array.from({ length: 64 }, (_, i) => a.mul(i))
  for (let i = 0; i < 64; i += 1) a.add(i).dispose()
  expect(memory().tensors).toBe(before + 64)
  expect(held.map((t) => t.toArray()[1])).toEqual(Array.from({ length: 64 }, (_, i) => 2 * i))
})

import { arange, IndexError, tensor } from 'neuroxide'
import { describe, expect, test } from 'vitest'

const x = arange(24).reshape([2, 3, 4])

describe('at', () => {
  test('an integer selects and drops the axis', () => {
    expect(x.at(1, 2, 3).item()).toBe(23)
    expect(x.at(-1).shape).toEqual([3, 4])
    expect(x.at(0, -1).toArray()).toEqual([8, 9, 10, 11])
  })

  test('ranges keep it', () => {
    expect(x.at([0, 1]).shape).toEqual([1, 3, 4])
    expect(x.at(0, [1, 3], [0, 4, 2]).toArray()).toEqual([
      [4, 6],
      [8, 10],
    ])
    expect(x.at(0, 0, [-2, 4]).toArray()).toEqual([2, 3])
    expect(x.at(0, 0, [1, Infinity]).toArray()).toEqual([1, 2, 3])
    expect(x.at(0, 0, [1, 99]).shape).toEqual([3])
    expect(x.at(0, 0, [3, 1]).shape).toEqual([0])
  })

  test('null keeps the whole axis, dots all in between', () => {
    expect(x.at(null, 0).shape).toEqual([2, 4])
    expect(x.at('...', 0).toArray()).toEqual([
      [0, 4, 8],
      [12, 16, 20],
    ])
    expect(x.at(1, '...', [0, 2]).shape).toEqual([3, 2])
    expect(x.at('...').shape).toEqual([2, 3, 4])
    expect(x.at(0, 1, '...', 2).item()).toBe(6)
  })

  test('tensors of indices pick', () => {
    expect(x.at(0, tensor([2, 0], { dtype: 'i32' }), 0).toArray()).toEqual([8, 0])
    expect(x.at(null, tensor([[0], [1]], { dtype: 'i32' })).shape).toEqual([2, 2, 1, 4])
    expect(x.at(tensor(1, { dtype: 'i32' })).shape).toEqual([3, 4])
  })

  test('errors say what was meant', () => {
    expect(() => x.at(2)).toThrow(IndexError)
    expect(() => x.at(2)).toThrow('at: index 2 of an axis of size 2; expected -2 to 1.')
    expect(() => x.at(0, 0, 0, 0)).toThrow('at: 4 entries for a tensor of rank 3')
    expect(() => x.at('...', '...')).toThrow("at: '...' twice")
    expect(() => x.at(0.5)).toThrow('at: index 0.5; expected an integer.')
    expect(() => x.at([0, 1, 2, 3] as never)).toThrow(/A list of indices is a tensor/)
    expect(() => x.at([0, 2, -1])).toThrow('Reverse an axis with flip')
    expect(() => x.at(tensor([true, false]))).toThrow(/a bool tensor as index.*where\(mask, x, other\)/)
    expect(() => x.at(tensor([1.5]))).toThrow("Use index.cast('i32')")
    expect(() => x.at(undefined as never)).toThrow('at: undefined; expected an integer')
    expect(() => x.at(tensor([5], { dtype: 'i32' }))).toThrow(IndexError)
  })

  test('gradients flow through', () => {
    const w = arange(6).reshape([2, 3]).cast('f32').detach()
    w.requiresGrad = true
    w.at(1, [0, 2]).sum().backward()
    expect(w.grad?.toArray()).toEqual([
      [0, 0, 0],
      [1, 1, 0],
    ])
  })
})

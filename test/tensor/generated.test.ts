import { describe, expect, test } from 'vitest'
import * as library from 'neuroxide'
import { F, Tensor, tensor, type TensorLike } from 'neuroxide'
import { BINARY, Code, UNARY } from '../../lib/ops.generated.js'

// The core's table says which elementwise ops there are; each has to be reachable in every way that users look for it.

type Unary = (x: TensorLike) => Tensor
type Binary = (a: TensorLike, b: TensorLike) => Tensor
const functions: Readonly<Record<string, unknown>> = { ...F }
const exported: Readonly<Record<string, unknown>> = { ...library }
const methodOf = (x: Tensor, name: string): ((...args: TensorLike[]) => Tensor) =>
  (x as unknown as Record<string, (...args: TensorLike[]) => Tensor>)[name]!.bind(x)

describe('every elementwise op of the table', () => {
  test('is there, and none is counted twice', () => {
    // Floors, not counts: a new row of the table is the only file that a new op changes by hand.
    expect(UNARY.length).toBeGreaterThan(20)
    expect(BINARY.length).toBeGreaterThan(15)
    expect(new Set([...UNARY, ...BINARY]).size).toBe(UNARY.length + BINARY.length)
  })

  test.each(UNARY)('%s is a method and a function, which agree', (name) => {
    const x = tensor([0.25, 0.5, -2])
    expect(exported[name]).toBe(functions[name])
    const result = (functions[name] as Unary)(x)
    expect(result.shape).toEqual([3])
    expect(methodOf(x, name)().toArray()).toEqual(result.toArray())
    expect((functions[name] as Unary)([0.25, 0.5, -2]).toArray()).toEqual(result.toArray())
  })

  test.each(BINARY)('%s is a method and a function, which agree and broadcast', (name) => {
    const [a, b] = [tensor([[1.5], [-2]]), tensor([2, 3, 0.5])]
    expect(exported[name]).toBe(functions[name])
    const result = (functions[name] as Binary)(a, b)
    expect(result.shape).toEqual([2, 3])
    expect(methodOf(a, name)(b).toArray()).toEqual(result.toArray())
    expect((functions[name] as Binary)([[1.5], [-2]], b).toArray()).toEqual(result.toArray())
    // A number stands on either side.
    expect((functions[name] as Binary)(2, b).toArray()).toEqual(
      (functions[name] as Binary)(tensor([2]), b).toArray(),
    )
  })
})

test('every op with a number at the boundary is a method, a function or a loss', () => {
  const losses: Readonly<Record<string, unknown>> = { ...library.losses }
  const reachable = (name: string): boolean =>
    name in Tensor.prototype || typeof exported[name] === 'function' || typeof losses[name] === 'function'
  expect(Object.keys(Code).length).toBeGreaterThan(100)
  // A permutation is what randperm gives, and gelu takes its form as an option.
  expect(Object.keys(Code).filter((name) => !reachable(name))).toEqual(['permutation', 'geluTanh'])
})

import { inspect } from 'node:util'
import { jit, manualSeed, ones, randn, scope, tensor, zeros, arange, type Tensor } from 'neuroxide'
import { expect, test } from 'vitest'
import { native } from '../../dist/native.js'

test('a scalar', () => {
  expect(String(tensor(3.5))).toBe('tensor(3.5, f32)')
  expect(String(tensor(0.1))).toBe('tensor(0.1, f32)')
  expect(String(tensor(0.1, { dtype: 'f64' }))).toBe('tensor(0.1, f64)')
  expect(String(tensor(true))).toBe('tensor(true, bool)')
})

test('a vector', () => {
  expect(String(tensor([1, 2, 3]))).toBe('tensor([1, 2, 3], f32[3])')
  expect(String(tensor([0.5, -1.25, 3]))).toBe('tensor([ 0.5000, -1.2500,  3.0000], f32[3])')
  expect(String(tensor([1e-7, 2]))).toBe('tensor([1.0000e-7, 2.0000e+0], f32[2])')
  expect(String(tensor([]))).toBe('tensor([], f32[0])')
  expect(String(zeros([2, 0]))).toMatchInlineSnapshot(`
    "tensor([[],
            []], f32[2, 0])"
  `)
})

test('a matrix and three axes', () => {
  expect(
    String(
      tensor([
        [1, -2],
        [30, 4],
      ]),
    ),
  ).toMatchInlineSnapshot(`
    "tensor([[ 1, -2],
            [30,  4]], f32[2, 2])"
  `)
  expect(String(arange(12).reshape([2, 2, 3]))).toMatchInlineSnapshot(`
    "tensor([[[ 0,  1,  2],
             [ 3,  4,  5]],

            [[ 6,  7,  8],
             [ 9, 10, 11]]], i32[2, 2, 3])"
  `)
})

test('NaN and infinities', () => {
  expect(String(tensor([NaN, 1, -Infinity]))).toMatchInlineSnapshot(
    `"tensor([      NaN,         1, -Infinity], f32[3])"`,
  )
  expect(String(tensor([NaN, 1.5]))).toMatchInlineSnapshot(`"tensor([   NaN, 1.5000], f32[2])"`)
  expect(String(tensor(NaN))).toBe('tensor(NaN, f32)')
})

test('integers and truth values', () => {
  expect(String(tensor([1, -20], { dtype: 'i32' }))).toMatchInlineSnapshot(`"tensor([  1, -20], i32[2])"`)
  expect(String(tensor([true, false]))).toMatchInlineSnapshot(`"tensor([ true, false], bool[2])"`)
})

test('long rows are wrapped', () => {
  expect(String(arange(40))).toMatchInlineSnapshot(`
    "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
            18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
            36, 37, 38, 39], i32[40])"
  `)
})

test('of a million elements only the edges are read', () => {
  const before = native.memory()
  expect(String(arange(1_000_000).reshape([1000, 1000]))).toMatchInlineSnapshot(`
    "tensor([[     0,      1,      2, …,    997,    998,    999],
            [  1000,   1001,   1002, …,   1997,   1998,   1999],
            [  2000,   2001,   2002, …,   2997,   2998,   2999],
            …,
            [997000, 997001, 997002, …, 997997, 997998, 997999],
            [998000, 998001, 998002, …, 998997, 998998, 998999],
            [999000, 999001, 999002, …, 999997, 999998, 999999]], i32[1000, 1000])"
  `)
  expect(String(zeros([1_000_000]))).toMatchInlineSnapshot(`"tensor([0, 0, 0, …, 0, 0, 0], f32[1000000])"`)
  const { peakBytes } = JSON.parse(native.memory()) as { peakBytes: number }
  // The million integers and the million zeros themselves, and nothing near a second copy of either.
  expect(peakBytes).toBeLessThan((JSON.parse(before) as { peakBytes: number }).peakBytes + 10_000_000)
})

test('a view', () => {
  expect(
    String(
      tensor([
        [1, 2],
        [3, 4],
      ]).transpose(),
    ),
  ).toMatchInlineSnapshot(`
    "tensor([[1, 3],
            [2, 4]], f32[2, 2])"
  `)
})

test('a leaf that gradients are wanted for', () => {
  expect(String(ones([2], { requiresGrad: true }))).toBe('tensor([1, 1], f32[2], requiresGrad)')
})

test('disposed, traced, of an ended trace, overwritten', () => {
  const x = tensor([1])
  x.dispose()
  expect(String(x)).toBe('tensor(disposed)')
  let inside = ''
  let escaped: Tensor | undefined
  const step = jit(
    (x: Tensor) => {
      escaped = x.mul(2)
      inside = `${escaped}`
      return randn([64, 64]).add(x)
    },
    { verify: false },
  )
  manualSeed(1)
  const first = step(tensor([1]))
  expect(inside).toBe('tensor(traced, f32[1])')
  expect(String(escaped)).toBe('tensor(of a trace that has ended, f32[1])')
  step(tensor([1]))
  expect(String(first)).toBe('tensor(overwritten by a later run, see clone(), f32[64, 64])')
})

test('console.log and a scope', () => {
  expect(inspect(tensor([1]))).toBe('tensor([1], f32[1])')
  expect(inspect({ x: tensor(1) })).toBe('{ x: tensor(1, f32) }')
  expect(scope(() => String(arange(2000)))).toBe('tensor([   0,    1,    2, …, 1997, 1998, 1999], i32[2000])')
})

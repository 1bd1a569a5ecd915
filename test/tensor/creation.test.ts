import {
  arange,
  bernoulli,
  eye,
  fromTypedArray,
  full,
  fullLike,
  linspace,
  manualSeed,
  ones,
  onesLike,
  rand,
  randint,
  randn,
  randperm,
  rngState,
  setRngState,
  tensor,
  zeros,
  zerosLike,
} from 'neuroxide'
import { describe, expect, test } from 'vitest'

describe('tensor', () => {
  test('numbers become f32, booleans bool', () => {
    expect(tensor(2.5)).toMatchObject({ shape: [], dtype: 'f32' })
    expect(tensor([[1, 2, 3]])).toMatchObject({ shape: [1, 3], dtype: 'f32', rank: 2, numel: 3 })
    expect(tensor([true, false])).toMatchObject({ shape: [2], dtype: 'bool' })
    expect(tensor([])).toMatchObject({ shape: [0], dtype: 'f32' })
    expect(tensor([[], []])).toMatchObject({ shape: [2, 0], numel: 0 })
  })

  test('typed arrays keep their element type', () => {
    expect(tensor(new Uint8Array([1])).dtype).toBe('u8')
    expect(tensor(new Uint8ClampedArray([1])).dtype).toBe('u8')
    expect(tensor(new Int32Array([1])).dtype).toBe('i32')
    expect(tensor(new Float32Array([1])).dtype).toBe('f32')
    expect(tensor(new Float64Array([1])).dtype).toBe('f64')
    expect(tensor(new BigInt64Array([1n, -5n])).toArray()).toEqual([1, -5])
    expect(tensor(new BigInt64Array([1n])).dtype).toBe('i32')
  })

  test('64-bit integers that do not fit are refused', () => {
    expect(() => tensor(new BigInt64Array([2n ** 40n]))).toThrow(
      'tensor: 1099511627776 as i32; expected an integer from -2147483648 to 2147483647.',
    )
  })

  test('dtype converts and checks', () => {
    expect(tensor([1, 2], { dtype: 'f64' }).dtype).toBe('f64')
    expect(tensor([0, 2], { dtype: 'bool' }).toArray()).toEqual([false, true])
    expect(tensor(new Float32Array([3]), { dtype: 'u8' }).toArray()).toEqual([3])
    expect(() => tensor([1.5], { dtype: 'i32' })).toThrow('1.5 as i32; expected an integer')
    expect(() => tensor([256], { dtype: 'u8' })).toThrow('256 as u8; expected an integer from 0 to 255')
    expect(() => tensor([NaN], { dtype: 'i32' })).toThrow('NaN as i32')
    expect(() => tensor([1], { dtype: 'f16' as never })).toThrow('"f16" as dtype; expected one of \'bool\'')
  })

  test('rows of different length are named', () => {
    expect(() => tensor([[1, 2], [3]])).toThrow('tensor: 1 entries at [1]; expected 2, as in the first row.')
    expect(() => tensor([1, [2]])).toThrow('an array of 1 at [1]; expected a number')
    expect(() => tensor([[1], 2])).toThrow('2 at [1]; expected an array of 1')
  })

  test('what is no value is named', () => {
    expect(() => tensor(['a'] as never)).toThrow('"a" at [0]; expected a tensor, a number')
    expect(() => tensor([tensor(1)] as never)).toThrow('Join tensors with stack or concat')
    expect(() => tensor(undefined as never)).toThrow('undefined; expected a tensor')
    expect(() => tensor({} as never)).toThrow(
      'A tensor that was cloned or sent to a worker is no tensor any more',
    )
  })

  test('the values are copied', () => {
    const data = new Float32Array([1, 2])
    const x = tensor(data)
    data[0] = 9
    expect(x.toArray()).toEqual([1, 2])
  })

  test('a view of a buffer is read from its own offset', () => {
    const data = new Float32Array([0, 1, 2, 3]).subarray(2)
    expect(tensor(data).toArray()).toEqual([2, 3])
  })

  test('requiresGrad makes a leaf, of floats only', () => {
    expect(tensor([1], { requiresGrad: true })).toMatchObject({
      requiresGrad: true,
      isLeaf: true,
      grad: null,
    })
    expect(() => tensor([1], { dtype: 'i32', requiresGrad: true })).toThrow('requiresGrad with dtype i32')
  })
})

describe('from a shape', () => {
  test('constants', () => {
    expect(zeros([2, 2]).toArray()).toEqual([
      [0, 0],
      [0, 0],
    ])
    expect(ones([2], { dtype: 'f64' })).toMatchObject({ dtype: 'f64' })
    expect(full([2], 7, { dtype: 'u8' }).toArray()).toEqual([7, 7])
    expect(full([1], true).dtype).toBe('bool')
    expect(full([], 3).item()).toBe(3)
    expect(zeros([0, 3]).toArray()).toEqual([])
    expect(zeros([3, 0]).toArray()).toEqual([[], [], []])
  })

  test('like another tensor', () => {
    const like = tensor([[1, 2]], { dtype: 'i32' })
    expect(zerosLike(like)).toMatchObject({ shape: [1, 2], dtype: 'i32' })
    expect(onesLike(like, { dtype: 'f32' }).dtype).toBe('f32')
    expect(fullLike(like, 4).toArray()).toEqual([[4, 4]])
  })

  test('writing into one does not change another', () => {
    const [a, b] = [zeros([2]), zeros([2])]
    a.copyFrom([1, 2])
    expect(b.toArray()).toEqual([0, 0])
    expect(a.toArray()).toEqual([1, 2])
  })

  test('shapes are checked', () => {
    expect(() => zeros([-1])).toThrow('zeros: shape [-1]; expected sizes that are integers ≥ 0.')
    expect(() => zeros([1.5])).toThrow('zeros: shape [1.5]')
    expect(() => zeros(3 as never)).toThrow('zeros: 3 as shape; expected an array of sizes')
    expect(() => full([1], 1.5, { dtype: 'i32' })).toThrow('full: 1.5 as i32')
  })

  test('typed arrays under a shape', () => {
    expect(fromTypedArray(new Float64Array([1, 2, 3, 4]), [2, 2])).toMatchObject({
      shape: [2, 2],
      dtype: 'f64',
    })
    expect(fromTypedArray(new Uint8Array([1, 2]), [2], { dtype: 'f32' }).toArray()).toEqual([1, 2])
    expect(fromTypedArray(new Int32Array([1, 2])).shape).toEqual([2])
    expect(() => fromTypedArray(new Uint8Array(3), [2, 2])).toThrow('3 elements for shape [2, 2]; expected 4')
  })
})

describe('ranges', () => {
  test('arange', () => {
    expect(arange(3)).toMatchObject({ dtype: 'i32', shape: [3] })
    expect(arange(1, 7, 2).toArray()).toEqual([1, 3, 5])
    expect(arange(3, 0, -1).toArray()).toEqual([3, 2, 1])
    expect(arange(0, 1, 0.25).toArray()).toEqual([0, 0.25, 0.5, 0.75])
    expect(arange(5, 2).toArray()).toEqual([])
    expect(arange(0, 3, 1, { dtype: 'f64' }).dtype).toBe('f64')
    expect(() => arange(0, 3, 0)).toThrow('arange: step 0')
    expect(() => arange(Infinity)).toThrow('arange: Infinity as argument; expected a finite number.')
  })

  test('linspace and eye', () => {
    expect(linspace(0, 1, 5).toArray()).toEqual([0, 0.25, 0.5, 0.75, 1])
    expect(linspace(2, 3, 1).toArray()).toEqual([2])
    expect(eye(2, 3).toArray()).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ])
    expect(() => linspace(0, 1, 1.5)).toThrow('linspace: 1.5 as count')
  })
})

describe('random numbers', () => {
  test('follow from the seed', () => {
    manualSeed(3)
    const first = [rand([4]), randn([4]), randint([4], -5, 5), randperm(5)].map((x) => x.toArray())
    manualSeed(3)
    const second = [rand([4]), randn([4]), randint([4], -5, 5), randperm(5)].map((x) => x.toArray())
    expect(second).toEqual(first)
    expect(rand([4]).toArray()).not.toEqual(first[0])
  })

  test('a position in the stream can be kept and gone back to', () => {
    manualSeed(11)
    rand([3])
    const state = rngState()
    const first = randn([3]).toArray()
    setRngState(state)
    expect(randn([3]).toArray()).toEqual(first)
    expect(state.seed).toBe(11)
    expect(() => setRngState({ seed: -1, offset: 0 })).toThrow('setRngState: -1 as seed')
    expect(() => manualSeed(1.5)).toThrow('manualSeed: 1.5 as seed; expected an integer from 0 to 2^53 - 1.')
  })

  test('lie in their ranges', () => {
    manualSeed(5)
    const uniform = rand([1000]).toTypedArray()
    expect(uniform.every((x) => x >= 0 && x < 1)).toBe(true)
    const integers = new Set(randint([1000], -2, 3).toTypedArray())
    expect([...integers].toSorted((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2])
    expect([...randperm(50).toTypedArray()].toSorted((a, b) => a - b)).toEqual(arange(50).toArray())
    expect(bernoulli(tensor([0, 1])).toArray()).toEqual([0, 1])
    expect(() => randint([1], 0.5, 3)).toThrow('randint: 0.5 as bound')
    expect(() => rand([1], { dtype: 'i32' })).toThrow('rand: dtype i32; expected f32 or f64')
  })
})

test('an array that holds itself, or has more axes than a tensor, is refused', () => {
  const endless: unknown[] = []
  endless.push(endless)
  let deep: unknown = 1
  for (let i = 0; i < 33; i += 1) deep = [deep]
  expect(() => tensor(endless as number[])).toThrow('tensor: arrays nested deeper than 32')
  expect(() => tensor(deep as number[])).toThrow('tensor: arrays nested deeper than 32')
})

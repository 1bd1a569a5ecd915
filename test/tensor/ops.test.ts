import { arange, concat, F, IndexError, ShapeError, stack, tensor, where, type Tensor } from 'neuroxide'
import { describe, expect, test } from 'vitest'

// What each op computes is compared with PyTorch elsewhere; here it is that each method and function reaches its op,
// passes its arguments on, and takes numbers and nested arrays where a tensor fits.

const m = tensor([
  [1, 2, 3],
  [4, 5, 6],
])
const round = (x: Tensor): unknown => x.mul(1000).round().div(1000).toArray()

describe('elementwise', () => {
  test('unary functions against JavaScript', () => {
    const values = [0.25, 0.5, 2]
    const x = tensor(values, { dtype: 'f64' })
    const rows = {
      exp: Math.exp,
      expm1: Math.expm1,
      log: Math.log,
      log1p: Math.log1p,
      log2: Math.log2,
      sqrt: Math.sqrt,
      sin: Math.sin,
      cos: Math.cos,
      tan: Math.tan,
      atan: Math.atan,
      tanh: Math.tanh,
      floor: Math.floor,
      ceil: Math.ceil,
      trunc: Math.trunc,
      abs: Math.abs,
      sign: Math.sign,
    }
    const functions = { ...F }
    for (const [name, fn] of Object.entries(rows)) {
      const got = functions[name as keyof typeof rows](x).toArray() as number[]
      got.forEach((value, i) => expect(value, name).toBeCloseTo(fn(values[i] as number), 12))
    }
  })

  test('binary ops broadcast and take numbers on either side', () => {
    expect(m.add([10, 20, 30]).at(0).toArray()).toEqual([11, 22, 33])
    expect(F.sub(1, tensor([1, 2])).toArray()).toEqual([0, -1])
    expect(F.div(1, tensor([2, 4])).toArray()).toEqual([0.5, 0.25])
    expect(F.pow(2, tensor([1, 2, 3])).toArray()).toEqual([2, 4, 8])
    expect(
      m
        .mul(new Float32Array([1, 0, 1]))
        .at(1)
        .toArray(),
    ).toEqual([4, 0, 6])
    expect(() => m.add([1, 2])).toThrow(ShapeError)
  })

  test('integral numbers keep integers, fractions make floats', () => {
    const i = tensor([1, 2], { dtype: 'i32' })
    expect(i.add(1).dtype).toBe('i32')
    expect(i.add(0.5).dtype).toBe('f32')
    expect(F.add(1, i).dtype).toBe('i32')
    expect(i.div(2).dtype).toBe('f32')
    expect(i.exp().dtype).toBe('f32')
    expect(tensor([true]).add(1).dtype).toBe('i32')
    expect(tensor([1], { dtype: 'u8' }).add(i).dtype).toBe('i32')
  })

  test('comparisons and logic give bool', () => {
    const x = tensor([1, 2, 3])
    expect([x.eq(2), x.ne(2), x.lt(2), x.le(2), x.gt(2), x.ge(2)].map((t) => t.toArray())).toEqual([
      [false, true, false],
      [true, false, true],
      [true, false, false],
      [true, true, false],
      [false, false, true],
      [false, true, true],
    ])
    const [a, b] = [tensor([true, true, false]), tensor([true, false, false])]
    expect([a.and(b), a.or(b), a.xor(b), a.not()].map((t) => t.toArray())).toEqual([
      [true, false, false],
      [true, true, false],
      [false, true, false],
      [false, false, true],
    ])
  })

  test('the rest of arithmetic', () => {
    const x = tensor([7, -7])
    expect(
      [x.floorDiv(2), x.remainder(3), x.fmod(3), x.maximum(0), x.minimum(0), x.pow(2)].map((t) =>
        t.toArray(),
      ),
    ).toEqual([
      [3, -4],
      [1, 2],
      [1, -1],
      [7, 0],
      [0, -7],
      [49, 49],
    ])
  })

  test('where, maskedFill, clamp, cast', () => {
    expect(where([true, false], tensor([1, 2]), 9).toArray()).toEqual([1, 9])
    expect(
      tensor([1, 2])
        .where(tensor([false, true]), [5, 6])
        .toArray(),
    ).toEqual([5, 2])
    expect(m.maskedFill(m.gt(3), 0).toArray()).toEqual([
      [1, 2, 3],
      [0, 0, 0],
    ])
    expect(m.clamp(2, 5).at(0).toArray()).toEqual([2, 2, 3])
    expect(m.clamp(null, 2).at(0).toArray()).toEqual([1, 2, 2])
    expect(tensor([1.9, -1.9]).cast('i32').toArray()).toEqual([1, -1])
    expect(m.to('f64').dtype).toBe('f64')
    expect(() => m.cast('int' as never)).toThrow('cast: "int" as dtype')
  })

  test('activations', () => {
    const x = tensor([-1, 0, 2])
    expect(round(x.leakyRelu(0.1))).toEqual([-0.1, 0, 2].map((v) => expect.closeTo(v, 3)))
    expect(round(x.elu())).toEqual([-0.632, 0, 2].map((v) => expect.closeTo(v, 3)))
    expect(round(x.silu())).toEqual([-0.269, 0, 1.762].map((v) => expect.closeTo(v, 3)))
    expect(round(x.gelu())).toEqual([-0.159, 0, 1.954].map((v) => expect.closeTo(v, 2)))
    expect(x.gelu('tanh').toArray()).not.toEqual(x.gelu().toArray())
    expect(round(x.softplus())).toEqual([0.313, Math.LN2, 2.127].map((v) => expect.closeTo(v, 3)))
    expect(x.softmax(0).sum().item()).toBeCloseTo(1)
    expect(x.logSoftmax(-1).exp().sum().item()).toBeCloseTo(1)
    expect(F.softmin(x, 0).toArray()).toEqual(x.neg().softmax(0).toArray())
    expect(F.dropout(x, 0.5, false).toArray()).toEqual([-1, 0, 2])
    expect(F.dropout(tensor([1, 1, 1]), 1).toArray()).toEqual([0, 0, 0])
    expect(() => F.dropout(x, 2)).toThrow('dropout: 2 as p; expected a number from 0 to 1.')
    expect(() => x.gelu('exact' as never)).toThrow("gelu: approximate \"exact\"; expected 'none' or 'tanh'.")
    expect(() => x.softmax(3)).toThrow(IndexError)
    expect(() => x.softmax(0.5)).toThrow('softmax: 0.5 as axis; expected an integer.')
  })
})

describe('reductions', () => {
  test('over all, one and several axes, with and without keepDim', () => {
    expect(m.sum().item()).toBe(21)
    expect(m.sum(0).toArray()).toEqual([5, 7, 9])
    expect(m.sum(-1, { keepDim: true }).toArray()).toEqual([[6], [15]])
    expect(m.sum([0, 1]).shape).toEqual([])
    expect(m.sum([0, 1], { keepDim: true }).shape).toEqual([1, 1])
    expect(m.mean(0).toArray()).toEqual([2.5, 3.5, 4.5])
    expect(m.prod(1).toArray()).toEqual([6, 120])
    expect(m.amax(0).toArray()).toEqual([4, 5, 6])
    expect(m.amin().item()).toBe(1)
    expect(() => m.sum(2)).toThrow(IndexError)
    expect(() => m.sum('0' as never)).toThrow(
      'sum: "0" as axis; expected an integer or an array of integers.',
    )
  })

  test('max and min give values and places along an axis', () => {
    const { values, indices } = tensor([
      [1, 9],
      [7, 2],
    ]).max(0)
    expect([values.toArray(), indices.toArray(), indices.dtype]).toEqual([[7, 9], [1, 0], 'i32'])
    expect(m.max().item()).toBe(6)
    expect(m.min(1, { keepDim: true }).values.shape).toEqual([2, 1])
    expect([m.argmax().item(), m.argmin(1).toArray()]).toEqual([5, [0, 0]])
    expect(m.argmax(1, { keepDim: true }).shape).toEqual([2, 1])
  })

  test('any, all, var, std, logSumExp, norm', () => {
    expect(m.gt(5).any(0).toArray()).toEqual([false, false, true])
    expect(m.gt(0).all().item()).toBe(true)
    expect(m.var(1).toArray()).toEqual([1, 1])
    expect(m.var(1, { correction: 0, keepDim: true }).shape).toEqual([2, 1])
    expect(m.std(1).toArray()).toEqual([1, 1])
    expect(tensor([1000, 1000]).logSumExp().item()).toBeCloseTo(1000.693, 2)
    expect(tensor([3, 4]).norm().item()).toBe(5)
    expect(tensor([3, -4]).norm(1).item()).toBe(7)
    expect(tensor([3, -4]).norm(Infinity).item()).toBe(4)
    expect(tensor([3, 0]).norm(0).item()).toBe(1)
    expect(
      tensor([[3, 4]])
        .norm('fro', 1, { keepDim: true })
        .toArray(),
    ).toEqual([[5]])
    expect(() => m.norm('nuc' as never)).toThrow('norm: "nuc" as p; expected a number or \'fro\'.')
  })
})

describe('products', () => {
  test('of matrices and vectors', () => {
    const [a, b] = [tensor([[1, 2]]), tensor([[3], [4]])]
    expect(a.matmul(b).toArray()).toEqual([[11]])
    expect(a.mm(b).toArray()).toEqual([[11]])
    expect(a.mv([1, 1]).toArray()).toEqual([3])
    expect(tensor([1, 2]).dot([3, 4]).item()).toBe(11)
    expect(a.unsqueeze(0).bmm(b.unsqueeze(0)).shape).toEqual([1, 1, 1])
    expect(
      tensor([[1]])
        .addmm(a, b, { beta: 2, alpha: 10 })
        .toArray(),
    ).toEqual([[112]])
    expect(
      tensor([[[1]]])
        .baddbmm(a.unsqueeze(0), b.unsqueeze(0))
        .toArray(),
    ).toEqual([[[12]]])
    expect(F.linear([1, 2], tensor([[3, 4]]), [5]).toArray()).toEqual([16])
    expect(F.linear([1, 2], tensor([[3, 4]])).toArray()).toEqual([11])
    expect(() => a.matmul(a)).toThrow(ShapeError)
  })
})

describe('picking and joining', () => {
  test('by index tensors', () => {
    expect(m.gather(1, [[2], [0]]).toArray()).toEqual([[3], [4]])
    expect(m.takeAlongDim([[1]], 1).toArray()).toEqual([[2], [5]])
    expect(m.takeAlongDim([0, 5]).toArray()).toEqual([1, 6])
    expect(m.indexSelect(1, [2, 2]).toArray()).toEqual([
      [3, 3],
      [6, 6],
    ])
    expect(tensor([0, 0]).scatterAdd(0, [1, 1], [2, 3]).toArray()).toEqual([0, 5])
    expect(tensor([0, 0]).indexAdd(0, [0], [2], { alpha: 3 }).toArray()).toEqual([6, 0])
    expect(tensor([1, 0], { dtype: 'i32' }).oneHot(2).toArray()).toEqual([
      [0, 1],
      [1, 0],
    ])
    expect(() => m.indexSelect(1, [3])).toThrow(IndexError)
  })

  test('concat and stack', () => {
    expect(F.concat([tensor([1]), [2, 3]]).toArray()).toEqual([1, 2, 3])
    expect(F.concat([m, m], 1).shape).toEqual([2, 6])
    expect(F.stack([m, m], -1).shape).toEqual([2, 3, 2])
    expect(() => F.concat([])).toThrow('concat: an array of 0; expected an array of at least one tensor.')
    expect(() => F.stack([m, [1]])).toThrow(ShapeError)
  })
})

describe('views', () => {
  test('shape only', () => {
    expect(m.reshape([3, -1]).shape).toEqual([3, 2])
    expect(m.flatten().shape).toEqual([6])
    expect(m.unsqueeze(-1).squeeze(2).shape).toEqual([2, 3])
    expect(m.reshape([1, 6, 1]).squeeze().shape).toEqual([6])
    expect(m.reshape([1, 6, 1]).squeeze([0, 1]).shape).toEqual([6, 1])
    expect(m.permute([1, 0]).toArray()).toEqual(m.transpose().toArray())
    expect(m.at(0).expand([2, -1]).shape).toEqual([2, 3])
    expect(() => m.reshape([4])).toThrow(ShapeError)
    expect(() => m.reshape([-1, -1])).toThrow(ShapeError)
    expect(() => m.reshape('6' as never)).toThrow('reshape: "6" as shape; expected an array of integers.')
  })

  test('parts', () => {
    expect(m.slice(1, 0, null, 2).at(0).toArray()).toEqual([1, 3])
    expect(m.slice(1, null, null, -1).at(0).toArray()).toEqual([3, 2, 1])
    expect(m.narrow(1, 1, 2).at(0).toArray()).toEqual([2, 3])
    expect(m.select(0, -1).toArray()).toEqual([4, 5, 6])
    expect(m.flip([0, 1]).toArray()).toEqual([
      [6, 5, 4],
      [3, 2, 1],
    ])
    expect(tensor([1, 2]).pad([1, 1], 9).toArray()).toEqual([9, 1, 2, 9])
    expect(m.tril().at(0).toArray()).toEqual([1, 0, 0])
    expect(m.triu(1).at(0).toArray()).toEqual([0, 2, 3])
    expect(m.diagonal().toArray()).toEqual([1, 5])
    expect(m.diagonal(1).toArray()).toEqual([2, 6])
  })

  test('pieces', () => {
    expect(m.split(2, 1).map((piece) => piece.shape)).toEqual([
      [2, 2],
      [2, 1],
    ])
    expect(m.split([1, 2], 1).map((piece) => piece.shape)).toEqual([
      [2, 1],
      [2, 2],
    ])
    expect(m.chunk(2, 1).length).toBe(2)
    expect(m.unbind(1).map((piece) => piece.toArray())).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ])
    expect(() => m.split([1, 1], 1)).toThrow(
      'split: sizes [1, 1] of an axis of 3; expected sizes that add up to it.',
    )
    expect(() => m.chunk(0)).toThrow('chunk: 0 pieces')
    expect(() => m.unbind(2)).toThrow('unbind: axis 2 of a tensor of rank 2; expected -2 to 1.')
  })
})

test('comparisons are with the number itself, also where the integers do not hold it', () => {
  const pixels = tensor([0, 44, 255], { dtype: 'u8' })
  expect(pixels.lt(256).toArray()).toEqual([true, true, true])
  expect(pixels.gt(-1).toArray()).toEqual([true, true, true])
  expect(pixels.eq(300).toArray()).toEqual([false, false, false])
  expect(pixels.eq(44).toArray()).toEqual([false, true, false])
  const integers = tensor([-2_147_483_648, 0, 2_147_483_647], { dtype: 'i32' })
  expect(integers.lt(2 ** 31).toArray()).toEqual([true, true, true])
  expect(integers.ne(2 ** 31).toArray()).toEqual([true, true, true])
  expect(integers.ge(-3e9).toArray()).toEqual([true, true, true])
})

describe('lists longer than one call takes', () => {
  const numbers = Array.from({ length: 16_385 }, (_, i) => tensor([i]))

  test('are concatenated in parts', () => {
    expect(concat(numbers).eq(arange(16_385)).all().item()).toBe(true)
  })

  test('are stacked in parts along any axis', () => {
    expect(stack(numbers).squeeze(1).eq(arange(16_385)).all().item()).toBe(true)
    expect(stack(numbers, -1).squeeze(0).eq(arange(16_385)).all().item()).toBe(true)
  })
})

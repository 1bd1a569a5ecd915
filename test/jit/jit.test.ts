import {
  F,
  isTensor,
  jit,
  manualSeed,
  nn,
  noGrad,
  optim,
  rand,
  setRngState,
  ShapeError,
  tensor,
  TraceError,
  zeros,
  type Tensor,
} from 'neuroxide'
import { describe, expect, test, vi } from 'vitest'

describe('arguments', () => {
  test('tensors are inputs: one trace serves all of a shape and element type', () => {
    const f = jit((x: Tensor) => x.mul(2).sum())
    expect([f(tensor([1, 2])).item(), f(tensor([3, 4])).item()]).toEqual([6, 14])
    expect([f.traces, f.programs]).toEqual([1, 1])
    f(tensor([1, 2, 3]))
    f(tensor([1, 2], { dtype: 'f64' }))
    expect([f.traces, f.programs]).toEqual([3, 3])
    f(tensor([5, 6]))
    expect(f.traces).toBe(3)
  })

  test('numbers are slots, weakly typed; whether they are integral joins the key', () => {
    const f = jit((x: Tensor, k: Tensor) => x.mul(k))
    expect(f(tensor([1, 2]), 10).toArray()).toEqual([10, 20])
    expect(f(tensor([1, 2]), 3).toArray()).toEqual([3, 6])
    expect(f.traces).toBe(1)
    expect(f(tensor([1, 2]), 0.5).toArray()).toEqual([0.5, 1])
    expect(f.traces).toBe(2)
    const integers = tensor([1, 2], { dtype: 'i32' })
    expect([f(integers, 2).dtype, f(integers, 0.5).dtype]).toEqual(['i32', 'f32'])
  })

  test('strings and booleans are guards', () => {
    const f = jit((x: Tensor, how: string, negate: boolean) => {
      const y = how === 'double' ? x.mul(2) : x.square()
      return negate ? y.neg() : y
    })
    expect(f(tensor([3]), 'double', false).toArray()).toEqual([6])
    expect(f(tensor([3]), 'square', false).toArray()).toEqual([9])
    expect(f(tensor([3]), 'square', true).toArray()).toEqual([-9])
    expect(f(tensor([4]), 'double', false).toArray()).toEqual([8])
    expect(f.traces).toBe(3)
  })

  test('arrays and records nest', () => {
    const f = jit((batch: { x: Tensor; ys: Tensor[] }, k: { scale: Tensor }) =>
      F.stack([batch.x, ...batch.ys])
        .sum(0)
        .mul(k.scale),
    )
    expect(f({ x: tensor([1]), ys: [tensor([2]), tensor([3])] }, { scale: 2 as never }).toArray()).toEqual([
      12,
    ])
    expect(f({ x: tensor([1]), ys: [tensor([2])] }, { scale: 3 as never }).toArray()).toEqual([9])
    expect(f.traces).toBe(2)
  })

  test('typed arrays are copied into tensors', () => {
    const f = jit((x: Tensor) => x.sum())
    expect(f(new Float32Array([1, 2])).item()).toBe(3)
    expect(f(new Float32Array([3, 4])).item()).toBe(7)
    expect(f.traces).toBe(1)
  })

  test('other objects are guards by identity', () => {
    class Scale {
      constructor(readonly by: number) {}
    }
    const f = jit((x: Tensor, scale: Scale) => x.mul(scale.by))
    const [two, three] = [new Scale(2), new Scale(3)]
    expect([f(tensor([1]), two), f(tensor([1]), three), f(tensor([2]), two)].map((t) => t.toArray())).toEqual(
      [[2], [3], [4]],
    )
    expect(f.traces).toBe(2)
  })

  test('static numbers are JavaScript numbers inside, traced once per value', () => {
    const f = jit((x: Tensor, k: number) => (k > 1 ? x.mul(k) : x), { static: ['k'] })
    expect([f(tensor([2]), 3), f(tensor([2]), 1), f(tensor([5]), 3)].map((t) => t.toArray())).toEqual([
      [6],
      [2],
      [15],
    ])
    expect(f.traces).toBe(2)
    const g = jit((x: Tensor, options: { k: number }) => x.mul(options.k + 1), { static: ['k'] })
    expect(g(tensor([2]), { k: 2 }).toArray()).toEqual([6])
    expect(() => jit((x: Tensor) => x, { static: ['x'] })(tensor([1]))).toThrow(
      'the argument x is static and a tensor',
    )
  })

  test('a number used as a number names the way out', () => {
    const f = jit((x: Tensor, k: number) => (k > 1 ? x : x.neg()))
    expect(() => f(tensor([1]), 2)).toThrow(TraceError)
    expect(() => f(tensor([1]), 2)).toThrow('the argument k was used as a JavaScript number')
    expect(() => f(tensor([1]), 2)).toThrow("jit(fn, { static: ['k'] })")
  })

  test('requiresGrad of an argument is a guard', () => {
    const f = jit((x: Tensor) => (x.requiresGrad ? x.mul(2) : x.mul(3)))
    const x = tensor([1])
    expect(f(x).toArray()).toEqual([3])
    x.requiresGrad = true
    expect(f(x).toArray()).toEqual([2])
    expect(f.traces).toBe(2)
  })

  test('a promise among the arguments is refused', () => {
    expect(() => jit((x: unknown) => x)(Promise.resolve(1))).toThrow('the argument x is a Promise')
  })

  test('noGrad around the call is a guard', () => {
    const w = tensor([2], { requiresGrad: true })
    const f = jit((x: Tensor) => (w.mul(x).requiresGrad ? x.add(1) : x))
    expect(f(tensor([1])).toArray()).toEqual([2])
    expect(noGrad(() => f(tensor([1])).toArray())).toEqual([1])
    expect(f(tensor([1])).toArray()).toEqual([2])
    expect(f.traces).toBe(2)
  })
})

describe('results', () => {
  test('keep their structure', () => {
    const f = jit((x: Tensor) => ({ sum: x.sum(), list: [x.mul(2), 'text', 3], same: x, nothing: null }))
    for (const values of [
      [1, 2],
      [3, 4],
    ]) {
      const x = tensor(values)
      const { sum, list, same, nothing } = f(x)
      expect(sum.item()).toBe((values[0] as number) + (values[1] as number))
      expect((list[0] as Tensor).toArray()).toEqual(values.map((v) => 2 * v))
      expect([list[1], list[2], nothing]).toEqual(['text', 3, null])
      expect(same).toBe(x)
    }
  })

  test('may be nothing, the same tensor twice, or one from outside', () => {
    const outside = tensor([7])
    const f = jit((x: Tensor) => {
      const y = x.add(1)
      return [y, y, outside]
    })
    for (let i = 0; i < 2; i += 1) {
      const [a, b, c] = f(tensor([1]))
      expect(a).toBe(b)
      expect(c).toBe(outside)
    }
    const target = zeros([1])
    const write = jit((x: Tensor) => {
      target.copyFrom(x)
    })
    expect(write(tensor([4]))).toBeUndefined()
    expect(write(tensor([5]))).toBeUndefined()
    expect(target.toArray()).toEqual([5])
  })

  test('are detached', () => {
    const w = tensor([2], { requiresGrad: true })
    const f = jit((x: Tensor) => w.mul(x).sum())
    const y = f(tensor([3]))
    expect(y.requiresGrad).toBe(false)
    expect(() => y.backward()).toThrow(/backward/)
  })

  test('small ones are kept, large ones lent until the next run', () => {
    const f = jit((x: Tensor) => [x.sum(), x.add(1)] as const)
    const big = zeros([64, 64])
    const [small, large] = f(big)
    const copy = large.clone()
    const [next] = f(big.add(1))
    expect([small.item(), next.item()]).toEqual([0, 4096])
    expect(copy.at(0, 0).item()).toBe(1)
    expect(() => large.item()).toThrow()
    expect(() => large.sum()).toThrow(/clone\(\)/)
  })
})

describe('a trace', () => {
  test('refuses to read', () => {
    const reads: ((x: Tensor) => unknown)[] = [
      (x: Tensor) => x.sum().item(),
      (x: Tensor) => x.toArray(),
      (x: Tensor) => x.toTypedArray(),
      (x: Tensor) => Number(x.sum()),
    ]
    for (const read of reads) {
      expect(() => jit(read)(tensor([1]))).toThrow(TraceError)
    }
    const outside = tensor([1])
    expect(() => jit((x: Tensor) => x.mul(outside.item()))(tensor([1]))).toThrow(
      /item: the value of a tensor was asked for/,
    )
  })

  test('refuses async functions', () => {
    expect(() => jit(async (x: Tensor) => x)).toThrow(
      'jit: an AsyncFunction; expected a synchronous function.',
    )
    expect(() => jit((x: Tensor) => Promise.resolve(x))(tensor([1]))).toThrow(
      'expected a synchronous function',
    )
    expect(() => jit(3 as never)).toThrow('jit: 3; expected a function.')
  })

  test('is a transaction: a function that throws leaves everything as before', () => {
    const w = tensor([1], { requiresGrad: true })
    const target = zeros([1])
    let fail = true
    const f = jit(
      (x: Tensor) => {
        w.mul(x).sum().backward()
        target.copyFrom(x)
        const noise = rand([1])
        if (fail) throw new Error('stop')
        return noise
      },
      { keepGrads: true },
    )
    manualSeed(1)
    const expected = rand([1]).toArray()
    manualSeed(1)
    expect(() => f(tensor([3]))).toThrow('stop')
    expect([w.grad, target.toArray()]).toEqual([null, [0]])
    fail = false
    expect(f(tensor([3])).toArray()).toEqual(expected)
    expect(target.toArray()).toEqual([3])
  })

  test('is inlined in another', () => {
    const inner = jit((x: Tensor) => x.mul(2))
    const outer = jit((x: Tensor) => inner(x).add(1))
    expect(outer(tensor([3])).toArray()).toEqual([7])
    expect([inner.traces, outer.traces]).toEqual([0, 1])
  })

  test('gives errors of shapes at the line of the op', () => {
    const f = jit((x: Tensor) => x.add(zeros([3])))
    expect(() => f(tensor([1, 2]))).toThrow(ShapeError)
  })

  test('an escaped tensor cannot be read', () => {
    const escaped: Tensor[] = []
    jit(
      (x: Tensor) => {
        escaped.push(x.mul(2))
        return x.add(1)
      },
      { verify: false },
    )(tensor([1]))
    expect(() => escaped[0]?.toArray()).toThrow(/made inside a jitted function and was not returned/)
  })
})

describe('programs', () => {
  test('are a small LRU, and many misses warn once', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const f = jit(function grown(x: Tensor) {
      return x.sum()
    })
    for (let size = 1; size <= 14; size += 1) f(zeros([size]))
    expect([f.traces, f.programs]).toEqual([14, 8])
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn.mock.calls[0]?.[0]).toContain('grown was traced 12 times')
    f(zeros([14]))
    f(zeros([7]))
    expect(f.traces).toBe(14)
    f(zeros([1]))
    expect(f.traces).toBe(15)
    warn.mockRestore()
  })

  test('explain prints a table', () => {
    const f = jit(function step(x: Tensor) {
      return x.mul(2).add(1).sum()
    })
    expect(() => f.explain()).toThrow('explain: step has not been called yet')
    f(zeros([8]))
    const [title, head, rule, ...rows] = f.explain().split('\n')
    expect(title).toMatch(/^step: \d+ kernels?, arena of \d+ bytes, 1 input, 0 states, 1 output$/)
    expect(head).toMatch(/^kernel +ops +shapes +bytes +offset +module$/)
    expect(rule).toMatch(/^─+( +─+){5}$/)
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.join('\n')).toContain('[8]')
    expect(f.name).toBe('step')
  })

  test('explain tells bytes, places in the arena and the modules that kernels come from', () => {
    const model = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 2))
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 })
    const f = jit((x: Tensor) => {
      optimizer.zeroGrad()
      model.forward(x).square().sum().backward()
      optimizer.step()
    })
    f(zeros([16, 4]))
    const [title = '', head = '', , ...rows] = f.explain().split('\n')
    expect(title).toContain(', 1 input, 4 states, 0 outputs')
    const column = (name: string): string[] => {
      const start = head.indexOf(name)
      // Numbers end where their heading does, words begin there.
      return rows.map((row) =>
        name === 'module'
          ? row.slice(start).trim()
          : (row
              .slice(0, start + name.length)
              .split(' ')
              .at(-1) ?? ''),
      )
    }
    for (const bytes of column('bytes')) expect(bytes).toMatch(/^[1-9]\d*$/)
    const arena = Number(/arena of (\d+) bytes/.exec(title)?.[1])
    for (const offset of column('offset')) {
      expect(offset).toMatch(/^(-|\d+)$/)
      if (offset !== '-') expect(Number(offset)).toBeLessThan(arena)
    }
    expect(column('module').slice(0, 2)).toEqual(['0', '2'])
    expect(rows[0]).toMatch(/^matmul +matmul add relu? +\[/)
  })

  test('count their runs', () => {
    const f = jit((x: Tensor) => x.add(1))
    for (let i = 0; i < 5; i += 1) f(tensor([i]))
    expect([f.traces, f.runs]).toEqual([1, 5])
  })
})

test('what a function returns is a tensor for everyone', () => {
  expect(isTensor(jit((x: Tensor) => x.add(1))(tensor([1])))).toBe(true)
})

describe('what a function cannot do', () => {
  test('moving the stream of random numbers to a place', () => {
    expect(() => jit(() => (manualSeed(1), rand([2])))()).toThrow(TraceError)
    expect(() => jit(() => (setRngState({ seed: 1, offset: 0 }), rand([2])))()).toThrow(
      'setRngState: called inside a traced function; expected a call before it',
    )
  })

  test('using a number argument where a plain number is needed names the remedy', () => {
    const remedy = "the argument k (a plain number only with jit(fn, { static: ['k'] }))"
    const x = zeros([4])
    expect(() => jit((x: Tensor, k: number) => x.sum(k))(x, 0)).toThrow(`sum: ${remedy} as axis`)
    expect(() => jit((x: Tensor, k: number) => x.reshape([k, -1]))(x, 2)).toThrow(
      `reshape: ${remedy} as shape`,
    )
    expect(() => jit((x: Tensor, k: number) => F.dropout(x, k))(x, 0.5)).toThrow(`dropout: ${remedy} as p`)
    expect(() => jit((x: Tensor, ks: number[]) => x.add(ks))(x, [1, 2, 3, 4])).toThrow(
      'add: the argument ks[0] at [0]; expected numbers that are the same in each call. Pass a tensor',
    )
  })
})

test.each(['u8', 'i32', 'bool'] as const)(
  'numbers beyond %s are to a program what they are to eager ops',
  (dtype) => {
    const body = (x: Tensor, k: number): Tensor[] => [x.add(k), x.mul(k), x.lt(k), x.ge(k), x.eq(k)]
    const f = jit(body)
    const x = tensor([1, 0, 1], { dtype })
    for (const k of [-1, 255, 256, 257, 300, 16_777_217, -3e9, 3e9, 1e20])
      expect(f(x, k).map((out) => [out.dtype, out.toArray()])).toEqual(
        body(x, k).map((out) => [out.dtype, out.toArray()]),
      )
  },
)

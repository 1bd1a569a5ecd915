import { isTensor, scope, tensor, zeros, Tensor } from 'neuroxide'
import { describe, expect, test } from 'vitest'

describe('reading', () => {
  test('item reads one element', () => {
    expect(tensor(2.5).item()).toBe(2.5)
    expect(tensor([[true]]).item()).toBe(true)
    expect(() => tensor([1, 2]).item()).toThrow('item: shape [2]; expected one element.')
    expect(() => zeros([0]).item()).toThrow('item: shape [0]; expected one element.')
  })

  test('toArray nests as the shape does', () => {
    expect(tensor(1).toArray()).toBe(1)
    expect(tensor([[[1], [2]]]).toArray()).toEqual([[[1], [2]]])
    expect(tensor([true, false]).toArray()).toEqual([true, false])
  })

  test('toTypedArray gives the element type', () => {
    expect(tensor([1, 2]).toTypedArray()).toEqual(new Float32Array([1, 2]))
    expect(tensor([1, 2], { dtype: 'f64' }).toTypedArray()).toEqual(new Float64Array([1, 2]))
    expect(tensor([1, 2], { dtype: 'i32' }).toTypedArray()).toEqual(new Int32Array([1, 2]))
    expect(tensor([true, false]).toTypedArray()).toEqual(new Uint8Array([1, 0]))
  })

  test('a view reads in its own order', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ])
    expect([...x.transpose().toTypedArray()]).toEqual([1, 3, 2, 4])
    expect(x.flip(1).toArray()).toEqual([
      [2, 1],
      [4, 3],
    ])
  })

  test('read settles with the same', async () => {
    const x = tensor([[1, 2, 3]], { dtype: 'i32' })
    expect(await x.read()).toEqual(new Int32Array([1, 2, 3]))
    expect(await zeros([0]).read()).toEqual(new Float32Array(0))
  })
})

describe('operators of JavaScript', () => {
  test('one element is its number', () => {
    expect(Number(tensor(3))).toBe(3)
    expect(+(tensor([2]) as never)).toBe(2)
    expect((tensor(1) as never as number) + (tensor(2) as never as number)).toBe(3)
    expect((tensor(1) as never as number) < (tensor(2) as never as number)).toBe(true)
  })

  test('more elements name the methods', () => {
    const [a, b] = [tensor([1, 2]) as never as number, tensor([3, 4]) as never as number]
    expect(() => a + b).toThrow(/operator: a tensor of shape \[2\].*a\.add\(b\)/)
    expect(() => a < b).toThrow(/a\.lt\(b\)/)
    expect(() => a * 2).toThrow(/a\.mul\(b\)/)
  })

  test('a template literal is the text', () => {
    expect(`${tensor([1, 2])}`).toBe('tensor([1, 2], f32[2])')
  })
})

describe('identity', () => {
  test('isTensor knows tensors only', () => {
    expect([tensor(1), [1], 1, null, {}, new Float32Array(1)].map((value) => isTensor(value))).toEqual([
      true,
      false,
      false,
      false,
      false,
      false,
    ])
  })

  test('a structured clone carries no handle', () => {
    const clone = structuredClone(tensor([1, 2]))
    expect(isTensor(clone)).toBe(false)
    expect(() => tensor([1, 2]).add(clone as never)).toThrow('sent to a worker is no tensor any more')
  })

  test('a tensor of another environment is refused', () => {
    const foreign = {
      [Symbol.for('neuroxide.tensor')]: 0,
      [Symbol.for('neuroxide.environment')]: -1,
    }
    expect(() => tensor([1]).add(foreign as never)).toThrow(/it belongs to another environment/)
  })

  test('a tensor of another copy of the library in this environment works', () => {
    const x = tensor([1, 2]) as never as Record<symbol, number>
    const [brand, environment] = [Symbol.for('neuroxide.tensor'), Symbol.for('neuroxide.environment')]
    const copy = { [brand]: x[brand], [environment]: x[environment] }
    expect(
      tensor([1, 1])
        .add(copy as never)
        .toArray(),
    ).toEqual([2, 3])
  })

  test('nobody constructs tensors by hand', () => {
    expect(() => new (Tensor as never as new () => unknown)()).toThrow('Tensor: the constructor was called')
  })

  test('shapes are frozen', () => {
    const x = zeros([2, 3])
    expect(Object.isFrozen(x.shape)).toBe(true)
    expect(() => (x.shape as unknown as number[]).push(1)).toThrow(TypeError)
  })
})

describe('letting go', () => {
  test('dispose makes it unusable, twice is harmless', () => {
    const x = tensor([1])
    x.dispose()
    x.dispose()
    expect(x.isDisposed).toBe(true)
    expect(() => x.add(1)).toThrow('tensor: it was disposed of before')
    expect(() => x.item()).toThrow('disposed of')
  })

  test('Symbol.dispose is the same', () => {
    const x = tensor([1])
    x[Symbol.dispose]()
    expect(x.isDisposed).toBe(true)
  })

  test('what was computed from it stays', () => {
    const x = tensor([1, 2], { requiresGrad: true })
    const y = x.mul(2)
    const z = y.sum()
    y.dispose()
    z.backward()
    expect(x.grad?.toArray()).toEqual([2, 2])
  })

  test('a scope keeps what it returns', () => {
    let inner: Tensor | undefined
    const kept = scope(() => {
      inner = tensor([1, 2])
      return { list: [inner.add(1)], map: new Map([['a', inner.mul(3)]]) }
    })
    expect(inner?.isDisposed).toBe(true)
    expect(kept.list[0]?.toArray()).toEqual([2, 3])
    expect(kept.map.get('a')?.toArray()).toEqual([3, 6])
  })

  test('a scope within a scope hands on to the outer', () => {
    let middle: Tensor | undefined
    scope(() => {
      middle = scope(() => tensor([1]))
      expect(middle.isDisposed).toBe(false)
    })
    expect(middle?.isDisposed).toBe(true)
  })

  test('a scope frees when it throws, keeps leaves, and refuses promises', () => {
    const made: Tensor[] = []
    expect(() =>
      scope(() => {
        made.push(zeros([1]), zeros([1], { requiresGrad: true }))
        throw new Error('stop')
      }),
    ).toThrow('stop')
    expect(made.map((x) => x.isDisposed)).toEqual([true, false])
    expect(() => scope(async () => 1)).toThrow('scope: the function returned a Promise')
  })
})

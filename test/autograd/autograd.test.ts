import {
  GradError,
  grad,
  isGradEnabled,
  noGrad,
  ShapeError,
  tensor,
  valueAndGrad,
  zeros,
  type Tensor,
} from 'neuroxide'
import { describe, expect, test } from 'vitest'

const leaf = (values: number[]): Tensor<[number], 'f32'> => tensor(values, { requiresGrad: true })

const gradient = (x: Tensor): unknown => x.grad?.toArray()

describe('backward', () => {
  test('fills the gradients of leaves', () => {
    const [x, w] = [leaf([1, 2]), leaf([3, 4])]
    const y = x.mul(w).sum()
    expect(y).toMatchObject({ requiresGrad: true, isLeaf: false })
    y.backward()
    expect([x.grad?.toArray(), w.grad?.toArray()]).toEqual([
      [3, 4],
      [1, 2],
    ])
  })

  test('accumulates until the gradient is dropped', () => {
    const x = leaf([1])
    x.mul(2).sum().backward()
    x.mul(3).sum().backward()
    expect(x.grad?.toArray()).toEqual([5])
    x.grad = null
    expect(x.grad).toBeNull()
    x.mul(4).sum().backward()
    expect(gradient(x)).toEqual([4])
  })

  test('a gradient can be assigned', () => {
    const x = leaf([1, 2])
    x.grad = tensor([7, 8])
    expect(x.grad.toArray()).toEqual([7, 8])
    expect(() => {
      x.grad = tensor([1, 2, 3])
    }).toThrow(ShapeError)
  })

  test('takes the gradient of what comes after', () => {
    const x = leaf([1, 2])
    x.square().backward([1, 10])
    expect(x.grad?.toArray()).toEqual([2, 40])
    expect(() => leaf([1, 2]).square().backward()).toThrow(GradError)
    expect(() => leaf([1, 2]).square().backward([1])).toThrow(ShapeError)
  })

  test('a second pass needs retainGraph', () => {
    const x = leaf([3])
    const y = x.square().sum()
    y.backward(null, { retainGraph: true })
    y.backward()
    expect(x.grad?.toArray()).toEqual([12])
    expect(() => y.backward()).toThrow(GradError)
  })

  test('without anything to differentiate it throws', () => {
    expect(() => tensor([1]).sum().backward()).toThrow(GradError)
  })

  test('requiresGrad is settable on float leaves only', () => {
    const x = tensor([1, 2])
    x.requiresGrad = true
    x.sum().backward()
    expect(x.grad?.toArray()).toEqual([1, 1])
    x.requiresGrad = false
    expect(x.mul(2).requiresGrad).toBe(false)
    expect(() => {
      tensor([1], { dtype: 'i32' }).requiresGrad = true
    }).toThrow('a tensor of i32; expected f32 or f64')
    expect(() => {
      leaf([1]).mul(2).requiresGrad = false
    }).toThrow(GradError)
  })
})

describe('where gradients stop', () => {
  test('detach', () => {
    const x = leaf([2])
    const y = x.square()
    expect(y.detach()).toMatchObject({ requiresGrad: false, isLeaf: true })
    y.detach().mul(x).sum().backward()
    expect(x.grad?.toArray()).toEqual([4])
  })

  test('noGrad, restored when it throws', () => {
    const x = leaf([2])
    expect(noGrad(() => x.square().requiresGrad)).toBe(false)
    expect(() =>
      noGrad(() => {
        throw new Error('stop')
      }),
    ).toThrow('stop')
    expect(isGradEnabled()).toBe(true)
    expect(x.square().requiresGrad).toBe(true)
  })

  test('clone passes them on', () => {
    const x = leaf([2])
    x.clone().sum().backward()
    expect(x.grad?.toArray()).toEqual([1])
  })
})

describe('copyFrom', () => {
  test('writes in place, casts and broadcasts', () => {
    const x = zeros([2, 2])
    expect(x.copyFrom([1, 2])).toBe(x)
    expect(x.toArray()).toEqual([
      [1, 2],
      [1, 2],
    ])
    x.copyFrom(tensor([[5, 6]], { dtype: 'i32' }))
    expect(x.at(0).toArray()).toEqual([5, 6])
    x.copyFrom(3)
    expect(x.sum().item()).toBe(12)
    expect(() => x.copyFrom([1, 2, 3])).toThrow(ShapeError)
  })

  test('a view of a leaf writes into it', () => {
    const x = tensor([1, 2, 3])
    const view = x.at([1, 3])
    view.copyFrom([8, 9])
    expect(x.toArray()).toEqual([1, 8, 9])
    x.copyFrom(0)
    expect(view.toArray()).toEqual([0, 0])
  })

  test('a result of differentiated ops is no target, and an overwritten value no basis of a gradient', () => {
    expect(() => leaf([1]).mul(2).copyFrom(1)).toThrow(GradError)
    const x = leaf([3])
    const y = x.square().sum()
    x.copyFrom(4)
    expect(() => y.backward()).toThrow(GradError)
  })
})

describe('grad', () => {
  test('gives gradients and touches none', () => {
    const [x, w] = [leaf([1, 2]), leaf([3, 4])]
    const [dx, dw] = grad(x.mul(w).sum(), [x, w])
    expect([dx.toArray(), dw.toArray()]).toEqual([
      [3, 4],
      [1, 2],
    ])
    expect([x.grad, w.grad]).toEqual([null, null])
    expect(dx).toMatchObject({ shape: [2], dtype: 'f32', requiresGrad: false })
  })

  test('takes a gradient and keeps the graph on demand', () => {
    const x = leaf([1, 2])
    const y = x.square()
    expect(grad(y, [x], { gradient: [1, 2], retainGraph: true })[0].toArray()).toEqual([2, 8])
    expect(grad(y, [x], { gradient: [1, 0] })[0].toArray()).toEqual([2, 0])
  })

  test('names what is not reached', () => {
    const [x, other] = [leaf([1]), leaf([2])]
    expect(() => grad(x.sum(), [x, other])).toThrow(
      'grad: the tensor does not depend on entry 1 of shape [1]',
    )
    expect(() => grad(3 as never, [x])).toThrow('grad: 3 to differentiate; expected a tensor.')
  })
})

describe('valueAndGrad', () => {
  test('gives both for every argument', () => {
    const f = valueAndGrad((x: Tensor, w: Tensor) => x.mul(w).square().sum())
    const [value, [dx, dw]] = f(tensor([1, 2]), tensor([3, 4]))
    expect(value.item()).toBe(73)
    expect(value.requiresGrad).toBe(false)
    expect([dx.toArray(), dw.toArray()]).toEqual([
      [18, 64],
      [6, 32],
    ])
  })

  test('works under noGrad and on leaves, whose grad stays', () => {
    const x = leaf([3])
    const [, [dx]] = noGrad(() => valueAndGrad((x: Tensor) => x.square().sum())(x))
    expect(dx.toArray()).toEqual([6])
    expect(x.grad).toBeNull()
    expect(() => valueAndGrad((x: Tensor) => x.sum())(tensor([1], { dtype: 'i32' }))).toThrow(
      'an argument of i32',
    )
    expect(() => valueAndGrad((x: Tensor) => x.sum())(1 as never)).toThrow('valueAndGrad: 1 as argument')
  })
})

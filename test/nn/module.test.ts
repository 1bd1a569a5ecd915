import { describe, expect, test } from 'vitest'
import { type Tensor, TraceError, ValueError, jit, nn, noGrad, ones, randn, tensor, zeros } from 'neuroxide'

class Block extends nn.Module {
  readonly inner = new nn.Linear(2, 2)
  override forward(x: Tensor): Tensor {
    return this.inner.forward(x)
  }
}

class Net extends nn.Module {
  readonly first = new nn.Linear(2, 2)
  readonly list = [new Block(), new Block()]
  readonly record = { a: new nn.Linear(2, 2, { bias: false }), scale: new nn.Parameter(ones([2])) }
  readonly map = new Map([['k', new nn.Linear(2, 2, { bias: false })]])
  readonly count = this.registerBuffer('count', zeros([], { dtype: 'i32' }))
  readonly hidden = this.registerBuffer('hidden', zeros([1]), { persistent: false })
  override forward(x: Tensor): Tensor {
    let value = this.first.forward(x)
    for (const block of this.list) value = block.forward(value)
    return this.record.a.forward(value).mul(this.record.scale)
  }
}

describe('registration', () => {
  test('fields, arrays, records and maps register under their paths', () => {
    const names = new Net().namedParameters().map(([name]) => name)
    expect(names).toEqual(
      [
        'first.weight',
        'first.bias',
        'list.0.inner.weight',
        'list.0.inner.bias',
        'list.1.inner.weight',
        'list.1.inner.bias',
        'record.a.weight',
        'map.k.weight',
      ].toSpliced(0, 0, 'record.scale'),
    )
  })

  test('modules added later are found, as nothing is cached', () => {
    class Growing extends nn.Module {
      readonly layers: nn.Linear[] = []
      override forward(x: Tensor): Tensor {
        return this.layers.reduce((value, layer) => layer.forward(value), x)
      }
    }
    const model = new Growing()
    expect(model.parameters()).toHaveLength(0)
    model.layers.push(new nn.Linear(2, 2))
    expect(model.namedParameters().map(([name]) => name)).toEqual(['layers.0.weight', 'layers.0.bias'])
  })

  test('a shared module or parameter counts once and keeps each of its keys in the state', () => {
    class Tied extends nn.Module {
      readonly a = new nn.Linear(2, 2, { bias: false })
      readonly b = this.a
      readonly alias = this.a.weight
      override forward(x: Tensor): Tensor {
        return this.b.forward(this.a.forward(x))
      }
    }
    const model = new Tied()
    expect(model.parameters()).toHaveLength(1)
    expect(Object.keys(model.stateDict())).toEqual(['alias', 'a.weight', 'b.weight'])
    expect(model.modules()).toHaveLength(2)
  })

  test('a cycle of modules ends', () => {
    class Child extends nn.Module {
      parent: nn.Module | null = null
      override forward(x: Tensor): Tensor {
        return x
      }
    }
    class Parent extends nn.Module {
      readonly child = new Child()
      override forward(x: Tensor): Tensor {
        return this.child.forward(x)
      }
    }
    const model = new Parent()
    model.child.parent = model
    expect(model.modules()).toHaveLength(2)
    expect(model.stateDict()).toEqual({})
  })

  test('ModuleList and ModuleDict register under indices and keys and have no forward', () => {
    const list = new nn.ModuleList<nn.Linear>([new nn.Linear(1, 1)]).append(new nn.Linear(1, 2))
    expect(list.namedParameters().map(([name]) => name)).toEqual(['0.weight', '0.bias', '1.weight', '1.bias'])
    expect([list.length, list.at(-1)?.outFeatures, [...list].length]).toEqual([2, 2, 2])
    const dict = new nn.ModuleDict<nn.Module>({ a: new nn.Linear(1, 1, { bias: false }) })
    dict.set('forward', new nn.Linear(1, 1, { bias: false }))
    expect(Object.keys(dict.stateDict())).toEqual(['a.weight', 'forward.weight'])
    expect([dict.size, dict.has('a'), dict.delete('a'), dict.keys()]).toEqual([2, true, true, ['forward']])
    expect(() => list.forward()).toThrow(ValueError)
    expect(() => dict.forward()).toThrow(ValueError)
    expect(() => dict.set('a.b', new nn.ReLU())).toThrow(ValueError)
    expect(() => list.append({} as nn.Linear)).toThrow(ValueError)
  })

  test('Sequential registers under indices', () => {
    const model = new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU(), new nn.Linear(3, 1))
    expect(Object.keys(model.stateDict())).toEqual(['0.weight', '0.bias', '2.weight', '2.bias'])
    expect(() => new nn.Sequential((() => {}) as unknown as nn.ReLU)).toThrow(/layer 0, which is no module/)
    expect(String(model)).toBe('Sequential(\n  (0): Linear(2, 3)\n  (1): ReLU()\n  (2): Linear(3, 1)\n)')
  })
})

describe('forward', () => {
  test('super.forward is the plain method and the module is entered once', () => {
    let entered = 0
    class Base extends nn.Module {
      override forward(x: Tensor): Tensor {
        return x.add(1)
      }
    }
    class Derived extends Base {
      override forward(x: Tensor): Tensor {
        return super.forward(x).mul(10)
      }
    }
    const model = new Derived()
    model.registerForwardHook(() => {
      entered++
    })
    expect(model.forward(tensor([1])).toArray()).toEqual([20])
    expect(entered).toBe(1)
  })

  test('a field named forward throws instead of slipping by', () => {
    class Wrong extends Block {
      override forward = (x: Tensor): Tensor => x
    }
    expect(() => new Wrong()).toThrow(TypeError)
    class Alone extends nn.Module {
      override forward = (x: Tensor): Tensor => x
    }
    expect(() => new Alone()).toThrow(ValueError)
  })

  test('a class without forward is refused', () => {
    const Bare = class extends (nn.Module as unknown as new () => object) {}
    expect(() => new Bare()).toThrow(ValueError)
  })

  test('errors carry the path of the layer', () => {
    class Outer extends nn.Module {
      readonly encoder = new nn.Sequential(new nn.Identity(), new nn.Linear(3, 1))
      override forward(x: Tensor): Tensor {
        return this.encoder.forward(x)
      }
    }
    expect(() => new Outer().forward(zeros([1, 2]))).toThrow(/encoder\.1: /)
    expect(() => new nn.Linear(3, 1).forward(zeros([1, 2]) as Tensor)).toThrow(/^Linear: /)
  })

  test('the path is right where a module is used in two places', () => {
    const shared = new nn.Linear(3, 1)
    class A extends nn.Module {
      readonly one = shared
      override forward(x: Tensor): Tensor {
        return this.one.forward(x)
      }
    }
    class B extends nn.Module {
      readonly two = shared
      override forward(x: Tensor): Tensor {
        return this.two.forward(x)
      }
    }
    expect(() => new A().forward(zeros([1, 2]))).toThrow(/one: /)
    expect(() => new B().forward(zeros([1, 2]))).toThrow(/two: /)
    expect(() => new A().forward(zeros([1, 2]))).toThrow(/one: /)
  })

  test('hooks see and replace inputs and outputs, and go away', () => {
    const layer = new nn.Identity()
    const before = layer.registerForwardPreHook((_module, [x]) => [(x as Tensor).add(1)])
    const after = layer.registerForwardHook((module, inputs, output) => {
      expect(module).toBe(layer)
      expect((inputs[0] as Tensor).toArray()).toEqual([2])
      return (output as Tensor).mul(3)
    })
    expect(layer.forward(tensor([1])).toArray()).toEqual([6])
    before.remove()
    after.remove()
    expect(layer.forward(tensor([1])).toArray()).toEqual([1])
  })

  test('a hook that is added later reaches jitted functions', () => {
    const layer = new nn.Identity()
    const run = jit((x: Tensor) => layer.forward(x))
    expect(run(tensor([1])).toArray()).toEqual([1])
    const hook = layer.registerForwardHook((_module, _inputs, output) => (output as Tensor).mul(3))
    expect(run(tensor([1])).toArray()).toEqual([3])
    hook.remove()
    expect(run(tensor([1])).toArray()).toEqual([1])
    expect(run.traces).toBe(2)
  })
})

describe('modes', () => {
  test('train and eval reach every module', () => {
    const model = new nn.Sequential(new nn.Dropout(), new nn.Sequential(new nn.Dropout()))
    expect(
      model
        .eval()
        .modules()
        .map(({ training }) => training),
    ).toEqual([false, false, false, false])
    expect(
      model
        .train()
        .modules()
        .every(({ training }) => training),
    ).toBe(true)
  })

  test('a jitted function keeps one program per mode', () => {
    const model = new nn.Sequential(new nn.Dropout(1))
    const run = jit((x: Tensor) => model.forward(x))
    expect(run(ones([2])).toArray()).toEqual([0, 0])
    model.eval()
    expect(run(ones([2])).toArray()).toEqual([1, 1])
    model.train()
    expect(run(ones([2])).toArray()).toEqual([0, 0])
    expect(run.traces).toBe(2)
  })

  test('freeze and unfreeze', () => {
    const layer = new nn.Linear(2, 2).freeze()
    expect(layer.parameters().some(({ requiresGrad }) => requiresGrad)).toBe(false)
    expect(layer.forward(ones([1, 2])).requiresGrad).toBe(false)
    expect(layer.unfreeze().forward(ones([1, 2])).requiresGrad).toBe(true)
  })

  test('to knows one device', () => {
    const layer = new nn.Identity()
    expect(layer.to('cpu')).toBe(layer)
    expect(() => layer.to('tpu' as 'cpu')).toThrow(expect.objectContaining({ code: 'ERR_DEVICE' }))
  })
})

describe('inside a trace', () => {
  const traced = (forward: (module: nn.Module) => void): (() => unknown) => {
    class Probe extends nn.Module {
      counter = 0
      readonly inner = new nn.Dropout()
      readonly values: number[] = []
      override forward(x: Tensor): Tensor {
        forward(this)
        return x.mul(1)
      }
    }
    const module = new Probe()
    return () => jit((x: Tensor) => module.forward(x))(ones([1]))
  }
  type Probe = nn.Module & { counter: number; values: number[]; inner: nn.Dropout }

  test.each<[string, (module: nn.Module) => void]>([
    ['a field', (module) => void (module as Probe).counter++],
    ['an array in a field', (module) => void (module as Probe).values.push(1)],
    ['a new field', (module) => void Object.assign(module, { late: 1 })],
    ['the mode', (module) => void module.train()],
    ['the mode of a part', (module) => void (module as Probe).inner.eval()],
    ['freezing', (module) => void module.freeze()],
    ['a parameter', () => void new nn.Parameter(ones([1]))],
    ['a layer', () => void new nn.Linear(1, 1)],
    ['a buffer', (module) => void module.registerBuffer('late', zeros([1]))],
  ])('writing or making %s throws', (_name, forward) => {
    expect(traced(forward)).toThrow(TraceError)
  })

  test('the error names module and field', () => {
    expect(traced((module) => void (module as Probe).counter++)).toThrow(/Probe wrote its field "counter"/)
  })

  test('a buffer may be written with copyFrom', () => {
    class Counter extends nn.Module {
      readonly seen = this.registerBuffer('seen', zeros([]))
      override forward(x: Tensor): Tensor {
        this.seen.copyFrom(this.seen.add(1))
        return x.mul(2)
      }
    }
    const counter = new Counter()
    const run = jit((x: Tensor) => counter.forward(x))
    for (let i = 0; i < 3; i++) run(ones([1]))
    expect(counter.seen.item()).toBe(3)
  })
})

describe('state', () => {
  test('holds parameters and persistent buffers and shows later updates', () => {
    const model = new Net()
    const state = model.stateDict()
    expect(Object.keys(state)).toContain('count')
    expect(Object.keys(state)).not.toContain('hidden')
    model.count.copyFrom(tensor(7, { dtype: 'i32' }))
    expect(state['count']?.item()).toBe(7)
    expect(state['first.weight']?.requiresGrad).toBe(false)
  })

  test('goes from one model to another', () => {
    const [a, b] = [new Net(), new Net()]
    expect(b.loadStateDict(a.stateDict())).toEqual({ missing: [], unexpected: [] })
    const x = randn([3, 2])
    expect(b.forward(x).toArray()).toEqual(a.forward(x).toArray())
  })

  test('what does not fit is listed whole and nothing is written', () => {
    const layer = new nn.Linear(2, 3)
    const before = layer.bias?.toArray()
    const state = { weight: zeros([3, 3]), bais: zeros([3]), bias: ones([3]) }
    expect(() => layer.loadStateDict(state)).toThrow(
      expect.objectContaining({
        code: 'ERR_STATE_DICT',
        message: expect.stringMatching(
          /unexpected: bais\. of another shape: weight: \[3, 3\] given, \[3, 2\] here/,
        ),
      }),
    )
    expect(() => layer.loadStateDict({})).toThrow(/missing: weight, bias/)
    expect(layer.bias?.toArray()).toEqual(before)
  })

  test('strict: false loads what fits and reports the rest', () => {
    const layer = new nn.Linear(2, 3)
    expect(layer.loadStateDict({ bias: ones([3]), more: ones([1]) }, { strict: false })).toEqual({
      missing: ['weight'],
      unexpected: ['more'],
    })
    expect(layer.bias?.toArray()).toEqual([1, 1, 1])
    expect(() => layer.loadStateDict({ bias: ones([4]) }, { strict: false })).toThrow(nn.StateDictError)
  })

  test('keys of Object.prototype are no keys of a state', () => {
    expect(() => new nn.Linear(1, 1).loadStateDict({ weight: ones([1, 1]) })).toThrow(/missing: bias/)
    class Odd extends nn.Module {
      readonly toLocaleString2 = new nn.Parameter(ones([1]))
      override forward(x: Tensor): Tensor {
        return x
      }
    }
    expect(() => new Odd().loadStateDict({})).toThrow(/missing/)
  })

  test('programs see loaded values', () => {
    const layer = new nn.Linear(1, 1)
    const run = jit((x: Tensor) => noGrad(() => layer.forward(x)))
    run(ones([1, 1]))
    layer.loadStateDict({ weight: tensor([[2]]), bias: tensor([3]) })
    expect(run(ones([1, 1])).toArray()).toEqual([[5]])
  })

  test('buffers register and refuse bad names', () => {
    const model = new Net()
    expect(model.namedBuffers().map(([name]) => name)).toEqual(['count', 'hidden'])
    expect(() => model.registerBuffer('a.b', zeros([1]))).toThrow(ValueError)
  })

  test('apply visits children first', () => {
    const order: string[] = []
    const model = new nn.Sequential(new nn.ReLU(), new nn.Tanh())
    expect(model.apply((module) => void order.push(module.constructor.name))).toBe(model)
    expect(order).toEqual(['ReLU', 'Tanh', 'Sequential'])
  })
})

describe('Parameter', () => {
  test('copies its source, keeps its memory order to itself', () => {
    const source = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ])
    const parameter = new nn.Parameter(source, { memoryOrder: [1, 0] })
    expect([parameter.shape, parameter.isLeaf, parameter.requiresGrad]).toEqual([[2, 3], true, true])
    expect(parameter.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ])
    parameter.copyFrom(parameter.mul(2))
    expect(parameter.toArray()).toEqual([
      [2, 4, 6],
      [8, 10, 12],
    ])
    expect(source.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ])
    expect(nn.isParameter(parameter)).toBe(true)
    expect(nn.isParameter(source)).toBe(false)
  })

  test('refuses what cannot be trained', () => {
    expect(() => new nn.Parameter(tensor([1], { dtype: 'i32' }) as never)).toThrow(
      expect.objectContaining({ code: 'ERR_DTYPE' }),
    )
    expect(() => new nn.Parameter(ones([2]), { memoryOrder: [0, 0] })).toThrow(ValueError)
    expect(() => new nn.Parameter([1] as never)).toThrow(ValueError)
    expect(new nn.Parameter(ones([2]), { requiresGrad: false }).requiresGrad).toBe(false)
  })
})

describe('a state that went through JSON', () => {
  test('loads as what it was', () => {
    const [a, b] = [new nn.Linear(3, 2), new nn.Linear(3, 2)]
    b.loadStateDict(JSON.parse(JSON.stringify(a.stateDict())) as Record<string, number[]>)
    expect(b.weight.toArray()).toEqual(a.weight.toArray())
    expect(b.bias?.toArray()).toEqual(a.bias?.toArray())
  })

  test('does not load where a value was lost', () => {
    const lost = JSON.parse(JSON.stringify({ weight: tensor([[Number.NaN]]), bias: [0] })) as Record<
      string,
      number[]
    >
    expect(() => new nn.Linear(1, 1).loadStateDict(lost)).toThrow('loadStateDict: null at [0][0]')
    expect(() => new nn.Linear(1, 1).loadStateDict({ weight: [[1, 2]], bias: [0] })).toThrow(
      nn.StateDictError,
    )
  })
})

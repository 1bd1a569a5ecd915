import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  type Tensor,
  TraceError,
  ValueError,
  jit,
  manualSeed,
  nn,
  ones,
  optim,
  randn,
  tensor,
  zeros,
} from 'neuroxide'

// That steps equal PyTorch's is tested in `test/golden`.

const parameter = (values: number[] = [1, 2]): nn.Parameter =>
  new nn.Parameter(tensor(values)) as nn.Parameter
const descend = (optimizer: optim.Optimizer<never> | optim.Optimizer<object>, p: nn.Parameter): void => {
  optimizer.zeroGrad()
  p.mul(p).sum().backward()
  optimizer.step()
}

describe('hyperparameters', () => {
  test('have PyTorch’s defaults', () => {
    const p = [parameter()]
    const sgd = new optim.SGD(p)
    expect([sgd.lr, sgd.momentum, sgd.dampening, sgd.weightDecay, sgd.nesterov, sgd.maximize]).toEqual([
      1e-3,
      0,
      0,
      0,
      false,
      false,
    ])
    const adam = new optim.Adam(p)
    expect([adam.lr, adam.betas, adam.eps, adam.weightDecay, adam.amsgrad]).toEqual([
      1e-3,
      [0.9, 0.999],
      1e-8,
      0,
      false,
    ])
    expect(new optim.AdamW(p).weightDecay).toBe(0.01)
    const rms = new optim.RMSprop(p)
    expect([rms.lr, rms.alpha, rms.eps, rms.centered]).toEqual([0.01, 0.99, 1e-8, false])
    const adagrad = new optim.Adagrad(p)
    expect([adagrad.lr, adagrad.lrDecay, adagrad.eps, adagrad.initialAccumulatorValue]).toEqual([
      0.01, 0, 1e-10, 0,
    ])
  })

  test('can be read and written per optimizer and per group', () => {
    const [a, b] = [parameter(), parameter()]
    const optimizer = new optim.SGD([{ params: [a], lr: 0.5 }, { params: [b] }], { lr: 0.1 })
    expect(optimizer.paramGroups.map(({ lr }) => lr)).toEqual([0.5, 0.1])
    expect(optimizer.paramGroups[1]?.params).toEqual([b])
    a.sum().add(b.sum()).backward()
    optimizer.step()
    expect(a.toArray()).toEqual([0.5, 1.5])
    expect(b.toArray()).toEqual([expect.closeTo(0.9, 6), expect.closeTo(1.9, 6)])
    optimizer.lr = 1
    expect(optimizer.paramGroups.map(({ lr }) => lr)).toEqual([1, 1])
    ;(optimizer.paramGroups[0] as { lr: number }).lr = 2
    expect([optimizer.lr, optimizer.paramGroups[1]?.lr]).toEqual([2, 1])
    const adam = new optim.Adam([a])
    adam.betas = [0.5, 0.6]
    expect(adam.betas).toEqual([0.5, 0.6])
  })

  test('a schedule traces nothing again', () => {
    const p = parameter([8])
    const optimizer = new optim.SGD([p], { lr: 0.5 })
    const step = jit(() => {
      const loss = p.sum()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    const seen: number[] = []
    for (const lr of [0.5, 1, 2]) {
      optimizer.lr = lr
      step()
      seen.push(Number(p.item()))
    }
    expect(seen).toEqual([7.5, 6.5, 4.5])
    expect(step.traces).toBe(1)
  })

  test.each<[string, () => unknown]>([
    ['a negative lr', () => new optim.SGD([parameter()], { lr: -1 })],
    ['NaN', () => new optim.Adam([parameter()], { lr: Number.NaN })],
    ['a beta of 1', () => new optim.Adam([parameter()], { betas: [0.9, 1] })],
    ['one beta', () => new optim.Adam([parameter()], { betas: [0.9] as never })],
    ['nesterov without momentum', () => new optim.SGD([parameter()], { nesterov: true })],
    ['a misspelt name', () => new optim.SGD([parameter()], { learningRate: 1 } as never)],
    ['a misspelt name in a group', () => new optim.SGD([{ params: [parameter()], rate: 1 } as never])],
    ['no parameters', () => new optim.SGD([])],
    ['the same parameter twice', () => ((p) => new optim.SGD([p, p]))(parameter())],
    ['a result of an op', () => new optim.SGD([parameter().mul(2) as unknown as nn.Parameter])],
    ['something else', () => new optim.SGD([1 as never])],
    ['a choice made later', () => Object.assign(new optim.Adam([parameter()]), { amsgrad: true })],
    ['momentum begun later', () => (new optim.SGD([parameter()]).momentum = 0.9)],
    ['a bad lr later', () => (new optim.SGD([parameter()]).lr = -1)],
  ])('%s is refused', (_name, call) => {
    expect(call).toThrow(ValueError)
  })
})

describe('inside a trace', () => {
  test('making an optimizer, writing a hyperparameter and loading a state throw', () => {
    const p = parameter()
    const optimizer = new optim.SGD([p])
    const state = optimizer.stateDict()
    const traced = (body: () => void) => (): unknown =>
      jit((x: Tensor) => {
        body()
        return x.mul(1)
      })(ones([1]))
    expect(traced(() => new optim.SGD([p]))).toThrow(TraceError)
    expect(traced(() => (optimizer.lr = 1))).toThrow(TraceError)
    expect(traced(() => optimizer.loadStateDict(state))).toThrow(TraceError)
  })
})

describe('state', () => {
  const options: [string, (p: nn.Parameter) => optim.Optimizer<never> | optim.Optimizer<object>, string[]][] =
    [
      ['SGD', (p) => new optim.SGD([p], { lr: 0.1, momentum: 0.9 }), ['step', 'momentum_buffer']],
      [
        'Adam',
        (p) => new optim.Adam([p], { lr: 0.1, amsgrad: true }),
        ['step', 'exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'],
      ],
      ['AdamW', (p) => new optim.AdamW([p], { lr: 0.1 }), ['step', 'exp_avg', 'exp_avg_sq']],
      [
        'RMSprop',
        (p) => new optim.RMSprop([p], { centered: true, momentum: 0.5 }),
        ['step', 'square_avg', 'grad_avg', 'momentum_buffer'],
      ],
      ['Adagrad', (p) => new optim.Adagrad([p], { lrDecay: 0.1 }), ['step', 'sum']],
    ]

  test.each(options)('%s goes on from a saved state to the bit', (_name, make, keys) => {
    const [a, b] = [parameter([1, -3]), parameter([1, -3])]
    const [first, second] = [make(a), make(b)]
    for (let i = 0; i < 3; i++) descend(first, a)
    const saved = first.stateDict()
    expect(Object.keys(saved.state['0'] ?? {})).toEqual(keys)
    expect(saved.state['0']?.['step']).toBe(3)
    b.copyFrom(a.detach())
    second.loadStateDict(saved)
    for (let i = 0; i < 3; i++) {
      descend(first, a)
      descend(second, b)
    }
    expect(b.toArray()).toEqual(a.toArray())
  })

  test('has PyTorch’s layout', () => {
    const optimizer = new optim.AdamW([
      { params: [parameter(), parameter()] },
      { params: [parameter()], weightDecay: 0 },
    ])
    expect(optimizer.stateDict().param_groups).toEqual([
      {
        lr: 1e-3,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: 0.01,
        amsgrad: false,
        maximize: false,
        params: [0, 1],
      },
      {
        lr: 1e-3,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: 0,
        amsgrad: false,
        maximize: false,
        params: [2],
      },
    ])
    expect(new optim.SGD([parameter()]).stateDict().state).toEqual({})
  })

  test('loads hyperparameters too, and refuses what does not fit', () => {
    const optimizer = new optim.Adam([parameter()], { lr: 0.5 })
    const other = new optim.Adam([parameter()])
    other.loadStateDict(optimizer.stateDict())
    expect(other.lr).toBe(0.5)
    const { state, param_groups } = optimizer.stateDict()
    expect(() => other.loadStateDict({ state, param_groups: [] })).toThrow(optim.OptimizerStateError)
    const wrong = { state: { 0: { ...state['0'], exp_avg: zeros([3]) } }, param_groups }
    expect(() => other.loadStateDict(wrong)).toThrow(/exp_avg of parameter 0 is \[3\]; expected \[2\]/)
  })
})

describe('clipping', () => {
  test('clipGradNorm returns the norm and scales all gradients together', () => {
    const [a, b] = [parameter([1, 1]), parameter([1])]
    a.mul(3).sum().add(b.mul(4).sum()).backward()
    const norm = optim.clipGradNorm([a, b], 1)
    expect(Number(norm.item())).toBeCloseTo(Math.sqrt(9 + 9 + 16), 5)
    expect(Number(optim.clipGradNorm([a, b], 10).item())).toBeCloseTo(1, 5)
    expect(a.grad?.toArray()).toEqual([
      expect.closeTo(3 / Math.sqrt(34), 5),
      expect.closeTo(3 / Math.sqrt(34), 5),
    ])
    expect(Number(optim.clipGradNorm([a, b], 10, Infinity).item())).toBeCloseTo(4 / Math.sqrt(34), 5)
    expect(Number(optim.clipGradNorm([a, b], 10, 1).item())).toBeCloseTo(10 / Math.sqrt(34), 5)
    expect(optim.clipGradNorm([parameter()], 1).item()).toBe(0)
  })

  test('clipGradValue clamps', () => {
    const p = parameter([1, 1])
    p.mul(tensor([-3, 0.25]))
      .sum()
      .backward()
    optim.clipGradValue(p, 0.5)
    expect(p.grad?.toArray()).toEqual([-0.5, 0.25])
  })

  test('works in a trace to the same bits', () => {
    const run = (jitted: boolean): unknown => {
      manualSeed(4)
      const model = new nn.Linear(3, 2)
      const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 })
      const step = (x: Tensor): Tensor => {
        optimizer.zeroGrad()
        model.forward(x).square().sum().backward()
        const norm = optim.clipGradNorm(model.parameters(), 0.5)
        optimizer.step()
        return norm
      }
      const x = randn([4, 3])
      const call = jitted ? jit(step) : step
      const norms = [call(x), call(x)].map((norm) => norm.item())
      return [norms, model.weight.toArray()]
    }
    expect(run(true)).toEqual(run(false))
  })

  test('refuses what is no limit, and non-finite norms where it is asked to', () => {
    const p = parameter()
    p.mul(Infinity).sum().backward()
    expect(() => optim.clipGradNorm([p], -1)).toThrow(ValueError)
    expect(() => optim.clipGradNorm([p], 1, 0)).toThrow(ValueError)
    expect(() => optim.clipGradValue([p], Number.NaN)).toThrow(ValueError)
    expect(() => optim.clipGradNorm([p], 1, 2, { errorIfNonfinite: true })).toThrow(
      expect.objectContaining({ code: 'ERR_GRAD' }),
    )
  })
})

test('parameters without a gradient stay', () => {
  const [a, b] = [parameter([1, 2]), parameter([3, 4])]
  const optimizer = new optim.Adam([a, b])
  a.sum().backward()
  optimizer.step()
  expect(b.toArray()).toEqual([3, 4])
  expect(optimizer.stateDict().state['1']?.['step']).toBe(0)
  optimizer.zeroGrad()
  expect(a.grad).toBeNull()
  expect(optimizer.parameters()).toEqual([a, b])
})

test('a state that went through JSON loads as what it was', () => {
  const optimizer = new optim.Adam([parameter()])
  descend(optimizer, optimizer.parameters()[0] as nn.Parameter)
  const text = JSON.stringify(optimizer.stateDict())
  const other = new optim.Adam([parameter()])
  other.loadStateDict(JSON.parse(text) as optim.OptimizerState)
  expect(JSON.stringify(other.stateDict())).toBe(text)
  expect(text).not.toContain('{}')
})

test('printing shows the hyperparameters of each group', () => {
  const [a, b] = [parameter(), parameter()]
  expect(String(new optim.SGD([a], { lr: 0.5 }))).toBe(
    'SGD(lr: 0.5, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false, parameters: 1)',
  )
  const two = inspect(new optim.SGD([{ params: [a], lr: 1 }, { params: [b] }], { lr: 0.5 }))
  expect(two).toMatch(/^SGD\(\n {2}\(0\): lr: 1, .*, parameters: 1\n {2}\(1\): lr: 0\.5, .*\n\)$/)
})

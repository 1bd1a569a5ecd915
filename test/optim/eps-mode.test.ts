import { describe, expect, test } from 'vitest'
import { ValueError, jit, nn, optim, tensor } from 'neuroxide'

const start = [0.5, -1.25, 2, 1e-4]
// One gradient is near epsilon: there the two places differ most.
const gradients = [
  [1, -0.5, 2e-7, 0],
  [-0.25, 3, 1e-7, 1e-6],
  [0.125, 0.5, -3e-7, 2],
]
const eps = 1e-7

/** The gradient of what `descend` differentiates is `given` itself. */
type Options = { readonly lr: number; readonly eps: number; readonly epsMode: 'keras' | 'torch' }
type Make = (parameters: nn.Parameter[], options: Options) => optim.Optimizer<never> | optim.Optimizer<object>

function trained(make: Make, epsMode: 'keras' | 'torch', jitted: boolean): number[] {
  const p = new nn.Parameter(tensor(start))
  const optimizer = make([p as nn.Parameter], { lr: 0.1, eps, epsMode })
  const step = (given: ReturnType<typeof tensor>): ReturnType<typeof tensor> => {
    optimizer.zeroGrad()
    const loss = p.mul(given).sum()
    loss.backward()
    optimizer.step()
    return loss as never
  }
  const run = jitted ? jit(step as never) : step
  for (const given of gradients) (run as (x: unknown) => unknown)(tensor(given))
  return p.toArray() as number[]
}

/** A formula of one element in f64: its value and what it keeps, after one more gradient. */
type Formula = (x: number, g: number, kept: number[], t: number) => number

function formula(of: Formula): number[] {
  return start.map((first, i) => {
    const kept: number[] = []
    return gradients.reduce((x, row, step) => of(x, row[i] ?? NaN, kept, step + 1), first)
  })
}

const lr = 0.1

const adam =
  (decay = 1): Formula =>
  (x, g, kept, t) => {
    const m = (kept[0] ?? 0) * 0.9 + g * 0.1
    const v = (kept[1] ?? 0) * 0.999 + g * g * 0.001
    kept.splice(0, 2, m, v)
    const alpha = (lr * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t)
    return x * decay - (m * alpha) / (Math.sqrt(v) + eps)
  }

const amsgrad: Formula = (x, g, kept, t) => {
  const m = (kept[0] ?? 0) * 0.9 + g * 0.1
  const v = (kept[1] ?? 0) * 0.999 + g * g * 0.001
  const most = Math.max(kept[2] ?? 0, v)
  kept.splice(0, 3, m, v, most)
  const alpha = (lr * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t)
  return x - (m * alpha) / (Math.sqrt(most) + eps)
}

const rmsprop: Formula = (x, g, kept) => {
  const v = (kept[0] ?? 0) * 0.9 + g * g * 0.1
  kept[0] = v
  return x - (lr * g) / Math.sqrt(v + eps)
}

const rmspropMomentum: Formula = (x, g, kept) => {
  const v = (kept[0] ?? 0) * 0.9 + g * g * 0.1
  const mean = (kept[1] ?? 0) * 0.9 + g * 0.1
  const moved = (kept[2] ?? 0) * 0.5 + (lr * g) / Math.sqrt(v - mean * mean + eps)
  kept.splice(0, 3, v, mean, moved)
  return x - moved
}

const adagrad: Formula = (x, g, kept) => {
  const sum = (kept[0] ?? 0) + g * g
  kept[0] = sum
  return x - (lr * g) / Math.sqrt(sum + eps)
}

const cases: readonly [name: string, make: Make, of: Formula][] = [
  ['Adam', (p, o) => new optim.Adam(p, o), adam()],
  ['Adam with amsgrad', (p, o) => new optim.Adam(p, { ...o, amsgrad: true }), amsgrad],
  ['AdamW', (p, o) => new optim.AdamW(p, { ...o, weightDecay: 0.05 }), adam(1 - lr * 0.05)],
  ['RMSprop', (p, o) => new optim.RMSprop(p, { ...o, alpha: 0.9 }), rmsprop],
  [
    'RMSprop, centred, with momentum',
    (p, o) => new optim.RMSprop(p, { ...o, alpha: 0.9, momentum: 0.5, centered: true }),
    rmspropMomentum,
  ],
  ['Adagrad', (p, o) => new optim.Adagrad(p, o), adagrad],
]

describe('epsilon where Keras has it', () => {
  test.each(cases)('%s', (_, make, of) => {
    const eager = trained(make, 'keras', false)
    expect(trained(make, 'keras', true)).toEqual(eager)
    formula(of).forEach((expected, i) => expect(eager[i]).toBeCloseTo(expected, 5))
    // Not the other mode by mistake.
    expect(trained(make, 'torch', false)).not.toEqual(eager)
  })

  test('is PyTorch’s by default, and then no part of state and text', () => {
    const p = [new nn.Parameter(tensor([1])) as nn.Parameter]
    const plain = new optim.Adam(p)
    expect(plain.epsMode).toBe('torch')
    expect(plain.stateDict().param_groups[0]).not.toHaveProperty('eps_mode')
    expect(String(plain)).not.toContain('epsMode')
    const keras = new optim.Adam(p, { epsMode: 'keras' })
    expect(keras.stateDict().param_groups[0]).toHaveProperty('eps_mode', 'keras')
    expect(String(keras)).toContain('epsMode: "keras"')
    keras.loadStateDict(JSON.parse(JSON.stringify(keras.stateDict())) as optim.OptimizerState)
    keras.loadStateDict(plain.stateDict())
    expect(keras.epsMode).toBe('keras')
    expect(() => plain.loadStateDict(keras.stateDict())).toThrow(/epsMode was written; expected none/)
  })

  test('is chosen once, by word', () => {
    const p = [new nn.Parameter(tensor([1])) as nn.Parameter]
    expect(() => new optim.RMSprop(p, { epsMode: 'jax' as never })).toThrow(
      new ValueError(`optim.RMSprop: "jax" as epsMode; expected 'torch' or 'keras'.`),
    )
    const adagrad = new optim.Adagrad(p) as { epsMode: string }
    expect(() => (adagrad.epsMode = 'keras')).toThrow(ValueError)
  })
})

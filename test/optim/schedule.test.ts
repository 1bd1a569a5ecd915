import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { TraceError, ValueError, jit, losses, nn, ones, optim, zeros } from 'neuroxide'

// That the schedules of one group equal PyTorch's is tested in `test/golden` too, for the cases of `schedulers.json`.

const {
  ChainedScheduler,
  ConstantLR,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  CyclicLR,
  ExponentialLR,
  LRScheduler,
  LambdaLR,
  LinearLR,
  MultiStepLR,
  MultiplicativeLR,
  OneCycleLR,
  ReduceLROnPlateau,
  SequentialLR,
  StepLR,
  warmup,
} = optim.lrScheduler

type Scheduled = optim.lrScheduler.Scheduled
type Scheduler = optim.lrScheduler.LRScheduler
type Rows = readonly (readonly [lr: number, momentum: number])[][]

const stored = JSON.parse(
  readFileSync(new URL('../golden/peers/schedules.json', import.meta.url), 'utf8'),
) as { readonly losses: readonly number[]; readonly cases: Readonly<Record<string, Rows>> }

const weight = (): nn.Parameter => new nn.Parameter(zeros([1]))
const sgd = (...lrs: number[]): optim.SGD =>
  new optim.SGD(
    lrs.map((lr) => ({ params: [weight()], lr })),
    { momentum: 0.9 },
  )
const adam = (...lrs: number[]): optim.Adam => new optim.Adam(lrs.map((lr) => ({ params: [weight()], lr })))

interface Followed {
  readonly optimizer: () => optim.SGD | optim.Adam
  readonly make: (optimizer: Scheduled) => Scheduler
  readonly metrics?: readonly number[]
}

const two = (): optim.SGD => sgd(0.1, 0.02)
const one = (): optim.SGD => sgd(0.1)
const negative = stored.losses.map((loss) => -loss)

const cases: Readonly<Record<string, Followed>> = {
  sequential: {
    optimizer: two,
    make: (o) =>
      new SequentialLR(o, {
        schedulers: [
          new LinearLR(o, { startFactor: 0.1, totalIters: 4 }),
          new ExponentialLR(o, { gamma: 0.9 }),
          new CosineAnnealingLR(o, { tMax: 6 }),
        ],
        milestones: [4, 9],
      }),
  },
  'sequential.restarts': {
    optimizer: one,
    make: (o) =>
      new SequentialLR(o, {
        schedulers: [
          new ConstantLR(o, { factor: 0.5, totalIters: 3 }),
          new CosineAnnealingWarmRestarts(o, { t0: 3, tMult: 2, etaMin: 0.001 }),
        ],
        milestones: [3],
      }),
  },
  chained: {
    optimizer: two,
    make: (o) =>
      new ChainedScheduler([
        new ConstantLR(o, { factor: 0.1, totalIters: 2 }),
        new ExponentialLR(o, { gamma: 0.9 }),
        new StepLR(o, { stepSize: 4, gamma: 0.5 }),
      ]),
  },
  lambda: {
    optimizer: two,
    make: (o) => new LambdaLR(o, { lrLambda: [(epoch) => 0.9 ** epoch, (epoch) => 1 / (1 + epoch)] }),
  },
  multiplicative: {
    optimizer: two,
    make: (o) => new MultiplicativeLR(o, { lrLambda: (epoch) => 1 - 0.02 * epoch }),
  },
  plateau: {
    optimizer: two,
    make: (o) => new ReduceLROnPlateau(o, { factor: 0.5, patience: 2, cooldown: 1 }),
    metrics: stored.losses,
  },
  'plateau.max': {
    optimizer: two,
    make: (o) =>
      new ReduceLROnPlateau(o, {
        mode: 'max',
        factor: 0.5,
        patience: 1,
        threshold: 0.05,
        thresholdMode: 'abs',
        minLr: [0.03, 0.001],
      }),
    metrics: negative,
  },
  'oneCycle.threePhase': {
    optimizer: () => adam(0.1, 0.02),
    make: (o) =>
      new OneCycleLR(o, {
        maxLr: [1, 0.5],
        epochs: 3,
        stepsPerEpoch: 7,
        threePhase: true,
        annealStrategy: 'linear',
      }),
  },
  'oneCycle.momentum': {
    optimizer: one,
    make: (o) => new OneCycleLR(o, { maxLr: 1, totalSteps: 21, baseMomentum: 0.7 }),
  },
  'cyclic.expRange': {
    optimizer: two,
    make: (o) =>
      new CyclicLR(o, {
        baseLr: 0.01,
        maxLr: [0.2, 0.1],
        stepSizeUp: 5,
        stepSizeDown: 3,
        mode: 'exp_range',
        gamma: 0.97,
        baseMomentum: 0.6,
      }),
  },
  'cosine.up': { optimizer: two, make: (o) => new CosineAnnealingLR(o, { tMax: 5, etaMin: 0.01 }) },
  'multistep.twice': {
    optimizer: one,
    make: (o) => new MultiStepLR(o, { milestones: [2, 2, 5], gamma: 0.5 }),
  },
  'constant.zero': {
    optimizer: one,
    make: (o) => new LinearLR(o, { startFactor: 0.25, endFactor: 0.5, totalIters: 3 }),
  },
}

/** Rate and momentum of each group. */
function told(optimizer: optim.SGD | optim.Adam): number[][] {
  return optimizer.paramGroups.map((group) => [group.lr, 'betas' in group ? group.betas[0] : group.momentum])
}

function expectRow(ours: number[][], reference: Rows[number]): void {
  expect(ours.length).toBe(reference.length)
  for (const [i, row] of ours.entries())
    for (const [j, value] of row.entries()) expect(value).toBeCloseTo(reference[i]![j]!, 12)
}

describe('schedules equal PyTorch’s, group by group', () => {
  test('all stored cases are tried', () => {
    expect(Object.keys(cases).toSorted()).toEqual(Object.keys(stored.cases).toSorted())
  })

  test.each(Object.entries(cases))('%s', (name, { optimizer: create, make, metrics }) => {
    const rows = stored.cases[name]!
    const optimizer = create()
    const scheduler = make(optimizer)
    for (const [step, row] of rows.entries()) {
      if (step > 0) scheduler.step(metrics?.[step - 1])
      expectRow(told(optimizer), row)
      expect(scheduler.getLastLr()).toEqual(optimizer.paramGroups.map(({ lr }) => lr))
      expect(scheduler.lastEpoch).toBe(step)
    }
  })

  test.each(Object.entries(cases))(
    '%s goes on from a state that went through JSON, at any step',
    (name, { optimizer: create, make, metrics }) => {
      const rows = stored.cases[name]!
      for (let stop = 0; stop < rows.length; stop += 1) {
        const first = make(create())
        for (let step = 1; step <= stop; step += 1) first.step(metrics?.[step - 1])
        const optimizer = create()
        const scheduler = make(optimizer)
        scheduler.loadStateDict(JSON.parse(JSON.stringify(first.stateDict())))
        for (let step = stop; step < rows.length; step += 1) {
          if (step > stop) scheduler.step(metrics?.[step - 1])
          expectRow(told(optimizer), rows[step]!)
        }
      }
    },
  )
})

describe('schedulers', () => {
  test('start from the rates that were there before any of them', () => {
    const optimizer = sgd(0.5)
    const first = new ConstantLR(optimizer, { factor: 0.5, totalIters: 9 })
    expect(optimizer.lr).toBe(0.25)
    const second = new LambdaLR(optimizer, { lrLambda: () => 1 })
    expect(optimizer.lr).toBe(0.5)
    expect(first.getLastLr()).toEqual([0.25])
    expect(second.optimizer).toBe(optimizer)
  })

  test('are read by a traced step without tracing it again', () => {
    const w = new nn.Parameter(ones([1]))
    const optimizer = new optim.SGD([w], { lr: 1 })
    const scheduler = new ExponentialLR(optimizer, { gamma: 0.5 })
    const step = jit(() => {
      optimizer.zeroGrad()
      w.sum().backward()
      optimizer.step()
    })
    const seen: number[] = []
    for (let i = 0; i < 4; i += 1) {
      const before = w.item()
      step()
      seen.push(before - w.item())
      scheduler.step()
    }
    expect(seen).toEqual([1, 0.5, 0.25, 0.125])
  })

  test('cannot be made or stepped inside a traced function', () => {
    const optimizer = sgd(1)
    const scheduler = new ExponentialLR(optimizer, { gamma: 0.5 })
    const traced = jit((x: nn.Parameter) => {
      scheduler.step()
      return x.sum()
    })
    expect(() => traced(weight())).toThrow(TraceError)
    const making = jit((x: nn.Parameter) => {
      void new ExponentialLR(optimizer, { gamma: 0.5 })
      return x.sum()
    })
    expect(() => making(weight())).toThrow(/made inside a traced function; expected/)
    expect([scheduler.lastEpoch, optimizer.lr]).toEqual([0, 1])
  })

  test('count nothing and write nothing where a rate is none', () => {
    const optimizer = sgd(1, 0.5)
    const scheduler = new LambdaLR(optimizer, {
      lrLambda: [() => 0.5, (epoch) => (epoch === 2 ? -1 : 1)],
    })
    scheduler.step()
    expect(() => scheduler.step()).toThrow(/-0\.5 as lr; expected/)
    expect(scheduler.lastEpoch).toBe(1)
    expect(optimizer.paramGroups.map(({ lr }) => lr)).toEqual([0.5, 0.5])
    expect(scheduler.getLastLr()).toEqual([0.5, 0.5])
  })

  test('take a factor of 0 back', () => {
    const optimizer = sgd(0.5)
    const scheduler = new ConstantLR(optimizer, { factor: 0, totalIters: 2 })
    const rates = [optimizer.lr]
    for (let i = 0; i < 3; i += 1) {
      scheduler.step()
      rates.push(optimizer.lr)
    }
    expect(rates).toEqual([0, 0, 0.5, 0.5])
  })

  test('of one cycle end after their steps', () => {
    const optimizer = sgd(0.1)
    const scheduler = new OneCycleLR(optimizer, { maxLr: 1, totalSteps: 3, pctStart: 1 / 3 })
    for (let i = 0; i < 3; i += 1) scheduler.step()
    expect(() => scheduler.step()).toThrow(/step 4 of 3; expected no more/)
    expect(scheduler.lastEpoch).toBe(3)
  })

  test('can be nested in a sequence', () => {
    const optimizer = sgd(1)
    const inner = new SequentialLR(optimizer, {
      schedulers: [
        new ConstantLR(optimizer, { factor: 0.5, totalIters: 99 }),
        new ExponentialLR(optimizer, { gamma: 0.5 }),
      ],
      milestones: [2],
    })
    const chain = new ChainedScheduler([
      new ExponentialLR(optimizer, { gamma: 0.5 }),
      new ConstantLR(optimizer, { factor: 0.5, totalIters: 99 }),
    ])
    const scheduler = new SequentialLR(optimizer, { schedulers: [inner, chain], milestones: [4] })
    const rates = [optimizer.lr]
    for (let i = 0; i < 6; i += 1) {
      scheduler.step()
      rates.push(optimizer.lr)
    }
    expect(rates).toEqual([0.5, 0.5, 1, 0.5, 0.5, 0.25, 0.125])
  })

  test('warm up to the full rate and go on from there', () => {
    const optimizer = sgd(1)
    const plain = warmup(optimizer, { steps: 4 })
    const rates = [optimizer.lr]
    for (let i = 0; i < 5; i += 1) {
      plain.step()
      rates.push(optimizer.lr)
    }
    expect(rates.map((lr) => lr.toFixed(4))).toEqual([
      '0.2500',
      '0.4375',
      '0.6250',
      '0.8125',
      '1.0000',
      '1.0000',
    ])
    const made = warmup(optimizer, { steps: 4, next: (o) => new StepLR(o, { stepSize: 2, gamma: 0.5 }) })
    for (let i = 0; i < 6; i += 1) made.step()
    expect(optimizer.lr).toBe(0.5)
  })

  test('are instances of one class', () => {
    expect(new StepLR(one(), { stepSize: 1 })).toBeInstanceOf(LRScheduler)
    expect(warmup(one(), { steps: 2 })).toBeInstanceOf(LRScheduler)
  })

  test('train', () => {
    const model = new nn.Linear(2, 1)
    const optimizer = new optim.Adam(model.parameters())
    const scheduler = new OneCycleLR(optimizer, { maxLr: 0.1, totalSteps: 100 })
    const x = ones([8, 2])
    let loss = Number.NaN
    for (let i = 0; i < 99; i += 1) {
      optimizer.zeroGrad()
      const value = losses.mse(model.forward(x), zeros([8, 1]))
      value.backward()
      optimizer.step()
      scheduler.step()
      loss = value.item()
    }
    expect(loss).toBeLessThan(1e-3)
    expect(optimizer.lr).toBeLessThan(1e-5)
  })

  test.each(['lastEpoch', 'baseLrs', 'lr', 'momentum'])('refuse a state without %s', (field) => {
    const scheduler = new StepLR(one(), { stepSize: 1 })
    const state = { ...scheduler.stateDict(), [field]: 'damaged' }
    expect(() => scheduler.loadStateDict(state)).toThrow(optim.OptimizerStateError)
  })

  test('refuse what is another class’s, or of other groups', () => {
    const scheduler = new StepLR(one(), { stepSize: 1 })
    const other = new ExponentialLR(one(), { gamma: 0.5 })
    expect(() => scheduler.loadStateDict(other.stateDict())).toThrow(
      /StepLR: the state of a ExponentialLR; expected that of a StepLR/,
    )
    expect(() => scheduler.loadStateDict(new StepLR(two(), { stepSize: 1 }).stateDict())).toThrow(
      /a state of 2 groups; expected one of 1/,
    )
    expect(() => new SequentialLR(one(), { schedulers: [scheduler], milestones: [] })).toThrow(ValueError)
  })
})

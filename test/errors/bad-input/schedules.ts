import { ValueError, nn, optim, zeros } from 'neuroxide'
import { bad, row, type Rows } from './row.js'

const { lrScheduler } = optim
const sgd = (): optim.SGD => new optim.SGD([new nn.Parameter(zeros([1]))], { momentum: 0.9 })
const plain = (): optim.SGD => new optim.SGD([new nn.Parameter(zeros([1]))])
const step = (): optim.lrScheduler.StepLR => new lrScheduler.StepLR(sgd(), { stepSize: 1 })
const plateau = (): optim.lrScheduler.ReduceLROnPlateau => new lrScheduler.ReduceLROnPlateau(sgd())
const chained = (): optim.lrScheduler.ChainedScheduler => new lrScheduler.ChainedScheduler([step()])

function sequence(): optim.lrScheduler.SequentialLR {
  const scheduler = step()
  return new lrScheduler.SequentialLR(scheduler.optimizer, { schedulers: [scheduler], milestones: [] })
}

const right = {
  StepLR: { stepSize: 1 },
  MultiStepLR: { milestones: [1] },
  ExponentialLR: { gamma: 0.5 },
  PolynomialLR: {},
  LambdaLR: { lrLambda: () => 1 },
  MultiplicativeLR: { lrLambda: () => 1 },
  ConstantLR: {},
  LinearLR: {},
  CosineAnnealingLR: { tMax: 1 },
  CosineAnnealingWarmRestarts: { t0: 1 },
  OneCycleLR: { maxLr: 1, totalSteps: 2 },
  CyclicLR: { baseLr: 0.1, maxLr: 1 },
  ReduceLROnPlateau: {},
} as const
type Maker = new (optimizer: optim.lrScheduler.Scheduled, options: object) => unknown
const makers = lrScheduler as unknown as Readonly<Record<keyof typeof right, Maker>>
const names = Object.keys(right) as (keyof typeof right)[]

export const all: Rows = names.flatMap((name) => [
  row(
    `new optim.lrScheduler.${name}`,
    ValueError,
    /undefined as optimizer; expected one/,
    () => new makers[name](bad(), right[name]),
  ),
  row(
    `new optim.lrScheduler.${name}`,
    ValueError,
    /there is no option "last_epoch"; expected/,
    () => new makers[name](sgd(), { ...right[name], last_epoch: 3 }),
  ),
])

export const options: Rows = [
  row('new optim.lrScheduler.LRScheduler', ValueError, /undefined as optimizer; expected/, () =>
    Reflect.construct(lrScheduler.LRScheduler, []),
  ),
  row(
    'new optim.lrScheduler.StepLR',
    ValueError,
    /0 as stepSize; expected an integer of at least 1/,
    () => new lrScheduler.StepLR(sgd(), { stepSize: 0 }),
  ),
  row(
    'new optim.lrScheduler.MultiStepLR',
    ValueError,
    /3 as milestones; expected an array/,
    () => new lrScheduler.MultiStepLR(sgd(), { milestones: bad(3) }),
  ),
  row(
    'new optim.lrScheduler.ExponentialLR',
    ValueError,
    /undefined as gamma; expected a finite number/,
    () => new lrScheduler.ExponentialLR(sgd(), bad({})),
  ),
  row(
    'new optim.lrScheduler.PolynomialLR',
    ValueError,
    /NaN as power; expected/,
    () => new lrScheduler.PolynomialLR(sgd(), { power: NaN }),
  ),
  row(
    'new optim.lrScheduler.LambdaLR',
    ValueError,
    /an array of 2 as lrLambda; expected a function/,
    () => new lrScheduler.LambdaLR(sgd(), { lrLambda: [() => 1, () => 2] }),
  ),
  row(
    'new optim.lrScheduler.LambdaLR',
    ValueError,
    /NaN as lr; expected/,
    () => new lrScheduler.LambdaLR(sgd(), { lrLambda: bad(() => 'x') }),
  ),
  row(
    'new optim.lrScheduler.MultiplicativeLR',
    ValueError,
    /0\.5 as lrLambda; expected a function/,
    () => new lrScheduler.MultiplicativeLR(sgd(), { lrLambda: bad(0.5) }),
  ),
  row(
    'new optim.lrScheduler.ConstantLR',
    ValueError,
    /2 as factor; expected a finite number from 0 to 1/,
    () => new lrScheduler.ConstantLR(sgd(), { factor: 2 }),
  ),
  row(
    'new optim.lrScheduler.LinearLR',
    ValueError,
    /0 as startFactor; expected/,
    () => new lrScheduler.LinearLR(sgd(), { startFactor: 0 }),
  ),
  row(
    'new optim.lrScheduler.CosineAnnealingLR',
    ValueError,
    /2\.5 as tMax; expected an integer/,
    () => new lrScheduler.CosineAnnealingLR(sgd(), { tMax: 2.5 }),
  ),
  row(
    'new optim.lrScheduler.CosineAnnealingWarmRestarts',
    ValueError,
    /0 as tMult; expected/,
    () => new lrScheduler.CosineAnnealingWarmRestarts(sgd(), { t0: 1, tMult: 0 }),
  ),
  row(
    'new optim.lrScheduler.OneCycleLR',
    ValueError,
    /an optimizer without momentum or betas; expected/,
    () => new lrScheduler.OneCycleLR(plain(), { maxLr: 1, totalSteps: 2 }),
  ),
  row(
    'new optim.lrScheduler.OneCycleLR',
    ValueError,
    /undefined as totalSteps; expected an integer of at least 1, or epochs/,
    () => new lrScheduler.OneCycleLR(sgd(), { maxLr: 1 }),
  ),
  row(
    'new optim.lrScheduler.CyclicLR',
    ValueError,
    /"square" as mode; expected one of 'triangular'/,
    () => new lrScheduler.CyclicLR(sgd(), { baseLr: 0, maxLr: 1, mode: bad('square') }),
  ),
  row(
    'new optim.lrScheduler.ReduceLROnPlateau',
    ValueError,
    /1 as factor; expected a number below 1/,
    () => new lrScheduler.ReduceLROnPlateau(sgd(), { factor: 1 }),
  ),
  row(
    'new optim.lrScheduler.SequentialLR',
    ValueError,
    /an array of 0 as schedulers; expected/,
    () => new lrScheduler.SequentialLR(sgd(), { schedulers: [], milestones: [] }),
  ),
  row(
    'new optim.lrScheduler.SequentialLR',
    ValueError,
    /scheduler 0 is that of another optimizer; expected/,
    () => new lrScheduler.SequentialLR(sgd(), { schedulers: [step()], milestones: [] }),
  ),
  row('new optim.lrScheduler.SequentialLR', ValueError, /an array of 1 as milestones; expected 0/, () => {
    const scheduler = step()
    return new lrScheduler.SequentialLR(scheduler.optimizer, { schedulers: [scheduler], milestones: [1] })
  }),
  row(
    'new optim.lrScheduler.ChainedScheduler',
    ValueError,
    /ReduceLROnPlateau as scheduler 0; expected/,
    () => new lrScheduler.ChainedScheduler([plateau()]),
  ),
  row(
    'new optim.lrScheduler.ChainedScheduler',
    ValueError,
    /undefined as schedulers; expected/,
    () => new lrScheduler.ChainedScheduler(bad()),
  ),
  row('optim.lrScheduler.warmup', ValueError, /undefined as optimizer; expected/, () =>
    lrScheduler.warmup(bad(), { steps: 2 }),
  ),
  row('optim.lrScheduler.warmup', ValueError, /next gave undefined; expected a scheduler/, () =>
    lrScheduler.warmup(sgd(), { steps: 2, next: bad(() => {}) }),
  ),
]

const restarts = (): optim.lrScheduler.LRScheduler =>
  new lrScheduler.CosineAnnealingWarmRestarts(sgd(), { t0: 3 })

export const steps: Rows = [
  row('optim.lrScheduler.LRScheduler#step', ValueError, /step\(3\); expected no argument/, () =>
    step().step(3),
  ),
  row('optim.lrScheduler.CosineAnnealingWarmRestarts#step', ValueError, /step\(3\); expected no/, () =>
    restarts().step(3),
  ),
  row('optim.lrScheduler.SequentialLR#step', ValueError, /step\(3\); expected no argument/, () =>
    sequence().step(3),
  ),
  row('optim.lrScheduler.ChainedScheduler#step', ValueError, /step\(3\); expected no argument/, () =>
    chained().step(3),
  ),
  row('optim.lrScheduler.ReduceLROnPlateau#step', ValueError, /step\(undefined\); expected the/, () =>
    plateau().step(),
  ),
  row('optim.lrScheduler.LRScheduler#loadStateDict', optim.OptimizerStateError, /3 as state; expected/, () =>
    step().loadStateDict(bad(3)),
  ),
  row(
    'optim.lrScheduler.LRScheduler#loadStateDict',
    optim.OptimizerStateError,
    /a state without counters; expected/,
    () => plateau().loadStateDict({ ...plateau().stateDict(), bad: 'x' }),
  ),
  row(
    'optim.lrScheduler.LRScheduler#loadStateDict',
    optim.OptimizerStateError,
    /a state without restarts; expected/,
    () => restarts().loadStateDict({ ...restarts().stateDict(), period: null }),
  ),
  row(
    'optim.lrScheduler.LRScheduler#loadStateDict',
    optim.OptimizerStateError,
    /3 as states of the schedulers; expected 1/,
    () => chained().loadStateDict({ ...chained().stateDict(), schedulers: 3 }),
  ),
]

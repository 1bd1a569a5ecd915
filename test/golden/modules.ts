import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { F, losses, nn, tensor, type Tensor } from 'neuroxide'
import { Arguments, decoded, type Value, type Written } from './arguments.js'
import { first, mismatch } from './compare.js'
import { drivers, type Problem, type Solution } from './problem.js'
import type { Report } from './report.js'
import { Safetensors } from './safetensors.js'

interface ModuleCase {
  readonly case: string
  readonly module: string
  readonly ctor: { readonly args: readonly Written[]; readonly kwargs: Readonly<Record<string, Written>> }
  readonly args: readonly Written[]
  readonly kwargs: Readonly<Record<string, Written>>
}

/** A module of ours, or a function where PyTorch has a module and we have none. */
type Built = nn.Module | ((...inputs: Tensor[]) => Tensor)

const reduced = (a: Arguments): { readonly reduction: losses.Reduction } => {
  const reduction = a.text(-1, 'reduction', 'mean')
  if (reduction !== 'none' && reduction !== 'mean' && reduction !== 'sum')
    throw new Error(`reduction ${reduction}`)
  return { reduction }
}

const weighted = (a: Arguments): losses.BinaryOptions => {
  const weight = (a.get(0, 'weight') ?? null) === null ? {} : { weight: tensor(a.numbers(0, 'weight')) }
  return { ...weight, ...reduced(a) }
}

const classified = (a: Arguments): losses.NllOptions => ({
  ignoreIndex: a.number(-1, 'ignore_index', -100),
  ...weighted(a),
})

const margin = (a: Arguments, initial: number): losses.MarginOptions => ({
  margin: a.number(0, 'margin', initial),
  ...reduced(a),
})

/** Modules by PyTorch's name, made from the arguments of PyTorch's constructor. */
const table: Readonly<Record<string, (a: Arguments) => Built>> = {
  Linear: (a) =>
    new nn.Linear(a.number(0, 'in_features'), a.number(1, 'out_features'), {
      bias: a.boolean(2, 'bias', true),
    }),
  ReLU: () => new nn.ReLU(),
  LeakyReLU: (a) => new nn.LeakyReLU(a.number(0, 'negative_slope', 0.01)),
  ELU: (a) => new nn.ELU(a.number(0, 'alpha', 1)),
  GELU: (a) => new nn.GELU(a.text(0, 'approximate', 'none') === 'tanh' ? 'tanh' : 'none'),
  SiLU: () => new nn.SiLU(),
  Sigmoid: () => new nn.Sigmoid(),
  Tanh: () => new nn.Tanh(),
  Softmax: (a) => new nn.Softmax(a.number(0, 'dim')),
  LogSoftmax: (a) => new nn.LogSoftmax(a.number(0, 'dim')),
  Softplus: (a) => new nn.Softplus(a.number(0, 'beta', 1), a.number(1, 'threshold', 20)),
  Softmin: (a) => {
    const axis = a.number(0, 'dim')
    return (x) => F.softmin(x, axis)
  },
  LogSigmoid: () => (x) => F.logSigmoid(x),
  ConstantPad1d: (a) => padded(1, a.number(0, 'padding'), a.number(1, 'value')),
  ConstantPad2d: (a) => padded(2, a.number(0, 'padding'), a.number(1, 'value')),
  ConstantPad3d: (a) => padded(3, a.number(0, 'padding'), a.number(1, 'value')),
  ZeroPad1d: (a) => padded(1, a.number(0, 'padding'), 0),
  ZeroPad2d: (a) => padded(2, a.number(0, 'padding'), 0),
  ZeroPad3d: (a) => padded(3, a.number(0, 'padding'), 0),

  MSELoss: (a) => new nn.MSELoss(reduced(a)),
  L1Loss: (a) => new nn.L1Loss(reduced(a)),
  SmoothL1Loss: (a) => new nn.SmoothL1Loss({ beta: a.number(-1, 'beta', 1), ...reduced(a) }),
  HuberLoss: (a) => new nn.HuberLoss({ delta: a.number(-1, 'delta', 1), ...reduced(a) }),
  CrossEntropyLoss: (a) =>
    new nn.CrossEntropyLoss({ labelSmoothing: a.number(-1, 'label_smoothing', 0), ...classified(a) }),
  NLLLoss: (a) => new nn.NLLLoss(classified(a)),
  BCELoss: (a) => new nn.BCELoss(weighted(a)),
  BCEWithLogitsLoss: (a) => {
    const positive = a.get(-1, 'pos_weight') ?? null
    const posWeight = positive === null ? {} : { posWeight: tensor(a.numbers(-1, 'pos_weight')) }
    return new nn.BCEWithLogitsLoss({ ...posWeight, ...weighted(a) })
  },
  KLDivLoss: (a) => {
    const logTarget = a.boolean(-1, 'log_target')
    const batch = a.text(-1, 'reduction', 'mean') === 'batchmean'
    return new nn.KLDivLoss({ logTarget, reduction: batch ? 'batchMean' : reduced(a).reduction })
  },
  PoissonNLLLoss: (a) => {
    const options = {
      logInput: a.boolean(0, 'log_input', true),
      full: a.boolean(1, 'full'),
      eps: a.number(3, 'eps', 1e-8),
      ...reduced(a),
    }
    return (x, y) => losses.poisson(x, y, options)
  },
  SoftMarginLoss: (a) => {
    const options = reduced(a)
    return (x, y) => losses.softMargin(x, y, options)
  },
  HingeEmbeddingLoss: (a) => {
    const options = margin(a, 1)
    return (x, y) => losses.hingeEmbedding(x, y, options)
  },
  CosineEmbeddingLoss: (a) => {
    const options = margin(a, 0)
    return (x, y, target) => losses.cosineEmbedding(x, y, target, options)
  },
  MarginRankingLoss: (a) => {
    const options = margin(a, 0)
    return (x, y, target) => losses.marginRanking(x, y, target, options)
  },
}

function padded(axes: number, size: number, value: number): Built {
  const sizes = Array.from({ length: 2 * axes }, () => size)
  return (x) => F.pad(x, sizes, value)
}

/** Runs every case of `modules.json`, eagerly and jitted. */
export function runModules(dir: string, report: Report): void {
  const cases = JSON.parse(readFileSync(join(dir, 'modules.json'), 'utf8')) as ModuleCase[]
  const file = new Safetensors(join(dir, 'modules.safetensors'))
  for (const entry of cases) {
    const build = table[entry.module]
    if (build === undefined) {
      report.lacks(entry.module)
      continue
    }
    report.run(entry.module, `modules/${entry.case}`, () =>
      first(
        Object.entries(drivers).map(([driver, solve]) =>
          checked(entry, file, made(entry, build), driver, solve),
        ),
      ),
    )
  }
}

function made(entry: ModuleCase, build: (a: Arguments) => Built): Built {
  const noTensor = (name: string): never => {
    throw new Error(`the constructor takes tensor ${name}`)
  }
  const named = Object.entries(entry.ctor.kwargs).map(
    ([name, value]) => [name, decoded(value, noTensor)] as const,
  )
  const values = new Arguments(
    entry.ctor.args.map((value) => decoded(value, noTensor)),
    Object.fromEntries(named) as Record<string, Value>,
  )
  const built = build(values)
  const ignored = values.ignored()
  if (ignored.length > 0) throw new Error(`the table of modules overlooks ${ignored.join(', ')}`)
  return built
}

/** The inputs in the order of the call; a module takes them by name too. */
function inputNames(entry: ModuleCase): string[] {
  return [...entry.args, ...Object.values(entry.kwargs)].map((value) => {
    if (value !== null && typeof value === 'object' && 'tensor' in value) return value.tensor
    throw new Error(`the call takes ${JSON.stringify(value)}`)
  })
}

function checked(
  entry: ModuleCase,
  file: Safetensors,
  built: Built,
  driver: string,
  solve: (problem: Problem) => Solution,
): string | null {
  const within = (name: string): string => `${entry.case}/${name}`
  const module = typeof built === 'function' ? null : built
  const state = file.under(within('state.')).filter((key) => !Object.hasOwn(entry.ctor.kwargs, key))
  if (module !== null)
    module.loadStateDict(Object.fromEntries(state.map((key) => [key, file.tensor(within(`state.${key}`))])))
  else if (state.length > 0) return `no module to hold ${state.join(', ')}`
  const names = inputNames(entry)
  const differentiated = names.filter((name) => file.has(within(`grad.${name}`)))
  const parameters = module?.namedParameters() ?? []
  const outputs = file.under(within('out')).length
  const solution = solve({
    inputs: names.map((name) => file.tensor(within(name), { requiresGrad: differentiated.includes(name) })),
    differentiated: differentiated.map((name) => names.indexOf(name)),
    parameters: parameters.map(([, parameter]) => parameter),
    seeds: Array.from({ length: outputs }, (_, i) => file.tensor(within(`gout${i}`))),
    compute: (inputs) => [forward(built, inputs)],
  })
  const gradients = [...differentiated, ...parameters.map(([name]) => name)]
  const after = Object.entries(module?.stateDict() ?? {})
  return first([
    solution.outputs.length === outputs
      ? null
      : `${driver}: ${solution.outputs.length} outputs, expected ${outputs}`,
    ...solution.outputs.map((output, i) =>
      mismatch(`${driver}: out${i}`, output, file.stored(within(`out${i}`)), 0),
    ),
    ...gradients.map((name, i) => {
      const gradient = solution.gradients[i] ?? null
      if (gradient === null) return `${driver}: the gradient of ${name} is missing`
      return mismatch(`${driver}: grad.${name}`, gradient, file.stored(within(`grad.${name}`)), 0)
    }),
    ...after
      .filter(([key]) => file.has(within(`after.${key}`)))
      .map(([key, value]) =>
        mismatch(`${driver}: after.${key}`, value, file.stored(within(`after.${key}`)), 0),
      ),
  ])
}

function forward(built: Built, inputs: readonly Tensor[]): Tensor {
  const call =
    typeof built === 'function' ? built : (built.forward as unknown as (...inputs: Tensor[]) => Tensor)
  return call.apply(built, [...inputs])
}

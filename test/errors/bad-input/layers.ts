import {
  DTypeError,
  DeviceError,
  Model,
  ShapeError,
  TraceError,
  ValueError,
  jit,
  nn,
  type Tensor,
} from 'neuroxide'
import { bad, row, some, type Rows } from './row.js'

const { init } = nn
const layer = (): nn.Linear => new nn.Linear(2, 2)
const pair = (): nn.Sequential => new nn.Sequential(layer())

/** Calls `body` while a jitted function is traced. */
function traced(body: () => unknown): unknown {
  return jit((x: Tensor) => {
    body()
    return x.mul(2)
  })(some())
}

const ofTensors = [
  ['LeakyReLU', 'ELU', 'GELU', 'SiLU', 'Sigmoid', 'Tanh', 'Softmax', 'LogSoftmax', 'Softplus', 'Dropout'],
  ['ReLU', 'Flatten', 'Identity'],
].flat() as 'ReLU'[]

const ofLosses = [
  ['MSELoss', 'L1Loss', 'SmoothL1Loss', 'HuberLoss', 'CrossEntropyLoss', 'NLLLoss', 'BCELoss'],
  ['BCEWithLogitsLoss', 'KLDivLoss'],
].flat() as 'MSELoss'[]

const kinds: Pick<typeof nn, 'ReLU' | 'MSELoss'> = nn

export const layers: Rows = [
  ...ofTensors.flatMap((name) => [
    row(`nn.${name}#forward`, ValueError, /: undefined as input; expected a tensor/, () =>
      new kinds[name]().forward(bad()),
    ),
    row(`nn.${name}#forward`, ValueError, /: an array of 2 as input; expected/, () =>
      new kinds[name]().forward(bad([1, 2])),
    ),
  ]),
  ...ofLosses.flatMap((name) => [
    row(
      `new nn.${name}`,
      ValueError,
      /there is no option "reduce"; expected reduction/,
      () => new kinds[name](bad({ reduce: 1 })),
    ),
    row(
      `new nn.${name}`,
      ValueError,
      /"avg" as reduction; expected/,
      () => new kinds[name]({ reduction: bad('avg') }),
    ),
    row(`nn.${name}#forward`, ValueError, /: undefined; expected a tensor/, () =>
      new kinds[name]().forward(some(), bad()),
    ),
    row(`nn.${name}#forward`, ShapeError, /; expected/, () => new kinds[name]().forward(some(), some([7]))),
  ]),
  row(
    'new nn.Linear',
    ValueError,
    /^nn\.Linear: inFeatures is undefined; expected/,
    () => new nn.Linear(bad(), bad()),
  ),
  row(
    'new nn.Linear',
    ValueError,
    /^nn\.Linear: outFeatures is 3; expected/,
    () => new nn.Linear(2, bad('3')),
  ),
  row(
    'new nn.Linear',
    ValueError,
    /there is no option "biass"; expected/,
    () => new nn.Linear(2, 3, bad({ biass: false })),
  ),
  row('new nn.Linear', ValueError, /"no" as bias; expected/, () => new nn.Linear(2, 3, { bias: bad('no') })),
  row(
    'new nn.Linear',
    DTypeError,
    /"i32" as dtype; expected/,
    () => new nn.Linear(2, 3, { dtype: bad('i32') }),
  ),
  row('nn.Linear#forward', ShapeError, /^Linear: linear: .*; .* ≠ /, () => layer().forward(some([3, 3]))),
  row('nn.Linear#forward', DTypeError, /the input is u8; expected .* nn\.Rescale/, () =>
    layer().forward(some([3, 2], 'u8')),
  ),
  row('new nn.Dropout', ValueError, /^nn\.Dropout: p is -0\.5; expected/, () => new nn.Dropout(-0.5)),
  row('new nn.Dropout', ValueError, /^nn\.Dropout: p is "0\.5"; expected/, () => new nn.Dropout(bad('0.5'))),
  row('new nn.LeakyReLU', ValueError, /NaN as negativeSlope; expected/, () => new nn.LeakyReLU(NaN)),
  row('new nn.ELU', ValueError, /"a" as alpha; expected/, () => new nn.ELU(bad('a'))),
  row('new nn.GELU', ValueError, /"x" as approximate; expected/, () => new nn.GELU(bad('x'))),
  row('new nn.Softmax', ValueError, /"a" as dim; expected/, () => new nn.Softmax(bad('a'))),
  row('new nn.LogSoftmax', ValueError, /0\.5 as dim; expected/, () => new nn.LogSoftmax(0.5)),
  row('new nn.Softplus', ValueError, /"a" as beta; expected/, () => new nn.Softplus(bad('a'))),
  row('new nn.Flatten', ValueError, /"a" as startDim; expected/, () => new nn.Flatten(bad('a'))),
  row('new nn.Rescale', ValueError, /undefined as scale; expected/, () => new nn.Rescale(bad())),
  row('nn.Rescale#forward', ValueError, /3 as input; expected/, () => new nn.Rescale(1).forward(bad(3))),
  row('nn.CrossEntropyLoss#forward', ValueError, /3 as labelSmoothing; expected/, () =>
    new nn.CrossEntropyLoss({ labelSmoothing: 3 }).forward(some(), some()),
  ),
  row(
    'new nn.Parameter',
    ValueError,
    /^nn\.Parameter: undefined; expected a tensor/,
    () => new nn.Parameter(bad()),
  ),
  row('new nn.Parameter', DTypeError, /; expected f32 or f64/, () => new nn.Parameter(bad(some([2], 'i32')))),
  row(
    'new nn.Parameter',
    ValueError,
    /memoryOrder \[0, 0\]; expected an order/,
    () => new nn.Parameter(bad(some()), { memoryOrder: [0, 0] }),
  ),
]

export const containers: Rows = [
  row(
    'new nn.ModuleList',
    ValueError,
    /^nn\.ModuleList: 3; expected an array/,
    () => new nn.ModuleList(bad(3)),
  ),
  row(
    'new nn.ModuleList',
    ValueError,
    /3 as element 0; expected a module/,
    () => new nn.ModuleList(bad([3])),
  ),
  row('nn.ModuleList#append', ValueError, /undefined as element 0; expected/, () =>
    new nn.ModuleList().append(bad()),
  ),
  row('nn.ModuleList#at', ValueError, /"a" as index; expected/, () => new nn.ModuleList().at(bad('a'))),
  row('nn.ModuleList#forward', ValueError, /forward was called; expected/, () =>
    new nn.ModuleList().forward(),
  ),
  row('new nn.ModuleDict', ValueError, /^nn\.ModuleDict: null; expected/, () => new nn.ModuleDict(bad(null))),
  row('new nn.ModuleDict', ValueError, /3 as "a"; expected a module/, () => new nn.ModuleDict(bad({ a: 3 }))),
  row('nn.ModuleDict#set', ValueError, /"a\.b" as key; expected/, () =>
    new nn.ModuleDict().set('a.b', layer()),
  ),
  row('nn.ModuleDict#set', ValueError, /3 as key; expected/, () => new nn.ModuleDict().set(bad(3), layer())),
  row('nn.ModuleDict#forward', ValueError, /forward was called; expected/, () =>
    new nn.ModuleDict().forward(),
  ),
  row('new nn.Sequential', ValueError, /3 as layer 0, .*; expected/, () => new nn.Sequential(bad(3))),
  row('nn.Sequential#at', ValueError, /"a" as index; expected/, () => pair().at(bad('a'))),
  row('nn.Sequential#forward', ValueError, /undefined as input; expected/, () => pair().forward(bad())),
]

export const modules: Rows = [
  row('nn.Module#setTraining', ValueError, /"x" as mode; expected/, () => setMode.call(layer(), bad('x'))),
  row('new nn.Module', ValueError, /^Module: a module without a method forward.*; expected/, () =>
    Reflect.construct(nn.Module, []),
  ),
  row('new Model', ValueError, /^Model: a module without a method forward.*; expected/, () =>
    Reflect.construct(Model, []),
  ),
  row('nn.Module#train', ValueError, /^train: "eval" as mode; expected/, () => layer().train(bad('eval'))),
  row('nn.Module#train', TraceError, /^train: called inside .*; expected/, () =>
    traced(() => shared.train()),
  ),
  row('nn.Module#eval', TraceError, /^train: called inside .*; expected/, () => traced(() => shared.eval())),
  row('nn.Module#registerBuffer', ValueError, /"a\.b" as name; expected/, () =>
    layer().registerBuffer('a.b', some()),
  ),
  row('nn.Module#registerBuffer', ValueError, /"forward" as name; expected/, () =>
    layer().registerBuffer('forward', some()),
  ),
  row('nn.Module#registerBuffer', ValueError, /undefined as buffer; expected/, () =>
    layer().registerBuffer('a', bad()),
  ),
  row('nn.Module#loadStateDict', ValueError, /^loadStateDict: undefined; expected/, () =>
    layer().loadStateDict(bad()),
  ),
  row('nn.Module#loadStateDict', ValueError, /3 as weight; expected a tensor/, () =>
    layer().loadStateDict(bad({ weight: 3 })),
  ),
  row('nn.Module#loadStateDict', nn.StateDictError, /missing: weight, bias; expected/, () =>
    layer().loadStateDict({}),
  ),
  row('nn.Module#loadStateDict', ValueError, /there is no option "strickt"; expected/, () =>
    layer().loadStateDict({}, bad({ strickt: false })),
  ),
  row('nn.Module#apply', ValueError, /^apply: undefined; expected a function/, () => layer().apply(bad())),
  row('nn.Module#to', DeviceError, /^to: "cuda" as device; expected 'cpu'/, () => layer().to(bad('cuda'))),
  row('nn.Module#freeze', TraceError, /^freeze: called inside .*; expected/, () =>
    traced(() => shared.freeze()),
  ),
  row('nn.Module#unfreeze', TraceError, /^freeze: called inside .*; expected/, () =>
    traced(() => shared.unfreeze()),
  ),
  row('nn.Module#registerForwardHook', ValueError, /: 3; expected a function/, () =>
    layer().registerForwardHook(bad(3)),
  ),
  row('nn.Module#registerForwardPreHook', ValueError, /: undefined; expected a function/, () =>
    layer().registerForwardPreHook(bad()),
  ),
  row('nn.Module#runHooked', ValueError, /the hook returned 3; expected/, () => hooked.forward(some([2, 2]))),
]

/** Internal, and so not in the types. */
const setMode = Reflect.get(nn.Module.prototype, 'setTraining') as (mode: boolean) => void
const shared = layer()
const hooked = layer()
hooked.registerForwardPreHook(() => bad(3))

const drawn = [
  ['uniform', 'normal', 'truncNormal', 'xavierUniform', 'xavierNormal', 'kaimingUniform', 'kaimingNormal'],
  ['lecunUniform', 'lecunNormal', 'orthogonal'],
].flat() as 'xavierUniform'[]

const filled = ['zeros', 'ones'] as const

const writers: Pick<typeof init, 'xavierUniform' | 'zeros' | 'ones'> = init

export const initializers: Rows = [
  ...drawn.flatMap((name) => [
    row(`nn.init.${name}`, ValueError, /: undefined as (target|weight); expected a tensor/, () =>
      writers[name](bad()),
    ),
    row(`nn.init.${name}`, DTypeError, /a target of i32; expected/, () => writers[name](some([3, 3], 'i32'))),
  ]),
  ...filled.map((name) =>
    row(`nn.init.${name}`, ValueError, /: an array of 1 as target; expected/, () => writers[name](bad([1]))),
  ),
  row('nn.init.uniform', ValueError, /from 1 to 0; expected low/, () => init.uniform(some(), 1, 0)),
  row('nn.init.normal', ValueError, /-1 as std; expected/, () => init.normal(some(), { std: -1 })),
  row('nn.init.truncNormal', ValueError, /NaN as low; expected/, () =>
    init.truncNormal(some(), { low: NaN }),
  ),
  row('nn.init.constant', ValueError, /^full: "a" as value; expected/, () => init.constant(some(), bad('a'))),
  row('nn.init.xavierUniform', ShapeError, /a weight of shape \[3\]; expected/, () =>
    init.xavierUniform(some([3])),
  ),
  row('nn.init.xavierNormal', ValueError, /"a" as gain; expected/, () =>
    init.xavierNormal(some(), { gain: bad('a') }),
  ),
  row('nn.init.kaimingUniform', ValueError, /"fan_in" as mode; expected/, () =>
    init.kaimingUniform(some(), { mode: bad('fan_in') }),
  ),
  row('nn.init.kaimingNormal', ValueError, /"leaky_relu"; expected/, () =>
    init.kaimingNormal(some(), { nonlinearity: bad('leaky_relu') }),
  ),
  row('nn.init.orthogonal', ValueError, /"a" as gain; expected/, () =>
    init.orthogonal(some(), { gain: bad('a') }),
  ),
  row('nn.init.fans', ShapeError, /a weight of shape \[\]; expected/, () => init.fans(some([]))),
  row('nn.init.calculateGain', ValueError, /undefined; expected 'linear'/, () => init.calculateGain(bad())),
]

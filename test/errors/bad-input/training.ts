import {
  DTypeError,
  DisposedError,
  IndexError,
  type Model,
  ShapeError,
  ValueError,
  data,
  datasets,
  metrics,
  nn,
  optim,
  tensor,
  zeros,
  type Tensor,
} from 'neuroxide'
import { bad, gone, row, some, type Rows } from './row.js'

const weight = (): nn.Parameter => new nn.Parameter(zeros([2, 2]))
const sgd = (): optim.SGD => new optim.SGD([weight()])
const quiet = { verbose: 0 } as const
const square = (): Tensor => some([2, 2])
const net = (): nn.Sequential => new nn.Sequential(new nn.Linear(2, 2))
const ready = (): nn.Sequential => net().compile({ optimizer: 'sgd', loss: 'mse' })
const classifier = (): nn.Sequential => net().compile({ optimizer: 'sgd', loss: 'crossEntropy' })
const wrongClasses = (): Tensor => tensor(Array<number>(40).fill(9), { dtype: 'i32' })
const samples = (): data.TensorDataset => new data.TensorDataset(some([4, 2]), some([4]))

const all = ['SGD', 'Adam', 'AdamW', 'RMSprop', 'Adagrad'] as const
const makers: Pick<typeof optim, (typeof all)[number]> = optim

export const optimizers: Rows = [
  ...all.flatMap((name) => [
    row(`new optim.${name}`, ValueError, /: undefined; expected parameters/, () => new makers[name](bad())),
    row(`new optim.${name}`, ValueError, /no parameters; expected/, () => new makers[name]([])),
    row(
      `new optim.${name}`,
      ValueError,
      /-1 as lr; expected/,
      () => new makers[name]([weight()], { lr: -1 }),
    ),
    row(
      `new optim.${name}`,
      ValueError,
      /there is no hyperparameter "rate"; expected/,
      () => new makers[name]([weight()], bad({ rate: 1 })),
    ),
    row(
      `new optim.${name}`,
      DTypeError,
      /parameter 0 of i32; expected/,
      () => new makers[name]([some([2], 'i32')]),
    ),
    row(
      `optim.${name}#lr=`,
      ValueError,
      /"a" as lr; expected/,
      () => (new makers[name]([weight()]).lr = bad('a')),
    ),
  ]),
  row(
    'new optim.SGD',
    ValueError,
    /3 as params of group 0; expected/,
    () => new optim.SGD([{ params: bad(3) }]),
  ),
  row(
    'new optim.SGD',
    ValueError,
    /the result of an op; expected a leaf/,
    () => new optim.SGD([weight().mul(2)]),
  ),
  row(
    'new optim.Adam',
    ValueError,
    /0\.9 as betas; expected two/,
    () => new optim.Adam([weight()], { betas: bad(0.9) }),
  ),
  row(
    'new optim.RMSprop',
    ValueError,
    /1 as centered; expected/,
    () => new optim.RMSprop([weight()], { centered: bad(1) }),
  ),
  row(
    'new optim.Adagrad',
    ValueError,
    /NaN as eps; expected/,
    () => new optim.Adagrad([weight()], { eps: NaN }),
  ),
  row('new optim.Optimizer', ValueError, /its own constructor was called; expected/, () =>
    Reflect.construct(optim.Optimizer, []),
  ),
  row('optim.Optimizer#zeroGrad', DisposedError, /disposed of before; expected/, () => ofGone().zeroGrad()),
  row('optim.Optimizer#loadStateDict', optim.OptimizerStateError, /: undefined; expected/, () =>
    sgd().loadStateDict(bad()),
  ),
  row(
    'optim.Optimizer#loadStateDict',
    optim.OptimizerStateError,
    /groups of 0 .*; expected groups of 1/,
    () => sgd().loadStateDict({ state: {}, param_groups: [{ params: [] }] }),
  ),
  row('optim.Optimizer#loadStateDict', ValueError, /"a" as step; expected/, () =>
    sgd().loadStateDict({ state: { 0: { step: bad('a') } }, param_groups: [{ params: [0] }] }),
  ),
  row('optim.clipGradNorm', ValueError, /3 as parameters; expected/, () => optim.clipGradNorm(bad(3), 1)),
  row('optim.clipGradNorm', ValueError, /3 as parameter 0; expected/, () => optim.clipGradNorm(bad([3]), 1)),
  row('optim.clipGradNorm', ValueError, /-1 as maxNorm; expected/, () => optim.clipGradNorm([weight()], -1)),
  row('optim.clipGradNorm', ValueError, /there is no option "strict"; expected/, () =>
    optim.clipGradNorm([weight()], 1, 2, bad({ strict: true })),
  ),
  row('optim.clipGradValue', ValueError, /"1" as clipValue; expected/, () =>
    optim.clipGradValue([weight()], bad('1')),
  ),
]

function ofGone(): optim.SGD {
  const parameter = weight()
  const optimizer = new optim.SGD([parameter])
  parameter.dispose()
  return optimizer
}

const accuracies = ['binaryAccuracy', 'categoricalAccuracy', 'sparseCategoricalAccuracy'] as const
const meters: Pick<typeof metrics, (typeof accuracies)[number]> = metrics

export const measures: Rows = accuracies.flatMap((name) => [
  row(`metrics.${name}`, ValueError, /undefined as prediction; expected/, () => meters[name](bad(), bad())),
  row(`metrics.${name}`, ValueError, /an array of 1 as target; expected/, () =>
    meters[name](some(), bad([1])),
  ),
  row(`metrics.${name}`, ShapeError, /a target \[7\] .*; expected/, () => meters[name](some(), some([7]))),
  row(`metrics.${name}`, ValueError, /there is no option "axis"; expected/, () =>
    meters[name](some(), some(), bad({ axis: 1 })),
  ),
])

export const sets: Rows = [
  row(
    'new data.TensorDataset',
    ValueError,
    /: undefined; expected tensors/,
    () => new data.TensorDataset(bad(), bad()),
  ),
  row(
    'new data.TensorDataset',
    ShapeError,
    /tensors of \[2\] and \[3\]; expected/,
    () => new data.TensorDataset(some([2]), some([3])),
  ),
  row('data.TensorDataset#get', ValueError, /"a" as index; expected/, () => samples().get(bad('a'))),
  row('data.TensorDataset#get', IndexError, /; expected/, () => samples().get(9)),
  row('data.TensorDataset#gather', ValueError, /undefined as indices; expected/, () =>
    samples().gather(bad()),
  ),
  row('data.TensorDataset#slice', IndexError, /3 to 9 of 4 samples; expected/, () => samples().slice(3, 9)),
  row('new data.DataLoader', ValueError, /undefined as data set; expected/, () => new data.DataLoader(bad())),
  row(
    'new data.DataLoader',
    ValueError,
    /0 as batchSize; expected/,
    () => new data.DataLoader(samples(), { batchSize: 0 }),
  ),
  row(
    'new data.DataLoader',
    ValueError,
    /"no" as shuffle; expected/,
    () => new data.DataLoader(samples(), { shuffle: bad('no') }),
  ),
  row(
    'data.DataLoader#epoch=',
    ValueError,
    /-1 as epoch; expected/,
    () => (new data.DataLoader(samples()).epoch = -1),
  ),
  row('data.DataLoader#[Symbol.iterator]', ValueError, /3 as sample 0; expected/, () => [
    ...new data.DataLoader({ length: 2, get: () => bad(3) }),
  ]),
  row('data.trainTestSplit', ValueError, /: undefined; expected \{ x, y \}/, () =>
    data.trainTestSplit(bad()),
  ),
  row('data.trainTestSplit', ValueError, /testSize 7 of 4 samples; expected/, () =>
    data.trainTestSplit(samples(), { testSize: 7 }),
  ),
  row('data.trainTestSplit', ValueError, /there is no option "test_size"; expected/, () =>
    data.trainTestSplit(samples(), bad({ test_size: 1 })),
  ),
  row('data.readIdx', ValueError, /undefined as path; expected/, () => data.readIdx(bad())),
  row('data.readIdx', ValueError, /ENOENT.*; expected a file/, () => data.readIdx('no-such-file')),
  row('data.parseIdx', ValueError, /an array of 4; expected the bytes/, () =>
    data.parseIdx(bad([0, 0, 8, 1])),
  ),
  row('data.parseIdx', ValueError, /no IDX file; expected/, () => data.parseIdx(new Uint8Array(3))),
  row('datasets.mnist', ValueError, /no-such-folder has no file .*; expected/, () =>
    datasets.mnist({ dir: 'no-such-folder' }),
  ),
  row('datasets.mnist', ValueError, /there is no option "path"; expected dir/, () =>
    datasets.mnist(bad({ path: 'x' })),
  ),
]

export const compiling: Rows = [
  row('Model#compile', ValueError, /^compile: .*; expected/, () => net().compile(bad())),
  row('Model#compile', ValueError, /there is no optimizer "adamm"; expected one of/, () =>
    net().compile({ optimizer: bad('adamm'), loss: 'mse' }),
  ),
  row('Model#compile', ValueError, /undefined as loss; expected/, () =>
    net().compile({ optimizer: 'sgd', loss: bad() }),
  ),
  row('Model#compile', ValueError, /"accuracy" as metrics; expected an array/, () =>
    net().compile({ optimizer: 'sgd', loss: 'mse', metrics: bad('accuracy') }),
  ),
  row('Model#compile', ValueError, /there is no option "metric"; expected/, () =>
    net().compile(bad({ optimizer: 'sgd', loss: 'mse', metric: [] })),
  ),
  row('Model#summary', ValueError, /^summary: 3 as shape; expected/, () =>
    net().summary({ inputShape: bad(3) }),
  ),
  row('Model#summary', ShapeError, /^0: linear: .*; .* ≠ /, () =>
    net().summary({ inputShape: [7], print: () => {} }),
  ),
  row('Model#summary', ValueError, /^summary: 3; expected a function/, () =>
    net().summary({ print: bad(3) }),
  ),
]

/** All of these reject. */
export const fitting: Rows = [
  row('Model#fit', ValueError, /the model has no optimizer and no loss; expected/, () =>
    net().fit(square(), square()),
  ),
  row('Model#fit', ValueError, /there are no targets; expected/, () => ready().fit(bad(square()))),
  row('Model#fit', ValueError, /^fit: an object; expected x and y/, () => ready().fit(bad({}), quiet)),
  row('Model#fit', ShapeError, /tensors of \[2, 2\] and \[3, 2\]; expected/, () =>
    ready().fit(square(), some([3, 2]), quiet),
  ),
  row('Model#fit', ShapeError, /^0: linear: .*; .* ≠ /, () => ready().fit(some([2, 5]), square(), quiet)),
  row('Model#fit', ValueError, /there is no option "epoch"; expected epochs/, () =>
    ready().fit(square(), square(), bad({ epoch: 3 })),
  ),
  row('Model#fit', ValueError, /epochs is "3"; expected/, () =>
    ready().fit(square(), square(), { epochs: bad('3') }),
  ),
  row('Model#fit', ValueError, /"x" as verbose; expected/, () =>
    ready().fit(square(), square(), { verbose: bad('x') }),
  ),
  row('Model#fit', ValueError, /3 as signal; expected/, () =>
    ready().fit(square(), square(), { ...quiet, signal: bad(3) }),
  ),
  row('Model#fit', ValueError, /3 as onEpochEnd; expected|an array of 1 as onEpochEnd; expected/, () =>
    ready().fit(square(), square(), { ...quiet, onEpochEnd: bad([3]) }),
  ),
  row('Model#fit', ValueError, /validationSplit is 2; expected/, () =>
    ready().fit(square(), square(), { ...quiet, validationSplit: 2 }),
  ),
  row('Model#fit', ValueError, /^fit: 3; expected x and y/, () =>
    ready().fit(square(), square(), { ...quiet, validationData: bad(3) }),
  ),
  row('Model#fit', ValueError, /3 as progressStream; expected/, () =>
    ready().fit(square(), square(), { progressStream: bad(3) }),
  ),
  row(
    'Model#fit',
    ValueError,
    /3 as batch of the loader; expected/,
    async () => await ready().fit(bad([{ x: square(), y: square() }, 3]), quiet),
  ),
  row('Model#fit', IndexError, /label 9 in row 0 of the training data; expected a class in \[0, 2\)/, () =>
    classifier().fit(some([40, 2]), wrongClasses(), quiet),
  ),
  row('Model#fit', IndexError, /label 9 in row 0 of batch 1; expected a class in \[0, 2\)/, () =>
    classifier().fit([{ x: some([40, 2]), y: wrongClasses() }], quiet),
  ),
  row('Model#evaluate', ValueError, /there is no option "epochs"; expected/, () =>
    ready().evaluate(square(), square(), bad({ epochs: 1 })),
  ),
  row('Model#evaluate', ValueError, /there are no targets; expected/, () => ready().evaluate(bad())),
  row('Model#evaluate', IndexError, /label 9 in row 0 of the data; expected a class in \[0, 2\)/, () =>
    classifier().evaluate(some([40, 2]), wrongClasses()),
  ),
  row('Model#predict', ValueError, /undefined; expected/, () => net().predict(bad())),
  row('Model#predict', ShapeError, /no samples; expected/, () => net().predict(some([0, 2]))),
  row('Model#predict', ShapeError, /^0: linear: .*; .* ≠ /, () => net().predict(some([2, 7]))),
  row('Model#predict', DisposedError, /; expected/, () => net().predict(gone([2, 2]))),
  row('Model#predict', ValueError, /batchSize is -1; expected/, () =>
    net().predict(square(), { batchSize: -1 }),
  ),
  row('Model#fit', ValueError, /^fit: the metric "odd" gave 3; expected a tensor/, () =>
    oddly().fit(square(), square(), quiet),
  ),
]

function oddly(): Model {
  return net().compile({ optimizer: 'sgd', loss: 'mse', metrics: [{ name: 'odd', compute: () => bad(3) }] })
}

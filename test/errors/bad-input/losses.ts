import { F, IndexError, LossInputError, ShapeError, ValueError, losses, nn, tensor } from 'neuroxide'
import { bad, row, some, type Rows } from './row.js'

const ofTwo = [
  [
    'mse',
    'l1',
    'smoothL1',
    'huber',
    'poisson',
    'hinge',
    'squaredHinge',
    'hingeEmbedding',
    'cosine',
    'softMargin',
  ],
  ['klDiv', 'binaryCrossEntropy', 'binaryCrossEntropyWithLogits', 'crossEntropy', 'nll'],
  ['meanSquaredError', 'meanAbsoluteError', 'meanHuber', 'logCosh', 'meanPoisson', 'klDivergence'],
  ['categoricalCrossentropy', 'binaryCrossentropy', 'sparseCategoricalCrossentropy'],
].flat() as 'mse'[]

const ofThree = ['cosineEmbedding', 'marginRanking', 'tripletMargin'] as const

const table: Pick<typeof losses, 'mse' | (typeof ofThree)[number]> = losses

const named = (name: string, rest: string): RegExp => new RegExp(`^losses\\.${name}: ${rest}`)

export const generated: Rows = [
  ...ofTwo.flatMap((name) => [
    row(`losses.${name}`, ValueError, named(name, 'undefined; expected'), () => table[name](bad(), bad())),
    row(`losses.${name}`, ValueError, named(name, '"y"; expected'), () => table[name](some(), bad('y'))),
    row(`losses.${name}`, ShapeError, /; (expected|.+ (≠|differ) )/, () => table[name](some(), some([7]))),
    row(`losses.${name}`, ValueError, named(name, 'there is no option "reduce"; expected'), () =>
      table[name](some(), some(), bad({ reduce: 'sum' })),
    ),
    row(`losses.${name}`, ValueError, named(name, 'null as options; expected'), () =>
      table[name](some(), some(), bad(null)),
    ),
  ]),
  ...ofThree.flatMap((name) => [
    row(`losses.${name}`, ValueError, named(name, 'undefined; expected'), () =>
      table[name](some(), some(), bad()),
    ),
    row(`losses.${name}`, ShapeError, /; (expected|.+ (≠|differ) )/, () =>
      table[name](some(), some([7]), some()),
    ),
    row(`losses.${name}`, ValueError, named(name, '"x" as margin; expected'), () =>
      table[name](some(), some(), some(), { margin: bad('x') }),
    ),
  ]),
]

const logits = (): ReturnType<typeof some> => new nn.Linear(3, 3).forward(some())

export const particular: Rows = [
  row('losses.mse', ValueError, /"avg" as reduction; expected 'none', 'mean', 'sum'/, () =>
    losses.mse(some(), some(), { reduction: bad('avg') }),
  ),
  row('losses.smoothL1', ValueError, /"1" as beta; expected/, () =>
    losses.smoothL1(some(), some(), { beta: bad('1') }),
  ),
  row('losses.huber', ValueError, /0 as delta; expected/, () => losses.huber(some(), some(), { delta: 0 })),
  row('losses.meanHuber', ValueError, /-1 as delta; expected/, () =>
    losses.meanHuber(some(), some(), { delta: -1 }),
  ),
  row('losses.poisson', ValueError, /"no" as full; expected/, () =>
    losses.poisson(some(), some(), { full: bad('no') }),
  ),
  row('losses.cosine', ValueError, /"a" as dim; expected/, () =>
    losses.cosine(some(), some(), { dim: bad('a') }),
  ),
  row('losses.klDiv', ValueError, /3 as logTarget; expected/, () =>
    losses.klDiv(some(), some(), { logTarget: bad(3) }),
  ),
  row('losses.crossEntropy', ValueError, /"a" as ignoreIndex; expected/, () =>
    losses.crossEntropy(some(), [0, 1], { ignoreIndex: bad('a') }),
  ),
  row('losses.crossEntropy', ValueError, /"0\.5" as labelSmoothing; expected/, () =>
    losses.crossEntropy(some(), [0, 1], { labelSmoothing: bad('0.5') }),
  ),
  row('losses.crossEntropy', ValueError, /1\.5 as i32; expected/, () =>
    losses.crossEntropy(some(), [0, 1.5]),
  ),
  row('losses.crossEntropy', ShapeError, /; expected/, () =>
    losses.crossEntropy(some(), [0, 1], { weight: [1] }),
  ),
  row('losses.crossEntropy', IndexError, /index 9 at position \[1, 0\]; expected 0 to 2/, () =>
    losses.crossEntropy(some(), [0, 9]).item(),
  ),
  row('losses.crossEntropy', LossInputError, /made by softmax; expected logits/, () =>
    losses.crossEntropy(F.softmax(some(), 1), [0, 1]),
  ),
  row('losses.nll', LossInputError, /made by a linear layer.*; expected log-prob/, () =>
    losses.nll(logits(), [0, 1]),
  ),
  row('losses.binaryCrossEntropy', LossInputError, /made by a linear layer.*; expected prob/, () =>
    losses.binaryCrossEntropy(logits(), some([2, 3])),
  ),
  row('losses.categoricalCrossentropy', ValueError, /"x" as fromLogits; expected/, () =>
    losses.categoricalCrossentropy(some(), some(), { fromLogits: bad('x') }),
  ),
  row('losses.sparseCategoricalCrossentropy', IndexError, /index 5 at .*; expected 0 to 2/, () =>
    losses.sparseCategoricalCrossentropy(some().add(1 / 3), tensor([0, 5], { dtype: 'i32' })).item(),
  ),
  row('losses.tripletMargin', ValueError, /3 as swap; expected/, () =>
    losses.tripletMargin(some(), some(), some(), { swap: bad(3) }),
  ),
]

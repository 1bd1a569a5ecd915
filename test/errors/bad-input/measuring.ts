import {
  DTypeError,
  IndexError,
  ShapeError,
  ValueError,
  alphaDropout,
  constraints,
  losses,
  metrics,
  nn,
  regularizers,
  tensor,
} from 'neuroxide'
import { bad, row, some, type Rows } from './row.js'

const parameter = (): nn.Parameter => new nn.Parameter(tensor([1, 2])) as nn.Parameter

const kinds: Pick<typeof metrics, 'Precision'> = metrics

/** A metric whose sums anybody may ask for. */
const open = (): { sums(parts: unknown): unknown } => bad(new metrics.Precision())

const measured = [
  [
    'AUC',
    'BinaryAccuracy',
    'CategoricalAccuracy',
    'F1',
    'MeanAbsoluteError',
    'MeanSquaredError',
    'Perplexity',
  ],
  ['Precision', 'R2', 'Recall', 'RootMeanSquaredError', 'SparseCategoricalAccuracy'],
  ['SparseTopKCategoricalAccuracy', 'TopKCategoricalAccuracy'],
].flat() as 'Precision'[]

/** Where each metric has its method: what is inherited is there once. */
const owners = [
  'AUC',
  'BinaryAccuracy',
  'F1',
  'MeanAbsoluteError',
  'Perplexity',
  'R2',
] as unknown as 'Precision'[]

export const ofMetrics: Rows = [
  ...measured.map((name) =>
    row(`new metrics.${name}`, ValueError, /there is no option "treshold"; expected name/, () =>
      Reflect.construct(kinds[name], [{ treshold: 1 }]),
    ),
  ),
  ...owners.flatMap((name) => [
    row(`metrics.${name}#statistics`, ValueError, /: undefined as prediction; expected a tensor/, () =>
      new kinds[name]().statistics(bad(), some()),
    ),
    row(`metrics.${name}#statistics`, ValueError, /: 3 as target; expected a tensor/, () =>
      new kinds[name]().statistics(some(), bad(3)),
    ),
    row(`metrics.${name}#statistics`, ShapeError, /for a prediction \[2.*\]; expected shapes that/, () =>
      new kinds[name]().statistics(some(), some([5, 7, 2])),
    ),
    row(`metrics.${name}#statistics`, ValueError, /weights \[5\] for \[2.*\]; expected one for each/, () =>
      new kinds[name]().statistics(some(), some(), some([5])),
    ),
  ]),
  row('new metrics.Metric', ValueError, /: 3 as name; expected one/, () =>
    Reflect.construct(metrics.Metric, [3]),
  ),
  row('metrics.Metric#update', ValueError, /undefined; expected a tensor/, () =>
    new metrics.Precision().update(bad(), some()),
  ),
  row('metrics.Metric#sums', ValueError, /: undefined as parts; expected a list/, () =>
    open().sums(undefined),
  ),
  row('metrics.Metric#sums', ValueError, /: 3 as part; expected a tensor/, () => open().sums([3])),
  row('new metrics.Precision', ValueError, /"mean" as average; expected 'binary'/, () =>
    Reflect.construct(metrics.Precision, [{ average: 'mean' }]),
  ),
  row('new metrics.Recall', ValueError, /"a" as threshold; expected a number/, () =>
    Reflect.construct(metrics.Recall, [{ threshold: 'a' }]),
  ),
  row('new metrics.TopKCategoricalAccuracy', ValueError, /: 0 as k; expected an integer of at least 1/, () =>
    Reflect.construct(metrics.TopKCategoricalAccuracy, [{ k: 0 }]),
  ),
  row('new metrics.AUC', ValueError, /"ROC" as curve; expected 'roc' or 'pr'/, () =>
    Reflect.construct(metrics.AUC, [{ curve: 'ROC' }]),
  ),
  row('new metrics.AUC', ValueError, /: 1 as numThresholds; expected an integer of at least 2/, () =>
    Reflect.construct(metrics.AUC, [{ numThresholds: 1 }]),
  ),
  row('new metrics.AUC', ValueError, /"mean" as summation; expected/, () =>
    Reflect.construct(metrics.AUC, [{ summation: 'mean' }]),
  ),
  row('new metrics.R2', ValueError, /"raw" as average; expected 'uniform'/, () =>
    Reflect.construct(metrics.R2, [{ average: 'raw' }]),
  ),
  row('new metrics.Perplexity', ValueError, /: 1 as fromLogits; expected true or false/, () =>
    Reflect.construct(metrics.Perplexity, [{ fromLogits: 1 }]),
  ),
  row('new metrics.CategoricalAccuracy', ValueError, /: 0.5 as dim; expected an integer/, () =>
    Reflect.construct(metrics.CategoricalAccuracy, [{ dim: 0.5 }]),
  ),
  row('new metrics.ConfusionMatrix', ValueError, /there is no option "labels"; expected numClasses/, () =>
    Reflect.construct(metrics.ConfusionMatrix, [{ labels: 3 }]),
  ),
  row('new metrics.ConfusionMatrix', ValueError, /"rows" as normalize; expected/, () =>
    Reflect.construct(metrics.ConfusionMatrix, [{ normalize: 'rows' }]),
  ),
  row('metrics.ConfusionMatrix#update', ValueError, /undefined; expected a tensor/, () =>
    new metrics.ConfusionMatrix().update(bad(), [1]),
  ),
  row('metrics.ConfusionMatrix#update', IndexError, /class 7; expected an integer in \[0, 2\)/, () =>
    new metrics.ConfusionMatrix({ numClasses: 2 }).update(tensor([7], { dtype: 'i32' }), [1]),
  ),
]

export const ofPenalties: Rows = [
  row('regularizers.l1', ValueError, /: -1 as factor; expected a number of at least 0/, () =>
    regularizers.l1(-1),
  ),
  row('regularizers.l2', ValueError, /Infinity as factor; expected a finite number/, () =>
    regularizers.l2(Infinity),
  ),
  row('regularizers.l1l2', ValueError, /there is no option "l3"; expected l1, l2/, () =>
    regularizers.l1l2(bad({ l3: 1 })),
  ),
  row('regularizers.l1l2', ValueError, /"a" as l2; expected a number/, () =>
    regularizers.l1l2({ l2: bad('a') }),
  ),
  row('regularizers.l2', ValueError, /: undefined as weight; expected a tensor/, () =>
    regularizers.l2().penalty(bad()),
  ),
  row('regularizers.fromConfig', ValueError, /"l3" as name; expected 'l1', 'l2' or 'l1l2'/, () =>
    regularizers.fromConfig({ name: 'l3' }),
  ),
  row('regularizers.fromConfig', ValueError, /undefined as name; expected/, () =>
    regularizers.fromConfig(bad()),
  ),
  row('constraints.maxNorm', ValueError, /: -1 as maxValue; expected a number of at least 0/, () =>
    constraints.maxNorm(-1),
  ),
  row('constraints.maxNorm', ValueError, /there is no option "axis"; expected dim/, () =>
    constraints.maxNorm(1, bad({ axis: 0 })),
  ),
  row('constraints.nonNeg', ValueError, /: 3 as weight; expected a tensor/, () =>
    constraints.nonNeg().apply(bad(3)),
  ),
  row('constraints.unitNorm', ValueError, /: 0.5 as dim; expected an integer/, () =>
    constraints.unitNorm({ dim: 0.5 }),
  ),
  row('constraints.unitNorm', ValueError, /no axes as dim; expected at least one/, () =>
    constraints.unitNorm({ dim: [] }),
  ),
  row('constraints.minMaxNorm', ValueError, /: 2 as rate; expected a number in \[0, 1\]/, () =>
    constraints.minMaxNorm({ rate: 2 }),
  ),
  row('constraints.minMaxNorm', ValueError, /: 1 as maxValue; expected a number of at least 2/, () =>
    constraints.minMaxNorm({ minValue: 2 }),
  ),
  row('constraints.fromConfig', ValueError, /"clip" as name; expected 'maxNorm'/, () =>
    constraints.fromConfig({ name: 'clip' }),
  ),
  row('new nn.Linear', ValueError, /"l2" as regularizer; expected a regularizer, such as/, () =>
    Reflect.construct(nn.Linear, [2, 2, { regularizer: 'l2' }]),
  ),
  row('new nn.Linear', ValueError, /: 3 as biasConstraint; expected a constraint, such as/, () =>
    Reflect.construct(nn.Linear, [2, 2, { biasConstraint: 3 }]),
  ),
  row('nn.Parameter#regularizer=', ValueError, /: 0.1 as regularizer; expected a regularizer/, () => {
    parameter().regularizer = bad(0.1)
  }),
  row('nn.Parameter#constraint=', ValueError, /"nonNeg" as constraint; expected a constraint/, () => {
    parameter().constraint = bad('nonNeg')
  }),
  row('losses.total', ValueError, /: undefined as model; expected a module/, () =>
    losses.total(bad(), some([])),
  ),
  row('losses.total', ValueError, /: 3 as loss; expected a tensor/, () =>
    losses.total(new nn.Linear(2, 2), bad(3)),
  ),
  row('losses.total', ValueError, /a loss \[2, 3\]; expected one number/, () =>
    losses.total(new nn.Linear(2, 2), some()),
  ),
]

export const ofNoise: Rows = [
  row('alphaDropout', ValueError, /^alphaDropout: 2 as p; expected a number from 0 to 1/, () =>
    alphaDropout(some(), 2),
  ),
  row('alphaDropout', ValueError, /: undefined; expected a tensor/, () => alphaDropout(bad())),
  row('new nn.AlphaDropout', ValueError, /: p is -1; expected a probability/, () => new nn.AlphaDropout(-1)),
  row('nn.AlphaDropout#forward', ValueError, /: undefined as input; expected a tensor/, () =>
    new nn.AlphaDropout().forward(bad()),
  ),
  row('nn.AlphaDropout#forward', DTypeError, /: the input is u8; expected f32 or f64/, () =>
    new nn.AlphaDropout().forward(some([2], 'u8')),
  ),
  row('new nn.GaussianNoise', ValueError, /: undefined as stddev; expected a number/, () =>
    Reflect.construct(nn.GaussianNoise, []),
  ),
  row('new nn.GaussianNoise', ValueError, /: -1 as stddev; expected a finite number of at least 0/, () =>
    Reflect.construct(nn.GaussianNoise, [-1]),
  ),
  row('nn.GaussianNoise#forward', ValueError, /: 3 as input; expected a tensor/, () =>
    new nn.GaussianNoise(1).forward(bad(3)),
  ),
]

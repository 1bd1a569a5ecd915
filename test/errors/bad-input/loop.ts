import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DTypeError,
  FormatError,
  IndexError,
  ShapeError,
  TraceError,
  ValueError,
  nn,
  optim,
  tensor,
  zeros,
  jit,
} from 'neuroxide'
import { bad, row, some, type Rows } from './row.js'

const weightsAlone = join(mkdtempSync(join(tmpdir(), 'weights-')), 'alone.safetensors')
const quiet = { verbose: 0 } as const
const square = (): ReturnType<typeof some> => some([2, 2])
const net = (): nn.Sequential => new nn.Sequential(new nn.Linear(2, 2))
const ready = (): nn.Sequential => net().compile({ optimizer: 'sgd', loss: 'mse' })
const classes = (): nn.Sequential => net().compile({ optimizer: 'sgd', loss: 'crossEntropy' })
const weight = (): nn.Parameter => new nn.Parameter(zeros([2]))

export const averages: Rows = [
  row('new optim.EMA', ValueError, /3; expected a model or its parameters/, () => new optim.EMA(bad(3))),
  row('new optim.EMA', ValueError, /no parameters; expected/, () => new optim.EMA([])),
  row('new optim.EMA', ValueError, /2 as decay; expected/, () => new optim.EMA([weight()], { decay: 2 })),
  row(
    'new optim.EMA',
    ValueError,
    /there is no option "rate"; expected/,
    () => new optim.EMA([weight()], bad({ rate: 1 })),
  ),
  row('new optim.EMA', ValueError, /parameter 0 is i32; expected/, () => new optim.EMA([some([2], 'i32')])),
  row('new optim.EMA', TraceError, /inside a traced function; expected/, () =>
    jit(() => {
      void new optim.EMA([zeros([2])])
    })(),
  ),
  row('optim.EMA#swap', TraceError, /inside a traced function; expected/, () => {
    const ema = new optim.EMA([weight()])
    jit(() => ema.swap())()
  }),
  row('optim.EMA#loadStateDict', optim.OptimizerStateError, /undefined; expected \{ averages \}/, () =>
    new optim.EMA([weight()]).loadStateDict(bad()),
  ),
  row('optim.EMA#loadStateDict', optim.OptimizerStateError, /the average of 0 is \[3\]; expected \[2\]/, () =>
    new optim.EMA([weight()]).loadStateDict({ decay: 0.5, averages: { 0: zeros([3]) } }),
  ),
]

export const compiling: Rows = [
  row('Model#compile', ValueError, /clipNorm and clipValue; expected at most one/, () =>
    net().compile({ optimizer: 'sgd', loss: 'mse', clipNorm: 1, clipValue: 1 }),
  ),
  row('Model#compile', ValueError, /clipNorm is 0; expected/, () =>
    net().compile({ optimizer: 'sgd', loss: 'mse', clipNorm: 0 }),
  ),
  row('Model#compile', ValueError, /gradientAccumulationSteps; expected/, () =>
    net().compile({ optimizer: 'sgd', loss: 'mse', gradientAccumulationSteps: 0 }),
  ),
  row('Model#compile', ValueError, /"a" as ema; expected/, () =>
    net().compile({ optimizer: 'sgd', loss: 'mse', ema: bad('a') }),
  ),
  row('Model#compile', ValueError, /lossWeights beside one loss; expected/, () =>
    net().compile({ optimizer: 'sgd', loss: 'mse', lossWeights: [1] }),
  ),
  row('Model#compile', ValueError, /no loss for any output; expected/, () =>
    net().compile({ optimizer: 'sgd', loss: { a: null } }),
  ),
  row('Model#compile', ValueError, /"c" in lossWeights; expected/, () =>
    net().compile({ optimizer: 'sgd', loss: { a: 'mse', b: 'mse' }, lossWeights: { c: 1 } }),
  ),
  row('Model#compile', ValueError, /in metrics; expected a record of a/, () =>
    net().compile({ optimizer: 'sgd', loss: { a: 'mse' }, metrics: bad(['mae']) }),
  ),
  row('Model#stopTraining=', ValueError, /3 as value; expected/, () => {
    net().stopTraining = bad(3)
  }),
]

/** All of these reject. */
export const fitting: Rows = [
  row('Model#fit', ValueError, /3 as callback; expected/, () =>
    ready().fit(square(), square(), { ...quiet, callbacks: bad([3]) }),
  ),
  row('Model#fit', ValueError, /as callback has no hook; expected/, () =>
    ready().fit(square(), square(), { ...quiet, callbacks: [bad({ epochEnd: () => {} })] }),
  ),
  row('Model#fit', ValueError, /onEpoch, which nothing calls; expected .* Nearest: onEpochEnd/, () =>
    ready().fit(square(), square(), { ...quiet, callbacks: [bad({ onEpoch: () => {} })] }),
  ),
  row('Model#fit', ValueError, /3 as onEpochEnd of a callback; expected/, () =>
    ready().fit(square(), square(), { ...quiet, callbacks: [{ onEpochEnd: bad(3) }] }),
  ),
  row('Model#fit', ValueError, /stepsPerEpoch is 0; expected/, () =>
    ready().fit(square(), square(), { ...quiet, stepsPerEpoch: 0 }),
  ),
  row('Model#fit', ValueError, /validationFreq is 0; expected/, () =>
    ready().fit(square(), square(), { ...quiet, validationFreq: 0 }),
  ),
  row('Model#fit', ShapeError, /sampleWeight \[3\] for 2 samples; expected/, () =>
    ready().fit(square(), square(), { ...quiet, sampleWeight: [1, 2, 3] }),
  ),
  row('Model#fit', ValueError, /sampleWeight beside a loader; expected/, () =>
    ready().fit([{ x: square(), y: square() }], { ...quiet, sampleWeight: [1, 2] }),
  ),
  row('Model#fit', ValueError, /-1 in classWeight; expected/, () =>
    classes().fit(square(), tensor([0, 1], { dtype: 'i32' }), { ...quiet, classWeight: { 0: -1 } }),
  ),
  row('Model#fit', ValueError, /classWeight and sampleWeight; expected/, () =>
    classes().fit(square(), tensor([0, 1], { dtype: 'i32' }), {
      ...quiet,
      classWeight: { 0: 1 },
      sampleWeight: [1, 2],
    }),
  ),
  row('Model#fit', ShapeError, /with sampleWeight is \[\]; expected one value for each sample/, () =>
    net()
      .compile({ optimizer: 'sgd', loss: (p, t) => p.sub(t).abs().mean() })
      .fit(square(), square(), { ...quiet, sampleWeight: [1, 2] }),
  ),
  row('Model#fit', ValueError, /3 as resume; expected/, () =>
    ready().fit(square(), square(), { ...quiet, resume: bad(3) }),
  ),
  row('Model#fit', ValueError, /as prediction; expected a record with a tensor at "a"/, () =>
    net()
      .compile({ optimizer: 'sgd', loss: { a: 'mse' } })
      .fit(square(), bad({ a: square() }), quiet),
  ),
  row('Model#evaluate', ValueError, /steps is 0; expected/, () =>
    ready().evaluate(square(), square(), { steps: 0 }),
  ),
  row('Model#trainOnBatch', ValueError, /no optimizer and no loss; expected/, () =>
    net().trainOnBatch(square(), square()),
  ),
  row('Model#trainOnBatch', ShapeError, /tensors of \[2, 2\] and \[3, 2\]; expected/, () =>
    ready().trainOnBatch(square(), some([3, 2])),
  ),
  row('Model#trainOnBatch', ValueError, /there is no option "epochs"; expected/, () =>
    ready().trainOnBatch(square(), square(), bad({ epochs: 1 })),
  ),
  row('Model#trainOnBatch', IndexError, /index 9 at .*; expected 0 to 1/, () =>
    classes().trainOnBatch(square(), tensor([0, 9], { dtype: 'i32' })),
  ),
  row('Model#testOnBatch', ValueError, /no optimizer and no loss; expected/, () =>
    net().testOnBatch(square(), square()),
  ),
  row('Model#testOnBatch', ValueError, /there is no option "epochs"; expected/, () =>
    ready().testOnBatch(square(), square(), bad({ epochs: 1 })),
  ),
  row('Model#predictOnBatch', ValueError, /undefined; expected/, () => net().predictOnBatch(bad())),
  row('Model#predictOnBatch', DTypeError, /is u8; expected/, () => net().predictOnBatch(some([2, 2], 'u8'))),
]

/** A file of weights alone is nothing to go on from. */
export const resuming: Rows = [
  row('Model#fit', FormatError, /holds weights alone; expected a file/, async () => {
    await ready().saveWeights(weightsAlone)
    await ready().fit(square(), square(), { ...quiet, resume: weightsAlone })
  }),
]

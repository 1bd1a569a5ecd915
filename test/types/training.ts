// Models that train themselves: what `compile` was given types what `fit` and `evaluate` give.
import {
  Callback,
  Model,
  data,
  jit,
  losses,
  metrics,
  nn,
  optim,
  zeros,
  type EpochLogs,
  type Evaluation,
  type FitOptions,
  type History,
  type Logs,
  type LossName,
  type MetricName,
  type OptimizerName,
  type Tensor,
} from 'neuroxide'
import { holds, type Same } from './same.js'

const x = zeros([8, 4])
const y = zeros([8], { dtype: 'i32' })
const net = new nn.Sequential(new nn.Linear(4, 3))

const model = net.compile({
  optimizer: 'adam',
  loss: 'crossEntropy',
  metrics: ['accuracy', { name: 'twice', compute: losses.mse }],
})
const { loss, accuracy, twice } = await model.evaluate(x, y)
holds<Same<typeof loss, number>>()
holds<Same<typeof accuracy, number>>()
holds<Same<typeof twice, number>>()
holds<Same<Awaited<ReturnType<typeof model.predict>>, Tensor>>()
const evaluated: Evaluation<'accuracy' | 'twice'> = await model.evaluate({ x, y }, { batchSize: 4 })
// @ts-expect-error it was not compiled with that metric
void evaluated.mae
// @ts-expect-error numbers are read, not written
evaluated.loss = 0
const history = await model.fit(x, y)
holds<Same<typeof history, History<'accuracy' | 'twice'>>>()
holds<Same<typeof history.loss, number[]>>()
holds<Same<typeof history.valLoss, number[]>>()
holds<Same<typeof history.accuracy, number[]>>()
holds<Same<typeof history.valTwice, number[]>>()
holds<Same<typeof history.epoch, number[]>>()
// @ts-expect-error it was not compiled with that metric
void history.mae
// A compiled model is still what it was.
const first: nn.TensorModule | undefined = model.at(0)

// A function goes by a name that only running it tells.
const unnamed = net.compile({ optimizer: 'sgd', loss: 'mse', metrics: [losses.mse] })
const numbers = await unnamed.evaluate(x, y)
holds<Same<typeof numbers.loss, number>>()
const some: number | undefined = numbers['mse']

// Used as a statement, compile tells the compiler nothing: a number may be missing.
const plain = new nn.Sequential(new nn.Linear(4, 3))
plain.compile({ optimizer: 'sgd', loss: 'mse', metrics: ['accuracy'] })
const loose = await plain.evaluate(x, y)
holds<Same<typeof loss, number>>()
const maybe = loose['accuracy']
holds<Same<typeof maybe, number | undefined>>()
// @ts-expect-error it may be missing
const sure: number = maybe

// Metrics that add sums go by their names.
const streaming = net.compile({
  optimizer: 'sgd',
  loss: 'mse',
  metrics: ['auc', new metrics.Recall()],
  weightedMetrics: ['auc', 'mae'],
})
const sums = await streaming.evaluate(x, y)
holds<Same<typeof sums.recall, number>>()
holds<Same<typeof sums.weightedAuc, number>>()
holds<Same<typeof sums.mae, number>>()
// @ts-expect-error only what is there twice is renamed
void sums.weightedMae

// Several outputs, by name and by place.
const named = net.compile({
  optimizer: 'sgd',
  loss: { digit: 'crossEntropy', parity: 'binaryCrossEntropy', free: null },
  metrics: { digit: ['accuracy'] },
})
const outputs = await named.evaluate({ x, y: { digit: y, parity: y } })
holds<Same<typeof outputs.digitLoss, number>>()
holds<Same<typeof outputs.parityLoss, number>>()
holds<Same<typeof outputs.digitAccuracy, number>>()
// @ts-expect-error it has no loss
void outputs.freeLoss
const placed = await net
  .compile({ optimizer: 'sgd', loss: ['mse', 'mse'], metrics: [['mae'], []] })
  .trainOnBatch([x, x], [x, x])
holds<Same<typeof placed.output1Loss, number>>()
holds<Same<typeof placed.output0Mae, number>>()

// A training is a Promise and a loop.
const training = model.fit(x, y)
for await (const { epoch, loss: mean } of training)
  holds<Same<[typeof epoch, typeof mean], [number, number]>>()
holds<Same<Awaited<typeof training>, History<'accuracy' | 'twice'>>>()

// Without metrics there is the loss alone.
const bare = new nn.Sequential().compile({ optimizer: new optim.SGD(net.parameters()), loss: losses.mse })
const alone = await bare.evaluate(x, y)
holds<Same<typeof alone.loss, number>>()
// @ts-expect-error there is no metric
void alone.accuracy

// A class of one's own is typed in the same way.
class Net extends Model {
  readonly hidden = new nn.Linear(4, 3)

  override forward(x: Tensor): Tensor {
    return this.hidden.forward(x)
  }

  describeAll(): string {
    return this.toString()
  }
}
const own = new Net().compile({ optimizer: 'adamw', loss: 'mse', metrics: ['mae'] })
const text: string = own.describeAll()
const error: number = (await own.evaluate(x, y)).mae

// Names are literals.
holds<Same<OptimizerName, 'adam' | 'adamw' | 'sgd' | 'rmsprop' | 'adagrad'>>()
const lossName: LossName = 'binaryCrossEntropyWithLogits'
const metricName: MetricName = 'accuracy'
// @ts-expect-error no such optimizer
net.compile({ optimizer: 'adamm', loss: 'mse' })
// @ts-expect-error no such loss
net.compile({ optimizer: 'adam', loss: 'mset' })
// @ts-expect-error no such metric
net.compile({ optimizer: 'adam', loss: 'mse', metrics: ['acc'] })
// @ts-expect-error no such option
net.compile({ optimizer: 'adam', loss: 'mse', metric: ['mae'] })
// @ts-expect-error a loss is needed
net.compile({ optimizer: 'adam' })
net.compile({ optimizer: 'adam', loss: (prediction, target) => prediction.sub(target).abs().mean() })
// @ts-expect-error a loss gives a tensor
net.compile({ optimizer: 'adam', loss: () => 3 })

// Two ways to give samples.
const set = new data.TensorDataset(x, y)
const loader = new data.DataLoader(set, { batchSize: 4, shuffle: true })
async function* streamed(): AsyncGenerator<{ x: Tensor; y: Tensor }> {
  yield { x, y }
}
const lazy: data.Dataset = { length: 3, get: () => ({ x, y }) }
const options: FitOptions = {
  epochs: 2,
  batchSize: 4,
  shuffle: false,
  verbose: 0,
  signal: AbortSignal.timeout(10),
}
await model.fit(x, y, options)
await model.fit(set, options)
await model.fit({ x, y }, options)
await model.fit({ x: [[1, 2, 3, 4]], y: [0] }, options)
await model.fit(loader, options)
await model.fit([[x, y]], options)
await model.fit(streamed(), options)
await model.fit(lazy, options)
await model.fit([x, x], y, { validationData: [x, y] })
await model.evaluate(loader)
await model.evaluate(set, { batchSize: 2 })
// @ts-expect-error options stand behind both
await model.fit(x, { epochs: 2 })
// @ts-expect-error samples come with their targets
await model.fit(set, y, options)
// @ts-expect-error a string is no sample
await model.fit('x', y)
// @ts-expect-error of evaluate
await model.predict(x, y)

// Options.
await model.fit(x, y, { validationSplit: 0.1, initialEpoch: 1, seed: 3 })
await model.fit(x, y, {
  validationData: set,
  onEpochEnd: (epoch, logs) => {
    holds<Same<typeof epoch, number>>()
    holds<Same<typeof logs, EpochLogs>>()
    return epoch < 3
  },
})
// @ts-expect-error 0, 1 or 2
await model.fit(x, y, { verbose: 3 })
// @ts-expect-error the option is called epochs
await model.fit(x, y, { epoch: 3 })
// @ts-expect-error one number
await model.evaluate(x, y, { batchSize: '4' })
// What is undefined counts as left out.
declare const perhaps: { epochs?: number; signal?: AbortSignal }
await model.fit(x, y, { epochs: perhaps.epochs, signal: perhaps.signal })
const summary: string = model.summary({ inputShape: [4], print: (text) => void text.length })

export const used = [sure, first, some, text, error, lossName, metricName, summary]

// Hooks are declared on the base class, so that `override` is checked; the arguments are those of the hook.
class Watching extends Callback {
  override onEpochEnd(epoch: number, logs: Logs): void {
    holds<Same<typeof this.model.stopTraining, boolean>>()
    console.log(epoch, logs['loss'])
  }

  override async onBatchEnd(): Promise<void> {}

  // @ts-expect-error there is no such hook
  override onEpochEnds(): void {}
}
await net.fit(x, y, { callbacks: [new Watching(), { onTrainBatchEnd: (batch) => void batch.toFixed() }] })
// @ts-expect-error there is no such hook
await net.fit(x, y, { callbacks: [{ onEpochEnds: () => {} }] })

// A loader's batch is what a jitted step takes.
const step = jit((batch: data.Batch) => losses.mse(batch.x, batch.y))
for (const batch of new data.DataLoader(new data.TensorDataset(x, zeros([8, 4])))) step(batch)

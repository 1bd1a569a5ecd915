import { expectTypeOf, test } from 'vitest'
import { type Evaluation, type History, type Tensor, losses, nn, zeros } from 'neuroxide'

const net = (): nn.Sequential => new nn.Sequential(new nn.Linear(1, 1))

test('a compiled model is typed by its metrics', async () => {
  const model = net().compile({
    optimizer: 'adam',
    loss: 'mse',
    metrics: ['mae', { name: 'twice', compute: losses.mse }],
  })
  const history = await model.fit(zeros([2, 1]), zeros([2, 1]), { verbose: 0 })
  expectTypeOf(history).toEqualTypeOf<History<'mae' | 'twice'>>()
  expectTypeOf(history.mae).toEqualTypeOf<number[]>()
  expectTypeOf(history.valTwice).toEqualTypeOf<number[]>()
  // @ts-expect-error there is no such metric
  void history.accuracy
  const result = await model.evaluate(zeros([2, 1]), zeros([2, 1]))
  expectTypeOf(result).toEqualTypeOf<Evaluation<'mae' | 'twice'>>()
  expectTypeOf(result.twice).toEqualTypeOf<number>()
  // @ts-expect-error there is no such metric
  void result.accuracy
  // It is still what it was.
  expectTypeOf(model.at(0)).toEqualTypeOf<nn.TensorModule | undefined>()
})

test('without metrics there is the loss alone', async () => {
  const model = net().compile({ optimizer: 'adam', loss: (prediction: Tensor) => prediction.mean() })
  const result = await model.evaluate(zeros([2, 1]), zeros([2, 1]))
  expectTypeOf(result.loss).toEqualTypeOf<number>()
  // @ts-expect-error there is no metric
  void result.mae
})

test('names are checked', () => {
  // @ts-expect-error no such optimizer
  const unknownOptimizer = (): unknown => net().compile({ optimizer: 'adamm', loss: 'mse' })
  // @ts-expect-error no such loss
  const unknownLoss = (): unknown => net().compile({ optimizer: 'adam', loss: 'mset' })
  // @ts-expect-error no such metric
  const unknownMetric = (): unknown => net().compile({ optimizer: 'adam', loss: 'mse', metrics: ['acc'] })
  expectTypeOf(unknownOptimizer).toBeFunction()
  expectTypeOf(unknownLoss).toBeFunction()
  expectTypeOf(unknownMetric).toBeFunction()
})

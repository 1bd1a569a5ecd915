import { BusyError } from '../errors.js'
import { Origin } from '../errors/origin.js'
import { listed, rowCount, type Tensors } from '../data/dataset.js'
import { zeroGradients } from '../tensor.js'
import { requireOptions } from '../tensor/checks.js'
import { batchByClass, classWeightsOf, type ClassWeights } from './class-weights.js'
import { type Compiled, labelType } from './compiled.js'
import { prepareSums } from './gradients.js'
import { numbersOf } from './measures.js'
import type { Model } from './model.js'
import { assembledOutput } from './prediction.js'
import { datasetOf, type Input, tensors } from './source.js'
import {
  evaluationStep,
  type Prediction,
  predictionStep,
  ProgramCache,
  type TensorBatch,
  trainingStep,
} from './steps.js'
import { measurements } from './stream.js'
import { trainings } from './training.js'

export interface BatchOptions {
  /** How much each sample counts in the loss and in `weightedMetrics`, `[n]`. */
  readonly sampleWeight?: Input | undefined
}

export interface TrainBatchOptions extends BatchOptions {
  /** How much samples of a class count, by the number of the class; `1` by default. */
  readonly classWeight?: ClassWeights | undefined
}

function batchFor(
  op: string,
  compiled: Compiled,
  x: Input,
  y: Input,
  options: TrainBatchOptions,
): TensorBatch {
  const given = { x, y, sampleWeight: options.sampleWeight }
  const batch: TensorBatch = datasetOf(op, given, labelType(compiled))
  return options.classWeight === undefined
    ? batch
    : batchByClass(classWeightsOf(options.classWeight))({
        x: batch.x,
        y: batch.y,
        sampleWeight: batch.sampleWeight,
      })
}

/** One step on one batch; its loss and metrics. */
export async function trainOneBatch(
  model: Model,
  compiled: Compiled,
  x: Input,
  y: Input,
  options: TrainBatchOptions,
): Promise<{ readonly loss: number }> {
  const op = 'trainOnBatch'
  requireOptions(op, options, ['sampleWeight', 'classWeight'])
  // The core would notice only once the first step of `fit` has begun, and a step would slip in before.
  if (trainings.has(model))
    throw new BusyError(
      `${op}: fit() is training the model; expected no other training of it at the same time. Await the promise of fit() first.`,
    )
  const batch = batchFor(op, compiled, x, y, options)
  const rows = rowCount(op, listed(batch.x))
  prepareSums(compiled)
  const updates = (compiled.batches + 1) % compiled.update.every === 0
  const trained = [...new Set([...compiled.optimizer.parameters(), ...model.parameters()])]
  // What is frozen later needs another program.
  const kind = `${updates ? 'train' : 'add'} ${trained.map(({ requiresGrad }) => Number(requiresGrad)).join('')}`
  const { program } = programs(compiled).for(kind, model, true, batch, () => ({
    program: trainingStep(model, compiled, batch, rows, updates),
    template: { kind: 'value', value: undefined },
  }))
  zeroGradients(trained)
  try {
    const outputs = await measurements(program, batch, new Origin())
    compiled.batches += 1
    return Object.fromEntries(numbersOf(compiled, outputs)) as { loss: number }
  } finally {
    zeroGradients(trained)
  }
}

/** Loss and metrics of one batch, in evaluation mode. */
export async function testOneBatch(
  model: Model,
  compiled: Compiled,
  x: Input,
  y: Input,
  options: BatchOptions,
): Promise<{ readonly loss: number }> {
  const op = 'testOnBatch'
  requireOptions(op, options, ['sampleWeight'])
  const batch = batchFor(op, compiled, x, y, options)
  const rows = rowCount(op, listed(batch.x))
  const { program } = programs(compiled).for('test', model, false, batch, () => ({
    program: evaluationStep(model, compiled, batch, rows),
    template: { kind: 'value', value: undefined },
  }))
  return Object.fromEntries(numbersOf(compiled, await measurements(program, batch, new Origin()))) as {
    loss: number
  }
}

/** The model's outputs for one batch, in evaluation mode. */
export async function predictOneBatch(model: Model, cache: ProgramCache, x: Input): Promise<unknown> {
  const op = 'predictOnBatch'
  const inputs: Tensors = tensors(op, x)
  const rows = rowCount(op, listed(inputs))
  const batch: TensorBatch = { x: inputs, y: [] }
  const prediction: Prediction = cache.for('predict', model, false, batch, () =>
    predictionStep(model, inputs, rows),
  )
  const outputs = await prediction.program.run(listed(inputs))
  return assembledOutput(prediction, outputs)
}

function programs(compiled: Compiled): ProgramCache {
  compiled.programs ??= new ProgramCache()
  return compiled.programs
}

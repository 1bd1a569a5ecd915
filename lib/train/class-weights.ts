import { ValueError } from '../errors.js'
import { TensorDataset, type Tensors } from '../data/dataset.js'
import type { Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { shown } from '../tensor/create.js'
import { tensor } from '../tensor/factories.js'
import type { TensorBatch } from './steps.js'

/** How much samples of a class count, by its number; those left out count once. */
export type ClassWeights = Readonly<Record<number, number>> | ReadonlyMap<number, number> | readonly number[]

/** Checks class weights; returns them by class. */
export function classWeightsOf(given: ClassWeights): ReadonlyMap<number, number> {
  const entries: [unknown, unknown][] =
    given instanceof Map
      ? [...(given as ReadonlyMap<number, number>)]
      : typeof given === 'object' && given !== null
        ? Object.entries(given).map(([key, weight]) => [Number(key), weight])
        : []
  for (const [key, weight] of entries) {
    if (!Number.isSafeInteger(key) || (key as number) < 0 || typeof weight !== 'number' || !(weight >= 0))
      throw new ValueError(
        `fit: ${shown(key)}: ${shown(weight)} in classWeight; expected a number of at least 0 for the number of a class.`,
      )
  }
  if (entries.length === 0)
    throw new ValueError(
      `fit: ${shown(given)} as classWeight; expected weights by class, such as { 0: 1, 1: 5 }.`,
    )
  return new Map(entries as [number, number][])
}

/** The weight of each sample, by the class that its target names: an index, the largest of a one-hot row, or 0 and 1. */
function weightsFor(target: Tensors, weights: ReadonlyMap<number, number>): Tensor {
  if (!isTensor(target))
    throw new ValueError('fit: classWeight for several targets; expected one. Give sampleWeight.')
  const rows = target.shape[0] ?? 0
  const last = target.shape.at(-1) ?? 1
  const classes = target.rank > 1 && last !== 1 ? target.argmax(-1) : target
  if (classes.numel !== rows)
    throw new ValueError(
      `fit: classWeight for targets [${target.shape.join(', ')}]; expected one class for each sample, [n], [n, 1] or [n, classes].`,
    )
  const indices = Array.from(classes.toTypedArray() as ArrayLike<number>)
  return tensor(indices.map((index) => weights.get(Math.round(index)) ?? 1))
}

function requireNoOther(batch: TensorBatch): void {
  if (batch.sampleWeight !== undefined)
    throw new ValueError('fit: classWeight and sampleWeight; expected one of the two.')
}

/** A batch whose samples count as their classes do. */
export function batchByClass(weights: ReadonlyMap<number, number>): (batch: TensorBatch) => TensorBatch {
  return (batch) => {
    requireNoOther(batch)
    return { ...batch, sampleWeight: weightsFor(batch.y, weights) }
  }
}

/** The same for a whole set. */
export function datasetByClass(
  set: TensorDataset<Tensors, Tensors>,
  weights: ReadonlyMap<number, number>,
): TensorDataset<Tensors, Tensors> {
  requireNoOther(set)
  return new TensorDataset(set.x, set.y, weightsFor(set.y, weights))
}

import { ShapeError, ValueError } from '../errors.js'
import { isTensors, listed, type Tensors } from '../data/dataset.js'
import { concat } from '../functional.js'
import { isMetric } from '../metrics/metric.js'
import type { Module } from '../nn/module.js'
import { penalty } from '../nn/regularizers.js'
import type { Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { shown } from '../tensor/create.js'
import { full } from '../tensor/factories.js'
import type { Compiled, Loss, Measure, Output } from './compiled.js'

/** Whether an output of a step is a mean over its samples or sums over them, for each that a step has. */
export function areSums({ names, measures }: Compiled): boolean[] {
  const losses = names.length - measures.length
  return names.map((_, i) => i >= losses && isSum(measures[i - losses] as Measure))
}

/** Sums are what streaming metrics keep, and what a weighted mean is made of. */
function isSum({ metric, weighted }: Measure): boolean {
  return isMetric(metric) || weighted
}

/** The numbers by name that the outputs of steps make: means as they are, sums as their metrics say. */
export function numbersOf(
  { names, measures }: Compiled,
  outputs: readonly (readonly number[])[],
): [name: string, value: number][] {
  const losses = names.length - measures.length
  return names.map((name, i) => {
    const own = outputs[i] ?? []
    const measure = measures[i - losses]
    if (measure === undefined || !isSum(measure)) return [name, own[0] ?? Number.NaN]
    if (isMetric(measure.metric)) return [name, own.length === 0 ? Number.NaN : measure.metric.result(own)]
    const [sum = Number.NaN, weights = Number.NaN] = own
    // Keras's: samples that count for nothing make a mean of 0.
    return [name, weights === 0 ? 0 : sum / weights]
  })
}

/**
 * The target with a last axis of size 1 added or removed where only that keeps it from the prediction's shape (or, for
 * class indices, from the shape without classes), as Keras does.
 */
function aligned(prediction: unknown, target: unknown): unknown {
  if (!isTensor(prediction) || !isTensor(target)) return target
  const last = target.shape.at(-1)
  if (target.rank + 1 === prediction.rank && prediction.shape.at(-1) === 1) return target.unsqueeze(-1)
  const squeezed = last === 1 && (target.rank === prediction.rank + 1 || isIndices(prediction, target))
  return squeezed ? target.squeeze(-1) : target
}

function isIndices(prediction: Tensor, target: Tensor): boolean {
  const whole = target.dtype === 'i32' || target.dtype === 'u8'
  return whole && target.rank === prediction.rank && target.rank > 1 && prediction.shape.at(-1) !== 1
}

/** Predictions, targets and weights of a batch, as the model and the loader gave them. */
export interface Measured {
  readonly prediction: unknown
  readonly target: unknown
  readonly weight: Tensors | undefined
  readonly rows: number
}

/** What a step tells of a batch: the loss with all penalties first, then the loss of each output, then the metrics. */
export function measured(compiled: Compiled, model: Module, given: Measured): Tensor[] {
  const batch = { ...given, target: aligned(given.prediction, given.target) }
  const parts = compiled.outputs.flatMap((output) => {
    if (output.loss === null) return []
    const own = partOf(batch, output)
    return [{ loss: lossOf(output.loss, own), weight: output.weight }]
  })
  const sum =
    compiled.loss === null
      ? parts
          .map(({ loss, weight }) => (weight === 1 ? loss : loss.mul(weight)))
          .reduce((total, part) => total.add(part))
      : lossOf(compiled.loss, batch)
  const more = penalty(model)
  const total = more === null ? sum : sum.add(more.to(sum.dtype))
  const measures = compiled.measures.map((measure) =>
    measureOf(measure, measure.output === null ? batch : partOf(batch, measure.output)),
  )
  return [total, ...parts.map(({ loss }) => loss.detach()), ...measures]
}

/** The part of a batch that belongs to an output. */
function partOf(batch: Measured, { key }: Output): Measured {
  const pick = (what: string, from: unknown): unknown => {
    const found =
      typeof from === 'object' && from !== null && !isTensor(from)
        ? (from as Readonly<Record<string | number, unknown>>)[key]
        : undefined
    if (!isTensor(found))
      throw new ValueError(
        `fit: ${shown(from)} as ${what}; expected a ${typeof key === 'number' ? 'list' : 'record'} with a tensor at ${JSON.stringify(key)}, as compile has a loss for it.`,
      )
    return found
  }
  const prediction = pick('prediction', batch.prediction)
  const target = aligned(prediction, pick('target', batch.target))
  const { weight } = batch
  const own = weight === undefined || isTensor(weight) ? weight : (pick('sampleWeight', weight) as Tensor)
  return { prediction, target, weight: own, rows: batch.rows }
}

/** The loss of a batch as one number, which weights take part in where there are some. */
function lossOf(loss: Loss, { prediction, target, weight, rows }: Measured): Tensor {
  if (loss.apart !== null && !isTensor(prediction)) return eachOf(loss, { prediction, target, weight, rows })
  if (weight === undefined) return reduced(loss.whole(prediction as Tensor, target as Tensor), rows)
  if (!isTensor(weight))
    throw new ValueError('fit: several sampleWeights for one loss; expected one tensor, [n].')
  const apart = (loss.apart ?? loss.whole)(prediction as Tensor, target as Tensor)
  if (!isTensor(apart) || apart.rank === 0 || apart.shape[0] !== rows)
    throw new ShapeError(
      `fit: the loss of a batch of ${rows} with sampleWeight is ${isTensor(apart) ? `[${apart.shape.join(', ')}]` : shown(apart)}; expected one value for each sample, [${rows}]: leave out its mean().`,
    )
  return apart.mul(spread(weight, apart)).mean()
}

/** A loss of this library for several outputs is that of each, added up. */
function eachOf(loss: Loss, { prediction, target, weight, rows }: Measured): Tensor {
  if (!isTensors(prediction) || !isTensors(target))
    throw new ValueError(
      `fit: ${shown(prediction)} as prediction; expected tensors in the layout of the targets.`,
    )
  const targets = listed(target)
  const parts = listed(prediction).map((own, i) =>
    lossOf(loss, { prediction: own, target: aligned(own, targets[i]), weight, rows }),
  )
  return parts.reduce((total, part) => total.add(part))
}

/** A loss as one number: that of each sample becomes their mean. */
function reduced(loss: unknown, rows: number): Tensor {
  if (!isTensor(loss))
    throw new ValueError(`fit: the loss of a batch is ${shown(loss)}; expected a tensor of one number.`)
  if (loss.numel === 1) return loss.reshape([])
  if (loss.rank === 1 && loss.shape[0] === rows) return loss.mean()
  throw new ShapeError(
    `fit: the loss of a batch is [${loss.shape.join(', ')}]; expected one number: reduce it with mean().`,
  )
}

/** Weights of samples in a shape that broadcasts over values of samples. */
function spread(weight: Tensor, like: Tensor): Tensor {
  if (weight.shape.join() === like.shape.join()) return weight.to(like.dtype)
  if (weight.numel !== like.shape[0])
    throw new ShapeError(
      `fit: sampleWeight [${weight.shape.join(', ')}] for [${like.shape.join(', ')}]; expected one for each of ${like.shape[0]} samples.`,
    )
  return weight.to(like.dtype).reshape([weight.numel, ...like.shape.slice(1).map(() => 1)])
}

/** A metric of a batch: sums, or the mean over its samples. */
function measureOf({ name, metric, weighted, apart }: Measure, batch: Measured): Tensor {
  const [prediction, target] = [batch.prediction as Tensor, batch.target as Tensor]
  const weight = weighted ? (batch.weight as Tensor | undefined) : undefined
  if (isMetric(metric)) {
    const sums: unknown = metric.statistics(detached(prediction), target, weight)
    if (!isTensor(sums) || sums.rank !== 1)
      throw new ValueError(
        `fit: the metric "${name}" gave ${isTensor(sums) ? `[${sums.shape.join(', ')}]` : shown(sums)} as statistics; expected a vector of sums.`,
      )
    return sums.detach()
  }
  const value: unknown = (weight === undefined ? metric : (apart ?? metric))(prediction, target)
  if (!isTensor(value))
    throw new ValueError(`fit: the metric "${name}" gave ${String(value)}; expected a tensor.`)
  const numbers = value.detach().to('f32')
  if (!weighted) return numbers.numel === 1 ? numbers.reshape([]) : numbers.mean()
  return weightedSums(name, numbers, weight, batch.rows)
}

function detached(prediction: Tensor): Tensor {
  return isTensor(prediction) ? prediction.detach() : prediction
}

/** The sum of weighted values and that of the weights. */
function weightedSums(name: string, values: Tensor, weight: Tensor | undefined, rows: number): Tensor {
  if (weight === undefined) {
    const mean = values.numel === 1 ? values.reshape([1]) : values.mean().reshape([1])
    // Without weights each sample counts once.
    return concat([mean.mul(rows), full([1], rows)])
  }
  if (values.rank === 0 || values.shape[0] !== rows)
    throw new ShapeError(
      `fit: the weighted metric "${name}" gave [${values.shape.join(', ')}] for ${rows} samples; expected one value for each.`,
    )
  const own = values.rank > 1 ? values.reshape([rows, -1]).mean(1) : values
  const factors = weight.to('f32').reshape([rows])
  return concat([own.mul(factors).sum().reshape([1]), factors.sum().reshape([1])])
}

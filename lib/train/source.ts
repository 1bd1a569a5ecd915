import { ShapeError, ValueError } from '../errors.js'
import { type Batch, type Dataset, DataLoader, TensorDataset, type Tensors } from '../data/index.js'
import type { Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { shown } from '../tensor/create.js'
import { tensor } from '../tensor/factories.js'
import type { DType, TensorLike } from '../types.js'

/** What a model is given: values of one input, or a list of tensors for a model with several. */
export type Input = TensorLike | readonly Tensor[]

/** A batch as loaders may give it. */
export type LoaderBatch = { readonly x: Input; readonly y: Input } | readonly [x: Input, y: Input]

/** Whatever gives batches, once per epoch: a `DataLoader`, an array of batches, an object with an iterator of its own. */
export type Loader = Iterable<LoaderBatch> | AsyncIterable<LoaderBatch>

/** Samples as one argument. */
export type Samples =
  | TensorDataset<Tensors, Tensors>
  | { readonly x: Input; readonly y: Input }
  | Dataset
  | Loader

/** How samples in memory are to be visited. */
export interface InMemory {
  readonly kind: 'memory'
  readonly samples: TensorDataset<Tensors, Tensors>
  readonly batchSize: number
  readonly shuffle: boolean
  readonly dropLast: boolean
  readonly seed: number | undefined
}

/** Batches that only JavaScript can make. */
export interface Streamed {
  readonly kind: 'stream'
  readonly batches: Loader
  /** Batches per epoch; 0 where nobody knows. */
  readonly steps: number
  /** The element type of targets that are plain lists, where it is not that of numbers. */
  readonly labels?: DType | undefined
}

export type Source = InMemory | Streamed

/** What options say about visiting samples; a loader has its own. */
export interface Visit {
  readonly batchSize: number
  readonly shuffle: boolean
  readonly seed: number | undefined
}

/** Whether a first argument holds samples by itself, so that the second one is options. */
export function holdsSamples(value: unknown): value is Samples {
  if (typeof value !== 'object' || value === null || isTensor(value) || ArrayBuffer.isView(value))
    return false
  return !Array.isArray(value) || isBatch(value[0])
}

function isBatch(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || isTensor(value)) return false
  return Array.isArray(value) ? value.length === 2 && value.every(isTensor) : 'x' in value && 'y' in value
}

/** Values of an input as tensors; `labels` is the element type of plain lists of numbers, where they name classes. */
export function tensors(op: string, input: Input, labels?: DType): Tensors {
  if (isTensor(input)) return input
  if (Array.isArray(input) && input.some(isTensor)) {
    if (!input.every(isTensor))
      throw new ValueError(`${op}: tensors and other values in one list; expected tensors only.`)
    return input
  }
  const plain = labels !== undefined && Array.isArray(input) && typeof input[0] === 'number'
  return plain ? tensor(input as number[], { dtype: labels }) : tensor(input as number[])
}

/** The way to samples that were given as one argument. */
export function sourceOf(op: string, samples: Samples, visit: Visit, labels?: DType): Source {
  const inMemory = (set: TensorDataset<Tensors, Tensors>): InMemory => {
    if (set.length === 0) throw new ShapeError(`${op}: no samples; expected at least one.`)
    return { kind: 'memory', samples: set, dropLast: false, ...visit }
  }
  if (typeof samples !== 'object' || samples === null) throw strange(op, samples)
  if (samples instanceof TensorDataset) return inMemory(samples)
  if (samples instanceof DataLoader) {
    const { dataset, batchSize, shuffle, dropLast, seed, length } = samples
    if (length === 0) throw new ShapeError(`${op}: a loader without batches; expected at least one.`)
    if (!(dataset instanceof TensorDataset))
      return { kind: 'stream', batches: samples as Loader, steps: length }
    return { ...inMemory(dataset), batchSize, shuffle, dropLast, seed }
  }
  if (Symbol.iterator in samples || Symbol.asyncIterator in samples) {
    return { kind: 'stream', batches: samples, steps: Array.isArray(samples) ? samples.length : 0, labels }
  }
  if ('get' in samples && typeof samples.get === 'function') {
    const loader = new DataLoader(samples, {
      batchSize: visit.batchSize,
      shuffle: visit.shuffle,
      ...seeded(visit.seed),
    })
    return { kind: 'stream', batches: loader as Loader, steps: loader.length }
  }
  if ('x' in samples && 'y' in samples)
    return inMemory(new TensorDataset(tensors(op, samples.x), tensors(op, samples.y, labels)))
  throw strange(op, samples)
}

function strange(op: string, given: unknown): ValueError {
  return new ValueError(`${op}: ${shown(given)}; expected x and y, { x, y }, a data set or a loader.`)
}

function seeded(seed: number | undefined): { seed?: number } {
  return seed === undefined ? {} : { seed }
}

/** Samples in memory as batches, where JavaScript has to see each of them. */
export function batchesOf(source: Source, firstEpoch = 0): Streamed {
  if (source.kind === 'stream') return source
  const { samples, batchSize, shuffle, dropLast, seed } = source
  const loader = new DataLoader(samples, { batchSize, shuffle, dropLast, ...seeded(seed) })
  loader.epoch = firstEpoch
  return { kind: 'stream', batches: loader, steps: loader.length }
}

/** Inputs and targets of a batch of a loader. */
export function batchOf(op: string, batch: LoaderBatch, labels?: DType): Batch<Tensors, Tensors> {
  if (!isBatch(batch) && !Array.isArray(batch)) {
    throw new ValueError(`${op}: ${shown(batch)} as batch of the loader; expected { x, y } or [x, y].`)
  }
  const [x, y] = 'x' in batch ? [batch.x, batch.y] : batch
  return { x: tensors(op, x), y: tensors(op, y, labels) }
}

/** Keeps the tail for validation, as Keras does: what is left is `floor(n · (1 − share))`. */
export function splitTail(source: Source, share: number): [train: InMemory, validation: InMemory] {
  if (typeof share !== 'number' || !(share > 0 && share < 1)) {
    throw new ValueError(
      `fit: validationSplit is ${shown(share)}; expected a share of the samples, between 0 and 1.`,
    )
  }
  if (source.kind !== 'memory') {
    throw new ValueError(
      'fit: validationSplit beside a loader; expected samples in memory. Give validationData.',
    )
  }
  const { samples } = source
  const rest = Math.floor(samples.length * (1 - share))
  if (rest === 0 || rest === samples.length) {
    throw new ValueError(
      `fit: validationSplit ${share} of ${samples.length} samples; expected some on both sides.`,
    )
  }
  const part = (start: number, end: number): InMemory => ({ ...source, samples: samples.slice(start, end) })
  return [part(0, rest), { ...part(rest, samples.length), shuffle: false, dropLast: false }]
}

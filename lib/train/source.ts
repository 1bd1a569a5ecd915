import { ShapeError, ValueError } from '../errors.js'
import { isTensors, listed, rowCount } from '../data/dataset.js'
import {
  type AsyncDataset,
  type Batch,
  type Dataset,
  DataLoader,
  TensorDataset,
  type Tensors,
} from '../data/index.js'
import { isPlainRecord } from '../jit/arguments.js'
import { isTensor } from '../tensor/base.js'
import { shown } from '../tensor/create.js'
import { tensor } from '../tensor/factories.js'
import type { DType, TensorLike } from '../types.js'

type OneOfInputs = Exclude<TensorLike, number | boolean>

/**
 * What a model is given: values of one input, or for a model with several a list or record of values. A list of
 * plain arrays is the rows of one input.
 */
export type Input = TensorLike | Tensors | readonly OneOfInputs[] | Readonly<Record<string, OneOfInputs>>

/** A batch as loaders may give it: inputs, targets and, where they differ, how much each sample counts. */
export type LoaderBatch =
  | { readonly x: Input; readonly y: Input; readonly sampleWeight?: Input | undefined }
  | readonly [x: Input, y: Input]
  | readonly [x: Input, y: Input, sampleWeight: Input]

/** Whatever gives batches, once per epoch: a `DataLoader`, an array of batches, an object with an iterator of its own. */
export type Loader = Iterable<LoaderBatch> | AsyncIterable<LoaderBatch>

/** Samples as one argument. */
export type Samples =
  | TensorDataset<Tensors, Tensors>
  | { readonly x: Input; readonly y: Input; readonly sampleWeight?: Input | undefined }
  | Dataset
  | AsyncDataset
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
  if (Array.isArray(value)) return isBatch(value[0])
  // Inputs by name; a record of x and y is samples.
  return !isNamed(value) || ('x' in value && 'y' in value)
}

/** Whether an object is values by name: no data set, no loader. */
function isNamed(value: object): value is Readonly<Record<string, unknown>> {
  if (!isPlainRecord(value) || Symbol.iterator in value || Symbol.asyncIterator in value) return false
  return Object.values(value).length > 0 && typeof value['get'] !== 'function'
}

function isBatch(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || isTensor(value)) return false
  if (!Array.isArray(value)) return 'x' in value && 'y' in value
  return (value.length === 2 || value.length === 3) && value.every(isTensors)
}

/** Values of an input as tensors; `labels` is the element type of plain lists of numbers, where they name classes. */
export function tensors(op: string, input: Input, labels?: DType): Tensors {
  if (isTensors(input)) return input
  // Typed arrays are no rows of a nested array.
  if (Array.isArray(input) && input.some((value) => isTensor(value) || ArrayBuffer.isView(value))) {
    const list: readonly unknown[] = input
    const odd = list.find((value) => !(isTensor(value) || isList(value)))
    if (odd !== undefined)
      throw new ValueError(
        `${op}: tensors or typed arrays and ${shown(odd)} in one list; expected tensors or arrays, one for each input.`,
      )
    return list.map((value) => (isTensor(value) ? value : tensor(value as number[])))
  }
  if (isPlainRecord(input)) {
    const entries = Object.entries(input)
    const odd = entries.find(([, value]) => !(isTensor(value) || isList(value)))
    if (entries.length === 0 || odd !== undefined)
      throw new ValueError(
        `${op}: ${odd === undefined ? shown(input) : `${shown(odd[1])} as ${shown(odd[0])}`}; expected tensors or arrays by name, such as { image, meta }.`,
      )
    return Object.fromEntries(
      entries.map(([name, value]) => [name, isTensor(value) ? value : tensor(value as number[])]),
    )
  }
  if (typeof input === 'object' && !isList(input))
    throw new ValueError(
      `${op}: ${shown(input)}; expected a tensor, an array, or several in a list or by name. Of a data set or a loader, give the inputs alone, such as dataset.x.`,
    )
  const plain = labels !== undefined && Array.isArray(input) && typeof input[0] === 'number'
  return plain ? tensor(input as number[], { dtype: labels }) : tensor(input as number[])
}

/** Whether a value is numbers in an array, which may be typed. */
function isList(value: unknown): boolean {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
}

/** How much each sample counts, as floats; undefined where all count the same. */
export function weights(op: string, given: Input | undefined, rows: number): Tensors | undefined {
  if (given === undefined) return undefined
  const made = tensors(op, given)
  for (const weight of listed(made)) {
    if (weight.rank === 0 || weight.shape[0] !== rows)
      throw new ShapeError(
        `${op}: sampleWeight [${weight.shape.join(', ')}] for ${rows} samples; expected [${rows}].`,
      )
  }
  return made
}

/** Inputs, targets and weights as one set. */
export function datasetOf(
  op: string,
  { x, y, sampleWeight }: { readonly x: Input; readonly y: Input; readonly sampleWeight?: Input | undefined },
  labels?: DType,
): TensorDataset<Tensors, Tensors> {
  const [inputs, targets] = [tensors(op, x), tensors(op, y, labels)]
  const rows = rowCount(op, [...listed(inputs), ...listed(targets)])
  return new TensorDataset(inputs, targets, weights(op, sampleWeight, rows))
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
  if ('x' in samples && 'y' in samples) return inMemory(datasetOf(op, samples, labels))
  throw strange(op, samples)
}

function strange(op: string, given: unknown): ValueError {
  return new ValueError(`${op}: ${shown(given)}; expected x and y, { x, y }, a data set or a loader.`)
}

function seeded(seed: number | undefined): { seed?: number } {
  return seed === undefined ? {} : { seed }
}

/** Samples in memory as batches, where JavaScript has to see each of them. */
export function batchesOf(source: Source, firstVisit = 0): Streamed {
  if (source.kind === 'stream') return source
  const { samples, batchSize, shuffle, dropLast, seed } = source
  const loader = new DataLoader(samples, { batchSize, shuffle, dropLast, ...seeded(seed) })
  loader.epoch = firstVisit
  return { kind: 'stream', batches: loader as Loader, steps: loader.length }
}

/** Inputs, targets and weights of a batch of a loader. */
export function batchOf(op: string, batch: LoaderBatch, labels?: DType): Batch<Tensors, Tensors> {
  if (!isBatch(batch) && !Array.isArray(batch)) {
    throw new ValueError(`${op}: ${shown(batch)} as batch of the loader; expected { x, y } or [x, y].`)
  }
  const { x, y, sampleWeight } = 'x' in batch ? batch : { x: batch[0], y: batch[1], sampleWeight: batch[2] }
  const [inputs, targets] = [tensors(op, x), tensors(op, y, labels)]
  const weighted = weights(op, sampleWeight, listed(inputs)[0]?.shape[0] ?? 0)
  return { x: inputs, y: targets, ...(weighted === undefined ? {} : { sampleWeight: weighted }) }
}

/** The first batches of samples in memory. */
export function sliced(source: InMemory, steps: number | undefined): InMemory {
  if (steps === undefined || steps * source.batchSize >= source.samples.length) return source
  return { ...source, samples: source.samples.slice(0, steps * source.batchSize) }
}

/** Samples that count as an option says. */
export function weighted(op: string, source: Source, sampleWeight: Input): InMemory {
  if (source.kind !== 'memory')
    throw new ValueError(
      `${op}: sampleWeight beside a loader; expected it in each batch, { x, y, sampleWeight }.`,
    )
  const { samples } = source
  if (samples.sampleWeight !== undefined)
    throw new ValueError(`${op}: sampleWeight beside samples that have weights; expected one of the two.`)
  const own = weights(op, sampleWeight, samples.length)
  return { ...source, samples: new TensorDataset(samples.x, samples.y, own) }
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

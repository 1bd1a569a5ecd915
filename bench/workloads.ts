// The trainings that `npm run bench` and `npm run bench:peers` time. A new one is one more entry at the end; a new kind
// of model is a function beside `mlp`, and the programs in `bench/peers` that build it.
import type * as neuroxide from 'neuroxide'
import type { nn, Tensor } from 'neuroxide'

/** The library, handed in: it reads the number of threads when it is loaded, which is after options are read. */
export type Library = typeof neuroxide

/** The forms of driving: an epoch in native code, a jitted step in a loop, the same step without `jit`. */
export const modes = ['epoch', 'jit', 'eager'] as const
export type Mode = (typeof modes)[number]

/** A model before its first step, and the samples of an epoch. */
export interface Built {
  readonly model: nn.Sequential
  readonly loss: (prediction: Tensor, target: Tensor) => Tensor
  readonly x: Tensor
  readonly y: Tensor
}

/** A training of which every step does the same work: forward, loss, backward, one update by Adam at 1e-3. */
export interface Workload {
  readonly name: string
  /** Samples per step. */
  readonly batch: number
  /** Batches per epoch. */
  readonly batches: number
  /** The steps, counted from 1, whose losses are compared with those of other libraries. */
  readonly checked: readonly number[]
  /** Floating-point operations of the matrix products of a step; the gradient of the input is not among them. */
  readonly flops: number
  /** Numbers that the optimizer updates. */
  readonly parameters: number
  /** Whether a step is so large that weights and moments come from memory, not from the caches. */
  readonly streamed: boolean
  /** Threads that a step can use at the most. */
  readonly widest: number
  /** What a program of another library is told, beside where the values are. */
  readonly flags: readonly string[]
  /** Weights, then samples: what every library starts from. */
  values(): Float32Array
  build(library: Library, values: Float32Array): Built
}

interface Mlp {
  readonly name: string
  /** Features, widths of the hidden layers, outputs. */
  readonly sizes: readonly number[]
  readonly loss: 'crossEntropy' | 'mse'
  readonly batch: number
  readonly batches: number
  readonly checked: readonly number[]
  readonly streamed?: boolean
  readonly widest?: number
}

/** Linear layers with ReLU between them. */
function mlp({ name, sizes, loss, batch, batches, checked, streamed = false, widest = 128 }: Mlp): Workload {
  const layers = sizes.slice(1).map((outputs, i): [number, number] => [sizes[i]!, outputs])
  const [features, outputs] = [sizes[0]!, sizes.at(-1)!]
  const samples = batch * batches
  const multiplied = layers.map(([inputs, outputs], i) => (i === 0 ? 2 : 3) * inputs * outputs)
  const labelled = loss === 'crossEntropy'
  return {
    name,
    batch,
    batches,
    checked,
    flops: 2 * batch * sum(multiplied),
    parameters: sum(layers.map(([inputs, outputs]) => (inputs + 1) * outputs)),
    streamed,
    widest,
    flags: ['--sizes', sizes.join(','), '--loss', loss, '--batch', `${batch}`, '--batches', `${batches}`],
    values() {
      const next = numbers(name)
      const parts = layers.map(([inputs, outputs]) => {
        const bound = 1 / Math.sqrt(inputs)
        return Float32Array.from({ length: (inputs + 1) * outputs }, () => (2 * next() - 1) * bound)
      })
      parts.push(Float32Array.from({ length: samples * features }, next))
      const target = labelled ? () => Math.floor(next() * outputs) : next
      parts.push(Float32Array.from({ length: samples * (labelled ? 1 : outputs) }, target))
      return joined(parts)
    },
    build({ fromTypedArray, losses, nn }, values) {
      const rest = new Reader(values)
      const modules = layers.flatMap(([inputs, outputs], i) => {
        const layer = new nn.Linear(inputs, outputs)
        layer.weight.copyFrom(fromTypedArray(rest.take(inputs * outputs), [inputs, outputs]).transpose(0, 1))
        layer.bias!.copyFrom(fromTypedArray(rest.take(outputs), [outputs]))
        return i === 0 ? [layer] : [new nn.ReLU(), layer]
      })
      const x = fromTypedArray(rest.take(samples * features), [samples, features])
      const y = labelled
        ? fromTypedArray(Int32Array.from(rest.take(samples)), [samples])
        : fromTypedArray(rest.take(samples * outputs), [samples, outputs])
      return { model: new nn.Sequential(...modules), loss: losses[loss] as Built['loss'], x, y }
    },
  }
}

export const workloads: readonly Workload[] = [
  mlp({
    name: 'mlp-seed-b32',
    sizes: [10, 64, 1],
    loss: 'mse',
    batch: 32,
    batches: 400,
    checked: [1, 10, 100],
    // A step of a microsecond is over before a second core has heard of it.
    widest: 1,
  }),
  mlp({
    name: 'mlp-mnist-b32',
    sizes: [784, 128, 10],
    loss: 'crossEntropy',
    batch: 32,
    batches: 200,
    checked: [1, 10, 100],
  }),
  mlp({
    name: 'mlp-wide-b1024',
    sizes: [784, 1024, 1024, 10],
    loss: 'crossEntropy',
    batch: 1024,
    batches: 4,
    // WebAssembly takes seconds for a step of this one.
    checked: [1, 2, 5],
    streamed: true,
  }),
]

/** The workload of a name. */
export function workloadOf(name: string): Workload {
  const found = workloads.find((workload) => workload.name === name)
  if (found === undefined)
    throw new RangeError(`no workload ${name}; there are ${workloads.map(({ name }) => name).join(', ')}`)
  return found
}

/** Numbers in [0, 1) that follow from a name (mulberry32, from a hash of the name). */
function numbers(name: string): () => number {
  let state = 0
  for (const character of name) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 8) / 2 ** 24
  }
}

class Reader {
  #at = 0

  constructor(readonly values: Float32Array) {}

  take(count: number): Float32Array {
    this.#at += count
    return this.values.subarray(this.#at - count, this.#at)
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(sum(parts.map(({ length }) => length)))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

import { ValueError } from '../errors.js'
import { type Batch, type RowsOf, TensorDataset, type Tensors } from './dataset.js'
import { drawnSeed, epochOrder } from './shuffle.js'
import type { Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { tensor } from '../tensor/factories.js'
import { requireFlag, requireInteger, requireNumber, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

export interface SplitOptions {
  /** Share of the samples (below 1), or their number, that is kept for testing; `0.25` by default. */
  readonly testSize?: number | undefined
  /** Whether samples are drawn at random; otherwise the tail is kept. `true` by default. */
  readonly shuffle?: boolean | undefined
  /** What the draw depends on; drawn from the program's random numbers by default. */
  readonly seed?: number | undefined
  /**
   * Whether each class has the same share on both sides: `true` for the classes of `y`, i32 or u8 `[n]`, or a tensor of
   * classes. `false` by default.
   */
  readonly stratify?: boolean | Tensor | undefined
}

export interface Split<X extends Tensors, Y extends Tensors> {
  readonly train: TensorDataset<RowsOf<X>, RowsOf<Y>>
  readonly test: TensorDataset<RowsOf<X>, RowsOf<Y>>
}

/**
 * Splits samples into those to train on and those to test with.
 *
 * @returns two data sets; the test set has `ceil(n · testSize)` samples, as in scikit-learn
 * @throws ValueError when one of the two would be empty, or a class has one sample only
 * @example
 * ```ts
 * import { data, zeros } from 'neuroxide'
 * const { train, test } = data.trainTestSplit({ x: zeros([10, 2]), y: zeros([10]) }, { testSize: 0.3, seed: 1 })
 * console.log(train.length, test.length) // 7 3
 * ```
 */
export function trainTestSplit<X extends Tensors, Y extends Tensors>(
  samples: Batch<X, Y>,
  options: SplitOptions = {},
): Split<X, Y> {
  const op = 'data.trainTestSplit'
  requireOptions(op, options, ['testSize', 'shuffle', 'seed', 'stratify'])
  const { testSize = 0.25, shuffle = true, seed, stratify = false } = options
  requireNumber(op, 'testSize', testSize)
  requireFlag(op, 'shuffle', shuffle)
  if (seed !== undefined) requireInteger(op, 'seed', seed, 0)
  if (typeof samples !== 'object' || samples === null || !('x' in samples && 'y' in samples))
    throw new ValueError(`${op}: ${shown(samples)}; expected { x, y }.`)
  const dataset = new TensorDataset(samples.x, samples.y, samples.sampleWeight)
  const count = testSize < 1 ? Math.ceil(dataset.length * testSize) : testSize
  const rest = dataset.length - count
  if (!Number.isSafeInteger(count) || count < 1 || rest < 1) {
    throw new ValueError(
      `${op}: testSize ${testSize} of ${dataset.length} samples; expected one that leaves some to train on and some to test with.`,
    )
  }
  if (!shuffle) {
    if (stratify !== false)
      throw new ValueError(`${op}: stratify without shuffle; expected samples that are drawn.`)
    return { train: dataset.slice(0, rest), test: dataset.slice(rest) }
  }
  const drawn = epochOrder(dataset.length, seed ?? drawnSeed(), 0)
  const order =
    stratify === false
      ? drawn
      : stratified(drawn, classesOf(op, stratify === true ? samples.y : stratify, dataset.length), count)
  const take = (start: number, length: number): TensorDataset<RowsOf<X>, RowsOf<Y>> => {
    const { x, y, sampleWeight } = dataset.gather(order.narrow(0, start, length))
    return new TensorDataset(x, y, sampleWeight)
  }
  return { train: take(0, rest), test: take(rest, count) }
}

function classesOf(op: string, given: unknown, length: number): ArrayLike<number> {
  const right = isTensor(given) && (given.dtype === 'i32' || given.dtype === 'u8' || given.dtype === 'bool')
  if (!right || given.rank > 2 || given.numel !== length)
    throw new ValueError(
      `${op}: ${isTensor(given) ? `${given.dtype}[${given.shape.join(', ')}]` : shown(given)} as stratify; expected true for targets that are classes, i32[${length}], or a tensor of classes.`,
    )
  return given.toTypedArray()
}

/** An order of samples whose last `count` have the classes in the shares of all. */
function stratified(drawn: Tensor, classes: ArrayLike<number>, count: number): Tensor {
  const members = new Map<number, number[]>()
  for (const sample of drawn.toTypedArray()) {
    const own = classes[sample] as number
    const group = members.get(own)
    if (group === undefined) members.set(own, [sample])
    else group.push(sample)
  }
  const groups = [...members].toSorted(([a], [b]) => a - b)
  const share = count / classes.length
  const wanted = groups.map(([, group]) => Math.floor(group.length * share))
  // What rounding down has left over goes to the classes that lost most by it.
  const left = count - wanted.reduce((sum, size) => sum + size, 0)
  const byLoss = groups
    .map(([, group], i) => [i, group.length * share - (wanted[i] as number)] as const)
    .toSorted((a, b) => b[1] - a[1])
  for (const [i] of byLoss.slice(0, left)) wanted[i] = (wanted[i] as number) + 1
  const alone = groups.find(([, group]) => group.length < 2)
  if (alone !== undefined)
    throw new ValueError(
      `data.trainTestSplit: class ${alone[0]} has one sample; expected at least two of each with stratify.`,
    )
  const test = new Set(groups.flatMap(([, group], i) => group.slice(0, wanted[i])))
  const order = Array.from(drawn.toTypedArray())
  return tensor(
    [...order.filter((sample) => !test.has(sample)), ...order.filter((sample) => test.has(sample))],
    {
      dtype: 'i32',
    },
  )
}

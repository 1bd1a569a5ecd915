import { ValueError } from '../errors.js'
import { type Batch, type RowsOf, TensorDataset, type Tensors } from './dataset.js'
import { drawnSeed, epochOrder } from './shuffle.js'
import { requireFlag, requireInteger, requireNumber, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

export interface SplitOptions {
  /** Share of the samples (below 1), or their number, that is kept for testing; `0.25` by default. */
  readonly testSize?: number | undefined
  /** Whether samples are drawn at random; otherwise the tail is kept. `true` by default. */
  readonly shuffle?: boolean | undefined
  /** What the draw depends on; drawn from the program's random numbers by default. */
  readonly seed?: number | undefined
}

export interface Split<X extends Tensors, Y extends Tensors> {
  readonly train: TensorDataset<RowsOf<X>, RowsOf<Y>>
  readonly test: TensorDataset<RowsOf<X>, RowsOf<Y>>
}

/**
 * Splits samples into those to train on and those to test with.
 *
 * @returns two data sets; the test set has `ceil(n · testSize)` samples, as in scikit-learn
 * @throws ValueError when one of the two would be empty
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
  requireOptions(op, options, ['testSize', 'shuffle', 'seed'])
  const { testSize = 0.25, shuffle = true, seed } = options
  requireNumber(op, 'testSize', testSize)
  requireFlag(op, 'shuffle', shuffle)
  if (seed !== undefined) requireInteger(op, 'seed', seed, 0)
  if (typeof samples !== 'object' || samples === null || !('x' in samples && 'y' in samples))
    throw new ValueError(`${op}: ${shown(samples)}; expected { x, y }.`)
  const dataset = new TensorDataset(samples.x, samples.y)
  const count = testSize < 1 ? Math.ceil(dataset.length * testSize) : testSize
  const rest = dataset.length - count
  if (!Number.isSafeInteger(count) || count < 1 || rest < 1) {
    throw new ValueError(
      `${op}: testSize ${testSize} of ${dataset.length} samples; expected one that leaves some to train on and some to test with.`,
    )
  }
  if (!shuffle) return { train: dataset.slice(0, rest), test: dataset.slice(rest) }
  const order = epochOrder(dataset.length, seed ?? drawnSeed(), 0)
  const take = (start: number, length: number): TensorDataset<RowsOf<X>, RowsOf<Y>> => {
    const { x, y } = dataset.gather(order.narrow(0, start, length))
    return new TensorDataset(x, y)
  }
  return { train: take(0, rest), test: take(rest, count) }
}

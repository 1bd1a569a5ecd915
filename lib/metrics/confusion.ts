import { IndexError, ValueError } from '../errors.js'
import { isTracing } from '../native.js'
import { type Tensor, noGrad } from '../tensor.js'
import { located } from '../tensor/base.js'
import { requireInteger, requireNumber, requireOptions } from '../tensor/checks.js'
import { asTensor, isFloat, shown } from '../tensor/create.js'
import type { TensorLike } from '../types.js'
import { alignedTarget } from './accuracy.js'
import { classified, isIndices, requireDim, spreadWeight } from './operands.js'

export interface ConfusionMatrixOptions {
  /** How many classes there are; the size of the prediction's class axis, or the largest index met, by default. */
  readonly numClasses?: number | undefined
  /** Predictions for each element above it count as class 1; `0.5` by default. */
  readonly threshold?: number | undefined
  /** The axis of the classes; the last one by default. */
  readonly dim?: number | undefined
  /** What the entries are shares of: their row (`'true'`), their column (`'pred'`), all; counts by default. */
  readonly normalize?: 'true' | 'pred' | 'all' | undefined
}

/**
 * How often each class was taken for each other one: rows are the targets' classes, columns the predictions'.
 *
 * A matrix is no number, so `compile` takes none of these; give one to a loop of your own.
 *
 * @throws IndexError for a class that does not exist
 * @throws ShapeError when prediction and target do not belong together
 * @example
 * ```ts
 * import { metrics } from 'neuroxide'
 * const matrix = new metrics.ConfusionMatrix()
 * matrix.update([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1])
 * console.log(matrix.compute()) // [ [ 1, 0 ], [ 1, 1 ] ]
 * ```
 */
export class ConfusionMatrix {
  readonly #fixed: number | null
  readonly #threshold: number
  readonly #dim: number
  readonly #normalize: 'true' | 'pred' | 'all' | undefined
  #counts: number[][] = []

  constructor(options: ConfusionMatrixOptions = {}) {
    const op = 'metrics.ConfusionMatrix'
    requireOptions(op, options, ['numClasses', 'threshold', 'dim', 'normalize'])
    const { numClasses, normalize } = options
    if (normalize !== undefined && !['true', 'pred', 'all'].includes(normalize))
      throw new ValueError(`${op}: ${shown(normalize)} as normalize; expected 'true', 'pred' or 'all'.`)
    this.#fixed = numClasses === undefined ? null : requireInteger(op, 'numClasses', numClasses, 1)
    this.#threshold = requireNumber(op, 'threshold', options.threshold ?? 0.5)
    this.#dim = requireDim('ConfusionMatrix', options.dim)
    this.#normalize = normalize
    this.reset()
  }

  /**
   * Counts a batch.
   *
   * @param prediction - scores over classes, integers that name classes, or a number for each element of two classes
   * @param target - class indices, one-hot rows, or zeros and ones
   * @param weight - a weight for each sample; all count once without
   */
  update(prediction: TensorLike, target: TensorLike, weight?: TensorLike): void {
    const op = 'metrics.ConfusionMatrix'
    if (isTracing())
      throw located(
        ValueError,
        `${op}: update inside a jitted function; expected it outside. It would happen once.`,
      )
    noGrad(() => {
      const given = weight === undefined ? undefined : asTensor(weight, op)
      const { said, is, weights, least } = this.#answers(
        asTensor(prediction, op),
        asTensor(target, op),
        given,
      )
      const [predicted, real, each] = [said, is, weights].map((x) => Array.from(x.to('f64').toTypedArray()))
      const pairs = (predicted ?? []).map(
        (column, i) => [real?.[i] ?? NaN, column, each?.[i] ?? NaN] as const,
      )
      const most = pairs.reduce((max, [row, column]) => Math.max(max, row, column), least - 1)
      for (const [row, column] of pairs) for (const index of [row, column]) this.#require(index)
      this.#grow(this.#fixed ?? most + 1)
      for (const [row, column, w] of pairs) {
        const counts = this.#counts[row] as number[]
        counts[column] = (counts[column] ?? 0) + w
      }
    })
  }

  #answers(
    prediction: Tensor,
    target: Tensor,
    weight: Tensor | undefined,
  ): { readonly said: Tensor; readonly is: Tensor; readonly weights: Tensor; readonly least: number } {
    const op = 'ConfusionMatrix'
    const classes = prediction.shape.at(-1) ?? 1
    const scores = prediction.rank > 1 && classes > 1 && isFloat(prediction.dtype)
    if (scores || isIndices(op, prediction, target, this.#dim)) {
      const { scores: rows, labels, weight: each } = classified(op, prediction, target, weight, this.#dim)
      return { said: rows.argmax(-1), is: labels, weights: each, least: rows.shape[1] ?? 1 }
    }
    const aligned = alignedTarget(op, prediction, target)
    const shape = [prediction.numel]
    const weights = spreadWeight(op, weight, prediction.shape)
    if (prediction.dtype === 'i32' || prediction.dtype === 'u8')
      return { said: prediction.reshape(shape), is: aligned.reshape(shape), weights, least: 1 }
    const [said, is] = [prediction.to('f32').gt(this.#threshold), aligned.to('f32').gt(0.5)]
    return { said: said.reshape(shape), is: is.reshape(shape), weights, least: 2 }
  }

  #require(index: number): void {
    const limit = this.#fixed ?? Infinity
    if (Number.isInteger(index) && index >= 0 && index < limit) return
    throw located(
      IndexError,
      `metrics.ConfusionMatrix: class ${index}; expected an integer in [0, ${limit === Infinity ? '…' : limit}).`,
    )
  }

  #grow(classes: number): void {
    const size = Math.max(classes, this.#counts.length)
    this.#counts = Array.from({ length: size }, (_, row) =>
      Array.from({ length: size }, (__, column) => this.#counts[row]?.[column] ?? 0),
    )
  }

  /** The matrix of all batches since the beginning or the last `reset`, row by row. */
  compute(): number[][] {
    const rows = this.#counts.map((row) => row.reduce((sum, count) => sum + count, 0))
    const columns = this.#counts.map((_, column) =>
      this.#counts.reduce((sum, row) => sum + (row[column] ?? 0), 0),
    )
    const all = rows.reduce((sum, count) => sum + count, 0)
    const of = (row: number, column: number): number => {
      if (this.#normalize === 'true') return rows[row] ?? 0
      return this.#normalize === 'pred' ? (columns[column] ?? 0) : this.#normalize === 'all' ? all : 1
    }
    return this.#counts.map((row, i) =>
      row.map((count, j) => {
        const whole = of(i, j)
        return whole === 0 ? 0 : count / whole
      }),
    )
  }

  /** Forgets all batches. */
  reset(): void {
    this.#counts = []
    if (this.#fixed !== null) this.#grow(this.#fixed)
  }
}

import { ValueError } from '../errors.js'
import { concat } from '../functional.js'
import { isTracing } from '../native.js'
import { type Tensor, noGrad } from '../tensor.js'
import { isTensor, located } from '../tensor/base.js'
import { requireTensor } from '../tensor/checks.js'
import { asTensor, shown } from '../tensor/create.js'
import type { TensorLike } from '../types.js'

const metricBrand: unique symbol = Symbol.for('neuroxide.metric') as never

/**
 * A number about all samples that were seen, kept as sums: however they are cut into batches, the number is the same.
 *
 * Give one to `compile`, or keep it in a loop of your own: `update` with each batch, `compute` for the number. A metric
 * of one's own says in `statistics` which sums it needs and in `result` what they make.
 *
 * @example
 * ```ts
 * import { metrics, tensor, type Tensor } from 'neuroxide'
 * class LargestError extends metrics.Metric<'missed'> {
 *   constructor() {
 *     super('missed')
 *   }
 *   statistics(prediction: Tensor, target: Tensor): Tensor {
 *     const far = prediction.sub(target).abs().gt(1).to('f64')
 *     return this.sums([far.sum(), far.mul(0).add(1).sum()])
 *   }
 *   result(sums: readonly number[]): number {
 *     const [missed = 0, all = 0] = this.totals(sums)
 *     return missed / all
 *   }
 * }
 * const metric = new LargestError()
 * metric.update(tensor([1, 5]), tensor([1, 1]))
 * metric.update(tensor([2]), tensor([1.5]))
 * console.log(metric.compute().toFixed(2)) // 0.33
 * ```
 */
export abstract class Metric<N extends string = string> {
  /** The name in logs and histories. */
  // Not inferred from where a metric is written to: in a list for `compile` the name would become any text.
  readonly name: NoInfer<N>
  #held: number[] | null = null

  constructor(name: N) {
    if (typeof name !== 'string' || name === '')
      throw new ValueError(`metrics.Metric: ${shown(name)} as name; expected one, such as 'recall'.`)
    this.name = name
  }

  /**
   * Sums over a batch, an f32 vector: adding those of batches gives those of all samples. Traced where the metric is part
   * of a compiled model.
   *
   * @param weight - a weight for each sample, `[n]`; all count once without
   */
  abstract statistics(prediction: Tensor, target: Tensor, weight?: Tensor): Tensor

  /** The number that the sums of all batches make. */
  abstract result(sums: readonly number[]): number

  /**
   * Sums as `statistics` returns them: each split into two f32 numbers, which together keep 48 bits.
   *
   * @param parts - f64 scalars or vectors
   */
  protected sums(parts: readonly Tensor[]): Tensor {
    const op = `metrics.${this.name}`
    if (!Array.isArray(parts)) throw located(ValueError, `${op}: ${shown(parts)} as parts; expected a list.`)
    for (const part of parts) requireTensor(op, 'part', part)
    const whole = concat(parts.map((part) => part.to('f64').reshape([part.numel])))
    const high = whole.to('f32')
    return concat([high, whole.sub(high.to('f64')).to('f32')])
  }

  /** The numbers that `sums` split. */
  protected totals(sums: readonly number[]): number[] {
    const half = sums.length / 2
    return Array.from({ length: half }, (_, i) => (sums[i] ?? 0) + (sums[half + i] ?? 0))
  }

  /**
   * Adds a batch.
   *
   * @param prediction - what the model gave
   * @param target - what it should have given
   * @param weight - a weight for each sample; all count once without
   * @throws ValueError inside a jitted function, where it would happen once
   */
  update(prediction: TensorLike, target: TensorLike, weight?: TensorLike): void {
    const op = `metrics.${this.name}`
    if (isTracing())
      throw located(
        ValueError,
        `${op}: update inside a jitted function; expected statistics(…) there, and update outside. It would happen once.`,
      )
    const held = noGrad(() => {
      const given = weight === undefined ? undefined : asTensor(weight, op)
      const sums: unknown = this.statistics(asTensor(prediction, op), asTensor(target, op), given)
      if (!isTensor(sums) || sums.rank !== 1)
        throw located(
          ValueError,
          `${op}: statistics gave ${isTensor(sums) ? `[${sums.shape.join(', ')}]` : shown(sums)}; expected a vector.`,
        )
      return Array.from(sums.toTypedArray() as ArrayLike<number>)
    })
    const before = this.#held
    if (before !== null && before.length !== held.length)
      throw located(
        ValueError,
        `${op}: ${held.length} sums after ${before.length}; expected batches of one kind. reset() begins anew.`,
      )
    this.#held = before === null ? held : before.map((sum, i) => sum + (held[i] ?? 0))
  }

  /**
   * The number of all batches since the beginning or the last `reset`; NaN before the first. This package's are 0 where
   * the weights of all samples add up to 0, as in Keras.
   */
  compute(): number {
    return this.#held === null ? Number.NaN : this.result(this.#held)
  }

  /** Forgets all batches. */
  reset(): void {
    this.#held = null
  }
}

Object.defineProperty(Metric.prototype, metricBrand, { value: true })

/** Whether a value is a streaming metric, of this or another copy of the package. */
export function isMetric(value: unknown): value is Metric {
  return typeof value === 'object' && value !== null && metricBrand in value
}

import type { Tensor } from '../tensor.js'
import { requireTensor } from '../tensor/checks.js'
import { alignedTarget } from './accuracy.js'
import { Metric, spreadWeight } from './metric.js'

/** Prediction and target of a regression, flat and f64, with a weight for each element. */
function flat(
  op: string,
  prediction: Tensor,
  target: Tensor,
  weight: Tensor | undefined,
): { readonly x: Tensor; readonly y: Tensor; readonly w: Tensor } {
  requireTensor(`metrics.${op}`, 'prediction', prediction)
  requireTensor(`metrics.${op}`, 'target', target)
  const aligned = alignedTarget(op, prediction, target)
  const shape = [prediction.numel]
  return {
    x: prediction.to('f64').reshape(shape),
    y: aligned.to('f64').reshape(shape),
    w: spreadWeight(op, weight, prediction),
  }
}

/** A metric that is the mean of a number for each element, or made of that mean. */
abstract class MeanOfElements<N extends string> extends Metric<N> {
  /** The number of each element, from differences. */
  protected abstract of(difference: Tensor): Tensor

  override statistics(prediction: Tensor, target: Tensor, weight?: Tensor): Tensor {
    const { x, y, w } = flat(this.name, prediction, target, weight)
    return this.sums([this.of(x.sub(y)).mul(w).sum(), w.sum()])
  }

  override result(sums: readonly number[]): number {
    const [sum = 0, weights = 0] = this.totals(sums)
    return sum / weights
  }
}

/**
 * The mean of squared differences over all elements.
 *
 * @example
 * ```ts
 * import { metrics, tensor } from 'neuroxide'
 * const metric = new metrics.MeanSquaredError()
 * metric.update(tensor([[1], [2]]), tensor([1, 4]))
 * console.log(metric.compute()) // 2
 * ```
 */
export class MeanSquaredError extends MeanOfElements<string> {
  constructor(name = 'meanSquaredError') {
    super(name)
  }

  protected override of(difference: Tensor): Tensor {
    return difference.mul(difference)
  }
}

/**
 * The mean of absolute differences over all elements.
 *
 * @example
 * ```ts
 * import { metrics, tensor } from 'neuroxide'
 * const metric = new metrics.MeanAbsoluteError()
 * metric.update(tensor([1, 2]), tensor([1, 4]))
 * console.log(metric.compute()) // 1
 * ```
 */
export class MeanAbsoluteError extends MeanOfElements<string> {
  constructor(name = 'meanAbsoluteError') {
    super(name)
  }

  protected override of(difference: Tensor): Tensor {
    return difference.abs()
  }
}

/**
 * The root of the mean of squared differences over all elements.
 *
 * @example
 * ```ts
 * import { metrics, tensor } from 'neuroxide'
 * const metric = new metrics.RootMeanSquaredError()
 * metric.update(tensor([0, 0]), tensor([3, 3]))
 * console.log(metric.compute()) // 3
 * ```
 */
export class RootMeanSquaredError extends MeanOfElements<string> {
  constructor(name = 'rmse') {
    super(name)
  }

  protected override of(difference: Tensor): Tensor {
    return difference.mul(difference)
  }

  override result(sums: readonly number[]): number {
    return Math.sqrt(super.result(sums))
  }
}

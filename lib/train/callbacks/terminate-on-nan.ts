import { AnomalyError } from '../../errors.js'
import { Options } from '../../options.js'
import { Callback, type Logs } from '../callback.js'
import { announce } from '../progress.js'

export interface TerminateOnNaNOptions {
  /** Whether `fit` rejects; by default it ends as if it had been told to, with the history so far. */
  readonly raiseError?: boolean | undefined
}

const op = 'callbacks.TerminateOnNaN'

/**
 * Ends the training after the first batch whose loss is NaN or infinite.
 *
 * @throws ValueError for an option that is no boolean; AnomalyError from `fit`, with `raiseError`
 * @see Keras's `TerminateOnNaN`
 * @example
 * ```ts
 * import { callbacks, nn, ones } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
 * const x = ones([64, 3]).mul(Infinity)
 * const history = await model.fit(x, ones([64, 1]), {
 *   epochs: 50,
 *   callbacks: [new callbacks.TerminateOnNaN()],
 *   verbose: 0,
 * })
 * console.log(history.loss.length < 50) // true
 * ```
 */
export class TerminateOnNaN extends Callback {
  readonly #raise: boolean

  constructor(options: TerminateOnNaNOptions = {}) {
    super()
    this.#raise = new Options(op, options, ['raiseError']).flag('raiseError', false)
  }

  override onTrainBatchEnd(batch: number, { loss }: Logs): void {
    if (loss === undefined || Number.isFinite(loss)) return
    if (this.#raise)
      throw new AnomalyError(
        `${op}: a loss of ${loss} after batch ${batch}; expected a finite one. Hint: detectAnomaly(true) names the layer.`,
      )
    if (this.params.verbose > 0) announce(`Batch ${batch}: the loss is ${loss}, the training ends`)
    this.model.stopTraining = true
  }
}

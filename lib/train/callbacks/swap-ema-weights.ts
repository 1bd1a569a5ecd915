import { Options } from '../../options.js'
import { Callback } from '../callback.js'
import { ValueError } from '../../errors.js'

export interface SwapEMAWeightsOptions {
  /** Whether the averages are in the model while the callbacks after this one see an epoch's end; `false` by default. */
  readonly swapOnEpoch?: boolean | undefined
}

const op = 'callbacks.SwapEMAWeights'

/**
 * Puts the averages of the weights into the model for evaluations and predictions, and the weights back after them; with
 * `swapOnEpoch` also at the end of each epoch, for a `ModelCheckpoint` that stands after it, until the next one begins.
 *
 * @throws ValueError from `fit`, `evaluate` and `predict` for a model that was compiled without `ema`
 * @see Keras's `SwapEMAWeights`
 * @example
 * ```ts
 * import { callbacks, nn, randn } from 'neuroxide'
 * const net = new nn.Sequential(new nn.Linear(3, 1))
 * const model = net.compile({ optimizer: 'adam', loss: 'mse', ema: 0.9 })
 * const [x, y] = [randn([64, 3]), randn([64, 1])]
 * const swapping = new callbacks.SwapEMAWeights()
 * await model.fit(x, y, { epochs: 3, validationSplit: 0.25, callbacks: [swapping], verbose: 0 })
 * const averaged = await model.evaluate(x, y, { callbacks: [swapping] })
 * console.log(averaged.loss !== (await model.evaluate(x, y)).loss) // true
 * ```
 */
export class SwapEMAWeights extends Callback {
  #swapped = false

  constructor(options: SwapEMAWeightsOptions = {}) {
    super()
    const read = new Options(op, options, ['swapOnEpoch'])
    if (read.flag('swapOnEpoch', false))
      Object.assign(this, {
        onEpochBegin: () => this.#toWeights(),
        onEpochEnd: () => this.#toAverages(),
      })
  }

  override onTestBegin(): void {
    this.#toAverages()
  }

  override onTestEnd(): void {
    this.#toWeights()
  }

  override onPredictBegin(): void {
    this.#toAverages()
  }

  override onPredictEnd(): void {
    this.#toWeights()
  }

  #toAverages(): void {
    if (this.#swapped) return
    this.#swap()
    this.#swapped = true
  }

  #toWeights(): void {
    if (!this.#swapped) return
    this.#swap()
    this.#swapped = false
  }

  #swap(): void {
    const { ema } = this.model
    if (ema === null)
      throw new ValueError(`${op}: a model without averages; expected one compiled with { ema: 0.99 }.`)
    ema.swap()
  }
}

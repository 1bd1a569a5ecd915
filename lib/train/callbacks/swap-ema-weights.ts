import { Options } from '../../options.js'
import { ValueError } from '../../errors.js'
import { shown } from '../../tensor/create.js'
import { Callback, undo } from '../callback.js'

export interface SwapEMAWeightsOptions {
  /** Whether the averages are in the model while the callbacks after this one see an epoch's end; `false` by default. */
  readonly swapOnEpoch?: boolean | undefined
}

/** What the averages are in the model for; null where the weights are. */
type For = 'test' | 'epoch' | null

const op = 'callbacks.SwapEMAWeights'

/**
 * Puts the averages of the weights into the model for evaluations and predictions, and the weights back after them; with
 * `swapOnEpoch` also at the end of each epoch, for a `ModelCheckpoint` that stands after it, until the next one begins.
 * What fails or is aborted leaves the weights.
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
  #swapped: For = null

  constructor(options: SwapEMAWeightsOptions = {}) {
    super()
    const read = new Options(op, options, ['swapOnEpoch'])
    if (read.flag('swapOnEpoch', false))
      Object.assign(this, {
        onEpochBegin: () => this.#toWeights('epoch'),
        onEpochEnd: () => this.#toAverages('epoch'),
      })
  }

  override onTestBegin(): void {
    this.#toAverages('test')
  }

  override onTestEnd(): void {
    this.#toWeights('test')
  }

  override onPredictBegin(): void {
    this.#toAverages('test')
  }

  override onPredictEnd(): void {
    this.#toWeights('test')
  }

  /** A test within a hook of an epoch's end finds the averages there, and leaves them. */
  #toAverages(reason: 'test' | 'epoch'): void {
    if (this.#swapped !== null) return
    this.#swap()
    this.#swapped = reason
  }

  #toWeights(reason: 'test' | 'epoch'): void {
    if (this.#swapped !== reason) return
    this.#swap()
    this.#swapped = null
  }

  #swap(): void {
    const { ema } = this.model
    if (ema === null)
      throw new ValueError(`${op}: a model without averages; expected one compiled with { ema: 0.99 }.`)
    ema.swap()
  }

  /** @internal */
  [undo](of: string): void {
    this.#toWeights('test')
    if (of === 'fit') this.#toWeights('epoch')
  }

  override state(): unknown {
    return { swapped: this.#swapped }
  }

  override loadState(state: unknown): void {
    const swapped = (state as { readonly swapped?: unknown } | null)?.swapped
    if (swapped !== null && swapped !== 'test' && swapped !== 'epoch')
      throw new ValueError(
        `${op}: ${shown(swapped)} as swapped of a saved state; expected what state() returned.`,
      )
    this.#swapped = swapped
    // The test that a hook ran does not go on.
    this.#toWeights('test')
  }
}

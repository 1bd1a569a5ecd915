import { ValueError } from '../errors.js'
import type { Preprocessing } from '../data/preprocessing.js'
import type { FilePath } from '../io/files.js'
import { Module, type LoadOptions, type LoadReport } from '../nn/module.js'
import { concat } from '../functional.js'
import { type Tensor, noGrad } from '../tensor.js'
import {
  compiled as resolve,
  type Compiled,
  type CompileOptions,
  type Metric,
  type MetricNameOf,
} from './compiled.js'
import { type EvaluateOptions, evaluateModel } from './evaluation.js'
import { type FitOptions, fitModel } from './fitting.js'
import type { History } from './history.js'
import { predictModel, type PredictOptions } from './prediction.js'
import { holdsSamples, type Input, type Samples, tensors } from './source.js'
import { summaryOf, type SummaryOptions } from './summary.js'
import { Origin } from '../errors/origin.js'
import { loadWeightsInto, noteCompiled, saveModel, saveWeightsOf, type SaveOptions } from './saving.js'

/** Carries the names of the metrics in the type of a compiled model; it does not exist at run time. */
export declare const metricNames: unique symbol

/** A model that was compiled with metrics of these names. */
export interface WithMetrics<N extends string> {
  readonly [metricNames]?: N
}

/** The names of a model's metrics, as far as the compiler knows them. */
export type MetricsOf<T> = T extends { readonly [metricNames]?: infer N extends string } ? N : string

/** What `evaluate` gives: the loss and every metric. */
export type Evaluation<N extends string = string> = { readonly loss: number } & { readonly [K in N]: number }

/**
 * A module that trains itself: write `forward`, call `compile`, then `fit`, `evaluate` and `predict`.
 *
 * The loop's semantics are Keras's: batches of 32, shuffled; the smaller last batch is trained too; metrics are means
 * over samples; the validation split is the unshuffled tail. Training runs on a thread of its own, so JavaScript goes
 * on meanwhile.
 *
 * @example
 * ```ts
 * import { Model, nn, randn, type Tensor } from 'neuroxide'
 * class Net extends Model {
 *   readonly hidden = new nn.Linear(4, 16)
 *   readonly out = new nn.Linear(16, 1)
 *   override forward(x: Tensor): Tensor {
 *     return this.out.forward(this.hidden.forward(x).tanh())
 *   }
 * }
 * const model = new Net().compile({ optimizer: 'adam', loss: 'mse' })
 * const x = randn([64, 4])
 * const history = await model.fit(x, x.sum(1, { keepDim: true }), { epochs: 2, verbose: 0 })
 * console.log(history.loss.length) // 2
 * ```
 */
export abstract class Model extends Module {
  #compiled: Compiled | null = null
  /**
   * How raw records become inputs of the model and its predictions names: `preprocessing` of the table that it was
   * trained on, kept in the file that `save` writes. Null by default.
   */
  preprocessing: Preprocessing | null = null

  /**
   * Decides how the model is trained; returns the model, whose results are typed by the metrics.
   *
   * @param options - `optimizer`: an optimizer or `'adam' | 'adamw' | 'sgd' | 'rmsprop' | 'adagrad'`; `loss`: a function
   * `(prediction, target) => Tensor` or a name in `losses`; `metrics`: names, functions or `{ name, compute }`, where
   * `'accuracy'` becomes the accuracy that fits loss and shapes
   * @throws ValueError for names that do not exist
   * @example
   * ```ts
   * import { nn, optim } from 'neuroxide'
   * const net = new nn.Sequential(new nn.Linear(4, 3))
   * const model = net.compile({
   *   optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }),
   *   loss: 'crossEntropy',
   *   metrics: ['accuracy'],
   * })
   * console.log(model === net) // true
   * ```
   */
  compile<const M extends readonly Metric[] = readonly []>(
    options: CompileOptions<M>,
  ): this & WithMetrics<MetricNameOf<M[number]>> {
    this.#compiled = resolve(options, () => this.parameters())
    noteCompiled(this, options)
    return this as this & WithMetrics<MetricNameOf<M[number]>>
  }

  /** The optimizer that `compile` was given or has made; null before. */
  get optimizer(): Compiled['optimizer'] | null {
    return this.#compiled?.optimizer ?? null
  }

  #requireCompiled(op: string): Compiled {
    if (this.#compiled === null) {
      throw new ValueError(
        `${op}: the model has no optimizer and no loss; expected both. First call compile({ optimizer, loss }).`,
      )
    }
    return this.#compiled
  }

  /**
   * Trains the model.
   *
   * Called again, it goes on where it was: weights and optimizer are kept.
   *
   * @param x - inputs `[n, …]`, or a list of them for a `forward` of several
   * @param y - targets `[n, …]`
   * @param options - `epochs` (1), `batchSize` (32), `shuffle` (true), `validationSplit` or `validationData`, `verbose`
   * (1), `signal`, `onEpochEnd`, `seed`
   * @returns the curves of loss and metrics, one number per epoch
   * @throws ValueError before `compile`, and for options out of range
   * @throws BusyError while another `fit` trains the same weights
   * @throws the reason of `signal`, when it is aborted: the weights are those after a whole step
   * @example
   * ```ts
   * import { nn, randn } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
   * const x = randn([40, 3])
   * const history = await model.fit(x, x.sum(1, { keepDim: true }), { validationSplit: 0.25, verbose: 0 })
   * console.log(history.valLoss.length) // 1
   * ```
   */
  fit<T extends Model>(this: T, x: Input, y: Input, options?: FitOptions): Promise<History<MetricsOf<T>>>
  /** Trains the model on a data set, `{ x, y }`, or a loader, whose batches and order are its own. */
  fit<T extends Model>(this: T, samples: Samples, options?: FitOptions): Promise<History<MetricsOf<T>>>
  async fit(first: Input | Samples, second?: Input | FitOptions, third?: FitOptions): Promise<History> {
    return await new Origin().during(async () => {
      const [samples, options] = parted<FitOptions>('fit', first, second, third)
      return await fitModel(this, this.#requireCompiled('fit'), samples, options)
    })
  }

  /**
   * Measures loss and metrics, in evaluation mode and off the thread.
   *
   * @param x - inputs `[n, …]`
   * @param y - targets `[n, …]`
   * @param options - `batchSize` (32), `signal`
   * @returns the loss and every metric: means over all samples
   * @throws ValueError before `compile`
   * @example
   * ```ts
   * import { nn, ones, zeros } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse', metrics: ['mae'] })
   * const { loss, mae } = await model.evaluate(ones([8, 2]), zeros([8, 1]))
   * console.log(loss >= 0, mae >= 0) // true true
   * ```
   */
  evaluate<T extends Model>(
    this: T,
    x: Input,
    y: Input,
    options?: EvaluateOptions,
  ): Promise<Evaluation<MetricsOf<T>>>
  /** Measures loss and metrics on a data set, `{ x, y }`, or the batches of a loader. */
  evaluate<T extends Model>(
    this: T,
    samples: Samples,
    options?: EvaluateOptions,
  ): Promise<Evaluation<MetricsOf<T>>>
  async evaluate(
    first: Input | Samples,
    second?: Input | EvaluateOptions,
    third?: EvaluateOptions,
  ): Promise<Evaluation> {
    return await new Origin().during(async () => {
      const [samples, options] = parted<EvaluateOptions>('evaluate', first, second, third)
      return await evaluateModel(this, this.#requireCompiled('evaluate'), samples, options)
    })
  }

  /**
   * The model's output for inputs, in evaluation mode, batch by batch and off the thread; it needs no `compile`.
   *
   * @param x - inputs `[n, …]`, or a list of them for a `forward` of several
   * @param options - `batchSize` (32), `signal`
   * @returns the outputs of all samples, `[n, …]`
   * @example
   * ```ts
   * import { nn, zeros } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 3), new nn.Softmax())
   * console.log((await model.predict(zeros([70, 2]))).shape) // [ 70, 3 ]
   * ```
   */
  async predict(x: Input, options: PredictOptions = {}): Promise<Tensor> {
    return await new Origin().during(async () => {
      const parts = await predictModel(this, tensors('predict', x), options)
      return noGrad(() => concat(parts, 0))
    })
  }

  /**
   * Writes the model into one safetensors file, under the names that PyTorch gives its tensors.
   *
   * The weights are those between two steps, also while a `fit` runs. The file is replaced whole or not at all. A
   * `Sequential` is described in it, so that {@link Sequential.load} makes it without any code; so is what `compile` was
   * given, unless that holds functions or classes of your own.
   *
   * @param path - the file
   * @param options - `optimizer`: whether everything is kept that training needs to go on (`false`); `metadata`: texts of
   * your own
   * @throws FileError where the file cannot be written; the old one is as it was
   * @throws ValueError for `{ optimizer: true }` before `compile`
   * @example
   * ```ts
   * import { nn } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU())
   * await model.save('model.safetensors')
   * console.log(String(await nn.Sequential.load('model.safetensors')) === String(model)) // true
   * ```
   */
  save(path: FilePath, options: SaveOptions = {}): Promise<void> {
    return saveModel(this, path, options, () => null)
  }

  /**
   * Writes parameters and buffers alone: `stateDict()` as a safetensors file.
   *
   * @throws FileError where the file cannot be written; the old one is as it was
   * @example
   * ```ts
   * import { io, nn } from 'neuroxide'
   * await new nn.Sequential(new nn.Linear(2, 3)).saveWeights('weights.safetensors')
   * console.log([...(await io.loadTensors('weights.safetensors')).tensors.keys()]) // [ '0.bias', '0.weight' ]
   * ```
   */
  saveWeights(path: FilePath): Promise<void> {
    return saveWeightsOf(this, path)
  }

  /**
   * Reads parameters and buffers from a safetensors file: one that `save` or `saveWeights` wrote, or one of PyTorch's.
   *
   * Nothing is written unless everything fits. What training needs to go on is passed over.
   *
   * @param path - the file
   * @param options - `strict`: whether missing and unexpected keys are errors (`true`); wrong shapes always are
   * @returns the keys that were missing and unexpected
   * @throws nn.StateDictError that lists every missing, unexpected and mis-shaped key
   * @throws FileError, FormatError where the file cannot be read
   * @example
   * ```ts
   * import { nn, ones } from 'neuroxide'
   * const [a, b] = [new nn.Sequential(new nn.Linear(2, 1)), new nn.Sequential(new nn.Linear(2, 1))]
   * await a.saveWeights('a.safetensors')
   * await b.loadWeights('a.safetensors')
   * console.log(a.forward(ones([1, 2])).item() === b.forward(ones([1, 2])).item()) // true
   * ```
   */
  loadWeights(path: FilePath, options: LoadOptions = {}): Promise<LoadReport> {
    return loadWeightsInto(this, path, options)
  }

  /**
   * Layers, shapes and numbers of parameters as a table; printed to stdout unless `print` says otherwise.
   *
   * @param options - `inputShape`: the shape of an input without the batch axis, where the shapes of outputs are wanted
   * and no `fit` has shown it yet; `print`: what is called with the text; it goes to stdout by default
   * @returns the text
   * @example
   * ```ts
   * import { nn } from 'neuroxide'
   * const text = new nn.Sequential(new nn.Linear(4, 2)).summary({ inputShape: [4], print: () => {} })
   * console.log(text.includes('[?, 2]')) // true
   * ```
   */
  summary(options: SummaryOptions = {}): string {
    return summaryOf(this, options)
  }
}

/** `(x, y, options)` and `(samples, options)` as samples and options. */
function parted<O extends object>(
  op: string,
  first: Input | Samples,
  second: Input | O | undefined,
  third: O | undefined,
): [Samples, Partial<O>] {
  if (holdsSamples(first)) return [first, (second as O | undefined) ?? {}]
  if (second === undefined)
    throw new ValueError(`${op}: there are no targets; expected ${op}(x, y) or ${op}({ x, y }).`)
  return [{ x: first, y: second as Input }, third ?? {}]
}

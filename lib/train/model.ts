import { ValueError } from '../errors.js'
import type { Preprocessing } from '../data/preprocessing.js'
import type { FilePath } from '../io/files.js'
import { Module, type LoadOptions, type LoadReport } from '../nn/module.js'
import type { EMA } from '../optim/ema.js'
import type { Tensor } from '../tensor.js'
import { requireFlag } from '../tensor/checks.js'
import {
  compiled as resolve,
  compiledModels,
  type Compiled,
  type CompileOptions,
  type LossesOption,
  type MetricsOption,
  type NumberNamesOf,
} from './compiled.js'
import { Fitting } from './epochs.js'
import { type EvaluateOptions, evaluateModel } from './evaluation.js'
import type { FitOptions } from './fit-options.js'
import { fitModel } from './fitting.js'
import type { History } from './history.js'
import { predictModel, type PredictOptions } from './prediction.js'
import {
  type BatchOptions,
  predictOneBatch,
  testOneBatch,
  type TrainBatchOptions,
  trainOneBatch,
} from './single.js'
import { trainingState } from './state.js'
import { ProgramCache } from './steps.js'
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

/** What `predict` gives: what `forward` does; a tensor where its type does not tell. */
export type Predicted<T> = T extends { forward(...inputs: never[]): infer R }
  ? unknown extends R
    ? Tensor
    : R
  : Tensor

/** What `evaluate` gives: the loss and every metric; where their names are not known, any may be missing. */
export type Evaluation<N extends string = string> = { readonly loss: number } & {
  readonly [K in N]: string extends N ? number | undefined : number
}

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
  /**
   * How raw records become inputs of the model and its predictions names: `preprocessing` of the table that it was
   * trained on, kept in the file that `save` writes. Null by default.
   */
  preprocessing: Preprocessing | null = null
  #stop = false
  #predicting: ProgramCache | null = null

  /**
   * Decides how the model is trained; returns the model, whose results are typed by the metrics.
   *
   * A model of several outputs has a loss for each: a list in their order, or a record by their names. The numbers are
   * then `loss` (the sum, weighted by `lossWeights`), `digitLoss` and so on for each output, and `digitAccuracy` and so on
   * for its metrics; outputs in a list are `output0`, `output1`, ….
   *
   * @param options - `optimizer`: an optimizer or `'adam' | 'adamw' | 'sgd' | 'rmsprop' | 'adagrad'`; `loss`: a function
   * `(prediction, target) => Tensor` or a name in `losses`; `metrics`: names, functions, `metrics.Metric` or
   * `{ name, compute }`, where `'accuracy'` becomes the accuracy that fits loss and shapes; `lossWeights`,
   * `weightedMetrics`, `clipNorm`, `clipValue`, `globalClipNorm`, `gradientAccumulationSteps`, `ema`
   * @throws ValueError for names that do not exist, and for options that contradict each other
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
  compile<
    const M extends MetricsOption = readonly [],
    const L extends LossesOption = LossesOption,
    const W extends MetricsOption = readonly [],
  >(options: CompileOptions<M, L, W>): this & WithMetrics<NumberNamesOf<M, L, W>> {
    compiledModels.set(this, resolve(options as CompileOptions, this))
    noteCompiled(this, options as CompileOptions)
    return this as this & WithMetrics<NumberNamesOf<M, L, W>>
  }

  /** The optimizer that `compile` was given or has made; null before. Every one has a learning rate. */
  get optimizer(): (Compiled['optimizer'] & { lr: number }) | null {
    return (compiledModels.get(this)?.optimizer ?? null) as (Compiled['optimizer'] & { lr: number }) | null
  }

  /** The averages of the weights that `compile({ ema })` asked for; null without. */
  get ema(): EMA | null {
    return compiledModels.get(this)?.update.ema ?? null
  }

  /**
   * Whether a running `fit` is to end: set it in a callback. It ends after the batch where a callback has hooks of
   * batches, and else after the epoch. `fit` begins with `false`.
   */
  get stopTraining(): boolean {
    return this.#stop
  }

  set stopTraining(value: boolean) {
    this.#stop = requireFlag('stopTraining', 'value', value)
  }

  #requireCompiled(op: string): Compiled {
    const compiled = compiledModels.get(this)
    if (compiled === undefined) {
      throw new ValueError(
        `${op}: the model has no optimizer and no loss; expected both. First call compile({ optimizer, loss }).`,
      )
    }
    return compiled
  }

  /**
   * Trains the model.
   *
   * Called again, it goes on where it was: weights and optimizer are kept.
   *
   * @param x - inputs `[n, …]`, or a list or record of them for a `forward` of several
   * @param y - targets `[n, …]`, or a list or record of them
   * @param options - `epochs` (1), `batchSize` (32), `shuffle` (true), `validationSplit` or `validationData`, `callbacks`,
   * `classWeight`, `sampleWeight`, `stepsPerEpoch`, `initialEpoch`, `resume`, `verbose` (1), `signal`, `seed` and more
   * @returns a Promise of the curves of loss and metrics, one number per epoch; looped over, it gives the epochs as they
   * end
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
  fit<T extends Model>(this: T, x: Input, y: Input, options?: FitOptions): Fitting<MetricsOf<T>>
  /** Trains the model on a data set, `{ x, y }`, or a loader, whose batches and order are its own. */
  fit<T extends Model>(this: T, samples: Samples, options?: FitOptions): Fitting<MetricsOf<T>>
  fit(first: Input | Samples, second?: Input | FitOptions, third?: FitOptions): Fitting {
    const origin = new Origin()
    return Fitting.begin((channel) =>
      origin.during(async (): Promise<History> => {
        const [samples, options] = parted<FitOptions>('fit', first, second, third)
        return await fitModel(this, this.#requireCompiled('fit'), samples, options, channel)
      }),
    )
  }

  /**
   * Measures loss and metrics, in evaluation mode and off the thread.
   *
   * @param x - inputs `[n, …]`
   * @param y - targets `[n, …]`
   * @param options - `batchSize` (32), `sampleWeight`, `steps`, `callbacks`, `signal`
   * @returns the loss and every metric, over all samples
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
   * @param x - inputs `[n, …]`, or a list or record of them for a `forward` of several
   * @param options - `batchSize` (32), `callbacks`, `signal`
   * @returns the outputs of all samples, `[n, …]`; a list or record of them where `forward` gives one
   * @example
   * ```ts
   * import { nn, zeros } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 3), new nn.Softmax())
   * console.log((await model.predict(zeros([70, 2]))).shape) // [ 70, 3 ]
   * ```
   */
  async predict<T extends Model>(this: T, x: Input, options: PredictOptions = {}): Promise<Predicted<T>> {
    return await new Origin().during(
      async () => (await predictModel(this, tensors('predict', x), options)) as Predicted<T>,
    )
  }

  /**
   * One step on one batch, off the thread.
   *
   * Programs are kept by the shapes of batches, so that only the first batch of a kind is traced.
   *
   * @param x - inputs `[n, …]`
   * @param y - targets `[n, …]`
   * @param options - `sampleWeight`, `classWeight`
   * @returns loss and metrics of this batch, before the step
   * @throws ValueError before `compile`
   * @throws BusyError while a `fit` trains the same weights
   * @example
   * ```ts
   * import { nn, ones, zeros } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse', metrics: ['mae'] })
   * const { loss, mae } = await model.trainOnBatch(ones([8, 2]), zeros([8, 1]))
   * console.log(loss >= 0, mae >= 0) // true true
   * ```
   */
  async trainOnBatch<T extends Model>(
    this: T,
    x: Input,
    y: Input,
    options: TrainBatchOptions = {},
  ): Promise<Evaluation<MetricsOf<T>>> {
    return await new Origin().during(
      async () =>
        (await trainOneBatch(this, this.#requireCompiled('trainOnBatch'), x, y, options)) as Evaluation<
          MetricsOf<T>
        >,
    )
  }

  /**
   * Loss and metrics of one batch, in evaluation mode and off the thread.
   *
   * @param x - inputs `[n, …]`
   * @param y - targets `[n, …]`
   * @param options - `sampleWeight`
   * @throws ValueError before `compile`
   * @example
   * ```ts
   * import { nn, ones, zeros } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
   * console.log((await model.testOnBatch(ones([8, 2]), zeros([8, 1]))).loss >= 0) // true
   * ```
   */
  async testOnBatch<T extends Model>(
    this: T,
    x: Input,
    y: Input,
    options: BatchOptions = {},
  ): Promise<Evaluation<MetricsOf<T>>> {
    return await new Origin().during(
      async () =>
        (await testOneBatch(this, this.#requireCompiled('testOnBatch'), x, y, options)) as Evaluation<
          MetricsOf<T>
        >,
    )
  }

  /**
   * The model's outputs for one batch, in evaluation mode and off the thread; it needs no `compile`.
   *
   * Programs are kept by the shapes of batches: for requests of a server, which are alike.
   *
   * @param x - inputs `[n, …]`, or a list or record of them
   * @returns what `forward` gives
   * @example
   * ```ts
   * import { nn, zeros } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 3), new nn.Softmax())
   * console.log((await model.predictOnBatch(zeros([4, 2]))).shape) // [ 4, 3 ]
   * ```
   */
  async predictOnBatch<T extends Model>(this: T, x: Input): Promise<Predicted<T>> {
    return await new Origin().during(async () => {
      this.#predicting ??= new ProgramCache()
      return (await predictOneBatch(this, this.#predicting, x)) as Predicted<T>
    })
  }

  /**
   * Writes the model into one safetensors file, under the names that PyTorch gives its tensors.
   *
   * The weights are those between two steps, also while a `fit` runs. The file is replaced whole or not at all. A
   * `Sequential` is described in it, so that {@link nn.Sequential.load} makes it without any code; so is what `compile` was
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
    return saveModel(this, path, options, () => trainingState(this))
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

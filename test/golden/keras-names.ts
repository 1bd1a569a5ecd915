import { F, losses, metrics, nn, optim, regularizers, type Tensor } from 'neuroxide'

// How Keras's names are written with our public interface.

/** One activation as a layer. */
class Activation extends nn.Module {
  readonly #of: (x: Tensor) => Tensor

  constructor(of: (x: Tensor) => Tensor) {
    super()
    this.#of = of
  }

  override forward(x: Tensor): Tensor {
    return this.#of(x)
  }
}

const own = (of: (x: Tensor) => Tensor) => (): nn.TensorModule => new Activation(of)
const relu6 = (x: Tensor): Tensor => x.clamp(0, 6)
const hardSigmoid = (x: Tensor): Tensor => relu6(x.add(3)).div(6)
const silu = (): nn.TensorModule => new nn.SiLU()
const hardSilu = own((x) => x.mul(hardSigmoid(x)))

const activations: Readonly<Record<string, () => nn.TensorModule>> = {
  linear: () => new nn.Identity(),
  relu: () => new nn.ReLU(),
  sigmoid: () => new nn.Sigmoid(),
  softmax: () => new nn.Softmax(-1),
  log_softmax: () => new nn.LogSoftmax(-1),
  tanh: () => new nn.Tanh(),
  elu: () => new nn.ELU(),
  gelu: () => new nn.GELU(),
  silu,
  swish: silu,
  softplus: () => new nn.Softplus(),
  leaky_relu: () => new nn.LeakyReLU(0.2),
  selu: own((x) => F.elu(x, 1.6732632423543772).mul(1.0507009873554805)),
  celu: own((x) => F.elu(x)),
  relu6: own(relu6),
  softsign: own((x) => x.div(x.abs().add(1))),
  exponential: own((x) => x.exp()),
  hard_sigmoid: own(hardSigmoid),
  hard_silu: hardSilu,
  hard_swish: hardSilu,
  hard_tanh: own((x) => x.clamp(-1, 1)),
  log_sigmoid: own((x) => F.logSigmoid(x)),
  mish: own((x) => x.mul(F.softplus(x).tanh())),
  squareplus: own((x) => x.add(x.mul(x).add(4).sqrt()).div(2)),
  tanh_shrink: own((x) => x.sub(x.tanh())),
}

type Loss = (prediction: Tensor, target: Tensor) => Tensor

/** A loss of each sample from a loss of each element: Keras averages over the last axis first. */
const apart =
  (of: Loss): Loss =>
  (prediction, target) =>
    of(prediction, target).mean(-1) as Tensor

const percentage = apart((x, y) => y.sub(x).div(y.abs().maximum(1e-7)).abs().mul(100))
const logarithmic = apart((x, y) => {
  const off = x.maximum(1e-7).add(1).log().sub(y.maximum(1e-7).add(1).log())
  return off.mul(off)
})
const categoricalHinge: Loss = (x, y) => {
  const right = y.mul(x).sum(-1)
  const wrong = y.neg().add(1).mul(x).amax(-1)
  return wrong.sub(right).add(1).relu()
}

/** Losses under Keras's long names in snake case; the functions that ours are found by have weights too. */
const lossTable: Readonly<Record<string, Loss>> = {
  mean_squared_error: losses.meanSquaredError,
  mean_absolute_error: losses.meanAbsoluteError,
  mean_absolute_percentage_error: percentage,
  mean_squared_logarithmic_error: logarithmic,
  binary_crossentropy: losses.binaryCrossentropy,
  categorical_crossentropy: losses.categoricalCrossentropy,
  sparse_categorical_crossentropy: losses.sparseCategoricalCrossentropy,
  kl_divergence: losses.klDivergence,
  poisson: (x, y) => losses.meanPoisson(x, y, { reduction: 'none' }),
  huber: (x, y) => losses.meanHuber(x, y, { reduction: 'none' }),
  log_cosh: losses.logCosh,
  hinge: losses.hinge,
  squared_hinge: losses.squaredHinge,
  categorical_hinge: categoricalHinge,
  cosine_similarity: losses.cosineSimilarity,
}

const shortNames: Readonly<Record<string, string>> = {
  mse: 'mean_squared_error',
  mae: 'mean_absolute_error',
  mape: 'mean_absolute_percentage_error',
  msle: 'mean_squared_logarithmic_error',
  bce: 'binary_crossentropy',
  kld: 'kl_divergence',
  acc: 'accuracy',
  log_cosh_error: 'log_cosh',
  logcosh: 'log_cosh',
}

/** `MeanSquaredError`, `MSE` and `mse` are one. */
function longName(name: string): string {
  const snake = /^[A-Z0-9]+$/.test(name)
    ? name.toLowerCase()
    : name.replaceAll(/(?<=[a-z0-9])([A-Z])/g, '_$1').toLowerCase()
  const of: Readonly<Record<string, string>> = { kldivergence: 'kl_divergence', r2score: 'r2_score' }
  return shortNames[snake] ?? of[snake] ?? snake
}

/** Whether a layer's activation has a name here. */
export function activationOf(name: string): (() => nn.TensorModule) | undefined {
  return Object.hasOwn(activations, name) ? activations[name] : undefined
}

export function lossOf(name: string): Loss | undefined {
  const long = longName(name)
  return Object.hasOwn(lossTable, long) ? lossTable[long] : undefined
}

/** Whether targets of a loss are class indices. */
export function isOfClasses(name: string): boolean {
  return longName(name) === 'sparse_categorical_crossentropy'
}

/** What decides which accuracy `'accuracy'` is. */
export interface Shapes {
  readonly prediction: readonly number[]
  readonly target: readonly number[]
}

function accuracy(name: string, { prediction, target }: Shapes): metrics.Metric {
  if (prediction.at(-1) === 1) return new metrics.BinaryAccuracy({ name })
  const sparse = target.length < prediction.length || target.at(-1) === 1
  return sparse ? new metrics.SparseCategoricalAccuracy({ name }) : new metrics.CategoricalAccuracy({ name })
}

const streaming: Readonly<Record<string, (name: string, shapes: Shapes) => metrics.Metric>> = {
  accuracy,
  binary_accuracy: (name) => new metrics.BinaryAccuracy({ name }),
  categorical_accuracy: (name) => new metrics.CategoricalAccuracy({ name }),
  sparse_categorical_accuracy: (name) => new metrics.SparseCategoricalAccuracy({ name }),
  top_k_categorical_accuracy: (name) => new metrics.TopKCategoricalAccuracy({ name }),
  sparse_top_k_categorical_accuracy: (name) => new metrics.SparseTopKCategoricalAccuracy({ name }),
  precision: (name) => new metrics.Precision({ name }),
  recall: (name) => new metrics.Recall({ name }),
  auc: (name) => new metrics.AUC({ name }),
  mean_squared_error: (name) => new metrics.MeanSquaredError({ name }),
  mean_absolute_error: (name) => new metrics.MeanAbsoluteError({ name }),
  root_mean_squared_error: (name) => new metrics.RootMeanSquaredError({ name }),
  r2_score: (name) => new metrics.R2({ name }),
}

/** A metric that is a loss, of each sample. As a metric, Keras's cosine similarity has no minus. */
const measures: Readonly<Record<string, Loss>> = {
  ...lossTable,
  cosine_similarity: (x, y) => losses.cosineSimilarity(x, y).neg(),
}

export type Measure = metrics.Metric | { readonly name: string; readonly compute: Loss }

/** The metric of a Keras name under the name of ours. */
export function metricOf(keras: string, name: string, shapes: Shapes): Measure | undefined {
  const long = longName(keras)
  if (Object.hasOwn(streaming, long)) return streaming[long]?.(name, shapes)
  const compute = Object.hasOwn(measures, long) ? measures[long] : undefined
  return compute === undefined ? undefined : { name, compute }
}

/** Factors that a penalty has where only its name is said. */
const factor = 0.01

/** A penalty as `["l2", 0.1]`, as `"l2"` or as Keras writes it down; null for none, undefined for one that we lack. */
export function regularizerOf(spec: unknown): regularizers.Regularizer | null | undefined {
  if (spec === null || spec === undefined) return null
  const [name, ...factors] = Array.isArray(spec) ? (spec as unknown[]) : listedPenalty(spec)
  if (!factors.every((each) => typeof each === 'number')) return undefined
  const [first = factor, second = factor] = factors as number[]
  const key = String(name).toLowerCase().replace('_', '')
  if (key === 'l1' && factors.length < 2) return regularizers.l1(first)
  if (key === 'l2' && factors.length < 2) return regularizers.l2(first)
  if (key === 'l1l2' && factors.length !== 1) return regularizers.l1l2({ l1: first, l2: second })
  return undefined
}

/** `{ "class_name": "L1L2", "config": { "l1": 0.1, "l2": 0.2 } }` as a list. */
function listedPenalty(spec: unknown): readonly unknown[] {
  if (typeof spec === 'string') return [spec]
  const { class_name: name, config } = spec as { class_name?: unknown; config?: Record<string, unknown> }
  return [name, ...['l1', 'l2'].flatMap((key) => (config?.[key] === undefined ? [] : [config[key]]))]
}

export type Settings = { readonly name: string } & Readonly<Record<string, unknown>>

export interface Recipe {
  readonly optimizer: (parameters: Tensor[]) => optim.Optimizer<object>
  /** Options of `compile`. */
  readonly clip: Readonly<Record<string, number>>
}

/** Settings that change nothing here. */
const idle: ReadonlySet<string> = new Set(['name', 'jit_compile', 'ema_momentum', 'ema_overwrite_frequency'])
const clips: Readonly<Record<string, string>> = {
  clipnorm: 'clipNorm',
  clipvalue: 'clipValue',
  global_clipnorm: 'globalClipNorm',
}

/** An optimizer with Keras's settings, or its name alone; what is not known of it here, as text. */
export function recipeOf(given: string | Settings): Recipe | string {
  const settings: Settings = typeof given === 'string' ? { name: given } : given
  const left = new Map(
    Object.entries(settings).filter(([key, value]) => !idle.has(key) && value !== null && value !== false),
  )
  const take = <T>(key: string, initial: T): T => {
    const value = (left.get(key) ?? initial) as T
    left.delete(key)
    return value
  }
  const clip = Object.entries(clips).flatMap(([theirs, ours]) =>
    left.has(theirs) ? [[ours, take(theirs, 0)] as const] : [],
  )
  const optimizer = optimizerOf(settings.name.toLowerCase(), take)
  const title = `optimizer ${settings.name}`
  if (optimizer === undefined) return title
  if (typeof optimizer === 'string') return `${title}: ${optimizer}`
  if (left.size > 0) return `${title}: ${[...left.keys()].join(', ')}`
  return { optimizer, clip: Object.fromEntries(clip) }
}

type Made = Recipe['optimizer']
type Take = <T>(key: string, initial: T) => T

/** What makes an optimizer; text says why none of ours is the same, and undefined is a name that is not known. */
function optimizerOf(name: string, take: Take): Made | string | undefined {
  const lr = take<unknown>('learning_rate', name === 'sgd' ? 0.01 : 0.001)
  if (typeof lr !== 'number') return 'a schedule as learning_rate'
  const made = (of: (parameters: Tensor[]) => unknown): Made => of as Made
  if (name === 'sgd') return stochastic(lr, take)
  const shared = { lr, epsMode: 'keras', eps: take('epsilon', 1e-7) } as const
  // Keras takes decay off the weights themselves, whichever optimizer it is.
  const weightDecay = take('weight_decay', name === 'adamw' ? 0.004 : 0)
  if (name === 'adam' || name === 'adamw') {
    const betas = [take('beta_1', 0.9), take('beta_2', 0.999)] as const
    const amsgrad = take('amsgrad', false)
    return made((p) => new optim.AdamW(p, { ...shared, betas, amsgrad, weightDecay }))
  }
  const adaptive = adaptiveOf(name, take)
  if (adaptive === undefined || weightDecay === 0) return adaptive && made((p) => adaptive(p, shared))
  return 'weight_decay off the weights themselves, where ours goes into the adapted gradients'
}

/** Without momentum, decay off the weights is the same as decay within the gradient. */
function stochastic(lr: number, take: Take): Made | string {
  const momentum = take('momentum', 0)
  const nesterov = take('nesterov', false) && momentum > 0
  const weightDecay = take('weight_decay', 0)
  if (momentum > 0 && weightDecay > 0)
    return 'weight_decay off the weights themselves, where ours goes into the momentum'
  return ((p: Tensor[]) => new optim.SGD(p, { lr, momentum, nesterov, weightDecay })) as unknown as Made
}

interface Shared {
  readonly lr: number
  readonly eps: number
  readonly epsMode: 'keras'
}

function adaptiveOf(name: string, take: Take): ((p: Tensor[], shared: Shared) => unknown) | undefined {
  if (name === 'rmsprop') {
    const [alpha, momentum, centered] = [take('rho', 0.9), take('momentum', 0), take('centered', false)]
    return (p, shared) => new optim.RMSprop(p, { ...shared, alpha, momentum, centered })
  }
  if (name === 'adagrad') {
    const initialAccumulatorValue = take('initial_accumulator_value', 0.1)
    return (p, shared) => new optim.Adagrad(p, { ...shared, initialAccumulatorValue })
  }
  return undefined
}

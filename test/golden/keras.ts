import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nn, optim, type LossName, type MetricName, type Tensor } from 'neuroxide'
import { TRAINING, drift, first, weightDrift } from './compare.js'
import type { Report } from './report.js'
import { Safetensors } from './safetensors.js'

interface KerasRun {
  readonly layers: readonly { readonly units: number; readonly activation: string }[]
  readonly kernel_regularizer_of_the_first_layer: unknown
  readonly optimizer: { readonly name: string } & Readonly<Record<string, number | boolean | string>>
  readonly loss: string
  readonly metrics: readonly string[]
  readonly class_weight: unknown
  readonly sample_weight: boolean
  readonly fit: {
    readonly epochs: number
    readonly batch_size: number
    readonly validation_split?: number
    readonly shuffle: false
  }
  readonly history: Readonly<Record<string, readonly number[]>>
  readonly evaluate: Readonly<Record<string, number>>
}

const activations: Readonly<Record<string, () => nn.TensorModule>> = {
  relu: () => new nn.ReLU(),
  sigmoid: () => new nn.Sigmoid(),
  softmax: () => new nn.Softmax(-1),
  tanh: () => new nn.Tanh(),
}

const lossNames: Readonly<Record<string, LossName>> = {
  mse: 'meanSquaredError',
  mae: 'meanAbsoluteError',
  binary_crossentropy: 'binaryCrossentropy',
  categorical_crossentropy: 'categoricalCrossentropy',
  sparse_categorical_crossentropy: 'sparseCategoricalCrossentropy',
}

const metricNames: Readonly<Record<string, MetricName>> = { accuracy: 'accuracy', mse: 'mse', mae: 'mae' }

type Make = (parameters: Tensor[], hyper: (name: string) => number, on: (name: string) => boolean) => unknown

const optimizers: Readonly<Record<string, Make>> = {
  Adam: (parameters, hyper) =>
    new optim.Adam(parameters, {
      lr: hyper('learning_rate'),
      betas: [hyper('beta_1'), hyper('beta_2')],
      eps: hyper('epsilon'),
    }),
  SGD: (parameters, hyper, on) =>
    new optim.SGD(parameters, {
      lr: hyper('learning_rate'),
      momentum: hyper('momentum'),
      nesterov: on('nesterov'),
    }),
}

/**
 * Keras adds Adam's epsilon before it corrects the bias of the second moment, PyTorch and we after. These runs have
 * gradients near epsilon, so that their first steps differ by more than the tolerance.
 */
export const needKerasEpsilon: ReadonlySet<string> = new Set(['onehot', 'regression'])

/** Whether a run uses nothing that we lack. */
function expressible(name: string, run: KerasRun): boolean {
  return (
    !needKerasEpsilon.has(name) &&
    run.kernel_regularizer_of_the_first_layer === null &&
    run.class_weight === null &&
    !run.sample_weight &&
    Object.hasOwn(optimizers, run.optimizer.name) &&
    Object.hasOwn(lossNames, run.loss) &&
    run.metrics.every((metric) => Object.hasOwn(metricNames, metric)) &&
    run.layers.every(({ activation }) => activation === 'linear' || Object.hasOwn(activations, activation))
  )
}

function recorded(dir: string, name: string): KerasRun {
  return JSON.parse(readFileSync(join(dir, `${name}.json`), 'utf8')) as KerasRun
}

/** Runs `keras/<name>.json` through `compile`, `fit`, `evaluate` and `predict`. */
export async function runKeras(dir: string, name: string, report: Report): Promise<void> {
  const run = recorded(dir, name)
  const id = `keras/${name}`
  if (!expressible(name, run)) {
    report.lacks(id)
    return
  }
  await report.runAsync(id, id, () => kerasDrift(dir, name))
}

/** Why a run differs from Keras's, whose weights and predictions may be off by a share; null where it does not. */
export async function kerasDrift(dir: string, name: string, share = TRAINING): Promise<string | null> {
  const run = recorded(dir, name)
  const file = new Safetensors(join(dir, `${name}.safetensors`))
  const [x, y] = [file.tensor('x'), file.tensor('y')]
  const { model, weights } = built(run, file)
  const { batch_size, epochs, validation_split, shuffle } = run.fit
  const history = await model.fit(x, y, {
    epochs,
    batchSize: batch_size,
    shuffle,
    verbose: 0,
    ...(validation_split === undefined ? {} : { validationSplit: validation_split }),
  })
  const final = weights()
  const measured = (await model.evaluate(x, y, { batchSize: batch_size })) as Record<string, number>
  const prediction = (await model.predict(x)).narrow(0, 0, 7)
  return first([
    ...Object.entries(run.history).map(([key, curve]) => {
      const ours = (history as unknown as Record<string, number[] | undefined>)[camel(key)]
      return ours === undefined ? `the history has no ${camel(key)}` : drift(`history.${key}`, ours, curve)
    }),
    ...Object.entries(run.evaluate).map(([key, value]) =>
      drift(`evaluate.${key}`, [measured[key] ?? NaN], [value]),
    ),
    ...final.map((weight, i) => weightDrift(`final.${i}`, weight, file.stored(`final.${i}`), share)),
    weightDrift('prediction', prediction, file.stored('prediction'), share),
  ])
}

/** The model with Keras's first weights, compiled; and its weights in Keras's order and layout. */
function built(run: KerasRun, file: Safetensors): { model: nn.Sequential; weights: () => Tensor[] } {
  let features = file.stored('x').shape[1] as number
  const dense: nn.Linear[] = []
  const layers: nn.TensorModule[] = []
  for (const { units, activation } of run.layers) {
    const layer = new nn.Linear(features, units)
    layer.loadStateDict({
      weight: file.tensor(`init.${2 * dense.length}`).transpose(),
      bias: file.tensor(`init.${2 * dense.length + 1}`),
    })
    dense.push(layer)
    layers.push(layer)
    if (activation !== 'linear') layers.push((activations[activation] as () => nn.TensorModule)())
    features = units
  }
  const model = new nn.Sequential(...layers)
  const hyper = (name: string): number => Number(run.optimizer[name])
  const make = optimizers[run.optimizer.name] as Make
  const optimizer = make(model.parameters(), hyper, (name) => run.optimizer[name] === true)
  model.compile({
    optimizer: optimizer as optim.Optimizer<object>,
    loss: lossNames[run.loss] as LossName,
    metrics: run.metrics.map((metric) => metricNames[metric] as MetricName),
  })
  const weights = (): Tensor[] =>
    dense.flatMap(({ weight, bias }) => [weight.detach().transpose(), (bias as Tensor).detach()])
  return { model, weights }
}

/** `val_loss` is `valLoss` here. */
function camel(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

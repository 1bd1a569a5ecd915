import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nn, type Tensor } from 'neuroxide'
import { TRAINING, drift, first, weightDrift } from './compare.js'
import {
  activationOf,
  isOfClasses,
  lossOf,
  metricOf,
  recipeOf,
  regularizerOf,
  type Measure,
  type Recipe,
  type Settings,
  type Shapes,
} from './keras-names.js'
import type { Report } from './report.js'
import { Safetensors } from './safetensors.js'

interface Layer {
  readonly units: number
  readonly activation?: string | null
  readonly use_bias?: boolean
  readonly kernel_regularizer?: unknown
  readonly bias_regularizer?: unknown
}

interface KerasRun {
  readonly layers: readonly Layer[]
  readonly optimizer: string | Settings
  readonly loss: string
  readonly metrics?: readonly string[] | null
  readonly weighted_metrics?: readonly string[] | null
  readonly class_weight?: Readonly<Record<string, number>> | null
  readonly sample_weight?: boolean
  readonly fit: Fit
  readonly history: Readonly<Record<string, readonly number[]>>
  readonly evaluate?: Readonly<Record<string, number>>
}

interface Fit {
  readonly epochs: number
  readonly batch_size?: number
  readonly validation_split?: number
  readonly validation_freq?: number
  readonly validation_batch_size?: number
  readonly initial_epoch?: number
  readonly steps_per_epoch?: number
  readonly shuffle: boolean
}

const known = {
  run: [
    ['source', 'layers', 'optimizer', 'loss', 'metrics'],
    ['weighted_metrics', 'class_weight', 'sample_weight', 'fit', 'history', 'evaluate'],
  ].flat(),
  layer: ['units', 'activation', 'use_bias', 'kernel_regularizer', 'bias_regularizer'],
  fit: [
    ['epochs', 'batch_size', 'validation_split', 'validation_freq', 'validation_batch_size'],
    ['initial_epoch', 'steps_per_epoch', 'shuffle', 'verbose'],
  ].flat(),
}

/** What a record says that nothing here reads; what is null or false says nothing. */
function strangers(record: object, names: readonly string[]): string[] {
  const said = Object.entries(record).filter(([, value]) => value !== null && value !== false)
  return said.map(([key]) => key).filter((key) => !names.includes(key))
}

const nameOfActivation = ({ activation }: Layer): string => activation ?? 'linear'

/** What a run uses and we lack. */
function lacking(run: KerasRun): string[] {
  const shapes: Shapes = { prediction: [1, 1], target: [1, 1] }
  const measures = [...(run.metrics ?? []), ...(run.weighted_metrics ?? [])]
  const penalties = run.layers.flatMap((layer) => [layer.kernel_regularizer, layer.bias_regularizer])
  const recipe = recipeOf(run.optimizer)
  return [
    ...strangers(run, known.run),
    ...run.layers.flatMap((layer) => strangers(layer, known.layer)),
    ...strangers(run.fit, known.fit),
    ...run.layers.map(nameOfActivation).filter((name) => activationOf(name) === undefined),
    ...(penalties.some((penalty) => regularizerOf(penalty) === undefined) ? ['regularizer'] : []),
    ...(typeof recipe === 'string' ? [recipe] : []),
    ...(lossOf(run.loss) === undefined ? [`loss ${run.loss}`] : []),
    ...measures.filter((name) => metricOf(name, name, shapes) === undefined),
    ...(run.fit.shuffle ? ['shuffle'] : []),
  ]
}

const ordinals = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth']
const elsewhere = /^(kernel|bias)_regularizer_of_the_(\w+)_layer$/

/** Penalties that are said of a layer beside the list of layers become the layer's own. */
function withPenalties(said: Readonly<Record<string, unknown>>): KerasRun {
  const run = { ...said }
  const layers = [...((run['layers'] ?? []) as readonly Layer[])]
  for (const [key, penalty] of Object.entries(said)) {
    const [, of, place = ''] = elsewhere.exec(key) ?? []
    const index = place === 'last' ? layers.length - 1 : ordinals.indexOf(place)
    const layer = layers[index]
    if (of === undefined || layer === undefined) continue
    if (penalty !== null) layers[index] = { ...layer, [`${of}_regularizer`]: penalty }
    delete run[key]
  }
  return { ...run, layers } as unknown as KerasRun
}

function recorded(dir: string, name: string): KerasRun {
  return withPenalties(JSON.parse(readFileSync(join(dir, `${name}.json`), 'utf8')) as Record<string, unknown>)
}

/** Names of the runs of a folder, which may not be there: what says of layers, of `fit` and of what it gave. */
export function kerasRuns(dir: string): string[] {
  if (!existsSync(dir)) return []
  const names = readdirSync(dir)
    .toSorted()
    .filter((name) => name.endsWith('.json'))
  return names.map((name) => name.slice(0, -'.json'.length)).filter((name) => isRun(dir, name))
}

function isRun(dir: string, name: string): boolean {
  let run: unknown
  try {
    run = JSON.parse(readFileSync(join(dir, `${name}.json`), 'utf8'))
  } catch {
    // What is broken beside stored tensors is a run that cannot be read, which has to be told.
    return existsSync(join(dir, `${name}.safetensors`))
  }
  return typeof run === 'object' && run !== null && ['layers', 'fit', 'history'].every((key) => key in run)
}

/** Runs `keras/<name>.json` through `compile`, `fit`, `evaluate` and `predict`. */
export async function runKeras(dir: string, name: string, report: Report): Promise<void> {
  const id = `keras/${name}`
  let lacks: string[]
  try {
    lacks = lacking(recorded(dir, name))
  } catch (error) {
    report.fails(id, String(error))
    return
  }
  if (lacks.length > 0) report.lacks(`${id} (${[...new Set(lacks)].join(', ')})`)
  else await report.runAsync(id, id, () => kerasDrift(dir, name))
}

/** Why a run differs from Keras's, whose weights and predictions may be off by a share; null where it does not. */
async function kerasDrift(dir: string, name: string): Promise<string | null> {
  const run = recorded(dir, name)
  const file = new Safetensors(join(dir, `${name}.safetensors`))
  // Keras computes in f32, whatever it is given; only class indices stay what they are.
  const floats = (tensor: Tensor): Tensor =>
    tensor.dtype === 'f32' || tensor.dtype === 'f64' ? tensor : tensor.to('f32')
  const x = floats(file.tensor('x'))
  const y = isOfClasses(run.loss) ? file.tensor('y') : floats(file.tensor('y'))
  const { model, weights } = built(run, file)
  const { batch_size: batchSize, epochs, shuffle, ...more } = run.fit
  const options = {
    epochs,
    shuffle,
    verbose: 0,
    batchSize,
    validationSplit: more.validation_split,
    validationFreq: more.validation_freq,
    validationBatchSize: more.validation_batch_size,
    initialEpoch: more.initial_epoch,
    stepsPerEpoch: more.steps_per_epoch,
    classWeight: run.class_weight ?? undefined,
    sampleWeight: run.sample_weight === true ? file.tensor('sample_weight') : undefined,
  } as const
  const history = await model.fit(x, y, options)
  const final = weights()
  const measured = (await model.evaluate(x, y, { batchSize })) as Record<string, number>
  const prediction = (await model.predict(x)).narrow(0, 0, file.stored('prediction').shape[0] as number)
  return first([
    ...Object.entries(run.history).map(([key, curve]) => {
      const ours = (history as unknown as Record<string, number[] | undefined>)[ourName(key)]
      return ours === undefined ? `the history has no ${ourName(key)}` : drift(`history.${key}`, ours, curve)
    }),
    ...Object.entries(run.evaluate ?? {}).map(([key, value]) =>
      drift(`evaluate.${key}`, [measured[ourName(key)] ?? NaN], [value]),
    ),
    ...final.map((weight, i) => weightDrift(`final.${i}`, weight, file.stored(`final.${i}`), TRAINING)),
    weightDrift('prediction', prediction, file.stored('prediction'), TRAINING),
  ])
}

/** The model with Keras's first weights, compiled; and its weights in Keras's order and layout. */
function built(run: KerasRun, file: Safetensors): { model: nn.Sequential; weights: () => Tensor[] } {
  let features = file.stored('x').shape.at(-1) as number
  let stored = 0
  const layers: nn.TensorModule[] = []
  const dense: nn.Linear[] = []
  for (const said of run.layers) {
    const { units, use_bias: bias = true } = said
    const layer = new nn.Linear(features, units, {
      bias,
      regularizer: regularizerOf(said.kernel_regularizer) ?? undefined,
      biasRegularizer: (bias ? regularizerOf(said.bias_regularizer) : null) ?? undefined,
    })
    const weight = file.tensor(`init.${stored++}`).transpose()
    layer.loadStateDict(bias ? { weight, bias: file.tensor(`init.${stored++}`) } : { weight })
    dense.push(layer)
    layers.push(layer, (activationOf(nameOfActivation(said)) as () => nn.TensorModule)())
    features = units
  }
  const model = new nn.Sequential(...layers)
  const { optimizer, clip } = recipeOf(run.optimizer) as Recipe
  const shapes: Shapes = {
    prediction: [...file.stored('x').shape.slice(0, -1), features],
    target: file.stored('y').shape,
  }
  const measures = (names: readonly string[] | null | undefined): Measure[] =>
    (names ?? []).map((keras) => metricOf(keras, ourName(keras), shapes) as Measure)
  model.compile({
    optimizer: optimizer(model.parameters()),
    loss: lossOf(run.loss) as NonNullable<ReturnType<typeof lossOf>>,
    metrics: measures(run.metrics),
    weightedMetrics: measures(run.weighted_metrics),
    ...clip,
  })
  const weights = (): Tensor[] =>
    dense.flatMap(({ weight, bias }) => [
      weight.detach().transpose(),
      ...(bias === null ? [] : [bias.detach()]),
    ])
  return { model, weights }
}

/** `val_top_k` is `valTopK` here. */
function ourName(name: string): string {
  if (name.startsWith('val_')) {
    const of = ourName(name.slice('val_'.length))
    return `val${of.slice(0, 1).toUpperCase()}${of.slice(1)}`
  }
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  type FitOptions,
  type History,
  Model,
  type Tensor,
  type nn as layers,
  nn,
  optim,
  regularizers,
  tensor,
} from 'neuroxide'

type Numbers = Readonly<Record<string, number>>

interface Case {
  readonly history: Readonly<Record<string, readonly number[]>>
  readonly evaluate: Numbers
  readonly weights: readonly (readonly [kernel: number[][], bias: number[]])[]
}

/** Made by test/golden/make/loop.py. */
const golden = JSON.parse(readFileSync(new URL('../golden/peers/loop.json', import.meta.url), 'utf8')) as {
  readonly [K in 'x' | 'y' | 'kernel']: number[][]
} & {
  readonly weight: number[]
  readonly labels: number[]
  readonly bias: number[]
  readonly cases: Readonly<Record<string, Case>>
}

const x = tensor(golden.x)
const y = tensor(golden.y)
const labels = tensor(golden.labels, { dtype: 'i32' })
const weight = tensor(golden.weight)

function dense(options: layers.LinearOptions = {}): nn.Linear {
  const layer = new nn.Linear(3, 2, options)
  layer.weight.copyFrom(tensor(golden.kernel).transpose(0, 1) as Tensor<[number, number], 'f32'>)
  layer.bias?.copyFrom(tensor(golden.bias) as Tensor<[number], 'f32'>)
  return layer
}

/** `weighted_mae` → `weightedMae`, as our names are. */
function camel(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function requireClose(given: number, wanted: number, what: string): void {
  expect(Math.abs(given - wanted), `${what}: ${given} for ${wanted}`).toBeLessThanOrEqual(
    1e-4 * Math.max(Math.abs(wanted), 1e-3),
  )
}

/** Compares curves, an evaluation and weights with those that Keras has. */
function requireSame(name: string, history: History, evaluated: unknown, own: readonly nn.Linear[]): void {
  const { history: curves, evaluate, weights } = golden.cases[name] as Case
  expect(Object.keys(history.history).toSorted()).toEqual(Object.keys(curves).map(camel).toSorted())
  for (const [key, values] of Object.entries(curves))
    for (const [i, value] of values.entries())
      requireClose(history.history[camel(key)]?.[i] ?? Number.NaN, value, `${key} of epoch ${i}`)
  for (const [key, value] of Object.entries(evaluate))
    requireClose((evaluated as Numbers)[camel(key)] ?? Number.NaN, value, `${key} evaluated`)
  for (const [i, [kernel, bias]] of weights.entries()) {
    const layer = own[i] as nn.Linear
    const reference = tensor(kernel).transpose(0, 1)
    const difference = layer.weight.sub(reference).abs().max().item()
    expect(difference).toBeLessThanOrEqual(1e-4 * reference.abs().max().item())
    const offset = layer.bias?.sub(tensor(bias)).abs().max().item() ?? Number.NaN
    expect(offset).toBeLessThanOrEqual(1e-4 * tensor(bias).abs().max().item())
  }
}

const options: FitOptions = { epochs: 3, batchSize: 4, shuffle: false, verbose: 0 }
const sgd = (model: nn.Module): optim.SGD => new optim.SGD(model.parameters(), { lr: 0.1 })

/** Both ways to train: beside JavaScript, and batch by batch. */
const ways = ['in memory', 'as a stream'] as const

function given(
  way: (typeof ways)[number],
  target: Tensor,
  sampleWeight?: Tensor,
): Parameters<nn.Sequential['fit']>[0] {
  const all = { x, y: target, ...(sampleWeight === undefined ? {} : { sampleWeight }) }
  if (way === 'in memory') return all
  return [0, 4, 8].map((start) => {
    const rows = (of: Tensor): Tensor => of.narrow(0, start, Math.min(4, 10 - start))
    const batch = { x: rows(x), y: rows(target) }
    return sampleWeight === undefined ? batch : { ...batch, sampleWeight: rows(sampleWeight) }
  })
}

describe.each(ways)('as Keras, %s', (way) => {
  test('sampleWeight, and metrics with and without it', async () => {
    const layer = dense()
    const model = new nn.Sequential(layer)
    model.compile({ optimizer: sgd(model), loss: 'mse', metrics: ['mae'], weightedMetrics: ['mae'] })
    const history = await model.fit(given(way, y, weight), options)
    const evaluated = await model.evaluate(given(way, y, weight), { batchSize: 4 })
    requireSame('sampleWeight', history, evaluated, [layer])
  })

  test('classWeight', async () => {
    const layer = dense()
    const model = new nn.Sequential(layer, new nn.Softmax())
    model.compile({
      optimizer: sgd(model),
      loss: 'sparseCategoricalCrossentropy',
      metrics: ['accuracy'],
      weightedMetrics: ['accuracy'],
    })
    const history = await model.fit(given(way, labels), { ...options, classWeight: { 0: 0.5, 1: 3 } })
    requireSame('classWeight', history, await model.evaluate(x, labels), [layer])
  })

  test.each([
    ['accumulation', { gradientAccumulationSteps: 2 }],
    ['clipNorm', { clipNorm: 0.1 }],
    ['clipValue', { clipValue: 0.05 }],
    ['globalClipNorm', { globalClipNorm: 0.1 }],
  ] as const)('%s', async (name, more) => {
    const layer = dense()
    const model = new nn.Sequential(layer)
    model.compile({ optimizer: sgd(model), loss: 'mse', ...more })
    const history = await model.fit(given(way, y), options)
    requireSame(name, history, await model.evaluate(x, y), [layer])
  })

  test('accumulation with Adam and a limit, over the ends of epochs', async () => {
    const layer = dense()
    const model = new nn.Sequential(layer)
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.1, eps: 1e-7, epsMode: 'keras' })
    model.compile({ optimizer, loss: 'mse', gradientAccumulationSteps: 2, clipNorm: 0.05 })
    const history = await model.fit(given(way, y), options)
    requireSame('accumulationAdam', history, await model.evaluate(x, y), [layer])
  })

  test('the penalty of a regularizer is part of the loss', async () => {
    const layer = dense({ regularizer: regularizers.l2(0.05) })
    const model = new nn.Sequential(layer)
    model.compile({ optimizer: sgd(model), loss: 'mse' })
    const history = await model.fit(given(way, y), options)
    requireSame('regularizer', history, await model.evaluate(x, y), [layer])
  })

  test('several outputs: their losses, weights, metrics and names', async () => {
    const model = new Two()
    model.compile({
      optimizer: sgd(model),
      loss: { a: 'mse', b: 'sparseCategoricalCrossentropy' },
      lossWeights: { a: 0.5, b: 2 },
      metrics: { a: ['mae'], b: ['accuracy'] },
    })
    const all = { x, y: { a: y, b: labels }, sampleWeight: weight }
    const history = await model.fit(way === 'in memory' ? all : split(all), { ...options, batchSize: 5 })
    requireSame('outputs', history, await model.evaluate(all), [model.a, model.b])
  })
})

class Two extends Model {
  readonly a = dense()
  readonly b = dense()

  override forward(inputs: Tensor): { a: Tensor; b: Tensor } {
    return { a: this.a.forward(inputs), b: this.b.forward(inputs).softmax(-1) }
  }
}

interface All {
  readonly x: Tensor
  readonly y: { readonly a: Tensor; readonly b: Tensor }
  readonly sampleWeight: Tensor
}

function split({ x: inputs, y: { a, b }, sampleWeight }: All): All[] {
  return [0, 5].map((start) => {
    const rows = (of: Tensor): Tensor => of.narrow(0, start, 5)
    return { x: rows(inputs), y: { a: rows(a), b: rows(b) }, sampleWeight: rows(sampleWeight) }
  })
}

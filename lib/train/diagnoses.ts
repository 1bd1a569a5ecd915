import { detectAnomaly } from '../anomaly.js'
import { AnomalyError, IndexError } from '../errors.js'
import { listed, type Tensors } from '../data/dataset.js'
import { native } from '../native.js'
import type { Module } from '../nn/module.js'
import { noGrad, type Tensor, zeroGradients } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { isFloat } from '../tensor/create.js'
import type { Compiled } from './compiled.js'
import { measured } from './measures.js'
import type { ProgressBar } from './progress.js'
import type { InMemory } from './source.js'
import { argumentsOf, inMode, predicted, type TensorBatch } from './steps.js'
import { programRng } from './training.js'

/** Inputs beyond this are hardly meant: layers begin as if numbers were about 1. */
const large = 50
/** Batches that are looked at, at most. */
const probes = 4

/** Says in a line what is likely wrong with a training: each at most once, and without a cost per step. */
export class Diagnoses {
  readonly #model: Module
  readonly #compiled: Compiled
  readonly #bar: ProgressBar
  /** Batches to look at: those of samples in memory, or the last that a loader gave. */
  #batches: () => readonly TensorBatch[]

  constructor(model: Module, compiled: Compiled, bar: ProgressBar, source: InMemory | null) {
    this.#model = model
    this.#compiled = compiled
    this.#bar = bar
    this.#batches = source === null ? () => [] : () => spreadOver(source)
  }

  #say(what: string, line: string): void {
    if (this.#compiled.said.has(what)) return
    this.#compiled.said.add(what)
    this.#bar.tell(line)
  }

  /** Before the first step: numbers up to 255 that nothing scales. */
  inputs(batch: TensorBatch | undefined = this.#batches()[0]): void {
    if (batch === undefined) return
    this.#remember(batch)
    if (this.#compiled.said.has('inputs') || !listed(batch.x).some((x) => largest(x) > large)) return
    const found = this.#firstLarge(batch)
    if (found !== null)
      this.#say(
        'inputs',
        `fit: inputs reach ${found.value} in the layer ${found.path}, unscaled: training is slow or fails on such numbers. Put nn.Rescale(1 / 255) or nn.Normalization first.`,
      )
  }

  #remember(batch: TensorBatch): void {
    const before = this.#batches()
    if (before.length === 0) this.#batches = () => [batch]
  }

  /** The first layer with weights that is given large numbers. */
  #firstLarge({ x }: TensorBatch): { readonly path: string; readonly value: string } | null {
    let found: { readonly path: string; readonly value: string } | null = null
    let met = false
    const layers = this.#model.namedModules().filter(([, module]) => hasOwnWeights(module))
    const hooks = layers.map(([path, module]) =>
      module.registerForwardPreHook((_, given) => {
        if (met) return
        met = true
        const value = Math.max(...given.filter(isTensor).map(largest))
        if (value > large)
          found = { path: path === '' ? module.constructor.name : `"${path}"`, value: short(value) }
      }),
    )
    try {
      this.#still(() => noGrad(() => predicted(this.#model, x)))
    } finally {
      for (const hook of hooks) hook.remove()
    }
    return found
  }

  /** Runs the model outside the training, without a trace: random numbers and modes stay as they are. */
  #still<T>(body: () => T): T {
    const rng = programRng()
    try {
      return inMode(this.#model, false, body)
    } finally {
      native.setRngState(...rng)
    }
  }

  #loss(batch: TensorBatch): Tensor | undefined {
    const prediction = predicted(this.#model, batch.x)
    const rows = argumentsOf(batch)[0]?.shape[0] ?? 0
    const given = { prediction, target: batch.y, weight: batch.sampleWeight, rows }
    return measured({ ...this.#compiled, measures: [] }, this.#model, given)[0]
  }

  /** After an epoch, in which every parameter should have moved. */
  epoch(): void {
    if (this.#compiled.said.has('gradients')) return
    this.#compiled.said.add('gradients')
    const parameters = this.#compiled.optimizer.parameters()
    const names = new Map(
      this.#model.namedParameters().map(([name, parameter]) => [parameter as Tensor, name]),
    )
    let still = parameters.filter((parameter) => parameter.requiresGrad && names.has(parameter))
    // Zeros move no weights, whatever the model.
    const batches = this.#batches().filter(({ x }) => listed(x).some((input) => largest(input) > 0))
    this.#still(() => {
      for (const batch of batches) {
        if (still.length === 0) break
        zeroGradients(parameters)
        const loss = this.#loss(batch)
        if (loss?.requiresGrad !== true) break
        loss.backward()
        still = still.filter(({ grad }) => grad === null || largest(grad) === 0)
      }
      zeroGradients(this.#model.parameters())
      zeroGradients(parameters)
    })
    if (still.length === 0 || batches.length === 0) return
    const list = still.map((parameter) => `"${names.get(parameter)}"`).join(', ')
    this.#bar.tell(
      `fit: the gradient of ${list} is zero: training does not move it. A ReLU that is never active, a detach(), or a layer that the loss does not depend on?`,
    )
  }

  /** A loss that is NaN or infinite since a batch, which may be at hand. */
  loss(epoch: number, step: number, batch?: TensorBatch): void {
    if (step < 0 || this.#compiled.said.has('loss')) return
    const since = `fit: the loss is not finite since batch ${step + 1} of epoch ${epoch + 1}`
    this.#say('loss', `${since}${this.#reason(batch === undefined ? this.#batches() : [batch])}`)
  }

  #reason(batches: readonly TensorBatch[]): string {
    for (const batch of batches) {
      const strange = argumentsOf(batch).find((tensor) => !isFinite(tensor))
      if (strange !== undefined)
        return ': the data has NaN or infinity. Look for them with isfinite() before fit.'
    }
    const broken = this.#model.namedParameters().find(([, parameter]) => !isFinite(parameter))
    for (const batch of batches) {
      try {
        this.#still(() => detectAnomaly(() => this.#loss(batch)))
      } catch (error) {
        if (!(error instanceof AnomalyError)) throw error
        const [first = ''] = error.message.split('\n')
        const weights = broken === undefined ? '' : `; the parameter "${broken[0]}" is not finite any more`
        return `: ${first}${weights}. A smaller learning rate or clipNorm may help.`
      }
    }
    return ': weights and the batches looked at are finite. A smaller learning rate or clipNorm may help.'
  }
}

/** Up to some batches from the whole of the samples. */
function spreadOver({ samples, batchSize }: InMemory): TensorBatch[] {
  const size = Math.min(batchSize, samples.length)
  const count = Math.min(probes, Math.floor(samples.length / size))
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor((i * (samples.length - size)) / Math.max(count - 1, 1))
    return samples.slice(start, start + size) as TensorBatch
  })
}

function hasOwnWeights(module: Module): boolean {
  return Object.values(module).some((value) => isTensor(value) && isFloat(value.dtype) && value.requiresGrad)
}

function largest(tensor: Tensor): number {
  if (tensor.numel === 0 || tensor.dtype === 'bool') return 0
  return noGrad(() => Number(tensor.detach().to('f32').abs().max().item()))
}

function isFinite(tensor: Tensor): boolean {
  return !isFloat(tensor.dtype) || noGrad(() => tensor.detach().isfinite().all().item())
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)))
}

const outside = /index (-?\d+) at position \[[^\]]*\]; expected 0 to (\d+)/

/** Targets in which a wrong label may stand. */
export interface Labelled {
  readonly what: string
  readonly y: Tensors
  readonly rows: number
}

/** An error about a class that does not exist, with the row of the data that names it. */
export function withRow(op: string, error: unknown, sets: readonly Labelled[]): unknown {
  const found = error instanceof Error ? outside.exec(error.message) : null
  if (found === null || (error as { code?: unknown }).code !== 'ERR_INDEX') return error
  const classes = Number(found[2]) + 1
  for (const { what, y, rows } of sets) {
    for (const target of listed(y)) {
      if (isFloat(target.dtype)) continue
      const labels = Array.from(target.toTypedArray() as ArrayLike<number>)
      const at = labels.findIndex((label) => label < 0 || label >= classes)
      if (at < 0) continue
      const row = Math.floor(at / Math.max(target.numel / rows, 1))
      const made = new IndexError(
        `${op}: the label ${labels[at]} in row ${row} of ${what}; expected a class in [0, ${classes}), as the model knows ${classes}.`,
        { cause: error },
      )
      // Frames of what went on by itself say nothing: that of the user's call takes their place.
      Object.defineProperty(made, 'stack', { value: String(made), writable: true, configurable: true })
      return made
    }
  }
  return error
}

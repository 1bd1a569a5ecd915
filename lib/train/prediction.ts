import { ShapeError, ValueError } from '../errors.js'
import { Origin } from '../errors/origin.js'
import { rowCount, listed, mapped, type Tensors } from '../data/dataset.js'
import { concat } from '../functional.js'
import { assembled } from '../jit/outputs.js'
import { noGrad, type Tensor } from '../tensor.js'
import { requireOptions } from '../tensor/checks.js'
import { CallbackList, type CallbackHooks } from './callback.js'
import type { Model } from './model.js'
import { positive, requireSignal } from './options.js'
import { type Prediction, predictionStep } from './steps.js'

export interface PredictOptions {
  /** Samples per batch; `32` by default. */
  readonly batchSize?: number | undefined
  /** Objects with hooks of a prediction, in the order in which they are called. */
  readonly callbacks?: CallbackHooks | readonly CallbackHooks[] | undefined
  /** Ends the prediction early: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** The outputs of all samples, computed batch after batch, in the layout in which `forward` gives them. */
export async function predictModel(model: Model, x: Tensors, options: PredictOptions): Promise<unknown> {
  requireOptions('predict', options, ['batchSize', 'callbacks', 'signal'])
  requireSignal('predict', options.signal)
  const batchSize = positive('predict', 'batchSize', options.batchSize, 32)
  const callbacks = new CallbackList('predict', options.callbacks)
  const count = rowCount('predict', listed(x))
  if (count === 0) throw new ShapeError('predict: no samples; expected at least one.')
  const steps = Math.ceil(count / batchSize)
  callbacks.attach(model, { epochs: 1, steps, samples: count, batchSize, verbose: 0, metrics: [] })
  const origin = new Origin()
  const programs = new Map<number, Prediction>()
  const parts: Tensor[][] = []
  try {
    // Awaiting nothing keeps the user's line on the stack.
    if (callbacks.has('onPredictBegin')) await callbacks.whole('onPredictBegin', {})
    for (let step = 0; step < steps; step += 1) {
      options.signal?.throwIfAborted()
      const start = step * batchSize
      const rows = Math.min(batchSize, count - start)
      if (callbacks.has('onPredictBatchBegin')) await callbacks.counted('onPredictBatchBegin', step, {})
      const prediction = programs.get(rows) ?? predictionStep(model, x, rows)
      programs.set(rows, prediction)
      const batch = mapped<Tensors>(x, (input) => input.narrow(0, start, rows))
      parts.push(rowsOf(await prediction.program.run(listed(batch)), rows))
      await callbacks.counted('onPredictBatchEnd', step, {})
    }
    await callbacks.whole('onPredictEnd', {})
  } catch (error) {
    callbacks.undo()
    throw origin.error(error)
  } finally {
    for (const { program } of programs.values()) program.free()
  }
  const [first] = programs.values()
  const outputs = noGrad(() =>
    (parts[0] ?? []).map((_, i) =>
      concat(
        parts.map((part) => part[i] as Tensor),
        0,
      ),
    ),
  )
  return assembledOutput(first as Prediction, outputs)
}

/** Outputs in the layout in which `forward` gives them. */
export function assembledOutput({ template }: Prediction, outputs: readonly Tensor[]): unknown {
  return assembled(template, outputs, () => undefined)
}

function rowsOf(outputs: Tensor[], rows: number): Tensor[] {
  for (const { shape } of outputs)
    if (shape[0] !== rows) {
      throw new ShapeError(
        `predict: forward gave [${shape.join(', ')}] for ${rows} samples; expected one row for each.`,
      )
    }
  if (outputs.length === 0) throw new ValueError('predict: forward gave no tensor; expected one at least.')
  return outputs
}

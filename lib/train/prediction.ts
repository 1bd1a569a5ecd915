import { ShapeError, ValueError } from '../errors.js'
import { rowCount, listed, type Tensors } from '../data/dataset.js'
import type { TracedProgram } from '../jit.js'
import type { Module } from '../nn/module.js'
import type { Tensor } from '../tensor.js'
import { positive, requireSignal } from './options.js'
import { Origin } from '../errors/origin.js'
import { predictionStep } from './steps.js'
import { requireOptions } from '../tensor/checks.js'

export interface PredictOptions {
  /** Samples per batch; `32` by default. */
  readonly batchSize?: number | undefined
  /** Ends the prediction early: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** The outputs of batch after batch. */
export async function predictModel(model: Module, x: Tensors, options: PredictOptions): Promise<Tensor[]> {
  requireOptions('predict', options, ['batchSize', 'signal'])
  requireSignal('predict', options.signal)
  const batchSize = positive('predict', 'batchSize', options.batchSize, 32)
  const inputs = listed(x)
  const count = rowCount('predict', inputs)
  if (count === 0) throw new ShapeError('predict: no samples; expected at least one.')
  const origin = new Origin()
  const programs = new Map<number, TracedProgram>()
  const parts: Tensor[] = []
  try {
    for (let start = 0; start < count; start += batchSize) {
      options.signal?.throwIfAborted()
      const rows = Math.min(batchSize, count - start)
      const program = programs.get(rows) ?? predictionStep(model, x, rows)
      programs.set(rows, program)
      const outputs = await program.run(inputs.map((input) => input.narrow(0, start, rows)))
      parts.push(onlyOutput(outputs, rows))
    }
  } catch (error) {
    throw origin.error(error)
  } finally {
    for (const program of programs.values()) program.free()
  }
  return parts
}

function onlyOutput(outputs: readonly Tensor[], rows: number): Tensor {
  const [output] = outputs
  if (output === undefined || outputs.length > 1) {
    throw new ValueError(
      `predict: forward gave ${outputs.length} tensors; expected one. Call forward itself for more.`,
    )
  }
  if (output.shape[0] !== rows) {
    throw new ShapeError(
      `predict: forward gave [${output.shape.join(', ')}] for ${rows} samples; expected one row for each.`,
    )
  }
  return output
}

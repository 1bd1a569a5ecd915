import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Callback, type CallbackHooks, type Logs, type Model, nn, optim, tensor } from 'neuroxide'

export type Params = Callback['params']

/** The hooks with what `fit` tells callbacks of before the first. */
export type Hooks = CallbackHooks & { attach?(model: Model, params: Params): void }

export type Trained = nn.Sequential & { stopTraining: boolean }

/** A model of one weight and one bias. */
export function small(lr = 0.5): Trained {
  const net = new nn.Sequential(new nn.Linear(1, 1))
  return net.compile({
    optimizer: new optim.SGD(net.parameters(), { lr }),
    loss: 'mse',
  }) as unknown as Trained
}

/** Data that a line fits: y = 2x. */
export const x = tensor([[1], [2], [3], [4], [5], [6], [7], [8]])
export const y = x.mul(2)

export function params(more: Partial<Params> = {}): Params {
  const known = { epochs: 9, steps: 4, samples: 8, batchSize: 2, verbose: 0, metrics: ['loss'] } as const
  return { ...known, ...more }
}

/** What `fit` calls of a callback, for numbers that are given; returns the epochs that were run. */
export async function played(
  callback: Hooks,
  model: Trained,
  epochs: readonly Logs[],
  before: (epoch: number) => void = () => {},
): Promise<number> {
  callback.attach?.(model, params({ epochs: epochs.length }))
  model.stopTraining = false
  await callback.onTrainBegin?.({})
  let count = 0
  for (const [epoch, logs] of epochs.entries()) {
    await callback.onEpochBegin?.(epoch, {})
    before(epoch)
    count += 1
    await callback.onEpochEnd?.(epoch, logs)
    if (model.stopTraining) break
  }
  await callback.onTrainEnd?.(epochs.at(-1) ?? {})
  return count
}

export function emptyFolder(): string {
  return mkdtempSync(join(tmpdir(), 'callbacks-'))
}

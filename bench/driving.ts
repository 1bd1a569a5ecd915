// The ways to drive a training: an epoch in native code, a jitted step in a loop, the same step without `jit`.
import * as neuroxide from 'neuroxide'
import { jit, optim, type Tensor } from 'neuroxide'
import type { Run } from './timing.js'
import type { Mode, Workload } from './workloads.js'

export interface Driven {
  readonly run: Run
  /** The losses of the first `count` steps, all on the first batch; to be asked before anything has run. */
  readonly losses: (count: number) => Promise<number[]>
  /** The sum of the weights' absolute values: equal where two start from the same ones. */
  readonly weights: number
}

export interface DrivingOptions {
  /** Whether `fit` visits the samples in another order every epoch. The other libraries' loops do not, so `false`. */
  readonly shuffle?: boolean
}

export function driven(workload: Workload, mode: Mode, { shuffle = false }: DrivingOptions = {}): Driven {
  const { model, loss, x, y } = workload.build(neuroxide, workload.values())
  const { batch, batches } = workload
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 })
  const weights = model
    .parameters()
    .flatMap((parameter) => [...parameter.detach().toTypedArray()])
    .reduce((sum, value) => sum + Math.abs(value), 0)
  // A batch of its own memory, as a program makes that loads one.
  const first = { x: x.narrow(0, 0, batch).add(0), y: y.narrow(0, 0, batch).add(0) }
  if (mode === 'epoch') {
    const compiled = model.compile({ optimizer, loss })
    return {
      weights,
      async run(steps) {
        const epochs = Math.ceil(steps / batches)
        await compiled.fit(x, y, { batchSize: batch, epochs, shuffle, verbose: 0 })
        return epochs * batches
      },
      async losses(count) {
        // Epochs of one batch: the mean of an epoch is the loss of its step.
        const options = { batchSize: batch, epochs: count, shuffle: false, verbose: 0 } as const
        return (await compiled.fit(first.x, first.y, options)).loss
      },
    }
  }
  const eager = (x: Tensor, y: Tensor): Tensor => {
    optimizer.zeroGrad()
    const value = loss(model.forward(x), y)
    value.backward()
    optimizer.step()
    return value
  }
  const step = mode === 'jit' ? jit(eager) : eager
  return {
    weights,
    run(steps) {
      for (let i = 0; i < steps; i += 1) step(first.x, first.y)
      return steps
    },
    async losses(count) {
      return Array.from({ length: count }, () => Number(step(first.x, first.y).item()))
    },
  }
}

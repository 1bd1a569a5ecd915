import {
  jit,
  losses,
  manualSeed,
  nn,
  optim,
  randint,
  randn,
  type CompiledFunction,
  type Tensor,
} from 'neuroxide'
import { loadAddon } from '../test/boundary/addon.js'

/** Samples per step: that of the example. */
export const BATCH = 32

/** The model of `npm start` with its optimizer, a batch that looks like MNIST, and one step of training. */
export interface Trained {
  readonly model: nn.Sequential
  readonly x: Tensor
  readonly y: Tensor
  readonly eager: (x: Tensor, y: Tensor) => Tensor
  readonly jitted: CompiledFunction<[x: Tensor, y: Tensor], Tensor>
}

export function mnistLike(samples: number): Trained {
  manualSeed(0)
  const model = new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(128, 10))
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 })
  const eager = (x: Tensor, y: Tensor): Tensor => {
    optimizer.zeroGrad()
    const loss = losses.crossEntropy(model.forward(x), y)
    loss.backward()
    optimizer.step()
    return loss
  }
  return { model, x: randn([samples, 784]), y: randint([samples], 0, 10), eager, jitted: jit(eager) }
}

/** Counts of the core since the process began. */
export interface Counters {
  /** Calls from JavaScript into the addon. */
  readonly calls: number
  /** Runs of whole programs. */
  readonly runs: number
  /** Runs of single ops outside programs. */
  readonly eagerRuns: number
  /** Kernels that had to be prepared, as no run had met their shapes before. */
  readonly prepared: number
}

const addon = loadAddon()

function counters(): Counters {
  return JSON.parse(String(addon['counters']!())) as Counters
}

/** What one call of a function adds to the counters, the reading of them left out. */
export function counted(body: () => void): Counters {
  const reading = counters()
  const before = counters()
  body()
  const after = counters()
  return {
    calls: after.calls - before.calls - (before.calls - reading.calls),
    runs: after.runs - before.runs,
    eagerRuns: after.eagerRuns - before.eagerRuns,
    prepared: after.prepared - before.prepared,
  }
}

/** How many kernels a program consists of. */
export function kernels(step: { explain(): string }): number {
  return Number(/(\d+) kernels/.exec(step.explain())?.[1])
}

import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import {
  Callback,
  type CallbackHooks,
  type FitOptions,
  type History,
  callbacks,
  data,
  manualSeed,
  nn,
  optim,
  randn,
  tensor,
  type Tensor,
} from 'neuroxide'

/** Ways to give samples, each with shuffling and random layers. */
export const kinds = ['memory', 'a loader', 'a streamed data set', 'batches of a generator', 'steps'] as const
export type Kind = (typeof kinds)[number]

/** Counts what it is called for, and resumes. */
export class Counter extends Callback {
  calls = 0

  override onEpochEnd(): void {
    this.calls += 1
  }

  override onTrainBatchEnd(): void {
    this.calls += 1000
  }

  override state(): unknown {
    return { calls: this.calls, infinite: Infinity }
  }

  override loadState(state: unknown): void {
    const { calls, infinite } = state as { calls: number; infinite: number }
    if (infinite !== Infinity) throw new Error('infinity did not survive')
    this.calls = calls
  }
}

export interface Prepared {
  readonly model: nn.Sequential
  readonly counter: Counter
  readonly fit: (options: FitOptions) => Promise<History>
}

/** A model with everything that has state, and its samples. `seeded` is false where a file has the weights anyway. */
export function prepared(kind: Kind, seeded = true): Prepared {
  if (seeded) manualSeed(5)
  const net: nn.Sequential = new nn.Sequential(
    new nn.Linear(6, 12),
    new nn.ReLU(),
    new nn.Dropout(0.3),
    new nn.Linear(12, 3),
  )
  net.compile({
    optimizer: new optim.Adam(net.parameters(), { lr: 0.01, amsgrad: true }),
    loss: 'crossEntropy',
    metrics: ['accuracy', 'perplexity'],
    gradientAccumulationSteps: 2,
    globalClipNorm: 1,
    ema: 0.9,
  })
  const model = net
  const [x, y] = samples()
  const counter = new Counter()
  const half: FitOptions = { verbose: 0, batchSize: 8 }
  const set = new data.TensorDataset(x, y)
  if (kind === 'memory')
    return {
      model,
      counter,
      fit: (options) => model.fit(x, y, { ...half, validationSplit: 0.2, ...options }),
    }
  if (kind === 'steps')
    return { model, counter, fit: (options) => model.fit(x, y, { ...half, stepsPerEpoch: 5, ...options }) }
  const settings = { batchSize: 8, shuffle: true } as const
  if (kind === 'a loader') {
    const loader = new data.DataLoader(set, settings)
    return { model, counter, fit: (options) => model.fit(loader, { ...half, ...options }) }
  }
  if (kind === 'a streamed data set') {
    const streamed = { length: set.length, get: (index: number) => set.get(index) }
    const loader = new data.DataLoader(streamed as data.Dataset, settings)
    return { model, counter, fit: (options) => model.fit(loader, { ...half, ...options }) }
  }
  const generated = {
    async *[Symbol.asyncIterator](): AsyncGenerator<{ x: Tensor; y: Tensor }> {
      for (const { x: inputs, y: targets } of new data.DataLoader(set, { batchSize: 8 }))
        yield { x: inputs.add(randn([...inputs.shape]).mul(0.01)), y: targets }
    },
  }
  return { model, counter, fit: (options) => model.fit(generated, { ...half, ...options }) }
}

function samples(): [Tensor, Tensor] {
  // Without the program's random numbers: they belong to the training.
  const wave = (i: number): number => Math.fround(Math.sin(i * 12.9898) * 0.9)
  const x = tensor(
    Array.from({ length: 60 }, (_, row) => Array.from({ length: 6 }, (__, i) => wave(row * 6 + i))),
  )
  const y = tensor(
    Array.from({ length: 60 }, (_, row) => (row * 7) % 3),
    { dtype: 'i32' },
  )
  return [x, y]
}

/** A hash of all weights, the optimizer, the averages and the history. */
export function fingerprint(model: nn.Sequential, history: History): string {
  const hash = createHash('sha256')
  const add = (tensor: Tensor): void => {
    hash.update(Buffer.from(tensor.toTypedArray().buffer))
  }
  for (const parameter of model.parameters()) add(parameter)
  const { state, param_groups: groups } = (model.optimizer as optim.Optimizer).stateDict()
  for (const own of Object.values(state))
    for (const value of Object.values(own))
      if (typeof value === 'number') hash.update(String(value))
      else add(value)
  for (const average of Object.values(model.ema?.stateDict().averages ?? {})) add(average)
  hash.update(JSON.stringify([groups, history.epoch, history.history]))
  return hash.digest('hex')
}

/** Run by itself, it trains with a backup, so that it can be killed and started again. */
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , path = ''] = process.argv
  const { model, counter, fit } = prepared('memory')
  const backup: CallbackHooks = new callbacks.BackupAndRestore(path, { saveFreq: 2, deleteOnEnd: false })
  const slow: CallbackHooks = {
    onTrainBatchBegin: async () => {
      await new Promise((resolve) => setTimeout(resolve, 3))
    },
  }
  process.stdout.write('training\n')
  const history = await fit({ epochs: 6, callbacks: [counter, slow, backup] })
  process.stdout.write(`fingerprint ${fingerprint(model, history)}\n`)
}

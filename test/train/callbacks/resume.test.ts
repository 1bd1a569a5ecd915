import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { callbacks, manualSeed, nn, optim, rand, type CallbackHooks } from 'neuroxide'
import { emptyFolder } from './stage.js'

interface Ended {
  readonly weights: unknown[]
  readonly losses: readonly number[]
  readonly valLosses: readonly number[]
  readonly lr: number
  readonly csv: string
  readonly best: number | null
  readonly bestEpoch: number
}

const killed = new Error('killed')

/** The same program each time: 24 samples, 3 batches an epoch; `kill` is the batch after which it dies. */
async function program(
  folder: string,
  seed: number,
  saveFreq: 'epoch' | number,
  kill = Infinity,
  worse = Infinity,
): Promise<Ended> {
  manualSeed(3)
  const [x, y] = [rand([32, 4]), rand([32, 1])]
  const net = new nn.Sequential(new nn.Linear(4, 8), new nn.Tanh(), new nn.Dropout(0.25), new nn.Linear(8, 1))
  manualSeed(seed)
  const optimizer = new optim.AdamW(net.parameters(), { lr: 0.05 })
  const model = net.compile({ optimizer, loss: 'mse', metrics: ['mae'] })
  const csv = join(folder, 'log.csv')
  const stopping = new callbacks.EarlyStopping({ patience: 4, restoreBestWeights: true })
  const schedule = new optim.lrScheduler.SequentialLR(optimizer, {
    schedulers: [
      new optim.lrScheduler.LinearLR(optimizer, { startFactor: 0.1, totalIters: 4 }),
      new optim.lrScheduler.ExponentialLR(optimizer, { gamma: 0.98 }),
    ],
    milestones: [4],
  })
  let batches = 0
  const killer: CallbackHooks = {
    // From this epoch on nothing gets better.
    onEpochBegin: (epoch) => {
      if (epoch >= worse) for (const parameter of model.parameters()) parameter.copyFrom(7)
    },
    onTrainBatchEnd: () => {
      batches += 1
      if (batches > kill) throw killed
    },
  }
  const backup = join(folder, 'backup.safetensors')
  const history = await model.fit(x, y, {
    epochs: 9,
    batchSize: 8,
    validationSplit: 0.25,
    verbose: 0,
    callbacks: [
      killer,
      stopping,
      new callbacks.ReduceLROnPlateau({ monitor: 'valMae', patience: 1, cooldown: 1, factor: 0.7 }),
      new callbacks.LearningRateScheduler(schedule, { per: 'batch' }),
      new callbacks.CSVLogger(csv),
      new callbacks.BackupAndRestore(backup, { saveFreq, deleteOnEnd: false }),
    ],
  })
  return {
    weights: model.parameters().map((parameter) => parameter.toArray()),
    losses: history.loss,
    valLosses: history.valLoss,
    lr: optimizer.lr,
    csv: readFileSync(csv, 'utf8'),
    best: stopping.best,
    bestEpoch: stopping.bestEpoch,
  }
}

describe('a training with callbacks goes on after it was killed', () => {
  test.each([
    ['epoch', 4],
    ['epoch', 11],
    ['epoch', 17],
    [1, 1],
    [2, 5],
    [2, 12],
    [4, 15],
    [5, 20],
  ] as const)('saved per %s, killed after batch %i', async (saveFreq, kill) => {
    const whole = await program(emptyFolder(), 1, saveFreq)
    const folder = emptyFolder()
    await expect(program(folder, 1, saveFreq, kill)).rejects.toBe(killed)
    expect(existsSync(join(folder, 'backup.safetensors'))).toBe(true)
    // Another process has other random numbers when it begins.
    const resumed = await program(folder, 2, saveFreq)
    expect(resumed).toEqual(whole)
  })

  test('the weights of a best epoch before it are restored in the end', async () => {
    const whole = await program(emptyFolder(), 1, 2, Infinity, 3)
    expect([whole.bestEpoch, whole.losses.length]).toEqual([2, 7])
    const folder = emptyFolder()
    await expect(program(folder, 1, 2, 14, 3)).rejects.toBe(killed)
    expect(await program(folder, 2, 2, Infinity, 3)).toEqual(whole)
  })

  test('killed twice', async () => {
    const whole = await program(emptyFolder(), 1, 2)
    const folder = emptyFolder()
    await expect(program(folder, 1, 2, 7)).rejects.toBe(killed)
    await expect(program(folder, 2, 2, 7)).rejects.toBe(killed)
    expect(await program(folder, 3, 2)).toEqual(whole)
  })
})

describe('BackupAndRestore', () => {
  test('removes its file when the training has ended, unless it is to stay', async () => {
    const path = join(emptyFolder(), 'deep', 'backup.safetensors')
    const model = new nn.Sequential(new nn.Linear(4, 1)).compile({ optimizer: 'adam', loss: 'mse' })
    const seen: boolean[] = []
    const looking = { onEpochEnd: () => void seen.push(existsSync(path)) }
    const backup = new callbacks.BackupAndRestore(path)
    const options = { epochs: 2, verbose: 0, callbacks: [backup, looking] } as const
    await model.fit(rand([8, 4]), rand([8, 1]), options)
    expect(seen).toEqual([true, true])
    expect(existsSync(path)).toBe(false)
    expect(backup.resumeFrom()).toBeNull()
  })
})

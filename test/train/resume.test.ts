import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import {
  BusyError,
  type CallbackHooks,
  callbacks,
  type FitOptions,
  io,
  manualSeed,
  nn,
  randn,
  zeros,
} from 'neuroxide'
import { fingerprint, type Kind, kinds, prepared } from './resumed-program.js'

const folder = mkdtempSync(join(tmpdir(), 'resume-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const epochs = 3

/** Saves after each hook of a kind, under the number of the saving. */
function saving(
  hook: 'onEpochEnd' | 'onTrainBatchEnd' | 'onTrainBatchBegin' | 'onEpochBegin',
  model: nn.Sequential,
  files: string[],
): CallbackHooks {
  return {
    [hook]: async () => {
      const path = join(folder, `${hook}-${files.length}.safetensors`)
      await model.save(path, { optimizer: true })
      files.push(path)
    },
  }
}

test('a saving that no hook waits for is of the moment of the hook', async () => {
  const net = new nn.Sequential(new nn.Linear(64, 256), new nn.Linear(256, 1))
  const model = net.compile({ optimizer: 'adam', loss: 'mse' })
  const savings: Promise<void>[] = []
  const weights: unknown[] = []
  // More at once than there are threads that write: later ones are written when the training is over.
  const file = (i: number): string => join(folder, `unawaited-${i}.safetensors`)
  const onTrainBatchEnd = (): void => {
    weights.push(model.stateDict()['0.weight']?.toArray())
    savings.push(model.save(file(savings.length), { optimizer: true }))
  }
  const [x, y] = [randn([64, 64]), randn([64, 1])]
  await model.fit(x, y, { epochs: 10, batchSize: 16, verbose: 0, callbacks: [{ onTrainBatchEnd }] })
  await Promise.all(savings)
  expect(savings).toHaveLength(40)
  for (const [i, wanted] of weights.entries()) {
    const { tensors, metadata } = await io.loadTensors(file(i))
    expect(tensors.get('0.weight')?.toArray()).toEqual(wanted)
    const { optimizer, position } = JSON.parse(metadata.get('training') ?? '')
    expect(optimizer.steps['0']).toBe(i + 1)
    expect(position).toMatchObject({ epoch: Math.floor(i / 4), step: (i % 4) + 1 })
  }
})

describe.each(kinds)('a training over %s', (kind: Kind) => {
  test.each(['onEpochEnd', 'onTrainBatchEnd', 'onTrainBatchBegin', 'onEpochBegin'] as const)(
    'goes on from every %s to the same bytes and the same history',
    async (hook) => {
      const straight = prepared(kind)
      const files: string[] = []
      const history = await straight.fit({
        epochs,
        callbacks: [straight.counter, saving(hook, straight.model, files)],
      })
      const wanted = fingerprint(straight.model, history)
      expect(files.length).toBeGreaterThanOrEqual(epochs)
      const some =
        hook === 'onEpochEnd' || hook === 'onEpochBegin' ? files : files.filter((_, i) => i % 3 === 1)
      for (const resume of some) {
        // Another process has drawn other numbers and made other weights.
        manualSeed(99)
        const again = prepared(kind, false)
        const rest = await again.fit({ epochs, resume, callbacks: [again.counter, { [hook]: () => {} }] })
        expect(fingerprint(again.model, rest)).toBe(wanted)
        expect(again.counter.calls).toBe(straight.counter.calls)
      }
    },
    60_000,
  )

  test('is the same whether it asks after each batch or not', async () => {
    const plain = prepared(kind)
    const first = await plain.fit({ epochs })
    const asked = prepared(kind)
    const second = await asked.fit({
      epochs,
      callbacks: [{ onTrainBatchEnd: async () => await Promise.resolve() }],
    })
    expect(fingerprint(asked.model, second)).toBe(fingerprint(plain.model, first))
  })
})

describe('killed at random moments', () => {
  const program = fileURLToPath(new URL('resumed-program.ts', import.meta.url))

  function child(threads: number, path: string): ChildProcess {
    const flags = ['--import', 'tsx', program, path]
    return spawn(process.execPath, flags, {
      env: { ...process.env, NEUROXIDE_THREADS: String(threads) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }

  async function outputOf(process: ChildProcess, killAfter: number | null): Promise<string | null> {
    let text = ''
    process.stdout?.on('data', (part: Buffer) => {
      text += part.toString()
      // The clock starts when the training does: what comes before teaches nothing.
      if (killAfter !== null && text.includes('training'))
        setTimeout(() => process.kill('SIGKILL'), killAfter)
    })
    const code = await new Promise<number | null>((resolve) => process.on('exit', resolve))
    return code === 0 ? (/fingerprint (\w+)/.exec(text)?.[1] ?? null) : null
  }

  test('and started again with other threads until it is done, a training ends in the same bytes', async () => {
    const wanted = await outputOf(child(1, join(folder, 'whole.safetensors')), null)
    expect(wanted).toMatch(/^[\da-f]{64}$/)
    const path = join(folder, 'killed.safetensors')
    let [kills, result] = [0, null as string | null]
    for (let attempt = 0; result === null && attempt < 40; attempt += 1) {
      const wait = 5 + ((attempt * 37) % 120)
      result = await outputOf(child(attempt % 2 === 0 ? 3 : 1, path), attempt < 8 ? wait : null)
      if (result === null) kills += 1
    }
    expect(result).toBe(wanted)
    expect(kills).toBeGreaterThanOrEqual(4)
  }, 180_000)
})

describe('what cannot be resumed is refused', () => {
  const made = (options: { optimizer?: 'sgd' | 'adam'; metrics?: ['mae'] } = {}): nn.Sequential =>
    new nn.Sequential(new nn.Linear(2, 1)).compile({
      optimizer: options.optimizer ?? 'adam',
      loss: 'mse',
      metrics: options.metrics ?? [],
    }) as nn.Sequential
  const [x, y] = [randn([16, 2]), zeros([16, 1])]
  const quiet: FitOptions = { verbose: 0, batchSize: 4 }
  const path = join(folder, 'other.safetensors')

  test('another batch size, other metrics, another optimizer, a file that is not there', async () => {
    const model = made()
    await model.fit(x, y, quiet)
    await model.save(path, { optimizer: true })
    await expect(made().fit(x, y, { ...quiet, batchSize: 8, resume: path })).rejects.toThrow(
      'batchSize is 8 and was 4',
    )
    await expect(
      made().fit(x.narrow(0, 0, 8), y.narrow(0, 0, 8), { ...quiet, resume: path }),
    ).rejects.toThrow('samples is 8 and was 16')
    await expect(made({ metrics: ['mae'] }).fit(x, y, { ...quiet, resume: path })).rejects.toThrow(
      'loss, mae',
    )
    await expect(made().fit(x, y, { ...quiet, resume: join(folder, 'none') })).rejects.toMatchObject({
      code: 'ERR_FILE',
    })
    // More epochs go on from the end.
    const more = await made().fit(x, y, { ...quiet, epochs: 3, resume: path })
    expect(more.epoch).toEqual([0, 1, 2])
  })

  test('a save between two hooks of a running training', async () => {
    const model = made()
    const training = model.fit(x, y, { ...quiet, epochs: 50_000, signal: AbortSignal.timeout(400) })
    await new Promise((resolve) => setTimeout(resolve, 50))
    await expect(model.save(path, { optimizer: true })).rejects.toThrow(BusyError)
    await model.save(join(folder, 'weights-only.safetensors'))
    await expect(training).rejects.toThrow()
  })
})

test('a stop that a callback asked for is part of the state', async () => {
  const fitted = prepared('memory')
  const file = join(folder, 'stopped.safetensors')
  const stopping: CallbackHooks = {
    onEpochEnd: async () => {
      fitted.model.stopTraining = true
      await fitted.model.save(file, { optimizer: true })
    },
  }
  const history = await fitted.fit({ epochs: 9, callbacks: [fitted.counter, stopping] })
  expect(history.epoch).toEqual([0])
  const again = prepared('memory', false)
  const rest = await again.fit({
    epochs: 9,
    resume: file,
    callbacks: [again.counter, { onEpochEnd: () => {} }],
  })
  expect(fingerprint(again.model, rest)).toBe(fingerprint(fitted.model, history))
})

test('a file that is saved after fit has what the callbacks have counted', async () => {
  const [x, y] = [randn([32, 3]), randn([32, 1])]
  const made = (): nn.Sequential => {
    const net: nn.Sequential = new nn.Sequential(new nn.Linear(3, 1))
    net.compile({ optimizer: 'adam', loss: 'mse' })
    return net
  }
  const quiet = (): FitOptions => ({
    verbose: 0,
    callbacks: [new callbacks.EarlyStopping({ monitor: 'loss', minDelta: 10, patience: 3 })],
  })
  const straight = await made().fit(x, y, { ...quiet(), epochs: 9 })
  expect(straight.epoch).toEqual([0, 1, 2, 3])
  const first = made()
  await first.fit(x, y, { ...quiet(), epochs: 2 })
  const file = join(folder, 'after-fit.safetensors')
  await first.save(file, { optimizer: true })
  const rest = await made().fit(x, y, { ...quiet(), epochs: 9, resume: file })
  expect(rest.epoch).toEqual(straight.epoch)
})

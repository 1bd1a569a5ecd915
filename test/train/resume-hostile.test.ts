import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FitOptions, io, type Loader, nn, randn, type Tensor } from 'neuroxide'

const folder = mkdtempSync(join(tmpdir(), 'resume-hostile-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const [x, y] = [randn([64, 3]), randn([64, 1])]
const quiet: FitOptions = { verbose: 0, batchSize: 16, epochs: 3, seed: 3 }

interface Position {
  step: unknown
  seen: unknown
  sums: unknown
  offset: unknown
  feed: { taken: unknown } | null
}

/** The JSON of a training, as far as it is forged here. */
interface Told {
  version: unknown
  position: Position
  past: unknown
  batches: unknown
  pending: unknown
  names: unknown
  extent: unknown
  optimizer: { steps: unknown; groups: unknown }
  callbacks: unknown
}

function made(): nn.Sequential {
  const net: nn.Sequential = new nn.Sequential(new nn.Linear(3, 1))
  net.compile({ optimizer: 'adam', loss: 'mse', metrics: ['mae', 'r2'] })
  return net
}

const endless: Loader = {
  *[Symbol.iterator]() {
    for (;;) yield { x: x.narrow(0, 0, 16), y: y.narrow(0, 0, 16) }
  },
}

interface Saved {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly metadata: ReadonlyMap<string, string>
}
let [memory, stream] = [null as Saved | null, null as Saved | null]

async function savedOf(fit: (model: nn.Sequential, options: FitOptions) => Promise<unknown>): Promise<Saved> {
  const [model, file] = [made(), join(folder, 'sound.safetensors')]
  let batches = 0
  const dying = {
    onTrainBatchEnd: async (): Promise<void> => {
      batches += 1
      if (batches < 6) return
      await model.save(file, { optimizer: true })
      throw new Error('crash')
    },
  }
  await expect(fit(model, { ...quiet, callbacks: [dying] })).rejects.toThrow('crash')
  return await io.loadTensors(file)
}

beforeAll(async () => {
  memory = await savedOf((model, options) => model.fit(x, y, options))
  stream = await savedOf((model, options) => model.fit(endless, { ...options, stepsPerEpoch: 4 }))
})

async function forged(saved: Saved | null, change: (told: Told) => string | void): Promise<string> {
  if (saved === null) throw new Error('saved before all tests')
  const told = JSON.parse(saved.metadata.get('training') ?? '') as Told
  const text = change(told) ?? JSON.stringify(told)
  const file = join(folder, 'forged.safetensors')
  await io.saveTensors(file, saved.tensors, { metadata: new Map([...saved.metadata, ['training', text]]) })
  return file
}

async function refusal(fit: (model: nn.Sequential) => Promise<unknown>): Promise<unknown> {
  const model = made()
  const before = JSON.stringify(model.parameters().map((own) => own.toArray()))
  const error: unknown = await fit(model).then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(JSON.stringify(model.parameters().map((own) => own.toArray()))).toBe(before)
  return error
}

test('what was not changed goes on', async () => {
  const resume = await forged(memory, () => {})
  expect((await made().fit(x, y, { ...quiet, resume })).epoch).toEqual([0, 1, 2])
})

const deep = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

test.each([
  ['more steps than an epoch has', (t) => void Object.assign(t, { pending: null }, (t.position.step = 9e15))],
  ['a step that is none', (t) => void (t.position.step = 1.5)],
  ['samples that are no number', (t) => void (t.position.seen = { $number: 'NaN' })],
  ['samples below none', (t) => void (t.position.seen = -1)],
  ['no sums', (t) => void (t.position.sums = [])],
  ['sums of another metric', (t) => void (t.position.sums = [[1, 2]])],
  ['epochs with too few numbers', (t) => void (t.past = [{ epoch: 0, values: [], validation: null }])],
  ['epochs with too many', (t) => void (t.past = [{ epoch: 0, values: [1, 2, 3, 4], validation: null }])],
  ['validation of one number', (t) => void (t.past = [{ epoch: 0, values: [1, 2, 3], validation: [1] }])],
  [
    'a hook of another batch',
    (t) => void (t.pending = { hook: 'onTrainBatchEnd', index: 3, logs: {}, from: 0 }),
  ],
  ['a hook that is none', (t) => void (t.pending = { hook: '__proto__', index: 1, logs: {}, from: 0 })],
  ['steps of the optimizer below 0', (t) => void (t.optimizer.steps = { 0: -1, 1: 2 })],
  ['no groups', (t) => void (t.optimizer.groups = null)],
  ['another loop that is none', (t) => void (t.extent = { loop: 'worker' })],
  ['another version', (t) => void (t.version = 99)],
  ['a callback nested deeply', (t) => void (t.callbacks = [JSON.parse(deep(1000))])],
  ['nothing but depth', () => deep(200_000)],
] as [string, (told: Told) => string | void][])(
  '%s is refused before anything is written',
  async (_, change) => {
    const resume = await forged(memory, change)
    expect(await refusal((model) => model.fit(x, y, { ...quiet, resume }))).toMatchObject({
      code: 'ERR_FORMAT',
    })
  },
)

test('batches taken of an endless loader are bounded by the training', async () => {
  const resume = await forged(stream, ({ position }) => {
    if (position.feed === null) throw new Error('a loader has a place')
    position.feed.taken = 9e15
  })
  const error = await refusal((model) => model.fit(endless, { ...quiet, stepsPerEpoch: 4, resume }))
  expect(error).toMatchObject({ code: 'ERR_FORMAT' })
  expect((error as Error).message).toContain('batches taken of the loader; expected at most 7')
})

test('a state of a callback that holds itself is refused when it is saved', async () => {
  const model = made()
  const around: { self?: unknown } = {}
  around.self = around
  const file = join(folder, 'around.safetensors')
  const hooks = { onEpochEnd: () => model.save(file, { optimizer: true }), state: () => around }
  await expect(model.fit(x, y, { ...quiet, callbacks: [hooks] })).rejects.toThrow('or holds itself')
})

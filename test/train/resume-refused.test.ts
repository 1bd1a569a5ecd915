import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type CallbackHooks,
  type CompileOptions,
  type FitOptions,
  type Tensor,
  data,
  detectAnomaly,
  io,
  nn,
  optim,
  randn,
} from 'neuroxide'

const folder = mkdtempSync(join(tmpdir(), 'resume-refused-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const [x, y] = [randn([64, 3]), randn([64, 1])]
const quiet: FitOptions = { verbose: 0, batchSize: 16, epochs: 3, seed: 3 }
const path = join(folder, 'saved.safetensors')

type Compiling = Partial<CompileOptions> & {
  readonly make?: (parameters: Tensor[]) => CompileOptions['optimizer']
}

function made({ make, ...more }: Compiling = {}): nn.Sequential {
  const net: nn.Sequential = new nn.Sequential(new nn.Linear(3, 1))
  const optimizer = make?.(net.parameters()) ?? 'adam'
  net.compile({ optimizer, loss: 'mse', ...more } as CompileOptions)
  return net
}

/** Saved in the middle of the second epoch, and ended there. */
async function savedWith(compiling: Compiling, file = path, more: FitOptions = {}): Promise<void> {
  const model = made(compiling)
  let batches = 0
  const dying: CallbackHooks = {
    onTrainBatchEnd: async () => {
      batches += 1
      if (batches < 6) return
      await model.save(file, { optimizer: true })
      throw new Error('crash')
    },
  }
  await expect(model.fit(x, y, { ...quiet, ...more, callbacks: [dying] })).rejects.toThrow('crash')
}

/** Everything of a model that a training writes. */
function numbersOf(model: nn.Sequential): string {
  const optimizer = model.optimizer as unknown as optim.Optimizer
  const tensors = [...model.parameters(), ...Object.values(model.ema?.stateDict().averages ?? {})]
  const { state, param_groups: groups } = optimizer.stateDict()
  const own = Object.values(state).flatMap((held) => Object.values(held))
  const told = own.map((value) => (typeof value === 'number' ? value : value.toArray()))
  return JSON.stringify([tensors.map((held) => held.toArray()), told, groups])
}

/** What a resume is refused with; nothing may have been written. */
async function refused(
  compiling: Compiling,
  more: FitOptions = {},
  fit?: (model: nn.Sequential, options: FitOptions) => Promise<unknown>,
): Promise<{ readonly code: string; readonly message: string }> {
  const model = made(compiling)
  const before = numbersOf(model)
  const options = { ...quiet, resume: path, ...more }
  const error: unknown = await (fit?.(model, options) ?? model.fit(x, y, options)).then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).not.toBeNull()
  expect(numbersOf(model)).toBe(before)
  return error as { code: string; message: string }
}

describe('a state of another training is refused, and nothing is written', () => {
  beforeAll(async () => {
    await savedWith({})
  })

  test('the same training goes on', async () => {
    const history = await made().fit(x, y, { ...quiet, resume: path })
    expect(history.epoch).toEqual([0, 1, 2])
  })

  test.each([
    ['another batch size', {}, { batchSize: 8 }, 'batchSize is 8 and was 16'],
    ['no shuffling', {}, { shuffle: false }, 'shuffle is false and was true'],
    ['a number of steps', {}, { stepsPerEpoch: 2 }, 'stepsPerEpoch is 2 and was not given'],
    ['shared steps', { gradientAccumulationSteps: 3 }, {}, 'gradientAccumulationSteps is 3 and was 1'],
    ['averages', { ema: 0.9 }, {}, 'ema is 0.9 and was not given'],
    ['clipping', { clipNorm: 1 }, {}, 'clipping is norm 1 and was not given'],
    ['validation of batches', {}, { validationData: [{ x, y }] }, 'over batches from JavaScript'],
  ] as [string, Compiling, FitOptions, string][])('%s', async (_, compiling, more, message) => {
    const error = await refused(compiling, more)
    expect(error.code).toBe('ERR_VALUE')
    expect(error.message).toContain(message)
    expect(error.message).toMatch(/expected the same\. Give (compile|fit)/)
  })

  test('a loader that leaves the last batch out', async () => {
    const loader = new data.DataLoader(new data.TensorDataset(x, y), {
      batchSize: 16,
      shuffle: true,
      dropLast: true,
    })
    const { message } = await refused({}, {}, (model, options) => model.fit(loader, options))
    expect(message).toContain('dropLast is true and was false')
  })

  test('a search for anomalies, which goes batch by batch', async () => {
    const { message } = await refused({}, {}, (model, options) =>
      detectAnomaly(async () => await model.fit(x, y, options)),
    )
    expect(message).toContain('look for anomalies in both or in neither')
  })

  test.each([
    ['sgd', { optimizer: 'sgd' }, 'the state of Adam for SGD'],
    ['rmsprop', { optimizer: 'rmsprop' }, 'the state of Adam for RMSprop'],
    ['adamw', { optimizer: 'adamw' }, 'the state of Adam for AdamW'],
    [
      'epsilon in another place',
      { make: (parameters) => new optim.Adam(parameters, { epsMode: 'keras' }) },
      'the state of Adam for Adam (epsMode keras)',
    ],
    [
      'groups',
      { make: (parameters) => new optim.Adam(parameters.map((own) => ({ params: [own] }))) },
      'groups of the parameters 0 1; expected 0, 1',
    ],
  ] as [string, Compiling, string][])('another optimizer: %s', async (_, compiling, message) => {
    const error = await refused(compiling)
    expect(error.code).toBe('ERR_OPTIMIZER_STATE')
    expect(error.message).toContain(message)
  })

  test('a hyperparameter that decides about state', async () => {
    const { message } = await refused({ make: (own) => new optim.Adam(own, { amsgrad: true }) })
    expect(message).toMatch(/max_exp_avg_sq|amsgrad/)
  })
})

test.each([
  ['averages', { ema: 0.9 }, 'ema is not given and was 0.9'],
  ['shared steps', { gradientAccumulationSteps: 3 }, 'gradientAccumulationSteps is 1 and was 3'],
  ['another limit', { globalClipNorm: 2 }, 'clipping is not given and was global 2'],
] as [string, Compiling, string][])(
  'what a state has and compile does not say: %s',
  async (_, more, message) => {
    await savedWith(more)
    expect((await refused({})).message).toContain(message)
  },
)

test('a loop over batches does not go on in memory', async () => {
  await savedWith({}, path, { validationData: [{ x, y }] })
  const { message } = await refused({}, { validationData: [x, y] })
  expect(message).toContain('over tensors in memory and the saved one went over batches from JavaScript')
})

test('moments that are missing are missed', async () => {
  await savedWith({})
  const { tensors, metadata } = await io.loadTensors(path)
  const kept = new Map([...tensors].filter(([name]) => !name.endsWith('.exp_avg')))
  await io.saveTensors(path, kept, { metadata })
  const error = await refused({})
  expect(error).toMatchObject({ code: 'ERR_OPTIMIZER_STATE' })
  expect(error.message).toContain('exp_avg of parameter 0 is missing')
})

test('loadStateDict writes nothing where a later group does not fit, and asks for all moments after a step', () => {
  const [a, b] = [new nn.Parameter(randn([2])), new nn.Parameter(randn([2]))]
  const optimizer = new optim.Adam([{ params: [a] }, { params: [b] }])
  const state = optimizer.stateDict()
  const [first, second] = state.param_groups
  if (first === undefined || second === undefined) throw new Error('two groups have two entries')
  const groups = [
    { ...first, lr: 0.5 },
    { ...second, lr: -1 },
  ]
  expect(() => optimizer.loadStateDict({ state: state.state, param_groups: groups })).toThrow('-1 as lr')
  expect(optimizer.paramGroups.map(({ lr }) => lr)).toEqual([0.001, 0.001])
  const partly = { ...state.state, 1: { step: 4, exp_avg: randn([2]) } }
  expect(() => optimizer.loadStateDict({ state: partly, param_groups: state.param_groups })).toThrow(
    'exp_avg_sq of parameter 1 is undefined; expected [2]',
  )
  expect(optimizer.stateDict().state['1']).toMatchObject({ step: 0 })
})

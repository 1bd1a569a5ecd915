// Trainings draw from streams of their own, which belong to where the random numbers of the program stand.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type CallbackHooks, manualSeed, nn, randn, rngState, setRngState } from 'neuroxide'

const folder = mkdtempSync(join(tmpdir(), 'streams-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function compiled() {
  return new nn.Sequential(new nn.Linear(3, 8), new nn.Dropout(0.3), new nn.Linear(8, 1)).compile({
    optimizer: 'adam',
    loss: 'mse',
  })
}

test('the same state of the random numbers gives the same training', async () => {
  manualSeed(7)
  const [x, y] = [randn([64, 3]), randn([64, 1])]
  const losses = async (): Promise<readonly number[]> =>
    (await compiled().fit(x, y, { epochs: 2, verbose: 0 })).loss
  const state = rngState()
  const first = await losses()
  expect(rngState().forks).toBe(1)
  expect(await losses()).not.toEqual(first)
  setRngState(state)
  expect(await losses()).toEqual(first)
  expect(rngState().forks).toBe(1)
})

test.each(['onTrainBegin', 'onEpochBegin', 'onEpochEnd'] as const)(
  'a training saved in %s of a program that has evaluated goes on bit-equal, and so does the next',
  async (hook) => {
    const path = join(folder, `${hook}.safetensors`)
    const program = async (resumed: boolean): Promise<unknown> => {
      manualSeed(7)
      const [x, y] = [randn([64, 3]), randn([64, 1])]
      const model = compiled()
      if (!resumed) for (let i = 0; i < 3; i += 1) await model.evaluate(x, y)
      let saved = resumed
      const saves: CallbackHooks = {
        [hook]: async () => {
          if (!saved) await model.save(path, { optimizer: true })
          saved = true
        },
      }
      const options = { epochs: 3, batchSize: 16, verbose: 0, callbacks: [saves] } as const
      const history = await model.fit(x, y, resumed ? { ...options, resume: path } : options)
      const next = await model.fit(x, y, { epochs: 1, batchSize: 16, verbose: 0 })
      return [history.loss, next.loss, rngState()]
    }
    const whole = await program(false)
    expect(await program(true)).toEqual(whole)
  },
)

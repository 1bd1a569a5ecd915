import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runGolden } from './runner.js'

const folder = fileURLToPath(new URL('keras', import.meta.url))

type Json = Record<string, unknown>

describe('a folder of Keras runs that nobody here has seen', () => {
  const dir = mkdtempSync(join(tmpdir(), 'golden-keras-'))

  /** Puts a run into the folder as another one, with some of its settings changed. */
  function put(name: string, from: string, changes: (run: Json) => Json): void {
    const run = JSON.parse(readFileSync(join(folder, `${from}.json`), 'utf8')) as Json
    writeFileSync(join(dir, 'keras', `${name}.json`), JSON.stringify({ ...run, ...changes(run) }))
    cpSync(join(folder, `${from}.safetensors`), join(dir, 'keras', `${name}.safetensors`))
  }

  beforeAll(() => {
    mkdirSync(join(dir, 'keras'))
    put('same', 'binary', () => ({}))
    put('spelt', 'regression', () => ({ loss: 'MeanSquaredError', metrics: [] }))
    put('other-loss', 'binary', () => ({ loss: 'dice' }))
    put('other-metric', 'binary', () => ({ metrics: ['f1_score'] }))
    put('other-optimizer', 'binary', () => ({ optimizer: { name: 'Lion', learning_rate: 0.1 } }))
    put('other-setting', 'binary', ({ optimizer }) => ({
      optimizer: { ...(optimizer as Json), use_ema: true },
    }))
    put('other-layer', 'binary', () => ({ layers: [{ units: 5, activation: 'glu' }] }))
    put('other-key', 'binary', () => ({ dropout: 0.5 }))
    put('other-penalty', 'sparse-l2', () => ({ kernel_regularizer_of_the_first_layer: ['orthogonal', 1] }))
    put('other-rate', 'binary', ({ optimizer }) => ({
      optimizer: { ...(optimizer as Json), learning_rate: 0.0011 },
    }))
    put('other-place', 'regression', ({ optimizer }) => ({
      optimizer: { ...(optimizer as Json), epsilon: 1e-4 },
    }))
    const decayed = (name: string, more: Json): Json => ({ optimizer: { name, weight_decay: 0.1, ...more } })
    put('other-decay', 'binary', () => decayed('SGD', { momentum: 0.9 }))
    put('other-adaptive-decay', 'binary', () => decayed('rmsprop', {}))
    put('other-schedule', 'binary', () => ({
      optimizer: { name: 'adam', learning_rate: { class_name: 'x' } },
    }))
    put('lower-case', 'regression', ({ optimizer }) => {
      const settings = optimizer as Json
      return { optimizer: { ...settings, name: String(settings['name']).toLowerCase() } }
    })
    put('penalty-of-its-own', 'sparse-l2', (run) => {
      const [first, ...more] = run['layers'] as Json[]
      const l2 = (run['kernel_regularizer_of_the_first_layer'] as unknown[])[1]
      const kernel_regularizer = { class_name: 'L2', config: { l2 } }
      return {
        kernel_regularizer_of_the_first_layer: null,
        layers: [{ ...first, kernel_regularizer }, ...more],
      }
    })
    put('penalty-elsewhere', 'sparse-l2', (run) => ({
      kernel_regularizer_of_the_first_layer: null,
      kernel_regularizer_of_the_last_layer: run['kernel_regularizer_of_the_first_layer'],
    }))
    put('penalty-nowhere', 'sparse-l2', () => ({ kernel_regularizer_of_the_fourth_layer: ['l2', 0.1] }))
    put('other-weights', 'class-weight', () => ({ class_weight: { 0: 1, 1: 2 } }))
    put('no-penalty', 'sparse-l2', () => ({ kernel_regularizer_of_the_first_layer: null }))
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  test('is run, what differs fails, and what cannot be expressed is named with why', async () => {
    const report = await runGolden(dir)
    expect(report.failures.map((failure) => failure.split(':')[0])).toEqual([
      'keras/no-penalty',
      'keras/other-place',
      'keras/other-rate',
      'keras/other-weights',
      'keras/penalty-elsewhere',
    ])
    expect(report.passed).toBe(4)
    const off = 'weight_decay off the weights themselves, where ours goes into the'
    expect(report.unsupported).toEqual([
      `keras/other-adaptive-decay (optimizer rmsprop: ${off} adapted gradients)`,
      `keras/other-decay (optimizer SGD: ${off} momentum)`,
      'keras/other-key (dropout)',
      'keras/other-layer (glu)',
      'keras/other-loss (loss dice)',
      'keras/other-metric (f1_score)',
      'keras/other-optimizer (optimizer Lion)',
      'keras/other-penalty (regularizer)',
      'keras/other-schedule (optimizer adam: a schedule as learning_rate)',
      'keras/other-setting (optimizer Adam: use_ema)',
      'keras/penalty-nowhere (kernel_regularizer_of_the_fourth_layer)',
    ])
  }, 60_000)
})

describe('a folder that is one of Keras runs itself', () => {
  const dir = mkdtempSync(join(tmpdir(), 'golden-keras-flat-'))
  afterAll(() => rmSync(dir, { recursive: true }))

  test('is run, whatever else lies in it', async () => {
    for (const name of ['binary', 'regression'])
      for (const end of ['json', 'safetensors'])
        cpSync(join(folder, `${name}.${end}`), join(dir, `${name}.${end}`))
    writeFileSync(join(dir, 'package.json'), '{ "name": "no run" }')
    writeFileSync(join(dir, 'notes.json'), 'no JSON')
    const report = await runGolden(dir)
    expect([report.passed, report.failures]).toEqual([2, []])
    expect(report.supported).toEqual(['keras/binary', 'keras/regression'])
  })

  test('fails where a run of it cannot be read', async () => {
    rmSync(join(dir, 'binary.safetensors'))
    writeFileSync(join(dir, 'regression.json'), '{ "layers": ')
    const { passed, failures } = await runGolden(dir)
    expect(passed).toBe(0)
    expect(failures.map((failure) => failure.split(':')[0])).toEqual(['keras/binary', 'keras/regression'])
  })
})

describe('a folder with nothing that is known', () => {
  test.each([
    ['empty', () => {}],
    ['with an empty keras/', (dir: string) => mkdirSync(join(dir, 'keras'))],
    ['with other files', (dir: string) => writeFileSync(join(dir, 'a.json'), '{ "layers": [] }')],
  ])('fails and says what was expected: %s', async (_, prepare) => {
    const dir = mkdtempSync(join(tmpdir(), 'golden-nothing-'))
    try {
      prepare(dir)
      const { passed, failures } = await runGolden(dir)
      expect([passed, failures.length]).toEqual([0, 1])
      expect(failures[0]).toMatch(
        /: nothing in it is known; expected ops\/manifest\.json, .* or runs of Keras/,
      )
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})

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
    ])
    expect(report.passed).toBe(2)
    expect(report.unsupported).toEqual([
      'keras/other-key (dropout)',
      'keras/other-layer (glu)',
      'keras/other-loss (loss dice)',
      'keras/other-metric (f1_score)',
      'keras/other-optimizer (optimizer Lion)',
      'keras/other-penalty (regularizer)',
      'keras/other-setting (optimizer Adam)',
    ])
  }, 60_000)
})

import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tensor } from 'neuroxide'
import { Arguments } from './arguments.js'
import { drift, mismatch, weightDrift } from './compare.js'
import type { Report } from './report.js'
import { runGolden } from './runner.js'
import type { Stored } from './safetensors.js'

const folder = fileURLToPath(new URL('.', import.meta.url))
const committed = JSON.parse(readFileSync(join(folder, 'supported.json'), 'utf8')) as {
  readonly passed: number
  readonly supported: readonly string[]
}

describe('the cases of this folder', () => {
  let report: Report

  beforeAll(async () => {
    report = await runGolden(folder)
  }, 600_000)

  test('all pass', () => {
    expect(report.failures).toEqual([])
  })

  test('as many as were counted', () => {
    expect(report.passed).toBe(committed.passed)
  })

  test('support has not shrunk', () => {
    expect(report.supported).toEqual(committed.supported)
    expect(report.unsupported.filter((name) => committed.supported.includes(name))).toEqual([])
  })
})

const floats = (...values: number[]): Stored => ({
  type: 'F64',
  shape: [values.length],
  values: Float64Array.from(values),
})

describe('the comparison', () => {
  test('allows eight times the error of PyTorch, or a little', () => {
    expect(mismatch('y', tensor([1.00001]), floats(1), 0)).toBeNull()
    expect(mismatch('y', tensor([1.00002]), floats(1), 0)).toMatch(
      /^y\[0\] of \[1\] is 1\.0000\d+, expected 1$/,
    )
    expect(mismatch('y', tensor([1.00002]), floats(1), 1e-5)).toBeNull()
    expect(mismatch('y', tensor([1e6]), floats(1e6 + 1.25), 0)).toBeNull()
    expect(mismatch('y', tensor([1e6]), floats(1e6 + 1.5), 0)).not.toBeNull()
  })

  test('takes NaN for NaN only and infinities by sign', () => {
    const special = tensor([NaN, Infinity, -Infinity])
    expect(mismatch('y', special, floats(NaN, Infinity, -Infinity), 0)).toBeNull()
    expect(mismatch('y', special, floats(0, Infinity, -Infinity), 1e9)).not.toBeNull()
    expect(mismatch('y', special, floats(NaN, -Infinity, -Infinity), 1e9)).not.toBeNull()
    expect(mismatch('y', special, floats(NaN, 3e38, -Infinity), 1e9)).not.toBeNull()
    expect(mismatch('y', tensor([1, 2, 3]), floats(NaN, Infinity, 3), Infinity)).not.toBeNull()
  })

  test('takes integers by value, element types and shapes as they are', () => {
    const whole: Stored = { type: 'I64', shape: [2], values: Float64Array.of(3, 4) }
    expect(mismatch('y', tensor([3, 4], { dtype: 'i32' }), whole, 0)).toBeNull()
    expect(mismatch('y', tensor([3, 5], { dtype: 'i32' }), whole, 9)).not.toBeNull()
    expect(mismatch('y', tensor([3, 4]), whole, 0)).toMatch(/dtype f32, expected i32/)
    expect(mismatch('y', tensor([[3, 4]], { dtype: 'i32' }), whole, 0)).toMatch(/shape \[1, 2\]/)
  })

  test('takes trainings relatively', () => {
    expect(drift('loss', [1.00009, 2], [1, 2])).toBeNull()
    expect(drift('loss', [1, NaN], [1, 2])).not.toBeNull()
    expect(drift('loss', [1.0002, 2], [1, 2])).not.toBeNull()
    expect(drift('loss', [1], [1, 2])).not.toBeNull()
    expect(weightDrift('w', tensor([0.0009, 10]), floats(0, 10))).toBeNull()
    expect(weightDrift('w', tensor([0.002, 10]), floats(0, 10))).not.toBeNull()
    expect(weightDrift('w', tensor([NaN, 10]), floats(0, 10))).not.toBeNull()
  })

  test('finds arguments that nobody asked for', () => {
    const a = new Arguments([1, 2], { eps: 1, dim: 0 })
    a.get(0)
    a.get(5, 'dim')
    expect(a.ignored()).toEqual(['argument 1', 'eps'])
  })
})

describe('the command', () => {
  const dir = mkdtempSync(join(tmpdir(), 'golden-'))
  const cases = [
    {
      case: 'abs.0',
      op: 'abs',
      variant: '',
      err: 0,
      outputs: 1,
      grads: [0],
      args: [{ tensor: 'in0' }],
      kwargs: {},
    },
    { case: 'fft.0', op: 'fft', variant: 'real', err: 0, outputs: 1, grads: [], args: [], kwargs: {} },
  ]

  beforeAll(() => {
    mkdirSync(join(dir, 'ops'))
    writeFileSync(join(dir, 'ops', 'manifest.json'), JSON.stringify({ cases }))
    cpSync(join(folder, 'ops', 'abs.safetensors'), join(dir, 'ops', 'abs.safetensors'))
    mkdirSync(join(dir, 'hf-other'))
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  const command = (of = dir): Promise<{ code: number; line: string }> =>
    new Promise((resolve) => {
      const args = ['--import', 'tsx', join(folder, 'run.ts'), '--dir', of, '--json']
      execFile(process.execPath, args, (error, stdout) => {
        resolve({ code: Number(error?.code ?? 0), line: stdout.trimEnd().split('\n').at(-1) ?? '' })
      })
    })

  test('prints one line and ends well where everything passes', async () => {
    const { code, line } = await command()
    const unsupported = ['fft.real', 'hf-other']
    expect(JSON.parse(line)).toEqual({ passed: 1, failed: 0, failures: [], unsupported })
    expect(code).toBe(0)
  })

  test('fails where a folder has nothing that is known', async () => {
    const { code, line } = await command(join(dir, 'hf-other'))
    expect(JSON.parse(line)).toMatchObject({ passed: 0, failed: 1, unsupported: [] })
    expect(line).toContain('nothing in it is known; expected ops/manifest.json')
    expect(code).toBe(1)
  })

  test('names what fails and ends with 1', async () => {
    const path = join(dir, 'ops', 'abs.safetensors')
    const bytes = readFileSync(path)
    const header = Number(bytes.readBigUInt64LE(0))
    const { 'abs.0/grad0': grad } = JSON.parse(bytes.toString('utf8', 8, 8 + header)) as Record<
      string,
      { data_offsets: [number, number] }
    >
    bytes.writeDoubleLE(77, 8 + header + (grad?.data_offsets[0] ?? NaN))
    writeFileSync(path, bytes)
    const { code, line } = await command()
    const { passed, failed, failures } = JSON.parse(line) as ReturnType<Report['toJSON']>
    expect([passed, failed, failures.length]).toEqual([0, 1, 1])
    expect(failures[0]).toMatch(/^ops\/abs\.0: eager: grad0\[0\] of .* expected 77$/)
    expect(code).toBe(1)
  })
})

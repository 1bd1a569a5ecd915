import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { reasonAgainst } from './python.js'

describe('why tests that ask Python are skipped', () => {
  const hint = '; set NEUROXIDE_PYTHON to a Python with numpy, torch'

  test.each([
    [{ path: 'python3', named: false, missing: [] }, ''],
    [{ path: '/venv/python', named: true, missing: ['keras'] as const }, ''],
    [{ path: 'python3', named: false, missing: null }, `python3 does not run${hint}`],
    [{ path: 'python3', named: false, missing: ['torch', 'keras'] as const }, `python3 has no torch${hint}`],
    [{ path: '/no/python', named: true, missing: null }, 'NEUROXIDE_PYTHON=/no/python does not run'],
    [
      { path: '/venv/python', named: true, missing: ['numpy', 'torch'] as const },
      'NEUROXIDE_PYTHON=/venv/python has no numpy, torch',
    ],
  ])('%j', (interpreter, reason) => {
    expect(reasonAgainst(interpreter, ['numpy', 'torch'])).toBe(reason)
  })

  test('a Python that is named and is none is not replaced by another', () => {
    const helper = fileURLToPath(new URL('python.ts', import.meta.url))
    const program = `import { pythonWith } from ${JSON.stringify(helper)}
console.log(JSON.stringify(pythonWith('numpy').skipped))`
    const said = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      encoding: 'utf8',
      env: { ...process.env, NEUROXIDE_PYTHON: '/no/python' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    expect(JSON.parse(said)).toBe(' [SKIPPED: NEUROXIDE_PYTHON=/no/python does not run]')
  })
})

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { execute, root, tsx } from '../pack/project.js'
import { numberOf, patience, printedBy, workplace } from './program.js'

describe('what `npm start` saves', { timeout: patience }, () => {
  test('a new process loads, and shows ten digits, labels and confidences', async () => {
    const folder = workplace()
    expect(numberOf(await printedBy('mnist', folder), 'test accuracy')).toBeGreaterThanOrEqual(97)
    expect(existsSync(join(folder, 'out', 'digits.safetensors'))).toBe(true)
    const output = await printedBy('predict', folder)
    const told = [...output.matchAll(/^label (\d), predicted (\d) with confidence (\d+\.\d) %$/gm)]
    expect(told.map(([, label]) => label).join('')).toBe('7210414959')
    expect(numberOf(output, 'right')).toBeGreaterThanOrEqual(9)
    for (const [, , , confidence] of told) expect(Number(confidence)).toBeGreaterThan(30)
    // The first image is a seven: a bar above, a stem that goes down to the left.
    const rows = output.split('\n').slice(0, 10)
    const middle = (row: string): number => (row.length + row.search(/\S/)) / 2
    expect(rows[1]?.trim().length).toBeGreaterThan(6)
    expect(middle(rows[3] ?? '')).toBeGreaterThan(middle(rows[8] ?? '') + 2)
  })

  test('is asked for, where it is not there yet', async () => {
    const program = join(root, 'examples', 'predict.ts')
    const { code, stdout, stderr } = await execute(process.execPath, ['--import', tsx, program], workplace())
    expect({ code, stdout, stderr: stderr.trim() }).toEqual({
      code: 1,
      stdout: '',
      stderr: 'There is no out/digits.safetensors yet: `npm start` trains a network and saves it there.',
    })
  })
})

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { pythonWith, type Package } from '../python.js'

const folder = fileURLToPath(new URL('.', import.meta.url))

const makers: readonly (readonly [maker: string, file: string, packages: readonly Package[]])[] = [
  ['pandas_csv', 'csv', ['pandas']],
  ['keras_preprocessing', 'keras-preprocessing', ['keras']],
]

/** Numbers to six digits: sums of floats depend on the machine. */
const rounded = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(6)) : value

describe('what is stored is what Python gives today', () => {
  for (const [maker, file, packages] of makers) {
    const { skipped, run } = pythonWith(...packages)
    test.skipIf(skipped !== '')(
      `data/${file}.json${skipped}`,
      () => {
        const made = run(readFileSync(`${folder}make/${maker}.py`, 'utf8'))
        const stored: unknown = JSON.parse(readFileSync(`${folder}data/${file}.json`, 'utf8'))
        expect(JSON.stringify(made, rounded)).toBe(JSON.stringify(stored, rounded))
      },
      120_000,
    )
  }
})

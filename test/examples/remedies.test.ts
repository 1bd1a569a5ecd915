import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { numberOf, patience, printedBy, workplace } from './program.js'

const folder = workplace()

describe('the programs about data and its limits', { timeout: patience }, () => {
  test('overfitting: each remedy narrows the gap between training and test', async () => {
    const output = await printedBy('overfitting', folder)
    const rows = [...output.matchAll(/^(none|L1|L2|Dropout|early stopping) +([\d. -]+)$/gm)]
    const numbers = new Map(
      rows.map(([, name = '', cells = '']) => [name, cells.trim().split(/ +/).map(Number)]),
    )
    expect([...numbers.keys()]).toEqual(['none', 'L1', 'L2', 'Dropout', 'early stopping'])
    const gap = (name: string): number => numbers.get(name)?.[2] ?? Number.NaN
    const epochs = (name: string): number => numbers.get(name)?.[5] ?? Number.NaN
    // By heart, and far less sure of what is new.
    expect(numbers.get('none')?.[3]).toBe(1)
    expect(gap('none')).toBeGreaterThan(0.6)
    for (const name of ['L1', 'L2', 'Dropout', 'early stopping']) {
      expect(gap(name), name).toBeLessThan(0.95 * gap('none'))
      expect(gap(name), name).toBeGreaterThan(0)
    }
    expect(epochs('none')).toBe(40)
    expect(epochs('early stopping')).toBeLessThan(30)
    expect(
      readFileSync(join(folder, 'out', 'overfitting.png'))
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG')
  })

  test('own data: a CSV becomes a model that is saved, and that predicts from a row of the same kind', async () => {
    const output = await printedBy('own-data', folder)
    expect(numberOf(output, 'error of the model')).toBeLessThan(0.33 * numberOf(output, 'error of the mean'))
    expect(existsSync(join(folder, 'out', 'rides.safetensors'))).toBe(true)
    // The formula behind the rows lets fifty people less ride on a sunday.
    const difference = numberOf(output, 'wednesday:') - numberOf(output, 'sunday:')
    expect(difference).toBeGreaterThan(35)
    expect(difference).toBeLessThan(65)
  })
})

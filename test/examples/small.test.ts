import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { numberOf, patience, printedBy, workplace } from './program.js'

const folder = workplace()

describe('the small programs of the course', { timeout: patience }, () => {
  test('regression: the final loss is below the first', async () => {
    const output = await printedBy('regression', folder)
    expect(output).toContain('History of 100 epochs')
    expect(output).toContain('Parameters: 769')
    expect(numberOf(output, 'final loss')).toBeLessThan(numberOf(output, 'first loss') / 2)
  })

  test('binary classification: half of the coins, nearly all of the circle, both on unseen points', async () => {
    const output = await printedBy('binary-classification', folder)
    const random = numberOf(output, 'accuracy of random labels')
    expect(random).toBeGreaterThan(0.35)
    expect(random).toBeLessThan(0.65)
    expect(numberOf(output, 'accuracy of the circle')).toBeGreaterThanOrEqual(0.95)
  })

  test('the perceptron learns what a line separates, and not XOR', async () => {
    const output = await printedBy('perceptron', folder)
    expect(output).toMatch(/^AND should be 0 0 0 1, is 0 0 0 1: learnt in \d+ rounds$/m)
    expect(output).toMatch(/^OR {2}should be 0 1 1 1, is 0 1 1 1: learnt in \d+ rounds$/m)
    expect(output).toMatch(/^XOR should be 0 1 1 0, .*: still [1-4] mistakes after 100 rounds$/m)
    expect(numberOf(output, 'mistakes')).toBe(0)
  })

  test('the networks by hand learn XOR and the ring; autograd goes the same way to the digit', async () => {
    const byHand = await printedBy('network-by-hand', folder)
    expect(numberOf(byHand, 'final loss')).toBeLessThan(0.001)
    const deep = await printedBy('dnn-by-hand', folder)
    expect(deep).toContain('one neuron says 2.300')
    expect(numberOf(deep, 'accuracy')).toBeGreaterThan(0.97)
    expect(await printedBy('from-scratch', folder)).toBe(byHand)
  })

  test('optimizers: momentum, RMSprop and Adam are ahead of plain descent, and the curves are drawn', async () => {
    const output = await printedBy('optimizers', folder)
    const final = (name: string): number => Number(new RegExp(`^${name} +loss (\\S+)`, 'm').exec(output)?.[1])
    for (const name of ['momentum', 'RMSprop', 'Adam'])
      expect(final(name)).toBeLessThan(final('gradient descent') / 2)
    const png = readFileSync(join(folder, 'out', 'optimizers.png'))
    expect(png.subarray(1, 4).toString()).toBe('PNG')
    expect(png.length).toBeGreaterThan(10_000)
  })
})

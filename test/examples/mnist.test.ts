import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { datasets, tensor } from 'neuroxide'
import { describe, expect, test } from 'vitest'
import { principalError } from './principal-components.js'
import { numberOf, patience, printedBy, workplace } from './program.js'

const folder = workplace()

describe('the programs about handwritten digits', { timeout: patience }, () => {
  test('one-hot labels: 97.5 % after ten epochs, and pictures of it', async () => {
    const output = await printedBy('mnist-onehot', folder)
    expect(numberOf(output, 'test accuracy')).toBeGreaterThanOrEqual(97.5)
    expect(output).toMatch(/valAccuracy +0\.\d+/)
    for (const name of ['mnist-confusion.png', 'mnist-history.png'])
      expect(
        readFileSync(join(folder, 'out', name))
          .subarray(1, 4)
          .toString(),
      ).toBe('PNG')
  })

  test('labels as numbers: 97 % after five', async () => {
    const output = await printedBy('mnist-sparse', folder)
    expect(numberOf(output, 'test accuracy')).toBeGreaterThanOrEqual(97)
  })

  test('the autoencoder leaves less error than principal components of the same width', async () => {
    const output = await printedBy('autoencoder', folder)
    const loss = numberOf(output, 'test loss')
    const { train, test } = datasets.mnist()
    const pixels = (images: typeof train.x) => images.to('f32').div(255).flatten(1)
    const linear = principalError(pixels(train.x), pixels(test.x), 16)
    expect(loss).toBeLessThan(0.8 * linear)
    // Originals above reconstructions: ten images of 28 pixels, twice as large each way and again for the PNG.
    const { data, info } = await sharp(join(folder, 'out', 'autoencoder.png'))
      .greyscale()
      .raw()
      .toBuffer({ resolveWithObject: true })
    const first = test.x.at(0).toArray() as number[][]
    const bright = first.flatMap((row, y) =>
      row.flatMap((value, x) => (value > 250 ? [[x, y] as const] : [])),
    )
    const at = (x: number, y: number): number => data[y * info.width + x] ?? 0
    const [left, top, step] = [info.width - 16 - 10 * 56 * 2 - 9 * 8, 68, 4]
    for (const [x, y] of bright) expect(at(left + step * x + 2, top + step * y + 2)).toBeGreaterThan(240)
    const below = bright.map(([x, y]) => at(left + step * x + 2, top + 120 + step * y + 2))
    expect(tensor(below).mean().item()).toBeGreaterThan(150)
  })

  test('the error of principal components is that of a plane that is known', () => {
    // Points of a plane in three dimensions, and one direction less than it needs.
    const points = tensor([
      [2, 0, 1],
      [-2, 0, 1],
      [0, 1, 1],
      [0, -1, 1],
    ])
    expect(principalError(points, points, 2)).toBeLessThan(1e-10)
    expect(principalError(points, points, 1)).toBeCloseTo(2 / 12, 5)
  })
})

import { mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import sharp from 'sharp'
import { F, FileError, plot, tensor, zeros } from 'neuroxide'
import { Resvg } from '@resvg/resvg-js'
import { describe, expect, test } from 'vitest'
import { drawn } from '../../dist/plot/lettering.js'
import { execute, root } from '../pack/project.js'

const folder = mkdtempSync(join(tmpdir(), 'neuroxide-plot-'))

/** The texts of an SVG in their order. */
const textsOf = (svg: string): string[] =>
  [...svg.matchAll(/<text\b[^>]*>([^<]*)</g)].map(([, text = '']) => text)

async function pixelsOf(png: Uint8Array): Promise<{ data: Buffer; width: number; height: number }> {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}

describe('curves', () => {
  test('have a title, axis titles, a legend and a line each', async () => {
    const svg = await plot
      .curves(
        { sgd: [1, 0.5], adam: tensor([1, 0.1]) },
        { title: 'Two & more', xTitle: 'epoch', yTitle: 'loss' },
      )
      .svg()
    const texts = textsOf(svg)
    for (const text of ['Two &amp; more', 'epoch', 'loss', 'sgd', 'adam']) expect(texts).toContain(text)
    expect(svg.match(/aria-roledescription="line mark"/g)).toHaveLength(2)
  })

  test('of a history are a panel for each family, the validation dashed', async () => {
    const epoch = [0, 1, 2]
    const history = {
      loss: [3, 2, 1],
      valLoss: [3, 2, 2],
      accuracy: [0.1, 0.2, 0.3],
      valAccuracy: [0.1, 0.1, 0.2],
    }
    const svg = await plot.curves({ epoch, history }).svg()
    const texts = textsOf(svg)
    for (const text of ['loss', 'valLoss', 'accuracy', 'valAccuracy']) expect(texts).toContain(text)
    expect(texts.filter((text) => text === 'epoch')).toHaveLength(2)
    expect(svg).toContain('stroke-dasharray="6,4"')
  })

  test('leave a gap where a number is not finite, and have powers of ten on a logarithmic axis', async () => {
    const svg = await plot.curves({ loss: [1e4, Number.NaN, 1, 0.1] }, { yScale: 'log' }).svg()
    const [, path = ''] = /aria-roledescription="line mark"[^>]* d="([^"]*)"/.exec(svg) ?? []
    expect(path.match(/M/g)).toHaveLength(2)
    for (const text of ['10000', '1000', '1', '0.1']) expect(textsOf(svg)).toContain(text)
  })

  test('take places of their own', async () => {
    const svg = await plot.curves({ a: { x: [1, 10, 100], y: [1, 2, 3] } }, { xScale: 'log' }).svg()
    for (const text of ['1', '10', '100']) expect(textsOf(svg)).toContain(text)
  })

  test('become a PNG that shows them in their colours', async () => {
    const { data, width } = await pixelsOf(await plot.curves({ a: [0, 1], b: [1, 0] }).png())
    expect(width).toBeGreaterThan(800)
    const colours = new Set<string>()
    for (let i = 0; i < data.length; i += 3) colours.add(data.subarray(i, i + 3).toString('hex'))
    expect(colours).toContain('0072b2')
    expect(colours).toContain('d55e00')
  })
})

describe('a confusion matrix', () => {
  test('shows counts or shares, and the names of its classes', async () => {
    const labels = ['cat', 'dog']
    const counts = textsOf(
      await plot
        .confusionMatrix(
          tensor([
            [3, 1],
            [0, 4],
          ]),
          { labels },
        )
        .svg(),
    )
    for (const text of ['3', '1', '0', '4', 'cat', 'dog', 'true class', 'predicted class'])
      expect(counts).toContain(text)
    const shares = textsOf(
      await plot
        .confusionMatrix(
          [
            [3, 1],
            [0, 4],
          ],
          { normalize: true },
        )
        .svg(),
    )
    for (const text of ['0.75', '0.25', '0.00', '1.00']) expect(shares).toContain(text)
  })

  test('with an empty row has no share that is not a number', async () => {
    expect(
      textsOf(
        await plot
          .confusionMatrix(
            [
              [0, 0],
              [1, 1],
            ],
            { normalize: true },
          )
          .svg(),
      ),
    ).not.toContain('NaN')
  })
})

describe('an image grid', () => {
  test('shows each pixel where it belongs', async () => {
    const images = tensor([
      [
        [0, 1],
        [0.5, 2],
      ],
    ])
    const { data, width, height } = await pixelsOf(
      await plot.imageGrid(images, { zoom: 1 }).png({ scale: 1 }),
    )
    expect([width, height]).toEqual([18, 18])
    const at = (x: number, y: number): number => data[3 * (y * width + x)] ?? -1
    expect([at(8, 8), at(9, 8), at(8, 9), at(9, 9), at(0, 0)]).toEqual([0, 255, 128, 255, 255])
  })

  test.each([
    ['last', [1, 1, 2, 3]],
    ['second', [1, 3, 1, 2]],
  ])('takes colours on the %s axis', async (_, shape) => {
    const values = shape[3] === 3 ? [255, 0, 0, 0, 0, 255] : [255, 0, 0, 0, 0, 255]
    const images = tensor(values, { dtype: 'u8' }).reshape(shape)
    const { data } = await pixelsOf(await plot.imageGrid(images, { zoom: 1 }).png({ scale: 1 }))
    const start = 3 * (8 * 18 + 8)
    expect([...data.subarray(start, start + 6)]).toEqual([255, 0, 0, 0, 0, 255])
  })

  test('is the same by its SVG as by its pixels', async () => {
    const images = F.add(zeros([3, 4, 4]), 0.5)
    const plain = await pixelsOf(await plot.imageGrid(images, { zoom: 3 }).png({ scale: 2 }))
    const svg = await plot.imageGrid(images, { zoom: 3 }).svg()
    const drawing = new Resvg(svg, { fitTo: { mode: 'zoom', value: 2 } }).render()
    const { data, width, height } = await pixelsOf(drawing.asPng())
    expect([width, height]).toEqual([plain.width, plain.height])
    expect(data.equals(plain.data)).toBe(true)
  })

  test('has titles of rows and captions of images', async () => {
    const svg = await plot
      .imageGrid([zeros([1, 4, 4]), zeros([1, 4, 4])], {
        title: 'T',
        titles: ['a', 'b'],
        captions: [['1'], ['<2>']],
      })
      .svg()
    expect(textsOf(svg)).toEqual(['T', 'a', '1', 'b', '&lt;2&gt;'])
  })
})

describe('saving', () => {
  test('goes by the ending and leaves nothing beside the file', async () => {
    const picture = plot.curves({ loss: [2, 1] })
    await picture.save(join(folder, 'loss.svg'))
    await picture.save(join(folder, 'loss.PNG'))
    expect(readdirSync(folder).toSorted()).toEqual(['loss.PNG', 'loss.svg'])
    expect(readFileSync(join(folder, 'loss.svg'), 'utf8')).toBe(await picture.svg())
    const png = readFileSync(join(folder, 'loss.PNG'))
    expect(png.subarray(1, 4).toString()).toBe('PNG')
    expect(() => inflateSync(png)).toThrow()
  })

  test('makes its folder; where that cannot be, it is a typed error with the path', async () => {
    const picture = plot.curves({ loss: [2, 1] })
    const path = join(folder, 'none', 'loss.svg')
    await picture.save(path)
    expect(readFileSync(path, 'utf8')).toMatch(/^<svg/)
    const saving = picture.save(join(path, 'loss.svg'))
    await expect(saving).rejects.toThrow(FileError)
    await expect(saving).rejects.toThrow(/^plot\.save: .*none.+(ENOTDIR|EEXIST|ENOENT)/)
  })
})

describe('without fonts', () => {
  test('text appears where the font would have put it', async () => {
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40"><rect width="200" height="40" fill="white"/>' +
      '<text x="100" y="30" text-anchor="middle" font-size="20px" fill="#ff0000">Loss &amp; 1e-3</text></svg>'
    const ink = async (text: string): Promise<number[]> => {
      const drawing = new Resvg(text, { font: { loadSystemFonts: false } }).render()
      const { data } = await pixelsOf(drawing.asPng())
      return Array.from({ length: 200 }, (_, x) => x).filter((x) =>
        Array.from({ length: 40 }, (_, y) => data[3 * (y * 200 + x) + 1] ?? 255).some((green) => green < 128),
      )
    }
    expect(await ink(svg)).toEqual([])
    const columns = await ink(drawn(svg))
    expect(columns.length).toBeGreaterThan(30)
    // Centred, within the widths that fonts have.
    const [left = 0, right = 0] = [columns[0], columns.at(-1)]
    expect(Math.abs((left + right) / 2 - 100)).toBeLessThan(2)
    expect(right - left).toBeGreaterThan(70)
    expect(right - left).toBeLessThan(130)
  })
})

test('a missing package is a typed error with the npm line; data and plain pixels need none', async () => {
  const program = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(\`export async function resolve(name, context, next) {
      if (/^(vega|vega-lite|@resvg\\\\/resvg-js)$/.test(name)) {
        const error = new Error("Cannot find package '" + name + "'")
        error.code = 'ERR_MODULE_NOT_FOUND'
        throw error
      }
      return next(name, context)
    }\`))
    const { plot, zeros, nn } = await import('neuroxide')
    console.log((await plot.imageGrid(zeros([2, 4, 4])).png()).length > 50)
    const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
    const history = await model.fit(zeros([8, 2]), zeros([8, 1]), { verbose: 0 })
    await history.save(${JSON.stringify(join(folder, 'bare.csv'))})
    for (const draw of [
      () => plot.curves({ a: [1] }).svg(),
      () => history.save('x.png'),
      () => plot.imageGrid(zeros([2, 4, 4]), { title: 'a' }).png(),
    ]) await draw().catch((error) => console.log(error.name, error.code, error.message))
  `
  const { stdout, stderr } = await execute(process.execPath, ['--input-type=module', '-e', program], root)
  expect(stderr).toBe('')
  const line =
    'is not installed; expected the packages that draw. Run `npm install vega vega-lite @resvg/resvg-js`.'
  expect(stdout.trim().split('\n')).toEqual([
    'true',
    `ValueError ERR_VALUE plot: the package vega ${line}`,
    `ValueError ERR_VALUE plot: the package vega ${line}`,
    `ValueError ERR_VALUE plot: the package @resvg/resvg-js ${line}`,
  ])
})

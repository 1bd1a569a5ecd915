import { ShapeError, ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { isTensor, located } from '../tensor/base.js'
import { requireInteger, requireNumber, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { escaped } from './lettering.js'
import { rasterised } from './libraries.js'
import { Picture } from './picture.js'
import { type Pixels, pngOf } from './pixels.js'
import { FONTS, ink } from './theme.js'

export interface ImageGridOptions {
  /** Above the picture; nothing by default. */
  readonly title?: string | undefined
  /** A text at the left of each row; nothing by default. */
  readonly titles?: readonly string[] | undefined
  /** A text below each image, row by row; nothing by default. */
  readonly captions?: readonly (readonly string[])[] | undefined
  /** Images in a row, where one tensor is given; by default as many as make the grid about square. */
  readonly columns?: number | undefined
  /** Pixels of the SVG per pixel of an image, an integer of at least 1; by default images get about 56 pixels. */
  readonly zoom?: number | undefined
  /** The values shown black and white; `[0, 255]` by default for integers, `[0, 1]` for fractions. */
  readonly range?: readonly [black: number, white: number] | undefined
}

const known = ['title', 'titles', 'captions', 'columns', 'zoom', 'range']

interface Images {
  readonly count: number
  readonly height: number
  readonly width: number
  /** The byte of an image's channel at a place. */
  at(image: number, y: number, x: number, channel: number): number
}

/**
 * Images side by side as a picture: `[n, h, w]` for grey ones, `[n, h, w, 3]` or `[n, 3, h, w]` for coloured ones.
 *
 * Its PNG needs an optional package (`@resvg/resvg-js`) only where it has texts; its SVG needs none.
 *
 * @param images - a tensor, wrapped into rows, or a list of tensors, each of them a row
 * @param options - `title`, `titles` of rows, `captions` of images, `columns`, `zoom`, `range` of values
 * @returns the picture: `svg()`, `png()`, `save(path)`
 * @throws ShapeError for shapes that are no images or differ in size
 * @throws ValueError for options out of range
 * @example
 * ```ts
 * import { plot, rand } from 'neuroxide'
 * const picture = plot.imageGrid([rand([5, 8, 8]), rand([5, 8, 8])])
 * console.log((await picture.png()).length > 100) // true
 * ```
 */
export function imageGrid(images: Tensor | readonly Tensor[], options: ImageGridOptions = {}): Picture {
  requireOptions('plot.imageGrid', options, known)
  const list: readonly unknown[] = isTensor(images) ? [images] : Array.isArray(images) ? images : []
  if (list.length === 0)
    throw located(
      ValueError,
      `plot.imageGrid: ${shown(images)}; expected a tensor [n, h, w] or a list of them.`,
    )
  const given = list.map((tensor) => imagesOf(tensor, options.range))
  const [first] = given
  if (
    first === undefined ||
    given.some(({ width, height }) => width !== first.width || height !== first.height)
  ) {
    const sizes = given.map(({ width, height }) => `${height} × ${width}`).join(', ')
    throw located(ShapeError, `plot.imageGrid: images of ${sizes}; expected one size in all rows.`)
  }
  const rows = isTensor(images) ? wrapped(first, options.columns) : given
  const grid = laidOut(rows, options)
  const texts = grid.texts.length > 0
  return new Picture({
    svg: async () => svgOf(grid),
    png: async (scale) => {
      if (texts || !Number.isInteger(scale)) return await rasterised(svgOf(grid), scale)
      return pngOf(painted(grid, scale))
    },
  })
}

function imagesOf(tensor: unknown, range: ImageGridOptions['range']): Images {
  if (!isTensor(tensor))
    throw located(ValueError, `plot.imageGrid: ${shown(tensor)} as a row; expected a tensor [n, h, w].`)
  const { shape } = tensor
  const last = shape[3]
  const channelsLast = last === 1 || last === 3
  const channels = shape.length === 3 ? 1 : channelsLast ? last : shape[1]
  if (shape.length < 3 || shape.length > 4 || shape.includes(0) || (channels !== 1 && channels !== 3))
    throw located(
      ShapeError,
      `plot.imageGrid: a tensor [${shape.join(', ')}]; expected [n, h, w], [n, h, w, 1 or 3] or [n, 1 or 3, h, w].`,
    )
  const floating = tensor.dtype === 'f32' || tensor.dtype === 'f64'
  const [black, white] = rangeOf(range, floating || tensor.dtype === 'bool')
  const values = tensor.toTypedArray()
  const [count = 0] = shape
  const [height = 0, width = 0] = shape.length === 3 || channelsLast ? shape.slice(1) : shape.slice(2)
  const [steps, plane] = channelsLast ? [channels, 1] : [1, height * width]
  return {
    count,
    height,
    width,
    at(image, y, x, channel) {
      const place =
        image * height * width * channels + (y * width + x) * steps + (channels === 1 ? 0 : channel * plane)
      const share = (Number(values[place]) - black) / (white - black)
      // What is not a number is as good as black.
      return share > 0 ? Math.round(255 * Math.min(1, share)) : 0
    },
  }
}

function rangeOf(range: unknown, floating: boolean): readonly [number, number] {
  if (range === undefined) return floating ? [0, 1] : [0, 255]
  const [black, white] = Array.isArray(range) && range.length === 2 ? (range as unknown[]) : []
  if (
    typeof black !== 'number' ||
    typeof white !== 'number' ||
    !(Math.abs(white - black) > 0 && Math.abs(white - black) < Infinity)
  )
    throw located(
      ValueError,
      `plot.imageGrid: ${shown(range)} as range; expected [black, white], two different numbers.`,
    )
  return [requireNumber('plot.imageGrid', 'range', black), requireNumber('plot.imageGrid', 'range', white)]
}

function wrapped(images: Images, columns: number | undefined): Images[] {
  const width =
    columns === undefined
      ? Math.ceil(Math.sqrt(images.count))
      : requireInteger('plot.imageGrid', 'columns', columns, 1)
  return Array.from({ length: Math.ceil(images.count / width) }, (_, row) => ({
    ...images,
    count: Math.min(width, images.count - row * width),
    at: (image, y, x, channel) => images.at(row * width + image, y, x, channel),
  }))
}

interface Text {
  readonly text: string
  readonly x: number
  readonly y: number
  readonly size: number
  readonly anchor: 'start' | 'middle'
}

interface Cell {
  readonly images: Images
  readonly index: number
  readonly x: number
  readonly y: number
}

interface Grid {
  readonly width: number
  readonly height: number
  readonly zoom: number
  readonly cells: readonly Cell[]
  readonly texts: readonly Text[]
}

const GAP = 4
const MARGIN = 8
const SIZE = 13

function requireTexts(name: string, texts: unknown, count: number, what: string): void {
  if (!Array.isArray(texts) || texts.length !== count)
    throw located(
      ShapeError,
      `plot.imageGrid: ${shown(texts)} as ${name}; expected a list of ${count}, one for each ${what}.`,
    )
}

/** Where images and texts stand. */
function laidOut(rows: readonly Images[], options: ImageGridOptions): Grid {
  const { title, titles, captions } = options
  if (title !== undefined && typeof title !== 'string')
    throw located(ValueError, `plot.imageGrid: ${shown(title)} as title; expected a text.`)
  if (titles !== undefined) requireTexts('titles', titles, rows.length, 'row')
  if (captions !== undefined) {
    requireTexts('captions', captions, rows.length, 'row')
    captions.forEach((row, i) => requireTexts('captions of a row', row, rows[i]?.count ?? 0, 'image'))
  }
  const { width = 1, height = 1 } = rows[0] ?? {}
  const zoom =
    options.zoom === undefined
      ? Math.max(1, Math.round(56 / Math.max(width, height)))
      : requireInteger('plot.imageGrid', 'zoom', options.zoom, 1)
  // Widths of letters are estimated: neither a browser nor a canvas is asked.
  const side =
    titles === undefined ? 0 : Math.max(...titles.map((text) => String(text).length)) * SIZE * 0.58 + 10
  const left = MARGIN + Math.ceil(side)
  const above = MARGIN + (title === undefined ? 0 : 26)
  const below = captions === undefined ? 0 : 18
  const [stepX, stepY] = [width * zoom + GAP, height * zoom + GAP + below]
  const cells: Cell[] = []
  const texts: Text[] = []
  if (title !== undefined) texts.push({ text: title, x: MARGIN, y: MARGIN + 14, size: 15, anchor: 'start' })
  rows.forEach((images, row) => {
    const y = above + row * stepY
    const text = titles?.[row]
    if (text !== undefined)
      texts.push({
        text: String(text),
        x: MARGIN,
        y: y + (height * zoom) / 2 + SIZE * 0.35,
        size: SIZE,
        anchor: 'start',
      })
    for (let index = 0; index < images.count; index++) {
      const x = left + index * stepX
      cells.push({ images, index, x, y })
      const caption = captions?.[row]?.[index]
      if (caption !== undefined)
        texts.push({
          text: String(caption),
          x: x + (width * zoom) / 2,
          y: y + height * zoom + 13,
          size: 11,
          anchor: 'middle',
        })
    }
  })
  const most = Math.max(...rows.map(({ count }) => count))
  const titleWidth = title === undefined ? 0 : title.length * 9 + 2 * MARGIN
  return {
    width: Math.max(left + most * stepX - GAP + MARGIN, Math.ceil(titleWidth)),
    height: above + rows.length * stepY - GAP + MARGIN,
    zoom,
    cells,
    texts,
  }
}

/** The grid without its texts. */
function painted({ width, height, zoom, cells }: Grid, scale: number): Pixels {
  const data = new Uint8Array(3 * width * scale * height * scale).fill(255)
  const side = zoom * scale
  for (const { images, index, x: left, y: top } of cells) {
    for (let y = 0; y < images.height * side; y++) {
      for (let x = 0; x < images.width * side; x++) {
        const place = 3 * ((top * scale + y) * width * scale + left * scale + x)
        for (let channel = 0; channel < 3; channel++)
          data[place + channel] = images.at(index, Math.floor(y / side), Math.floor(x / side), channel)
      }
    }
  }
  return { width: width * scale, height: height * scale, data }
}

function svgOf(grid: Grid): string {
  const { width, height, texts } = grid
  const url = `data:image/png;base64,${Buffer.from(pngOf(painted(grid, 1))).toString('base64')}`
  const letters = texts.map(
    ({ text, x, y, size, anchor }) =>
      `<text text-anchor="${anchor}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-family="${FONTS}" font-size="${size}px" fill="${ink}">${escaped(text)}</text>`,
  )
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `<rect width="${width}" height="${height}" fill="white"/>` +
    `<image width="${width}" height="${height}" image-rendering="optimizeSpeed" href="${url}"/>` +
    `${letters.join('')}</svg>`
  )
}

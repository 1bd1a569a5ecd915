import { requireNumber, requireOptions } from '../tensor/checks.js'
import { located } from '../tensor/base.js'
import { shown } from '../tensor/create.js'
import { ValueError } from '../errors.js'
import { writeWhole, endingOf } from './writing.js'
import { rasterised } from './libraries.js'

export interface PngOptions {
  /** Pixels of the PNG per pixel of the SVG, in (0, 16]; `2` by default. */
  readonly scale?: number | undefined
}

/** @internal How a picture comes to be: its SVG, and its PNG where that is not a drawing of the SVG. */
export interface Drawing {
  svg(): Promise<string>
  png?(scale: number): Promise<Uint8Array>
}

/**
 * A picture that is drawn when it is asked for; it needs neither a browser nor a canvas, and no fonts.
 *
 * @example
 * ```ts
 * import { plot } from 'neuroxide'
 * const picture = plot.curves({ loss: [1, 0.5, 0.25] })
 * console.log((await picture.svg()).startsWith('<svg')) // true
 * ```
 */
export class Picture {
  readonly #drawing: Drawing

  /** @internal */
  constructor(drawing: Drawing) {
    this.#drawing = drawing
  }

  /**
   * The picture as the text of an SVG.
   *
   * @throws ValueError when an optional package is missing; the message has the npm line
   * @example
   * ```ts
   * import { plot } from 'neuroxide'
   * const svg = await plot.curves({ loss: [1, 0.5] }, { title: 'Loss' }).svg()
   * console.log(svg.includes('Loss')) // true
   * ```
   */
  async svg(): Promise<string> {
    return await this.#drawing.svg()
  }

  /**
   * The picture as the bytes of a PNG.
   *
   * @param options - `scale`: pixels of the PNG per pixel of the SVG, in (0, 16]; `2` by default
   * @throws ValueError when an optional package is missing, and for a scale out of range
   * @example
   * ```ts
   * import { plot } from 'neuroxide'
   * const png = await plot.curves({ loss: [1, 0.5] }).png({ scale: 1 })
   * console.log(Buffer.from(png.subarray(1, 4)).toString()) // PNG
   * ```
   */
  async png(options: PngOptions = {}): Promise<Uint8Array> {
    requireOptions('plot.png', options, ['scale'])
    const scale = requireNumber('plot.png', 'scale', options.scale ?? 2)
    if (!(scale > 0 && scale <= 16))
      throw located(ValueError, `plot.png: ${shown(scale)} as scale; expected a number in (0, 16].`)
    return this.#drawing.png === undefined
      ? await rasterised(await this.svg(), scale)
      : await this.#drawing.png(scale)
  }

  /**
   * Writes the picture as its file's name says: `.svg` or `.png`. The file is replaced as a whole or not at all,
   * its folder made where it is missing.
   *
   * @param path - where to
   * @throws ValueError for another ending, and when an optional package is missing
   * @throws FileError for a file that cannot be written; the old one is as it was
   * @example
   * ```ts
   * import { existsSync } from 'node:fs'
   * import { plot } from 'neuroxide'
   * await plot.curves({ loss: [1, 0.5] }).save('loss.svg')
   * console.log(existsSync('loss.svg')) // true
   * ```
   */
  async save(path: string): Promise<void> {
    const ending = endingOf('plot.save', path, ['svg', 'png'])
    await writeWhole('plot.save', path, ending === 'svg' ? await this.svg() : await this.png())
  }
}

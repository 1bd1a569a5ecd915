import { ValueError } from '../errors.js'
import { requireInteger } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { DataError, reasonOf } from './data-error.js'
import { decoder } from './decoder.js'

/** How a picture that has other proportions gets its size: stretched, cut off at the sides, or with black bars. */
export type ImageFit = 'fill' | 'cover' | 'contain'

export interface ImageOptions {
  /** Height and width, or one number for both; that of the file by default. */
  readonly size?: number | readonly [height: number, width: number] | undefined
  /** `1` for grey, `3` for red, green and blue (default), `4` with opacity. */
  readonly channels?: 1 | 3 | 4 | undefined
  /** `'channelsFirst'` (default) for `[channels, height, width]`, as in PyTorch; `'channelsLast'` as in Keras. */
  readonly layout?: 'channelsFirst' | 'channelsLast' | undefined
  /** What `size` does to other proportions: `'fill'` (default) stretches, as Keras does. */
  readonly fit?: ImageFit | undefined
}

/** The names of {@link ImageOptions}. */
export const imageOptions = ['size', 'channels', 'layout', 'fit'] as const

/** What pictures become. */
export interface Format {
  readonly height: number | null
  readonly width: number | null
  readonly channels: 1 | 3 | 4
  readonly last: boolean
  readonly fit: ImageFit
}

/** Bytes of a picture, with their shape. */
export interface Pixels {
  readonly bytes: Uint8Array
  readonly shape: readonly [number, number, number]
}

const fits: ReadonlySet<unknown> = new Set(['fill', 'cover', 'contain'])

/** Refuses what cannot be meant. */
export function formatOf(op: string, options: ImageOptions): Format {
  const { size, channels = 3, layout = 'channelsFirst', fit = 'fill' } = options
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw new ValueError(`${op}: ${shown(channels)} as channels; expected 1, 3 or 4.`)
  if (layout !== 'channelsFirst' && layout !== 'channelsLast')
    throw new ValueError(`${op}: ${shown(layout)} as layout; expected 'channelsFirst' or 'channelsLast'.`)
  if (!fits.has(fit))
    throw new ValueError(`${op}: ${shown(fit)} as fit; expected 'fill', 'cover' or 'contain'.`)
  if (size !== undefined && typeof size !== 'number' && !(Array.isArray(size) && size.length === 2))
    throw new ValueError(`${op}: ${shown(size)} as size; expected a number, or [height, width].`)
  const [height, width] = typeof size === 'number' ? [size, size] : (size ?? [null, null])
  for (const one of [height, width]) if (one !== null) requireInteger(op, 'size', one, 1)
  return { height, width, channels, last: layout === 'channelsLast', fit }
}

/** Decodes a picture, upright as its camera says. `name` is what messages call it. */
export async function decoded(
  op: string,
  source: string | Uint8Array,
  name: string,
  format: Format,
): Promise<Pixels> {
  const sharp = await decoder(op)
  const { height, width, fit } = format
  let picture
  try {
    const upright = sharp(source).autoOrient()
    const sized =
      height === null || width === null
        ? upright
        : upright.resize(width, height, { fit, background: { r: 0, g: 0, b: 0, alpha: 0 } })
    picture = await sized.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  } catch (error) {
    const file = typeof source === 'string' ? source : undefined
    throw new DataError(
      `${op}: ${name}: ${reasonOf(error).replaceAll('\n', ' ')}; expected a whole picture, such as PNG, JPEG or WebP.`,
      { file },
      { cause: error },
    )
  }
  const { data, info } = picture
  return arranged(data, info.height, info.width, info.channels, format)
}

/** Where red, green, blue and opacity stand among the channels of a file; grey is all three. */
const places: Readonly<Record<number, readonly [number, number, number, number]>> = {
  1: [0, 0, 0, -1],
  2: [0, 0, 0, 1],
  3: [0, 1, 2, -1],
  4: [0, 1, 2, 3],
}

/** Pixels with the channels asked for, in the order asked for. */
function arranged(
  data: Uint8Array,
  height: number,
  width: number,
  given: number,
  { channels, last }: Format,
): Pixels {
  const area = height * width
  const shape = last ? ([height, width, channels] as const) : ([channels, height, width] as const)
  const bytes = new Uint8Array(area * channels)
  const [red, green, blue, alpha] = places[given] as readonly [number, number, number, number]
  const [step, plane] = last ? [channels, 1] : [1, area]
  for (let pixel = 0; pixel < area; pixel++) {
    const from = pixel * given
    const to = pixel * step
    const [r, g, b] = [data[from + red], data[from + green], data[from + blue]] as [number, number, number]
    if (channels === 1) {
      // The weights of ITU-R 601, in whole numbers as Pillow rounds them.
      bytes[to] = given < 3 ? r : (r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16
      continue
    }
    bytes[to] = r
    bytes[to + plane] = g
    bytes[to + 2 * plane] = b
    if (channels === 4) bytes[to + 3 * plane] = alpha < 0 ? 255 : (data[from + alpha] as number)
  }
  return { bytes, shape }
}

import { readdir, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { extname, join } from 'node:path'
import { ShapeError, ValueError } from '../errors.js'
import { Origin } from '../errors/origin.js'
import type { Tensor } from '../tensor.js'
import { internal } from '../tensor/base.js'
import { requireFlag, requireInteger, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { fromTypedArray } from '../tensor/factories.js'
import { DataError, reasonOf } from './data-error.js'
import { type Batch, TensorDataset } from './dataset.js'
import { decoder } from './decoder.js'
import type { AsyncDataset } from './loader.js'
import { decoded, type Format, formatOf, type ImageOptions, imageOptions, type Pixels } from './picture.js'
import { Preprocessing } from './preprocessing.js'

export interface ImageFolderOptions extends ImageOptions {
  /** Pictures that are decoded at once; as many as there are cores by default. */
  readonly concurrency?: number | undefined
  /** Whether decoded pictures are kept in memory, so that later epochs do not decode; `false` by default. */
  readonly cache?: boolean | undefined
  /** What is done with a file that cannot be decoded: `'error'` (default), or `'skip'`, which looks at all of them first. */
  readonly corrupt?: 'error' | 'skip' | undefined
}

/** u8, `[channels, height, width]` or `[height, width, channels]`. */
export type ImageTensor = Tensor<[number, number, number], 'u8'>

const endings: ReadonlySet<string> = new Set([
  '.avif',
  '.gif',
  '.jpeg',
  '.jpg',
  '.png',
  '.tif',
  '.tiff',
  '.webp',
])

/**
 * One picture as a tensor of bytes, from a file or from bytes such as an upload.
 *
 * Pictures stand upright as their camera says (EXIF), grey is the mean of red, green and blue by the weights of
 * ITU-R 601, opacity is left out unless `channels` is 4. The package `sharp` decodes.
 *
 * @param source - the path of a file, or its bytes: AVIF, GIF, JPEG, PNG, TIFF, WebP
 * @param options - `size`, `channels` (3), `layout` (`'channelsFirst'`), `fit` (`'fill'`)
 * @returns u8 `[channels, height, width]`, or `[height, width, channels]` with `'channelsLast'`
 * @throws DataError with the file, where it cannot be read or decoded
 * @throws ValueError where `sharp` is not installed; the message has the npm line
 * @example
 * ```ts
 * import sharp from 'sharp'
 * import { data } from 'neuroxide'
 * const red = await sharp({ create: { width: 8, height: 6, channels: 3, background: 'red' } }).png().toBuffer()
 * const picture = await data.image(red, { size: [3, 4] })
 * console.log(picture.shape, picture.dtype, picture.at([0, 1], 0, 0).toArray()) // [ 3, 3, 4 ] u8 [ 255 ]
 * ```
 */
export async function image(source: string | Uint8Array, options: ImageOptions = {}): Promise<ImageTensor> {
  return await new Origin().during(async () => {
    const op = 'data.image'
    if (typeof source !== 'string' && !(source instanceof Uint8Array))
      throw new ValueError(`${op}: ${shown(source)} as source; expected a path or the bytes of a file.`)
    requireOptions(op, options, imageOptions)
    const format = formatOf(op, options)
    return tensorOf(await decoded(op, source, typeof source === 'string' ? source : 'a picture', format))
  })
}

/**
 * A folder of pictures with a folder for each class, as a data set that decodes when it is asked.
 *
 * The classes are the names of the sub-folders, sorted; their pictures may lie in folders of their own. Files with other
 * endings than `.jpg`, `.jpeg`, `.png`, `.webp`, `.gif`, `.avif`, `.tif` and `.tiff`, and hidden ones, are not looked
 * at. `fit`, `evaluate` and `for await` over a `DataLoader` decode the next batches while one is used; `load()` decodes
 * all of them into memory, which is faster where they fit.
 *
 * @param folder - its path
 * @param options - those of {@link image}; `size` where pictures differ; `concurrency` (the number of cores); `cache`
 * (false); `corrupt` (`'error'`)
 * @returns a data set with `classes`, `files` and `labels`
 * @throws DataError with the folder or file, where a folder has no pictures, or a picture cannot be decoded
 * @throws ValueError where `sharp` is not installed; the message has the npm line
 * @example
 * ```ts
 * import { mkdirSync } from 'node:fs'
 * import sharp from 'sharp'
 * import { data } from 'neuroxide'
 * for (const color of ['red', 'blue']) {
 *   mkdirSync(`.cache/colors/${color}`, { recursive: true })
 *   await sharp({ create: { width: 8, height: 8, channels: 3, background: color } }).png().toFile(`.cache/colors/${color}/1.png`)
 * }
 * const set = await data.images('.cache/colors', { size: 4 })
 * console.log(set.length, set.classes) // 2 [ 'blue', 'red' ]
 * for await (const { x, y } of new data.DataLoader(set, { batchSize: 2 })) console.log(x.shape, y.toArray()) // [ 2, 3, 4, 4 ] [ 0, 1 ]
 * ```
 */
export async function images(folder: string, options: ImageFolderOptions = {}): Promise<ImageFolder> {
  return await new Origin().during(async () => {
    const op = 'data.images'
    if (typeof folder !== 'string')
      throw new ValueError(`${op}: ${shown(folder)} as folder; expected the path of one.`)
    requireOptions(op, options, [...imageOptions, 'concurrency', 'cache', 'corrupt'])
    const { concurrency = availableParallelism(), cache = false, corrupt = 'error' } = options
    const format = formatOf(op, options)
    requireInteger(op, 'concurrency', concurrency, 1)
    requireFlag(op, 'cache', cache)
    if (corrupt !== 'error' && corrupt !== 'skip')
      throw new ValueError(`${op}: ${shown(corrupt)} as corrupt; expected 'error' or 'skip'.`)
    await decoder(op)
    const [classes, files] = await listed(folder)
    const set = new ImageFolder(classes, files, format, { concurrency, cache })
    if (corrupt === 'skip') await set.leaveOutCorrupt()
    return set
  })
}

/** A picture of a folder. */
interface ImageFile {
  readonly path: string
  readonly label: number
}

/** Pictures of a folder, decoded when they are asked for; `data.images` makes one. */
export class ImageFolder implements AsyncDataset {
  /** The names of the classes, sorted; labels are their indices. */
  readonly classes: readonly string[]
  /** Files that were left out because they cannot be decoded, with `corrupt: 'skip'`. */
  readonly skipped: string[] = []
  #files: readonly ImageFile[]
  readonly #format: Format
  readonly #slots: Slots
  /** Decoded pictures by their files; null where they are not kept. */
  readonly #kept: Map<ImageFile, Pixels> | null

  /** @internal */
  constructor(
    classes: readonly string[],
    files: readonly ImageFile[],
    format: Format,
    options: { readonly concurrency: number; readonly cache: boolean },
  ) {
    this.classes = classes
    this.#files = files
    this.#format = format
    this.#slots = new Slots(options.concurrency)
    this.#kept = options.cache ? new Map() : null
  }

  /** The number of pictures. */
  get length(): number {
    return this.#files.length
  }

  /** The paths of the pictures in their order. */
  get files(): readonly string[] {
    return this.#files.map(({ path }) => path)
  }

  /** The classes of the pictures, i32 `[n]`. */
  get labels(): Tensor<[number], 'i32'> {
    return fromTypedArray(Int32Array.from(this.#files, ({ label }) => label))
  }

  /** What names the classes of predictions; `model.preprocessing = …` saves it with a model. */
  get preprocessing(): Preprocessing {
    return new Preprocessing(internal, {
      inputs: [],
      targets: [{ name: 'class', type: 'category', categories: this.classes }],
      encoding: 'index',
      unknown: 'error',
      missingValues: [],
    })
  }

  /**
   * One picture with its label.
   *
   * @param index - 0 to `length − 1`
   * @returns `{ x: u8[channels, height, width], y: i32[] }`
   * @throws DataError with the file, where it cannot be decoded
   */
  async get(index: number): Promise<Batch<ImageTensor, Tensor<[], 'i32'>>> {
    const file = this.#at('ImageFolder.get', index)
    const x = tensorOf(await this.#pixels(file))
    return { x, y: fromTypedArray(Int32Array.of(file.label), [] as []) }
  }

  /**
   * All pictures in memory, for `fit` to run over them without JavaScript.
   *
   * @returns a data set of u8 `[n, channels, height, width]` and i32 `[n]`
   * @throws ShapeError where pictures have different sizes and `size` says none
   * @throws DataError with the file, where one cannot be decoded
   */
  async load(): Promise<
    TensorDataset<Tensor<[number, number, number, number], 'u8'>, Tensor<[number], 'i32'>>
  > {
    return await new Origin().during(async () => {
      const op = 'ImageFolder.load'
      const [first] = this.#files
      const { shape } = await this.#pixels(first as ImageFile)
      const one = shape[0] * shape[1] * shape[2]
      const bytes = new Uint8Array(this.length * one)
      await Promise.all(
        this.#files.map(async (file, i) => {
          const pixels = await this.#pixels(file)
          if (pixels.shape.join() !== shape.join())
            throw new ShapeError(
              `${op}: ${file.path} is [${pixels.shape.join(', ')}]; expected [${shape.join(', ')}], as the first. Say one { size } for all.`,
            )
          bytes.set(pixels.bytes, i * one)
        }),
      )
      return new TensorDataset(
        fromTypedArray(bytes, [this.length, ...shape] as [number, number, number, number]),
        this.labels,
      )
    })
  }

  /** @internal Decodes all, and keeps those that can be. */
  async leaveOutCorrupt(): Promise<void> {
    const results = await Promise.allSettled(this.#files.map((file) => this.#pixels(file)))
    const good = this.#files.filter((file, i) => {
      if (results[i]?.status === 'fulfilled') return true
      this.skipped.push(file.path)
      return false
    })
    if (good.length === 0)
      throw new DataError('data.images: no picture can be decoded; expected some.', { file: this.skipped[0] })
    this.#files = good
  }

  #at(op: string, index: number): ImageFile {
    requireInteger(op, 'index', index, 0)
    const file = this.#files[index]
    if (file === undefined)
      throw new ValueError(`${op}: ${index} as index; expected an integer below ${this.length}.`)
    return file
  }

  async #pixels(file: ImageFile): Promise<Pixels> {
    const known = this.#kept?.get(file)
    if (known !== undefined) return known
    const pixels = await this.#slots.run(() => decoded('data.images', file.path, file.path, this.#format))
    this.#kept?.set(file, pixels)
    return pixels
  }
}

function tensorOf({ bytes, shape }: Pixels): ImageTensor {
  return fromTypedArray(bytes, shape as [number, number, number])
}

/** The classes of a folder and their pictures. */
async function listed(folder: string): Promise<[classes: string[], files: ImageFile[]]> {
  const fail = (where: string, given: string, expected: string, cause?: unknown): never => {
    throw new DataError(
      `data.images: ${where}: ${given}; expected ${expected}.`,
      { file: where },
      cause === undefined ? undefined : { cause },
    )
  }
  const entries = await readdir(folder).catch((error: unknown) =>
    fail(folder, reasonOf(error), 'a folder that can be read', error),
  )
  const visible = entries.filter((name) => !name.startsWith('.')).toSorted()
  const isFolder = await Promise.all(
    visible.map(async (name) => (await stat(join(folder, name))).isDirectory()),
  )
  const classes = visible.filter((_, i) => isFolder[i])
  if (classes.length === 0) fail(folder, 'no folder in it', 'a folder for each class, with its pictures')
  const files = await Promise.all(
    classes.map(async (name, label) => {
      const inner = await readdir(join(folder, name), { recursive: true })
      const pictures = inner
        .filter((path) => endings.has(extname(path).toLowerCase()) && !/(?:^|[/\\])\./.test(path))
        .toSorted()
      if (pictures.length === 0)
        fail(join(folder, name), 'no picture in it', `files that end in ${[...endings].join(', ')}`)
      return pictures.map((path) => ({ path: join(folder, name, path), label }))
    }),
  )
  return [classes, files.flat()]
}

/** Lets so many work at once; others wait for their turn. */
class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}

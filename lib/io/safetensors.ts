import { Origin } from '../errors/origin.js'
import type { Tensor } from '../tensor.js'
import { requireOptions } from '../tensor/checks.js'
import {
  entriesOf,
  read,
  requirePath,
  requireText,
  write,
  type FilePath,
  type NamedTensors,
} from './files.js'

/** Options of {@link saveTensors}. */
export interface SaveTensorsOptions {
  /** Texts that the file keeps beside the tensors; none by default. */
  readonly metadata?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined
}

/** What a safetensors file holds. */
export interface TensorFile {
  /** Tensors by their names, in the order of the file. */
  readonly tensors: Map<string, Tensor>
  /** The texts beside them. */
  readonly metadata: Map<string, string>
}

/**
 * Writes tensors into a safetensors file, which PyTorch, Hugging Face and others read.
 *
 * All tensors are taken at one moment: while a `fit` trains them, that is between two of its steps. The file is written
 * beside the old one and then takes its name, so whoever reads it, and whatever is killed meanwhile, finds the old file
 * or the new one.
 *
 * @param path - the file
 * @param tensors - a record or a Map; equal tensors give equal bytes, in whatever order they come
 * @param options - `metadata`: texts to keep beside them
 * @throws FileError where the file cannot be written; the old one is as it was
 * @throws ValueError for what is no tensor, and for a tensor called `__metadata__`, which the format has another use for
 * @see https://github.com/huggingface/safetensors
 * @example
 * ```ts
 * import { io, tensor } from 'neuroxide'
 * await io.saveTensors('pair.safetensors', { a: tensor([1, 2]), b: tensor([[3]]) }, { metadata: { made: 'today' } })
 * const { tensors, metadata } = await io.loadTensors('pair.safetensors')
 * console.log(tensors.get('a')?.toArray(), metadata.get('made')) // [ 1, 2 ] today
 * ```
 */
export async function saveTensors(
  path: FilePath,
  tensors: NamedTensors,
  options: SaveTensorsOptions = {},
): Promise<void> {
  await new Origin().during(async () => {
    const op = 'io.saveTensors'
    requireOptions(op, options, ['metadata'])
    const metadata = entriesOf<string>(op, 'metadata', options.metadata ?? {})
    for (const [key, text] of metadata) {
      requireText(op, 'key of metadata', key)
      requireText(op, `metadata "${key}"`, text)
    }
    const file = requirePath(op, path)
    await write(op, 'safetensors', file, entriesOf<Tensor>(op, 'tensors', tensors), metadata)
  })
}

/**
 * Reads all tensors of a safetensors file, of ours or of anybody's.
 *
 * Element types that there are none of here come as the next larger one: half floats as f32, integers as i32 where they
 * fit. A file is believed nothing: sizes are checked before memory is asked for, and what is damaged, cut or made to do
 * harm is a typed error.
 *
 * @param path - the file
 * @returns tensors and texts as Maps, so that no name of a file is a surprise
 * @throws FileError where the file cannot be read
 * @throws FormatError where it is no sound safetensors file, or an integer in it does not fit i32
 * @example
 * ```ts
 * import { io, ones } from 'neuroxide'
 * await io.saveTensors('ones.safetensors', new Map([['x', ones([2, 2])]]))
 * const { tensors } = await io.loadTensors('ones.safetensors')
 * console.log([...tensors.keys()], tensors.get('x')?.shape) // [ 'x' ] [ 2, 2 ]
 * ```
 */
export async function loadTensors(path: FilePath): Promise<TensorFile> {
  return await new Origin().during(async () => {
    const op = 'io.loadTensors'
    const { tensors, metadata } = await read(op, 'safetensors', requirePath(op, path))
    return { tensors: new Map(tensors), metadata: new Map(metadata) }
  })
}

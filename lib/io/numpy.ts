import { InternalError } from '../errors.js'
import { Origin } from '../errors/origin.js'
import type { Tensor } from '../tensor.js'
import { requireTensor } from '../tensor/checks.js'
import { entriesOf, read, requirePath, write, type FilePath, type NamedTensors } from './files.js'

/**
 * Writes a tensor into an npy file, which `numpy.load` reads; the file is replaced whole or not at all.
 *
 * @throws FileError where the file cannot be written; the old one is as it was
 * @example
 * ```ts
 * import { io, tensor } from 'neuroxide'
 * await io.saveNpy('x.npy', tensor([[1, 2], [3, 4]]))
 * console.log((await io.loadNpy('x.npy')).toArray()) // [ [ 1, 2 ], [ 3, 4 ] ]
 * ```
 */
export async function saveNpy(path: FilePath, tensor: Tensor): Promise<void> {
  await new Origin().during(async () => {
    const op = 'io.saveNpy'
    const file = requirePath(op, path)
    requireTensor(op, 'array', tensor)
    await write(op, 'npy', file, [['array', tensor]])
  })
}

/**
 * Reads an npy file: booleans, integers and floats in either byte order, by rows or by columns.
 *
 * Half floats come as f32, integers as i32 where they fit. Python objects are never read.
 *
 * @throws FileError where the file cannot be read
 * @throws FormatError where it is no sound npy file, or holds elements that tensors cannot have
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 * @example
 * ```ts
 * import { io, arange } from 'neuroxide'
 * await io.saveNpy('counted.npy', arange(3))
 * console.log((await io.loadNpy('counted.npy')).shape) // [ 3 ]
 * ```
 */
export async function loadNpy(path: FilePath): Promise<Tensor> {
  return await new Origin().during(async () => {
    const op = 'io.loadNpy'
    const { tensors } = await read(op, 'npy', requirePath(op, path))
    const tensor = tensors[0]?.[1]
    if (tensor === undefined) throw new InternalError(`${op}: an npy file without an array; expected one.`)
    return tensor
  })
}

/**
 * Writes tensors into an npz file, as `numpy.savez` does; the file is replaced whole or not at all.
 *
 * @param path - the file
 * @param tensors - a record or a Map
 * @throws FileError where the file cannot be written; the old one is as it was
 * @throws ValueError for names that are paths to elsewhere
 * @example
 * ```ts
 * import { io, eye, ones } from 'neuroxide'
 * await io.saveNpz('both.npz', { eye: eye(2), ones: ones([3]) })
 * console.log([...(await io.loadNpz('both.npz')).keys()]) // [ 'eye', 'ones' ]
 * ```
 */
export async function saveNpz(path: FilePath, tensors: NamedTensors): Promise<void> {
  await new Origin().during(async () => {
    const op = 'io.saveNpz'
    const file = requirePath(op, path)
    await write(op, 'npz', file, entriesOf<Tensor>(op, 'tensors', tensors))
  })
}

/**
 * Reads all arrays of an npz file, packed or not, as {@link loadNpy} reads each.
 *
 * Members that unpack to more than a hundred times their size in the file are refused: a small file could fill the
 * memory.
 *
 * @returns the tensors by the names of their members, without `.npy`
 * @throws FileError where the file cannot be read
 * @throws FormatError where it is no sound npz file
 * @example
 * ```ts
 * import { io, zeros } from 'neuroxide'
 * await io.saveNpz('zeros.npz', { z: zeros([4]) })
 * console.log((await io.loadNpz('zeros.npz')).get('z')?.shape) // [ 4 ]
 * ```
 */
export async function loadNpz(path: FilePath): Promise<Map<string, Tensor>> {
  return await new Origin().during(async () => {
    const op = 'io.loadNpz'
    const { tensors } = await read(op, 'npz', requirePath(op, path))
    return new Map(tensors)
  })
}

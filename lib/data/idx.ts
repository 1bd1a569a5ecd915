import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { fromTypedArray } from '../tensor/factories.js'
import type { Shape } from '../types.js'
import { shown } from '../tensor/create.js'

type IdxValues = Uint8Array | Int32Array | Float32Array | Float64Array

interface Kind {
  readonly bytes: number
  readonly make: (count: number) => IdxValues
  readonly read: (view: DataView, at: number) => number
}

/** The third byte of an IDX file; all numbers are big-endian. Narrow integers become i32, as they have no dtype here. */
const kinds: ReadonlyMap<number, Kind> = new Map([
  [0x08, { bytes: 1, make: (n) => new Uint8Array(n), read: (view, at) => view.getUint8(at) }],
  [0x09, { bytes: 1, make: (n) => new Int32Array(n), read: (view, at) => view.getInt8(at) }],
  [0x0b, { bytes: 2, make: (n) => new Int32Array(n), read: (view, at) => view.getInt16(at) }],
  [0x0c, { bytes: 4, make: (n) => new Int32Array(n), read: (view, at) => view.getInt32(at) }],
  [0x0d, { bytes: 4, make: (n) => new Float32Array(n), read: (view, at) => view.getFloat32(at) }],
  [0x0e, { bytes: 8, make: (n) => new Float64Array(n), read: (view, at) => view.getFloat64(at) }],
] as const)

/**
 * Reads an IDX file, the format of MNIST and its relatives, also when it is compressed with gzip.
 *
 * u8 files stay u8; i8, i16 and i32 become i32; f32 and f64 stay. The shape is the file's.
 *
 * @param path - the file; gzip is recognised by content, not by name
 * @throws ValueError when the file is no IDX file, is cut off, or is longer than its header says
 * @see http://yann.lecun.com/exdb/mnist/ (section "the IDX file format")
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs'
 * import { data } from 'neuroxide'
 * // Two zeros, the code of u8, one axis, its size in four bytes, and the values.
 * writeFileSync('labels-idx1-ubyte', Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1))
 * const labels = data.readIdx('labels-idx1-ubyte')
 * console.log(labels.dtype, labels.toArray()) // u8 [ 7, 2, 1 ]
 * ```
 */
export function readIdx(path: string): Tensor {
  const stored = contents(path)
  const zipped = stored.length > 2 && stored[0] === 0x1f && stored[1] === 0x8b
  return parseIdx(zipped ? unzipped(stored, path) : stored, path)
}

function contents(path: unknown): Buffer {
  if (typeof path !== 'string') throw new ValueError(`data.readIdx: ${shown(path)} as path; expected a text.`)
  try {
    return readFileSync(path)
  } catch (error) {
    throw new ValueError(`data.readIdx: ${path} (${messageOf(error)}); expected a file that can be read.`, {
      cause: error,
    })
  }
}

function unzipped(stored: Buffer, path: string): Buffer {
  try {
    return gunzipSync(stored)
  } catch (error) {
    throw new ValueError(`data.readIdx: ${path} (${messageOf(error)}); expected a whole gzip file.`, {
      cause: error,
    })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * Reads the bytes of an IDX file.
 *
 * @param bytes - the whole uncompressed file
 * @param name - what messages call it
 * @throws ValueError when the bytes are no IDX file
 * @example
 * ```ts
 * import { data } from 'neuroxide'
 * const bytes = new Uint8Array([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])
 * console.log(data.parseIdx(bytes).toArray()) // [ 7, 9 ]
 * ```
 */
export function parseIdx(bytes: Uint8Array, name = 'IDX data'): Tensor {
  const fail = (what: string): never => {
    throw new ValueError(`data.parseIdx: ${name}: ${what}`)
  }
  if (!(bytes instanceof Uint8Array)) fail(`${shown(bytes)}; expected the bytes of a file, a Uint8Array.`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 4 || view.getUint16(0) !== 0)
    fail('no IDX file; expected two zero bytes at the beginning.')
  const kind =
    kinds.get(view.getUint8(2)) ??
    fail(`unknown element type 0x${view.getUint8(2).toString(16)}; expected 0x8, 0x9 or 0xb to 0xe.`)
  const rank = view.getUint8(3)
  const start = 4 + 4 * rank
  if (bytes.length < start) fail(`a header that is cut off; expected ${rank} sizes.`)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  const count = shape.reduce((product, size) => product * size, 1)
  // Compared before anything is allocated, so that a forged header costs nothing.
  if (bytes.length !== start + count * kind.bytes) {
    fail(`${bytes.length} bytes; expected ${start + count * kind.bytes} for [${shape.join(', ')}].`)
  }
  return fromTypedArray(elements(view, start, count, kind), shape as unknown as Shape)
}

function elements(view: DataView, start: number, count: number, kind: Kind): IdxValues {
  if (kind.bytes === 1 && kind.make(0) instanceof Uint8Array) {
    return new Uint8Array(view.buffer, view.byteOffset + start, count)
  }
  const values = kind.make(count)
  for (let i = 0; i < count; i++) values[i] = kind.read(view, start + i * kind.bytes)
  return values
}

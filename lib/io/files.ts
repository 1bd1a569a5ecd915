import { fileURLToPath } from 'node:url'
import { ValueError } from '../errors.js'
import { Io, LIST_CAPACITY, io, native, type FileFormat } from '../native.js'
import type { Tensor } from '../tensor.js'
import { adopt, blank, handleOf, requireReadable } from '../tensor/base.js'
import { requireTensor } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

/** Tensors by name. */
export type NamedTensors = Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>

/** Where a file is: a path, or a `file:` URL. */
export type FilePath = string | URL

/** What a file holds. */
export interface Contents {
  readonly tensors: readonly (readonly [name: string, tensor: Tensor])[]
  readonly metadata: readonly (readonly [key: string, text: string])[]
}

/** The path of a file as the system knows it. */
export function requirePath(op: string, path: unknown): string {
  const text = path instanceof URL && path.protocol === 'file:' ? fileURLToPath(path) : path
  if (typeof text !== 'string' || text === '' || text.includes('\0'))
    throw new ValueError(`${op}: ${shown(path)} as path; expected that of a file, or a file: URL.`)
  return text
}

/** The entries of a record or a map; keys such as `__proto__` are keys like any other. */
export function entriesOf<T>(op: string, what: string, given: unknown): [string, T][] {
  if (given instanceof Map) return [...(given as Map<string, T>)]
  const prototype: unknown = typeof given === 'object' && given !== null ? Object.getPrototypeOf(given) : 0
  if (prototype !== Object.prototype && prototype !== null)
    throw new ValueError(`${op}: ${shown(given)} as ${what}; expected a record or a Map.`)
  return Object.entries(given as Record<string, T>)
}

/** Refuses what is no text that a file can hold. */
export function requireText(op: string, what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || /\p{Surrogate}/u.test(value))
    throw new ValueError(`${op}: ${shown(value)} as ${what}; expected a text of Unicode characters.`)
}

/** Writes tensors, as they are between two steps, so that the file is replaced whole or not at all. */
export async function write(
  op: string,
  format: FileFormat,
  path: string,
  tensors: readonly (readonly [string, Tensor])[],
  metadata: readonly (readonly [string, string])[] = [],
): Promise<void> {
  if (tensors.length > LIST_CAPACITY)
    throw new ValueError(`${op}: ${tensors.length} tensors; expected at most ${LIST_CAPACITY} in one file.`)
  for (const [name, tensor] of tensors) {
    requireText(op, 'name', name)
    requireTensor(op, shown(name), tensor)
    requireReadable(tensor, op)
  }
  for (const [i, [, tensor]] of tensors.entries()) io[Io.list + i] = handleOf(tensor)
  const names = tensors.map(([name]) => name)
  const words = metadata.flat()
  await native.saveFile(op, format, path, names, names.length, words, words.length)
}

/** What the addon says of a file that it has read. */
interface Described {
  readonly id: number
  readonly names: readonly string[]
  readonly metadata: readonly (readonly [string, string])[]
}

/** Reads all tensors of a file. */
export async function read(op: string, format: FileFormat, path: string): Promise<Contents> {
  const { id, names, metadata } = JSON.parse(await native.loadFile(op, format, path)) as Described
  try {
    const tensors = names.map((name, index) => {
      const out = blank()
      return [name, adopt(out, native.loadedTensor(out, id, index))] as const
    })
    return { tensors, metadata }
  } finally {
    native.loadedTensor(null, id, -1)
  }
}

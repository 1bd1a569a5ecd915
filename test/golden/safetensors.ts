import { readFileSync } from 'node:fs'
import { fromTypedArray, type DType, type Tensor } from 'neuroxide'

/** How each element type of the format lies in memory, and what it becomes here. */
const storages = {
  F64: { array: Float64Array, dtype: 'f64' },
  F32: { array: Float32Array, dtype: 'f32' },
  I64: { array: BigInt64Array, dtype: 'i32' },
  I32: { array: Int32Array, dtype: 'i32' },
  U8: { array: Uint8Array, dtype: 'u8' },
  BOOL: { array: Uint8Array, dtype: 'bool' },
} as const satisfies Record<string, { array: unknown; dtype: DType }>

/** Element types as the format names them. */
export type StoredType = keyof typeof storages

/** One tensor of a file: what a result is compared with, or an input. */
export interface Stored {
  readonly type: StoredType
  readonly shape: readonly number[]
  readonly values: Float64Array
}

interface Header {
  readonly dtype: StoredType
  readonly shape: number[]
  readonly data_offsets: [start: number, end: number]
}

/** The tensors of a safetensors file, by name. */
export class Safetensors {
  readonly #bytes: Buffer
  readonly #start: number
  readonly #header: Readonly<Record<string, Header>>

  constructor(path: string) {
    this.#bytes = readFileSync(path)
    const length = Number(this.#bytes.readBigUInt64LE(0))
    this.#start = 8 + length
    this.#header = JSON.parse(this.#bytes.toString('utf8', 8, this.#start)) as Record<string, Header>
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#header, name)
  }

  /** The names that begin with a prefix, without it. */
  under(prefix: string): string[] {
    return Object.keys(this.#header)
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
  }

  /** A tensor as numbers; integers of 64 bits are exact as long as they are below 2^53. */
  stored(name: string): Stored {
    const { dtype, shape } = this.#entry(name)
    return { type: dtype, shape, values: Float64Array.from(this.#elements(name), Number) }
  }

  /** A tensor of ours with the same values; integers of 64 bits become i32. */
  tensor(name: string, options: { readonly requiresGrad?: boolean } = {}): Tensor {
    const { dtype, shape } = this.#entry(name)
    return fromTypedArray(this.#elements(name), shape, {
      dtype: storages[dtype].dtype as DType,
      requiresGrad: options.requiresGrad,
    })
  }

  #entry(name: string): Header {
    const entry = this.#header[name]
    if (entry === undefined) throw new Error(`the file has no tensor ${name}`)
    return entry
  }

  #elements(name: string): Float64Array | Float32Array | BigInt64Array | Int32Array | Uint8Array {
    const { dtype, data_offsets } = this.#entry(name)
    const from = this.#bytes.byteOffset + this.#start
    // Copied, as tensors may begin at any byte and views of wider elements may not.
    const bytes = this.#bytes.buffer.slice(from + data_offsets[0], from + data_offsets[1]) as ArrayBuffer
    return new storages[dtype].array(bytes)
  }
}

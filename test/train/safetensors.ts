import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { fromTypedArray, type Tensor } from 'neuroxide'

const types = {
  F32: Float32Array,
  F64: Float64Array,
  I32: Int32Array,
  I64: BigInt64Array,
  U8: Uint8Array,
} as const

/** The tensors of a file in `test/golden`. */
export function golden(name: string): (key: string) => Tensor {
  const path = fileURLToPath(new URL(`../golden/${name}.safetensors`, import.meta.url))
  const bytes = readFileSync(path)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: keyof typeof types; shape: number[]; data_offsets: [number, number] }
  >
  return (key) => {
    const entry = header[key]
    if (entry === undefined) throw new Error(`${name} has no tensor ${key}`)
    const [start, end] = entry.data_offsets
    const copy = bytes.buffer.slice(
      bytes.byteOffset + 8 + length + start,
      bytes.byteOffset + 8 + length + end,
    )
    return fromTypedArray(new types[entry.dtype](copy as ArrayBuffer), entry.shape) as Tensor
  }
}

/** The largest difference of two tensors as a share of the second one's largest value. */
export function distance(ours: Tensor, theirs: Tensor): number {
  const scale = Number(theirs.abs().max().item())
  return Number(ours.detach().sub(theirs).abs().max().item()) / Math.max(scale, 1e-30)
}

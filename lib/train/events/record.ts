// TensorBoard's files are TFRecord files: each record is its length (u64), the masked CRC-32C of these eight bytes, the
// payload, and the masked CRC-32C of the payload; all little-endian.

/** CRC-32C (Castagnoli, reversed polynomial 0x82F63B78) of each byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** The CRC-32C of bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0)
  return (crc ^ 0xffffffff) >>> 0
}

/** A checksum as records store it: turned and shifted, so that one over bytes that hold checksums is sound too. */
export function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** A payload with its frame. */
export function record(payload: Uint8Array): Uint8Array {
  const framed = new Uint8Array(payload.length + 16)
  const view = new DataView(framed.buffer)
  view.setBigUint64(0, BigInt(payload.length), true)
  view.setUint32(8, masked(crc32c(framed.subarray(0, 8))), true)
  framed.set(payload, 12)
  view.setUint32(12 + payload.length, masked(crc32c(payload)), true)
  return framed
}

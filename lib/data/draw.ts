/** A whole number of 32 bits in which every bit of `value` counts for every other. */
function mixed(value: number): number {
  let bits = value >>> 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad)
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97)
  return (bits ^ (bits >>> 15)) >>> 0
}

/** A number in [0, 1) that depends on a seed and a position, and on nothing else. */
export function drawnAt(seed: number, position: number): number {
  const high = Math.floor(seed / 2 ** 32)
  return mixed(mixed(mixed(seed) ^ mixed(high + 0x632be5ab)) + mixed(position ^ 0x9e3779b9)) / 2 ** 32
}

/** Numbers in [0, 1), one after the other, that depend on a seed and the number of the epoch alone. */
export function drawing(seed: number, epoch: number): () => number {
  const own = Math.floor(drawnAt(seed, epoch) * 2 ** 32)
  let position = 0
  return () => drawnAt(own, position++)
}

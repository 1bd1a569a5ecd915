// The messages of `event.proto` and `summary.proto` of TensorFlow that are written, in protobuf's wire format: a key
// (number << 3 | type) and a value per field. Types: 0 varint, 1 eight bytes, 2 bytes with their length, 5 four bytes.

type Bytes = readonly number[] | Uint8Array

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  return [...bytes, Number(rest)]
}

function joined(parts: readonly Bytes[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

function integer(field: number, value: number): Uint8Array {
  return joined([varint(field << 3), varint(value)])
}

function double(field: number, value: number): Uint8Array {
  return joined([varint((field << 3) | 1), new Uint8Array(Float64Array.of(value).buffer)])
}

function float(field: number, value: number): Uint8Array {
  return joined([varint((field << 3) | 5), new Uint8Array(Float32Array.of(value).buffer)])
}

function bytes(field: number, value: Uint8Array): Uint8Array {
  return joined([varint((field << 3) | 2), varint(value.length), value])
}

function text(field: number, value: string): Uint8Array {
  return bytes(field, new TextEncoder().encode(value))
}

function doubles(field: number, values: readonly number[]): Uint8Array {
  return bytes(field, new Uint8Array(Float64Array.from(values).buffer))
}

/** How values are spread: `counts[i]` of them lie above the limit before and up to `limits[i]`. */
export interface Histogram {
  readonly min: number
  readonly max: number
  readonly count: number
  readonly sum: number
  readonly sumOfSquares: number
  readonly limits: readonly number[]
  readonly counts: readonly number[]
}

/** A number or a histogram under a name. */
export interface Summary {
  readonly tag: string
  readonly value: number | Histogram
}

function summaryValue({ tag, value }: Summary): Uint8Array {
  if (typeof value === 'number') return bytes(1, joined([text(1, tag), float(2, value)]))
  const histogram = joined([
    double(1, value.min),
    double(2, value.max),
    double(3, value.count),
    double(4, value.sum),
    double(5, value.sumOfSquares),
    doubles(6, value.limits),
    doubles(7, value.counts),
  ])
  return bytes(1, joined([text(1, tag), bytes(5, histogram)]))
}

/** The first event of each file. */
export function versionEvent(seconds: number): Uint8Array {
  return joined([double(1, seconds), text(3, 'brain.Event:2')])
}

/** An event with what was measured at a step; seconds since 1970. */
export function summaryEvent(seconds: number, step: number, summaries: readonly Summary[]): Uint8Array {
  return joined([double(1, seconds), integer(2, step), bytes(5, joined(summaries.map(summaryValue)))])
}

/** How values are spread over equally wide ranges. */
export function histogramOf(values: ArrayLike<number>, buckets = 30): Histogram {
  let [min, max, sum, sumOfSquares, count] = [Infinity, -Infinity, 0, 0, 0]
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? Number.NaN
    // TensorBoard has no place for them.
    if (!Number.isFinite(value)) continue
    min = Math.min(min, value)
    max = Math.max(max, value)
    sum += value
    sumOfSquares += value * value
    count += 1
  }
  if (count === 0) return { min: 0, max: 0, count, sum, sumOfSquares, limits: [0], counts: [0] }
  if (min === max) return { min, max, count, sum, sumOfSquares, limits: [max], counts: [count] }
  const width = (max - min) / buckets
  const counts = Array<number>(buckets).fill(0)
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? Number.NaN
    if (!Number.isFinite(value)) continue
    const at = Math.min(Math.floor((value - min) / width), buckets - 1)
    counts[at] = (counts[at] ?? 0) + 1
  }
  const limits = counts.map((_, i) => (i === buckets - 1 ? max : min + width * (i + 1)))
  return { min, max, count, sum, sumOfSquares, limits, counts }
}

import type { DType, Tensor } from 'neuroxide'
import type { Stored, StoredType } from './safetensors.js'

/** The share by which losses, metrics and weights of whole trainings may differ. */
export const TRAINING = 1e-4

/** What a stored element type has to be here: references of floats are f64 only to be exact. */
const counterparts: Record<StoredType, DType> = {
  F64: 'f32',
  F32: 'f32',
  I64: 'i32',
  I32: 'i32',
  U8: 'u8',
  BOOL: 'bool',
}

function isFloat(type: StoredType): boolean {
  return type === 'F64' || type === 'F32'
}

/**
 * Why a result is not the reference; null where it is.
 *
 * A float may be off by `max(8 · err, 1e-5 + 1.3e-6 · |reference|)`, where `err` is what PyTorch's own f32 was off. NaN
 * equals only NaN, an infinity only the same one, integers and booleans only themselves.
 */
export function mismatch(
  what: string,
  ours: Tensor,
  reference: Stored,
  err: number,
  dtype: DType = counterparts[reference.type],
): string | null {
  if (ours.dtype !== dtype) return `${what} has dtype ${ours.dtype}, expected ${dtype}`
  if (ours.shape.join() !== reference.shape.join())
    return `${what} has shape [${ours.shape.join(', ')}], expected [${reference.shape.join(', ')}]`
  const values = ours.toTypedArray()
  const float = isFloat(reference.type)
  let worst = -1
  let excess = 0
  for (let i = 0; i < values.length; i += 1) {
    const [a, b] = [values[i] as number, reference.values[i] as number]
    if (Object.is(a, b) || a === b) continue
    const allowed = float ? Math.max(8 * err, 1e-5 + 1.3e-6 * Math.abs(b)) : 0
    const difference = Math.abs(a - b)
    if (Number.isFinite(difference) && difference <= allowed && Number.isFinite(b)) continue
    const by = Number.isFinite(difference) ? difference - allowed : Infinity
    if (worst < 0 || by > excess) [worst, excess] = [i, by]
  }
  return worst < 0
    ? null
    : `${what}[${worst}] of [${reference.shape.join(', ')}] is ${String(values[worst])}, expected ${String(reference.values[worst])}`
}

/** The same for numbers of a training, which drift apart with every step. */
export function drift(what: string, ours: ArrayLike<number>, reference: ArrayLike<number>): string | null {
  if (ours.length !== reference.length) return `${what}: ${ours.length} values, expected ${reference.length}`
  for (let i = 0; i < ours.length; i += 1) {
    const [a, b] = [ours[i] as number, reference[i] as number]
    if (!(Math.abs(a - b) <= TRAINING * Math.abs(b))) return `${what}[${i}] is ${a}, expected ${b}`
  }
  return null
}

/** The same for the weights after a training, which are compared tensor by tensor. */
export function weightDrift(
  what: string,
  ours: Tensor,
  reference: Stored,
  share: number = TRAINING,
): string | null {
  if (ours.shape.join() !== reference.shape.join())
    return `${what} has shape [${ours.shape.join(', ')}], expected [${reference.shape.join(', ')}]`
  const values = ours.toTypedArray()
  let [difference, scale] = [0, 0]
  for (let i = 0; i < values.length; i += 1) {
    const [a, b] = [Number(values[i]), reference.values[i] as number]
    // A NaN on either side survives the maximum.
    difference = Math.max(difference, Math.abs(a - b))
    scale = Math.max(scale, Math.abs(b))
  }
  return difference <= share * scale
    ? null
    : `${what} is off by ${difference}, expected at most ${share * scale}`
}

/** The first of several reasons. */
export function first(reasons: Iterable<string | null>): string | null {
  for (const reason of reasons) if (reason !== null) return reason
  return null
}

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { totalmem } from 'node:os'
import { Io, io, native } from './native.js'

// No finalizer runs inside a synchronous loop, so the collector alone never tells the addon that tensors are dead.
// Whenever the addon holds more than a threshold, a minor collection and a poll of its weak references find them.

type Collect = (options?: { type: 'minor' | 'major'; execution?: 'sync' }) => void

const MiB = 2 ** 20

/** How much may be allocated between two sweeps at least, in bytes. */
const LEAST = 48 * MiB

/** How much at most where minor collections suffice: they are cheap, and what they keep small is the resident set. */
const MOST_MINOR = 64 * MiB

/** How much at most where full collections are needed, whose time grows with the user's heap. */
const MOST_FULL = Math.max(LEAST, Math.min(1024 * MiB, totalmem() / 8))

/** The share of the time that collections may take before sweeps become rarer. */
const BUDGET = 0.05

/** The share of a round that a minor collection has to free, else a full one follows. */
const ENOUGH = 0.5

/** The weight of the last round in the running mean of that time. */
const RECENT = 0.25

let collect: Collect | null | undefined

/** The collector, as V8 hands it out to a new context; none where the engine has no such function. */
function collector(): Collect | null {
  if (collect === undefined) {
    try {
      setFlagsFromString('--expose-gc')
      const found: unknown = runInNewContext('gc')
      collect = typeof found === 'function' ? (found as Collect) : null
      setFlagsFromString('--no-expose-gc')
    } catch {
      collect = null
    }
  }
  return collect
}

let headroom = LEAST
/** What the last sweep left. */
let floor = 0
let share = 0
let lastEnd = performance.now()
native.pressure(headroom)

/** Frees the tensors that nothing in JavaScript refers to any more; called when the addon asks for it. */
export function relieve(): void {
  const before = native.pressure(Number.NaN)
  let collecting = collected('minor')
  native.sweep()
  let load = native.pressure(Number.NaN)
  // A round ends where the last one ended, unless the user keeps more; otherwise something old may be dead.
  const insufficient = before - load < ENOUGH * (before - floor)
  if (insufficient) {
    collecting += collected('major')
    native.sweep()
    load = native.pressure(Number.NaN)
  }
  floor = load
  const end = performance.now()
  share += RECENT * (collecting / Math.max(end - lastEnd, 1e-3) - share)
  lastEnd = end
  adapt(insufficient ? MOST_FULL : MOST_MINOR)
  io[Io.pressure] = 0
  native.pressure(load + headroom)
}

/** Collects garbage; returns how long it took. The polls that follow cost as much per tensor however rare they are. */
function collected(type: 'minor' | 'major'): number {
  const start = performance.now()
  collector()?.({ type })
  return performance.now() - start
}

function adapt(most: number): void {
  if (share > BUDGET) headroom = Math.max(LEAST, Math.min(headroom * 1.5, most))
  else if (share < BUDGET / 4) headroom = Math.max(headroom / 1.5, LEAST)
}

/** What {@link memory} reports. */
export interface MemoryInfo {
  /** Tensors that the core holds for JavaScript. */
  readonly tensors: number
  /** Bytes of all storage, including parameters and optimizer state. */
  readonly bytes: number
  /** The most bytes held so far. */
  readonly peakBytes: number
}

/**
 * Reports what the core holds at the moment.
 *
 * Nobody has to free tensors: those that JavaScript no longer refers to are found by themselves when memory is needed.
 *
 * @returns counts and bytes
 * @example
 * ```ts
 * import { memory, rand } from 'neuroxide'
 * const x = rand([1000])
 * console.log(memory().bytes >= 4 * x.numel) // true
 * ```
 */
export function memory(): MemoryInfo {
  return JSON.parse(native.memory()) as MemoryInfo
}

/** What {@link deviceInfo} reports. */
export interface DeviceInfo {
  /** The backend's name. */
  readonly name: string
  /** The instruction set that its kernels use: 'avx512', 'avx2' or 'portable'. */
  readonly isa: string
  /** Threads that a kernel may use. */
  readonly threads: number
}

/**
 * Reports what computes: `NEUROXIDE_ISA` and `NEUROXIDE_THREADS` change it, the results never.
 *
 * @returns backend, instruction set and threads
 * @example
 * ```ts
 * import { deviceInfo } from 'neuroxide'
 * console.log(deviceInfo().threads >= 1) // true
 * ```
 */
export function deviceInfo(): DeviceInfo {
  return JSON.parse(native.device()) as DeviceInfo
}

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { totalmem } from 'node:os'
import { Io, io, native } from './native.js'

// No finalizer runs inside a synchronous loop, so the collector alone never tells the addon that tensors are dead.
// Whenever the addon holds more than a threshold, a minor collection and a poll of its weak references find them.

type Collect = (options?: { type: 'minor' | 'major'; execution?: 'sync' }) => void

const MiB = 2 ** 20

/** How much may be allocated between two sweeps at least and at most, in bytes. */
const LEAST = 128 * MiB
const MOST = Math.max(LEAST, Math.min(4096 * MiB, totalmem() / 8))

/** The share of the time that sweeps may take before they become rarer. */
const BUDGET = 0.05

/** The share of a round that a minor collection has to free, else a full one follows. */
const ENOUGH = 0.5

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
let floor = 0
let lastEnd = performance.now()

/** Frees the tensors that nothing in JavaScript refers to any more; called when the addon asks for it. */
export function relieve(): void {
  const start = performance.now()
  const before = native.pressure(NaN)
  collector()?.({ type: 'minor' })
  native.sweep()
  let load = native.pressure(NaN)
  // What a round may hold legitimately is what the last one left; above that something old may be dead.
  if (before - load < ENOUGH * (before - floor)) {
    collector()?.()
    native.sweep()
    load = native.pressure(NaN)
  }
  floor = load
  const end = performance.now()
  adapt((end - start) / Math.max(end - lastEnd, 1e-3))
  lastEnd = end
  io[Io.pressure] = 0
  native.pressure(load + headroom)
}

function adapt(share: number): void {
  if (share > BUDGET) headroom = Math.min(headroom * 2, MOST)
  else if (share < BUDGET / 8) headroom = Math.max(headroom / 2, LEAST)
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

import { ValueError } from './errors.js'
import { Flag, Io, io, native } from './native.js'
import {
  DEAD,
  type TensorBase,
  detachHandle,
  flagsOf,
  isTensor,
  located,
  requireList,
  swapCreated,
} from './tensor/base.js'
import { requireFunction } from './tensor/checks.js'

/** How many levels of objects are searched for tensors that a scope has to keep. */
const DEPTH = 32

/**
 * Runs a function and frees the tensors made in it at once, but for those that it returns and for parameters.
 *
 * Never necessary, as forgotten tensors are found by themselves; it gives memory back earlier.
 *
 * @param fn - what to run; synchronous. Tensors are kept where the result holds them: in arrays, records, maps, sets and
 * fields of objects
 * @returns what `fn` returns
 * @throws ValueError where `fn` returns a Promise
 * @example
 * ```ts
 * import { randn, scope } from 'neuroxide'
 * const total = scope(() => {
 *   const x = randn([100, 100])
 *   return x.matmul(x).sum()
 * })
 * console.log(total.rank) // 0
 * ```
 */
export function scope<T>(fn: () => T): T {
  requireFunction('scope', fn)
  const made: TensorBase[] = []
  const outer = swapCreated(made)
  let result: T
  try {
    result = fn()
  } catch (error) {
    swapCreated(outer)
    release(made, new Set())
    throw error
  }
  swapCreated(outer)
  if (result instanceof Promise)
    throw located(
      ValueError,
      'scope: the function returned a Promise; expected a synchronous function. What it makes later would not belong to the scope.',
    )
  const kept = new Set<unknown>()
  gather(result, kept, DEPTH)
  if (outer !== null) for (const tensor of made) if (kept.has(tensor)) outer.push(tensor)
  release(made, kept)
  return result
}

function gather(value: unknown, seen: Set<unknown>, depth: number): void {
  if (typeof value !== 'object' || value === null || seen.has(value) || depth === 0) return
  seen.add(value)
  if (isTensor(value) || ArrayBuffer.isView(value)) return
  if (value instanceof Map)
    for (const [key, entry] of value) [key, entry].forEach((part) => gather(part, seen, depth - 1))
  else if (value instanceof Set) for (const entry of value) gather(entry, seen, depth - 1)
  for (const key of Reflect.ownKeys(value)) {
    const property = Object.getOwnPropertyDescriptor(value, key)
    if (property !== undefined && 'value' in property) gather(property.value, seen, depth - 1)
  }
}

function release(made: readonly TensorBase[], kept: ReadonlySet<unknown>): void {
  let count = 0
  for (const tensor of made) {
    if (kept.has(tensor) || isParameter(tensor)) continue
    const handle = detachHandle(tensor)
    if (handle === DEAD) continue
    requireList(count + 1)
    io[Io.list + count] = handle
    count += 1
    if (Io.list + count === io.length) {
      native.releaseMany(count)
      count = 0
    }
  }
  if (count > 0) native.releaseMany(count)
}

/** Leaves that gradients are wanted for are somebody's weights, wherever they are kept. */
function isParameter(tensor: TensorBase): boolean {
  const wanted = Flag.leaf | Flag.requiresGrad
  return (flagsOf(tensor) & wanted) === wanted
}

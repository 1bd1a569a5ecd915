import { TraceError } from '../errors.js'
import { NONE, isTracing, native, type Handle } from '../native.js'
import { adopt, blank, handleOf, type TensorBase } from '../tensor/base.js'
import type { Shape } from '../types.js'

// A layer that was left out of `model.parameters()` trains the rest of the model and stays as it began, and nothing
// ever fails. So the first step of every optimizer looks once for parameters that have a gradient and that nobody
// trains or saves. Everything here is bounded and holds numbers rather than tensors, so that nothing is kept alive.

/** What has parameters under names. */
export interface Holder {
  readonly constructor: { readonly name: string }
  namedParameters(): [name: string, parameter: unknown][]
}

/** Trained modules remembered between the making of an optimizer and its first step, at most. */
const remembered = 8

const known = new Map<Handle, Shape>()
const optimized = new Set<Handle>()
const warned = new Set<Handle>()
let prunedAt = 1024
let waiting = 0
let roots: Holder[] = []
let strays: Stray[] = []
let collected: Set<Holder> | null = null

interface Stray {
  readonly module: Holder
  readonly owner: string
}

/** Told of every parameter that is made. */
export function noticeParameter(handle: Handle, shape: Shape): void {
  if (known.size >= prunedAt) prune()
  known.set(handle, shape)
}

function prune(): void {
  for (const handle of known.keys()) {
    if (native.alive(handle)) continue
    known.delete(handle)
    optimized.delete(handle)
    warned.delete(handle)
  }
  prunedAt = Math.max(1024, 2 * known.size)
}

/** Told of every module whose forward is called from outside any other. */
export function noticeRoot(module: Holder): void {
  if (waiting > 0 && !roots.includes(module)) roots = [...roots.slice(1 - remembered), module]
}

/** Told of a module that runs inside another one, none of whose fields hold it. */
export function noticeStray(module: Holder, owner: Holder): void {
  collected?.add(module)
  if (waiting === 0 || strays.some((stray) => stray.module === module)) return
  strays = [...strays.slice(1 - remembered), { module, owner: owner.constructor.name }]
}

/** Runs `body` and tells which modules ran in it that no field of another one holds. */
export function withStrays<T>(body: () => T): [result: T, strays: Holder[]] {
  const outer = collected
  const own = new Set<Holder>()
  collected = own
  try {
    return [body(), [...own]]
  } finally {
    collected = outer
  }
}

/** Told of the parameters of a new optimizer; returns what its first step has to check. */
export function expectStep(parameters: readonly TensorBase[]): () => void {
  const own = parameters.map(handleOf)
  for (const handle of own) optimized.add(handle)
  // Gradients that are there already belong to something else.
  const earlier = new Set(isTracing() ? [] : [...known.keys()].filter(hasGradient))
  waiting += 1
  return () => {
    waiting -= 1
    warnOfOrphans(own, earlier)
    // An optimizer that still waits meets its modules again before its own first step.
    roots = []
    strays = []
  }
}

function hasGradient(handle: Handle): boolean {
  if (!native.alive(handle)) return false
  const out = blank()
  try {
    const gradient = native.gradOf(out, handle)
    if (gradient === NONE) return false
    adopt(out, gradient)
  } catch (error) {
    // One that a jitted step kept to itself is a gradient as well.
    if (!(error instanceof TraceError)) throw error
  }
  return true
}

interface Named {
  readonly name: string
  readonly saved: boolean
}

function namedHandles(): Map<Handle, Named> {
  const names = new Map<Handle, Named>()
  const add = (module: Holder, prefix: string, saved: boolean): void => {
    for (const [name, parameter] of module.namedParameters()) {
      const handle = handleOf(parameter as TensorBase)
      if (!names.has(handle)) names.set(handle, { name: prefix + name, saved })
    }
  }
  for (const root of roots) add(root, '', true)
  for (const { module, owner } of strays) add(module, `${module.constructor.name} inside ${owner}: `, false)
  return names
}

function warnOfOrphans(own: readonly Handle[], earlier: ReadonlySet<Handle>): void {
  const names = namedHandles()
  // Modules that have nothing to do with this optimizer say nothing about what it trains.
  const related = own.some((handle) => names.has(handle))
  // A trace would take parameters that have nothing to do with it into its program, if it were asked for theirs.
  const candidates = isTracing() ? [...names.keys()] : [...known.keys()]
  for (const handle of candidates) {
    if (earlier.has(handle) || warned.has(handle)) continue
    const trained = optimized.has(handle)
    const saved = !related || names.get(handle)?.saved === true
    if ((trained && saved) || !hasGradient(handle)) continue
    warned.add(handle)
    const shape = known.get(handle) ?? []
    const name = names.get(handle)?.name ?? `of shape [${shape.join(', ')}]`
    const missing = [
      trained ? '' : 'is in no optimizer, so it is not trained',
      saved ? '' : "is in no module's stateDict, so it is not saved",
    ].filter((part) => part !== '')
    process.emitWarning(`The parameter ${name} reaches the loss but ${missing.join(' and ')}.`, {
      type: 'NeuroxideWarning',
      code: 'NEUROXIDE_ORPHAN',
      detail: saved ? 'Give it to an optimizer, or freeze it.' : 'Keep it in a public field of the module.',
    })
  }
}

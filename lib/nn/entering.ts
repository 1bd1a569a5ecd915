import { TraceError } from '../errors.js'
import { Io, interned, io, isTracing } from '../native.js'
import { noticeRoot, noticeStray, type Holder } from './orphans.js'

export const moduleBrand: unique symbol = Symbol.for('neuroxide.module') as never

/** What entering needs of a module. */
export interface Entered extends Holder {
  namedModules(): [name: string, module: Entered][]
  /** @internal */
  runHooked(plain: (...inputs: unknown[]) => unknown, inputs: unknown[]): unknown
}

/** One forward call in progress. */
interface Frame {
  readonly module: Entered
  readonly parent: Frame | null
  /** From the outermost module, whose own path is empty. */
  readonly path: string
}

/** Where a module was entered from last, and the id of the path that it had there. */
interface Place {
  readonly parent: Entered | null
  readonly parentPath: string
  readonly path: string
  readonly id: number
  /** Whether no module on the way holds it in a field. */
  readonly stray: boolean
}

let current: Frame | null = null
const places = new WeakMap<object, Place>()

/**
 * Runs a module's forward as part of the call tree: ops made meanwhile carry its path, its hooks run, and inside a
 * trace its fields must be what they were.
 */
export function enter(module: Entered, plain: (...inputs: unknown[]) => unknown, inputs: unknown[]): unknown {
  const parent = current
  const place = placeOf(module, parent)
  const outerPath = io[Io.path] ?? 0
  const fields = isTracing() ? snapshot(module) : null
  current = { module, parent, path: place.path }
  io[Io.path] = place.id
  if (parent === null) noticeRoot(module)
  else if (place.stray) noticeStray(module, parent.module)
  try {
    const output = module.runHooked(plain, inputs)
    if (fields !== null) requireUnchanged(module, fields, place.path)
    return output
  } finally {
    current = parent
    io[Io.path] = outerPath
  }
}

function placeOf(module: Entered, parent: Frame | null): Place {
  const known = places.get(module)
  if (
    known !== undefined &&
    known.parent === (parent?.module ?? null) &&
    known.parentPath === (parent?.path ?? '')
  ) {
    return known
  }
  const name = parent === null ? '' : pathBelow(parent, module)
  const path = name ?? joined(parent?.path ?? '', module.constructor.name)
  // The outermost module has no name but that of its class.
  const id = interned(path === '' ? module.constructor.name : path)
  const place = {
    parent: parent?.module ?? null,
    parentPath: parent?.path ?? '',
    path,
    id,
    stray: name === null,
  }
  places.set(module, place)
  return place
}

/** The nearest module on the stack that holds `module` names it; null where none does. */
function pathBelow(parent: Frame, module: Entered): string | null {
  for (let frame: Frame | null = parent; frame !== null; frame = frame.parent) {
    const entry = frame.module.namedModules().find(([, held]) => held === module)
    if (entry !== undefined) return joined(frame.path, entry[0])
  }
  return null
}

function joined(path: string, name: string): string {
  return [path, name].filter((part) => part !== '').join('.')
}

type Snapshot = ReadonlyMap<string, unknown>

/** The module's fields, with the elements of arrays and records among them. */
function snapshot(module: Entered): Snapshot {
  const fields = new Map<string, unknown>()
  for (const [name, value] of Object.entries(module)) {
    fields.set(name, value)
    if (Array.isArray(value)) for (const [i, element] of value.entries()) fields.set(`${name}.${i}`, element)
    else if (
      value !== null &&
      typeof value === 'object' &&
      Object.getPrototypeOf(value) === Object.prototype
    ) {
      for (const [key, element] of Object.entries(value)) fields.set(`${name}.${key}`, element)
    }
  }
  return fields
}

function requireUnchanged(module: Entered, before: Snapshot, path: string): void {
  const after = snapshot(module)
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    if (before.has(name) && after.has(name) && Object.is(before.get(name), after.get(name))) continue
    const owner = path === '' ? module.constructor.name : path
    throw new TraceError(
      `forward: ${owner} wrote its field "${name}" inside a traced function: that would happen once, not in every step. ` +
        'Keep what changes in a buffer (registerBuffer) and write it with copyFrom, or return it.',
    )
  }
}

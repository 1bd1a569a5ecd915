import { TraceError, ValueError } from '../errors.js'
import { Flag, Io, dtypes, io } from '../native.js'
import { blank, flagsOf, handleOf, isTensor, located, adoptAs } from '../tensor/base.js'
import { fromArray, shown } from '../tensor/create.js'
import { numberTensor, type Tensor } from '../tensor.js'
import type { DType, Shape } from '../types.js'

/** What an argument of a jitted function looked like when the function was traced. */
export type Pattern =
  | {
      readonly kind: 'tensor'
      readonly index: number
      readonly dtype: DType
      readonly shape: Shape
      readonly requiresGrad: boolean
    }
  | { readonly kind: 'number'; readonly index: number; readonly integral: boolean }
  | { readonly kind: 'same'; readonly value: unknown }
  | { readonly kind: 'array'; readonly items: readonly Pattern[] }
  | { readonly kind: 'record'; readonly keys: readonly string[]; readonly items: readonly Pattern[] }

/** An argument that a program takes: a tensor, or a number that goes into a slot. */
export interface Leaf {
  readonly value: Tensor | number
  readonly name: string
}

export function isPlainRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

type AnyTypedArray = ArrayBufferView & ArrayLike<number | bigint>

function isTypedArray(value: unknown): value is AnyTypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

/** Typed arrays are copied into tensors at each call; everything else stays what it is. */
function normalized(value: unknown): unknown {
  return isTypedArray(value) ? fromArray('jit', value, [value.length]) : value
}

/** The pattern of an argument; tensors and numbers in it are appended to `leaves`. */
export function patternOf(
  given: unknown,
  name: string,
  statics: ReadonlySet<string>,
  leaves: Leaf[],
): Pattern {
  const value = normalized(given)
  if (isTensor(value)) {
    if (statics.has(name))
      throw located(
        ValueError,
        `jit: the argument ${name} is static and a tensor; expected a number, a string or a boolean there.`,
      )
    leaves.push({ value, name })
    const requiresGrad = (flagsOf(value) & Flag.requiresGrad) !== 0
    return { kind: 'tensor', index: leaves.length - 1, dtype: value.dtype, shape: value.shape, requiresGrad }
  }
  if (typeof value === 'number' && !statics.has(name)) {
    leaves.push({ value, name })
    return { kind: 'number', index: leaves.length - 1, integral: isIntegral(value) }
  }
  if (Array.isArray(value))
    return {
      kind: 'array',
      items: value.map((item, i) =>
        patternOf(item, `${name}[${i}]`, inherited(statics, name, `${name}[${i}]`), leaves),
      ),
    }
  if (isPlainRecord(value)) {
    const keys = Object.keys(value)
    const items = keys.map((key) =>
      patternOf(value[key], `${name}.${key}`, inherited(statics, name, `${name}.${key}`, key), leaves),
    )
    return { kind: 'record', keys, items }
  }
  if (value instanceof Promise)
    throw located(
      ValueError,
      `jit: the argument ${name} is a Promise; expected its result. Await it before the call.`,
    )
  return { kind: 'same', value }
}

/** An entry of a static argument is static; so is one whose own key is named. */
function inherited(
  statics: ReadonlySet<string>,
  outer: string,
  inner: string,
  key?: string,
): ReadonlySet<string> {
  const named = statics.has(outer) || (key !== undefined && statics.has(key))
  return named && !statics.has(inner) ? new Set([...statics, inner]) : statics
}

function isIntegral(value: number): boolean {
  return Number.isInteger(value)
}

/** Whether a call's argument fits; its tensors and numbers are written into the shared list as they are met. */
export function fits(pattern: Pattern, value: unknown, held: Tensor[]): boolean {
  switch (pattern.kind) {
    case 'tensor': {
      const tensor = isTypedArray(value) ? fromArray('jit', value, [value.length]) : value
      if (tensor !== value) held.push(tensor as Tensor)
      if (!isTensor(tensor)) return false
      const handle = handleOf(tensor)
      if (tensor.dtype !== pattern.dtype || !sameShape(tensor.shape, pattern.shape)) return false
      if (((flagsOf(tensor) & Flag.requiresGrad) !== 0) !== pattern.requiresGrad) return false
      io[Io.list + pattern.index] = handle
      return true
    }
    case 'number':
      if (typeof value !== 'number' || isIntegral(value) !== pattern.integral) return false
      io[Io.list + pattern.index] = value
      return true
    case 'same':
      return Object.is(value, pattern.value)
    case 'array':
      return Array.isArray(value) && allFit(pattern.items, value, held)
    default: {
      if (!isPlainRecord(value)) return false
      const { keys, items } = pattern
      if (Object.keys(value).length !== keys.length) return false
      return keys.every((key, i) => key in value && fits(items[i] as Pattern, value[key], held))
    }
  }
}

/** The same for a list of arguments. */
export function allFit(patterns: readonly Pattern[], values: readonly unknown[], held: Tensor[]): boolean {
  if (patterns.length !== values.length) return false
  for (let i = 0; i < patterns.length; i += 1)
    if (!fits(patterns[i] as Pattern, values[i], held)) return false
  return true
}

function sameShape(a: Shape, b: Shape): boolean {
  return a === b || (a.length === b.length && a.every((size, axis) => size === b[axis]))
}

/** Puts `leaves` where the pattern has tensors and numbers. */
export function filled(pattern: Pattern, leaves: readonly Tensor[]): unknown {
  switch (pattern.kind) {
    case 'tensor':
    case 'number':
      return leaves[pattern.index]
    case 'same':
      return pattern.value
    case 'array':
      return pattern.items.map((item) => filled(item, leaves))
    default:
      return Object.fromEntries(
        pattern.keys.map((key, i) => [key, filled(pattern.items[i] as Pattern, leaves)]),
      )
  }
}

/** Arguments as the function sees them where it runs without a program: numbers that are not static become tensors. */
export function eagerArguments(patterns: readonly Pattern[], leaves: readonly Leaf[]): unknown[] {
  const tensors = leaves.map(({ value }) => (typeof value === 'number' ? numberTensor(value) : value))
  return patterns.map((pattern) => filled(pattern, tensors))
}

/** Writes what the trace has to know of each argument into the shared list. */
export function writeSpecs(leaves: readonly { readonly value: Tensor | number | Spec }[]): void {
  let at: number = Io.list
  const put = (value: number): void => {
    if (at >= io.length)
      throw located(
        ValueError,
        `jit: ${leaves.length} arguments; expected fewer. Join them with stack or concat.`,
      )
    io[at] = value
    at += 1
  }
  for (const { value } of leaves) {
    if (typeof value === 'number') [1, value].forEach(put)
    else if (isTensor(value)) [0, handleOf(value)].forEach(put)
    else [2, dtypes.indexOf(value.dtype), value.shape.length, ...value.shape].forEach(put)
  }
}

/** An argument that need not exist yet. */
export interface Spec {
  readonly dtype: DType
  readonly shape: Shape
}

/** Gives the tensors that stand for the arguments inside a trace their handles and descriptions. */
export function adoptArguments(
  outs: readonly Tensor[],
  leaves: readonly { readonly value: Tensor | number | Spec }[],
): void {
  const handles = Array.from(io.subarray(Io.list, Io.list + outs.length))
  outs.forEach((out, i) => {
    const value = leaves[i]?.value as Tensor | number | Spec
    if (typeof value === 'number') adoptAs(out, handles[i] as number, 'f32', Flag.traced | Flag.weak, [])
    else {
      const grad = isTensor(value) ? flagsOf(value) & (Flag.requiresGrad | Flag.leaf) : Flag.leaf
      adoptAs(out, handles[i] as number, value.dtype, Flag.traced | grad, value.shape)
    }
  })
}

/** As many blank tensors as a call returns. */
export function blanks(count: number): Tensor[] {
  const outs: Tensor[] = []
  for (let i = 0; i < count; i += 1) outs.push(blank())
  return outs
}

/** Throws where an async function or its Promise is met: its ops would run after the trace has ended. */
export function requireSynchronous(result: unknown): void {
  if (
    typeof result === 'object' &&
    result !== null &&
    typeof (result as { then?: unknown }).then === 'function'
  )
    throw located(
      TraceError,
      `jit: the function returned ${shown(result)}; expected a synchronous function. Await before or after the call, not in it.`,
    )
}

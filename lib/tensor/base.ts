import { DisposedError, TraceError, ValueError, type TensorError } from '../errors.js'
import { relieve } from '../memory.js'
import {
  Flag,
  Io,
  NONE,
  dtypes,
  environment,
  io,
  isTracing,
  native,
  pathPrefix,
  type Handle,
} from '../native.js'
import type { Tensor } from '../tensor.js'
import type { DType, Shape } from '../types.js'
import type { sizes } from '../types/fit.js'

/** Marks tensors for every copy of this library; its value is the handle in their environment. */
export const brand: unique symbol = Symbol.for('neuroxide.tensor')

/** Names the environment that a tensor belongs to. */
export const environmentOf: unique symbol = Symbol.for('neuroxide.environment')

/** Only who holds this may construct tensors. */
export const internal: unique symbol = Symbol('neuroxide.internal')

/** Stands for the handle of a tensor that has none. */
export const DEAD: Handle = NONE

// Shapes repeat endlessly: equal ones share one frozen array, so that most results allocate none and comparing the
// shapes of two calls is mostly comparing two references.
const SLOTS = 512
const shapes: (Shape | undefined)[] = Array.from({ length: SLOTS })
const scalarShape: Shape = Object.freeze([])

/** The shape that stands in the shared numbers from `at` on. */
export function shapeFrom(at: number, rank: number): Shape {
  if (rank === 0) return scalarShape
  let hash = rank
  for (let axis = 0; axis < rank; axis += 1) hash = (Math.imul(hash, 31) + (io[at + axis] as number)) | 0
  const slot = (hash ^ (hash >>> 9)) & (SLOTS - 1)
  const known = shapes[slot]
  if (known !== undefined && known.length === rank) {
    let axis = 0
    while (axis < rank && known[axis] === io[at + axis]) axis += 1
    if (axis === rank) return known
  }
  const shape = Object.freeze(Array.from(io.subarray(at, at + rank)))
  shapes[slot] = shape
  return shape
}

/** An error with the path of the running module in front. */
export function located<E extends TensorError>(Class: new (message: string) => E, message: string): E {
  return new Class(pathPrefix() + message)
}

interface Access {
  handle(tensor: TensorBase): Handle
  isOwn(value: object): value is TensorBase
  set(tensor: TensorBase, handle: Handle, dtype: number, flags: number, shape: Shape): void
  flags(tensor: TensorBase): number
  setFlags(tensor: TensorBase, flags: number): void
}

let access: Access

/** What every tensor knows without asking the core: its handle, shape and element type. */
export abstract class TensorBase<S extends Shape = Shape, D extends DType = DType> {
  #handle: Handle = DEAD
  #shape: Shape = scalarShape
  #dtype = 0
  #flags = 0
  /** @hidden Tells the compiler the shape as it was written; nothing stands here at run time. */
  declare readonly [sizes]: S

  static {
    access = {
      handle: (tensor) => tensor.#handle,
      isOwn: (value): value is TensorBase => #handle in value,
      set: (tensor, handle, dtype, flags, shape) => {
        tensor.#handle = handle
        tensor.#dtype = dtype
        tensor.#flags = flags
        tensor.#shape = shape
      },
      flags: (tensor) => tensor.#flags,
      setFlags: (tensor, flags) => {
        tensor.#flags = flags
      },
    }
  }

  /** @hidden Tensors are made by functions such as `tensor` and `zeros`. */
  protected constructor(key: typeof internal) {
    if (key !== internal)
      throw new ValueError(
        'Tensor: the constructor was called; expected a function that creates tensors. Use tensor(values), zeros(shape) or the like.',
      )
  }

  /** Sizes of the axes, outermost first; frozen. */
  get shape(): Readonly<S> {
    return this.#shape as Readonly<S>
  }

  /** Element type. */
  get dtype(): D {
    return dtypes[this.#dtype] as D
  }

  /** Number of axes. */
  get rank(): number {
    return this.#shape.length
  }

  /** Number of elements. */
  get numel(): number {
    let count = 1
    for (const size of this.#shape) count *= size
    return count
  }

  /** @internal */
  get [brand](): Handle {
    return this.#handle
  }

  /** @internal */
  get [environmentOf](): number {
    return environment
  }
}

/** A tensor's handle; throws where the tensor has been disposed of. */
export function handleOf(tensor: TensorBase): Handle {
  const handle = access.isOwn(tensor) ? access.handle(tensor) : foreignHandle(tensor)
  if (handle === DEAD) throw disposed()
  return handle
}

function disposed(): DisposedError {
  return located(
    DisposedError,
    'tensor: it was disposed of before; expected a tensor that still exists. Dispose of a tensor after its last use only.',
  )
}

/** The handle of a tensor made by another copy of this library, if that shares our environment. */
function foreignHandle(value: object): Handle {
  const other = value as { readonly [brand]?: unknown; readonly [environmentOf]?: unknown }
  if (typeof other[brand] === 'number' && other[environmentOf] === environment) return other[brand]
  throw located(
    DisposedError,
    'tensor: it belongs to another environment (another worker thread, or another version of neuroxide); expected one of this environment. Send tensor.toTypedArray() and its shape instead.',
  )
}

/** Whether a value is a tensor, of whatever copy of this library. */
export function isTensor(value: unknown): value is Tensor {
  // Looking for a private field is one comparison, looking for the brand a walk along the prototypes.
  return typeof value === 'object' && value !== null && (access.isOwn(value) || brand in value)
}

/** The handle without a check: {@link DEAD} where the tensor was disposed of. */
export function rawHandle(tensor: TensorBase): Handle {
  return access.handle(tensor)
}

export function flagsOf(tensor: TensorBase): number {
  return access.flags(tensor)
}

export function setFlag(tensor: TensorBase, flag: number, on: boolean): void {
  const flags = access.flags(tensor)
  access.setFlags(tensor, on ? flags | flag : flags & ~flag)
}

/** Takes the handle away from a tensor and returns it, {@link DEAD} if there was none. */
export function detachHandle(tensor: TensorBase): Handle {
  const handle = access.handle(tensor)
  access.set(tensor, DEAD, dtypes.indexOf(tensor.dtype), 0, tensor.shape)
  return handle
}

let TensorClass: new (key: typeof internal) => Tensor

/** Told once by the module that defines the class. */
export function setTensorClass(Class: unknown): void {
  TensorClass = Class as typeof TensorClass
}

/** A tensor without a handle, to be given one by {@link adopt}. */
export function blank(): Tensor {
  return new TensorClass(internal)
}

/** Tensors created in the innermost `scope`; none when there is no scope. */
let created: TensorBase[] | null = null

/** Swaps the list that new tensors are entered into. */
export function swapCreated(list: TensorBase[] | null): TensorBase[] | null {
  const previous = created
  created = list
  return previous
}

/** Gives `out` the handle that a call has just returned, with what the shared numbers say of it. */
export function adopt<T extends TensorBase>(out: T, handle: Handle): T {
  access.set(
    out,
    handle,
    io[Io.dtype] as number,
    io[Io.flags] as number,
    shapeFrom(Io.sizes, io[Io.rank] as number),
  )
  if (created !== null) created.push(out)
  if (io[Io.pressure] !== 0) relieve()
  return out
}

/** The same where dtype, flags and shape are known already. */
export function adoptAs<T extends TensorBase>(
  out: T,
  handle: Handle,
  dtype: DType,
  flags: number,
  shape: Shape,
): T {
  access.set(out, handle, dtypes.indexOf(dtype), flags, shape)
  if (created !== null) created.push(out)
  return out
}

/** What the core says of a tensor. */
export interface Described {
  readonly dtype: number
  readonly flags: number
  readonly shape: Shape
}

/** The same for what a run returns, whose description is known from the first run. */
export function adoptDescribed(out: TensorBase, handle: Handle, described: Described): void {
  access.set(out, handle, described.dtype, described.flags, described.shape)
  if (created !== null) created.push(out)
}

/** Writes attributes of the next call; returns how many. */
export function attributes(...values: readonly number[]): number {
  for (let i = 0; i < values.length; i += 1) io[Io.attributes + i] = values[i] as number
  return values.length
}

/** Executes or appends an op of one tensor. */
export function apply1(code: number, a: TensorBase, count = 0): Tensor {
  const out = blank()
  return adopt(out, native.apply(out, code, handleOf(a), NONE, NONE, count))
}

/** An op of two tensors. */
export function apply2(code: number, a: TensorBase, b: TensorBase, count = 0): Tensor {
  const out = blank()
  return adopt(out, native.apply(out, code, handleOf(a), handleOf(b), NONE, count))
}

/** An op of up to three operands that are tensors, numbers (which adapt to the tensors) or absent. */
export function apply3(
  code: number,
  a: TensorBase | number | null,
  b: TensorBase | number | null,
  c: TensorBase | number | null,
  count = 0,
): Tensor {
  const out = blank()
  const total =
    typeof c === 'number'
      ? count + 3
      : typeof b === 'number'
        ? count + 2
        : typeof a === 'number'
          ? count + 1
          : count
  return adopt(
    out,
    native.apply(out, code, encoded(a, count), encoded(b, count + 1), encoded(c, count + 2), total),
  )
}

/** An operand as the addon takes it; a number goes into the attribute `slot`, behind those of the op. */
function encoded(operand: TensorBase | number | null, slot: number): number {
  if (operand === null) return NONE
  if (typeof operand !== 'number') return handleOf(operand)
  io[Io.attributes + slot] = operand
  return -2 - slot
}

/** An op of any number of tensors; null where one is absent. */
export function applyList(code: number, inputs: readonly (TensorBase | null)[], count = 0): Tensor {
  requireList(inputs.length)
  const out = blank()
  for (let i = 0; i < inputs.length; i += 1) {
    const input = inputs[i] as TensorBase | null
    io[Io.list + i] = input === null ? NONE : handleOf(input)
  }
  return adopt(out, native.applyList(out, code, inputs.length, count))
}

/** Throws where a list does not fit into the shared numbers. */
export function requireList(length: number): void {
  if (length > io.length - Io.list)
    throw located(ValueError, `list: ${length} tensors in one call; expected at most ${io.length - Io.list}.`)
}

/** Throws where values cannot be read because nothing has been computed yet. */
export function requireReadable(tensor: TensorBase, method: string): void {
  if (!isTracing()) return
  const what = (access.flags(tensor) & Flag.traced) === 0 ? 'a tensor' : 'a tensor of the trace'
  throw located(
    TraceError,
    `${method}: the value of ${what} was asked for while a jitted function is traced; expected no reads in it. ` +
      'Return the tensor and read it outside, or compute with tensor ops (where, maximum, …).',
  )
}

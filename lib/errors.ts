import { fileURLToPath } from 'node:url'
import type { ErrorCode } from './errors/codes.js'

/** Files of this package are no line of the user's: the folder that this module lies in, as stack frames show it. */
const ownFolder = new URL('.', import.meta.url)
const ownPlaces = [ownFolder.href, fileURLToPath(ownFolder)]

/** How many frames may lie above the user's line at most; the usual ten could all be ours. */
const EXTRA_FRAMES = 40

function isForeign(frame: string): boolean {
  if (ownPlaces.some((place) => frame.includes(place))) return false
  if (/\bPromise\.(all|allSettled|any|race) \(index \d+\)/.test(frame)) return false
  return !frame.includes('node:') && !frame.includes('(<anonymous>)') && !frame.includes('(native)')
}

/** A stack without the frames of this library and of Node above the user's own line. */
export function withoutOwnFrames(stack: string): string {
  const lines = stack.split('\n')
  const first = lines.findIndex((line) => /^\s+at /.test(line))
  if (first < 0) return stack
  const users = lines.findIndex((line, index) => index >= first && isForeign(line))
  if (users <= first) return stack
  return [...lines.slice(0, first), ...lines.slice(users)].join('\n')
}

/** Whether a stack shows a line of the user's. */
export function showsUser(stack: string): boolean {
  return stack.split('\n').some((line) => /^\s+at /.test(line) && isForeign(line))
}

/** The text of the first frame that is the user's, as `file:line:column`, or an empty text. */
export function callerSite(): string {
  const holder: { stack?: string } = {}
  withDeepStack(() => Error.captureStackTrace(holder, callerSite))
  const frame = (holder.stack ?? '').split('\n').find((line) => /^\s+at /.test(line) && isForeign(line))
  const place = /\(?((?:file:\/\/|\/|[A-Za-z]:)[^()]*:\d+:\d+)\)?$/.exec(frame?.trim() ?? '')?.[1]
  if (place === undefined) return ''
  return place.startsWith('file://')
    ? fileURLToPath(place.replace(/:\d+:\d+$/, '')) + (/:\d+:\d+$/.exec(place)?.[0] ?? '')
    : place
}

/** Runs `capture` with room for our own frames above the user's. */
function withDeepStack<T>(capture: () => T): T {
  const limit = Error.stackTraceLimit
  try {
    Error.stackTraceLimit = (limit || 10) + EXTRA_FRAMES
    return capture()
  } finally {
    Error.stackTraceLimit = limit
  }
}

/**
 * Base class of every error of this library; `code` never changes between versions, and the first frame of the stack
 * is the user's line.
 *
 * @example
 * ```ts
 * import { TensorError, tensor } from 'neuroxide'
 * try {
 *   tensor([1, 2]).add(tensor([1, 2, 3]))
 * } catch (error) {
 *   if (error instanceof TensorError) console.log(error.code) // ERR_SHAPE
 * }
 * ```
 */
export class TensorError extends Error {
  /** Stable identification of the cause; docs/errors.md has them all. */
  readonly code: ErrorCode | 'ERR_TENSOR' = 'ERR_TENSOR'
  override readonly name: string

  constructor(message: string, options?: ErrorOptions) {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = (limit || 10) + EXTRA_FRAMES
    super(message, options)
    Error.stackTraceLimit = limit
    this.name = new.target.name
    const { stack } = this
    if (stack !== undefined) {
      // V8 wrote the stack's first line before the name was known.
      const named = stack.replace(/^[A-Za-z]*Error/, new.target.name)
      Object.defineProperty(this, 'stack', {
        value: withoutOwnFrames(named),
        writable: true,
        configurable: true,
      })
    }
  }
}

/**
 * Sizes of tensors do not fit each other or what was asked.
 *
 * @example
 * ```ts
 * import { ShapeError, tensor } from 'neuroxide'
 * try {
 *   tensor([1, 2]).add(tensor([1, 2, 3]))
 * } catch (error) {
 *   console.log(error instanceof ShapeError) // true
 * }
 * ```
 */
export class ShapeError extends TensorError {
  override readonly code = 'ERR_SHAPE'
}

/**
 * An element type does not fit.
 *
 * @example
 * ```ts
 * import { DTypeError, zeros } from 'neuroxide'
 * try {
 *   zeros([2], { dtype: 'i32' }).mean()
 * } catch (error) {
 *   console.log(error instanceof DTypeError) // true
 * }
 * ```
 */
export class DTypeError extends TensorError {
  override readonly code = 'ERR_DTYPE'
}

/**
 * An index lies outside its axis.
 *
 * @example
 * ```ts
 * import { IndexError, zeros } from 'neuroxide'
 * try {
 *   zeros([2]).at(5)
 * } catch (error) {
 *   console.log(error instanceof IndexError) // true
 * }
 * ```
 */
export class IndexError extends TensorError {
  override readonly code = 'ERR_INDEX'
}

/**
 * The value of an argument is out of range or of the wrong kind.
 *
 * @example
 * ```ts
 * import { ValueError, arange } from 'neuroxide'
 * try {
 *   arange(0, 3, 0)
 * } catch (error) {
 *   console.log(error instanceof ValueError) // true
 * }
 * ```
 */
export class ValueError extends TensorError {
  override readonly code = 'ERR_VALUE'
}

/**
 * Something that a traced function cannot do, or that only makes sense in one.
 *
 * @example
 * ```ts
 * import { TraceError, jit, zeros, type Tensor } from 'neuroxide'
 * try {
 *   jit((x: Tensor) => x.item())(zeros([1]))
 * } catch (error) {
 *   console.log(error instanceof TraceError) // true
 * }
 * ```
 */
export class TraceError extends TensorError {
  override readonly code = 'ERR_TRACE'
}

/**
 * A gradient that cannot be computed.
 *
 * @example
 * ```ts
 * import { GradError, zeros } from 'neuroxide'
 * try {
 *   zeros([2]).sum().backward()
 * } catch (error) {
 *   console.log(error instanceof GradError) // true
 * }
 * ```
 */
export class GradError extends TensorError {
  override readonly code = 'ERR_GRAD'
}

/**
 * A tensor that is gone: disposed, of another environment, or overwritten by a later run of a jitted function.
 *
 * @example
 * ```ts
 * import { DisposedError, zeros } from 'neuroxide'
 * const x = zeros([2])
 * x.dispose()
 * try {
 *   x.add(1)
 * } catch (error) {
 *   console.log(error instanceof DisposedError) // true
 * }
 * ```
 */
export class DisposedError extends TensorError {
  override readonly code = 'ERR_DISPOSED'
}

/** State that a running training owns. */
export class BusyError extends TensorError {
  override readonly code = 'ERR_BUSY'
}

/**
 * A loss that was given the wrong kind of prediction, such as probabilities where logits belong.
 *
 * @example
 * ```ts
 * import { LossInputError, losses, tensor } from 'neuroxide'
 * try {
 *   losses.crossEntropy(tensor([[0.5, 0.5]]).softmax(1), tensor([0], { dtype: 'i32' }))
 * } catch (error) {
 *   console.log(error instanceof LossInputError) // true
 * }
 * ```
 */
export class LossInputError extends TensorError {
  override readonly code = 'ERR_LOSS_INPUT'
}

/**
 * The first value that was NaN or infinite under {@link detectAnomaly}.
 *
 * @example
 * ```ts
 * import { AnomalyError, detectAnomaly, tensor } from 'neuroxide'
 * try {
 *   detectAnomaly(() => tensor([0]).log())
 * } catch (error) {
 *   console.log(error instanceof AnomalyError) // true
 * }
 * ```
 */
export class AnomalyError extends TensorError {
  override readonly code = 'ERR_ANOMALY'
}

/** The device failed or has no memory left. */
export class DeviceError extends TensorError {
  override readonly code = 'ERR_DEVICE'
}

/**
 * A file that cannot be opened, read or written; the message has the path and what the system said.
 *
 * @example
 * ```ts
 * import { FileError, io } from 'neuroxide'
 * try {
 *   await io.loadTensors('/there/is/none.safetensors')
 * } catch (error) {
 *   console.log(error instanceof FileError) // true
 * }
 * ```
 */
export class FileError extends TensorError {
  override readonly code = 'ERR_FILE'
}

/**
 * A file whose content is not what it should be: cut, damaged, of another format or of a newer version.
 *
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs'
 * import { FormatError, io } from 'neuroxide'
 * writeFileSync('notes.txt', 'these are no tensors')
 * try {
 *   await io.loadTensors('notes.txt')
 * } catch (error) {
 *   console.log(error instanceof FormatError) // true
 * }
 * ```
 */
export class FormatError extends TensorError {
  override readonly code = 'ERR_FORMAT'
}

/** A defect of this library; please report it. */
export class InternalError extends TensorError {
  override readonly code = 'ERR_INTERNAL'
}

type ErrorClass = new (message: string, options?: ErrorOptions) => TensorError

const classes: ReadonlyMap<string, ErrorClass> = new Map<ErrorCode, ErrorClass>([
  ['ERR_SHAPE', ShapeError],
  ['ERR_DTYPE', DTypeError],
  ['ERR_INDEX', IndexError],
  ['ERR_VALUE', ValueError],
  ['ERR_TRACE', TraceError],
  ['ERR_GRAD', GradError],
  ['ERR_DISPOSED', DisposedError],
  ['ERR_BUSY', BusyError],
  ['ERR_LOSS_INPUT', LossInputError],
  ['ERR_ANOMALY', AnomalyError],
  ['ERR_DEVICE', DeviceError],
  ['ERR_FILE', FileError],
  ['ERR_FORMAT', FormatError],
  ['ERR_INTERNAL', InternalError],
])

/** Turns what the addon threw into the class that its code names; anything else passes as it is. */
export function translated(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TensorError || !('code' in error)) return error
  const known = classes.get(String(error.code))
  return known === undefined ? error : new known(error.message)
}

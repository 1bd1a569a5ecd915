import { zeros, type DType, type Tensor, type TensorError } from 'neuroxide'

/** A wrong call, and the error that it has to end with. */
export interface Row {
  /** As {@link callables} names it. */
  readonly name: string
  readonly Class: new (message: string) => TensorError
  readonly message: RegExp
  readonly call: () => unknown
  /** Where the row stands: the call is on this line or one of the next few. */
  readonly file: string
  readonly line: number
}

export type Rows = readonly Row[]

export interface Place {
  readonly file: string
  readonly line: number
}

/** The place of a stack's frame, counted from the innermost. */
export function placeOf(stack: string, frame: number): Place {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  const [, file = '', line = ''] = /([^/\\(]+):(\d+):\d+\)?$/.exec(frames[frame] ?? '') ?? []
  return { file, line: Number(line) }
}

export function row(name: string, Class: Row['Class'], message: RegExp, call: () => unknown): Row {
  const { stack = '' } = new Error('here')
  return { name, Class, message, call, ...placeOf(stack, 1) }
}

/** A value where another type belongs, as a program in JavaScript may pass it. */
export function bad(value?: unknown): never {
  return value as never
}

/** A tensor to be wrong with. */
export function some(shape: readonly number[] = [2, 3], dtype: DType = 'f32'): Tensor {
  return zeros(shape, { dtype })
}

/** A tensor that is no more. */
export function gone(shape?: readonly number[]): Tensor {
  const tensor = some(shape)
  tensor.dispose()
  return tensor
}

import type { Tensor } from '../tensor.js'
import type { TensorLike } from '../types.js'
import { type TensorBase, apply1, apply3 } from './base.js'
import { operand } from './create.js'

/** An op of one tensor, by its number. */
export function unary(code: number, x: TensorBase): Tensor<never, never> {
  return apply1(code, x) as Tensor<never, never>
}

/** An op of two operands, at least one of which is a tensor; numbers adapt to the tensor's element type. */
export function binary(
  code: number,
  op: string,
  a: TensorBase | TensorLike,
  b: TensorLike,
): Tensor<never, never> {
  return apply3(code, operand(a as TensorLike, op), operand(b, op), null) as Tensor<never, never>
}

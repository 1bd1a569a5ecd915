import type { Tensor } from 'neuroxide'
import type { Arguments } from '../arguments.js'

/** How one op of PyTorch is written with ours. */
export type Call = (a: Arguments) => Tensor | readonly Tensor[]

/** Ops by PyTorch's name; where a variant is meant, `op.variant`. */
export type Table = Readonly<Record<string, Call>>

/** A call that passes one tensor. */
export function of1(fn: (x: Tensor) => Tensor): Call {
  return (a) => fn(a.tensor(0))
}

/** A call that passes a tensor and a tensor or number. */
export function of2(fn: (x: Tensor, y: Tensor | number) => Tensor): Call {
  return (a) => fn(a.tensor(0), a.operand(1))
}

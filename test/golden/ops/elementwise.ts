import { F, type Tensor } from 'neuroxide'
import type { Arguments } from '../arguments.js'
import { of1, of2, type Table } from './table.js'

/** `y`, times the factor that `add` and `sub` may have. */
function scaled(a: Arguments): Tensor | number {
  const y = a.operand(1)
  const alpha = a.number(2, 'alpha', 1)
  return alpha === 1 ? y : F.mul(y, alpha)
}

function quotient(a: Arguments): Tensor {
  const [x, y, rounding] = [a.tensor(0), a.operand(1), a.text(2, 'rounding_mode', 'none')]
  if (rounding === 'floor') return x.floorDiv(y)
  return rounding === 'trunc' ? x.div(y).trunc() : x.div(y)
}

/** Rounds at a decimal place, by moving the point there and back. */
function rounded(a: Arguments): Tensor {
  const [x, decimals] = [a.tensor(0), a.number(1, 'decimals', 0)]
  if (decimals === 0) return x.round()
  const factor = 10 ** Math.abs(decimals)
  return decimals > 0 ? x.mul(factor).round().div(factor) : x.div(factor).round().mul(factor)
}

/** `where` is recorded as a method of its first choice, its edge cases as a function of the condition. */
function chosen(a: Arguments): Tensor {
  const [first, second, third] = [a.tensor(0), a.tensor(1), a.tensor(2)]
  return first.dtype === 'bool' ? F.where(first, second, third) : F.where(second, first, third)
}

/** Ops of single elements. */
export const elementwise: Table = {
  abs: of1(F.abs),
  atan: of1(F.atan),
  ceil: of1(F.ceil),
  cos: of1(F.cos),
  erf: of1(F.erf),
  exp: of1(F.exp),
  expm1: of1(F.expm1),
  floor: of1(F.floor),
  isnan: of1(F.isnan),
  log: of1(F.log),
  log1p: of1(F.log1p),
  log2: of1(F.log2),
  neg: of1(F.neg),
  reciprocal: of1(F.reciprocal),
  round: rounded,
  'round.decimals_0': rounded,
  'round.decimals_3': rounded,
  'round.decimals_neg_3': rounded,
  rsqrt: of1(F.rsqrt),
  sigmoid: of1(F.sigmoid),
  sign: of1(F.sign),
  sin: of1(F.sin),
  sqrt: of1(F.sqrt),
  square: of1(F.square),
  tan: of1(F.tan),
  tanh: of1(F.tanh),
  trunc: of1(F.trunc),
  isinf: of1(F.isinf),
  isfinite: of1(F.isfinite),
  logical_not: of1(F.not),

  add: (a) => F.add(a.tensor(0), scaled(a)),
  sub: (a) => F.sub(a.tensor(0), scaled(a)),
  mul: of2(F.mul),
  div: quotient,
  'div.no_rounding_mode': quotient,
  'div.floor_rounding': quotient,
  'div.trunc_rounding': quotient,
  fmod: of2(F.fmod),
  remainder: of2(F.remainder),
  pow: of2(F.pow),
  maximum: of2(F.maximum),
  minimum: of2(F.minimum),
  'max.binary': of2(F.maximum),
  'min.binary': of2(F.minimum),
  eq: of2(F.eq),
  ne: of2(F.ne),
  lt: of2(F.lt),
  le: of2(F.le),
  gt: of2(F.gt),
  ge: of2(F.ge),
  logical_and: of2(F.and),
  logical_or: of2(F.or),
  logical_xor: of2(F.xor),

  where: chosen,
  clamp: (a) => F.clamp(a.tensor(0), bound(a, 1, 'min'), bound(a, 2, 'max')),
  masked_fill: (a) => F.maskedFill(a.tensor(0), a.tensor(1), a.operand(2)),
}

function bound(a: Arguments, place: number, name: string): Tensor | number | null {
  return (a.get(place, name) ?? null) === null ? null : a.operand(place, name)
}

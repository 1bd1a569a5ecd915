import { F, type Tensor } from 'neuroxide'
import type { Arguments } from '../arguments.js'
import type { Call, Table } from './table.js'

type Axes = number | readonly number[] | null
interface Options {
  readonly keepDim: boolean
}

/** A reduction over `dim`, one axis or several or all, of values that are cast first where a dtype is asked for. */
function over(fn: (x: Tensor, axes: Axes, options: Options) => Tensor): Call {
  return (a) => fn(a.typed(), a.axes(1), { keepDim: a.boolean(2, 'keepdim') })
}

/** A search along `dim`, one axis or all elements. */
function along(fn: (x: Tensor, axis: number | null, options: Options) => Tensor): Call {
  return over((x, axes, options) => fn(x, one(axes), options))
}

function one(axes: Axes): number | null {
  if (typeof axes === 'object' && axes !== null) throw new Error(`axes [${axes.join(', ')}] for one axis`)
  return axes
}

/** The largest or smallest elements with their places. */
function extremes(fn: typeof F.max): Call {
  return (a) => {
    const { values, indices } = fn(a.tensor(0), a.number(1, 'dim'), { keepDim: a.boolean(2, 'keepdim') })
    return [values, indices]
  }
}

/** `var` and `std`: their correction is a number, or a boolean for one or none. */
function spread(fn: typeof F.std): Call {
  return (a) => {
    // `var(x, unbiased)` and `var(x, dim)` differ by the type of the second argument.
    const second = a.get(1, 'dim')
    const unbiased = typeof second === 'boolean' ? second : a.boolean(3, 'unbiased', true)
    const correction = a.number(4, 'correction', unbiased ? 1 : 0)
    const axes = typeof second === 'boolean' ? null : a.axes(1)
    return fn(a.tensor(0), axes, { correction, keepDim: a.boolean(2, 'keepdim') })
  }
}

function norm(a: Arguments): Tensor {
  const p = a.get(1, 'p') ?? 'fro'
  if (typeof p !== 'number' && p !== 'fro') throw new Error(`norm of order ${String(p)}`)
  return F.norm(a.tensor(0), p, a.axes(2), { keepDim: a.boolean(3, 'keepdim') })
}

/** Ops of many elements. */
export const reduction: Table = {
  sum: over(F.sum),
  mean: over(F.mean),
  prod: over(F.prod),
  amax: over(F.amax),
  amin: over(F.amin),
  all: over(F.all),
  any: over(F.any),
  logsumexp: over(F.logSumExp),
  argmax: along(F.argmax),
  argmin: along(F.argmin),
  'max.reduction_no_dim': (a) => a.tensor(0).max(),
  'min.reduction_no_dim': (a) => a.tensor(0).min(),
  'max.reduction_with_dim': extremes(F.max),
  'min.reduction_with_dim': extremes(F.min),
  'max.edge': extremes(F.max),
  'min.edge': extremes(F.min),
  var: spread(F.var),
  'var.unbiased': spread(F.var),
  std: spread(F.std),
  'std.unbiased': spread(F.std),
  norm,
  'norm.fro': norm,
  'norm.inf': norm,
  'linalg.vector_norm': (a) =>
    F.norm(a.tensor(0), a.number(1, 'ord', 2), a.axes(2), { keepDim: a.boolean(3, 'keepdim') }),
}

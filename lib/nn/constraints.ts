import { ShapeError, ValueError } from '../errors.js'
import { type Tensor, noGrad } from '../tensor.js'
import { isTensor, located } from '../tensor/base.js'
import {
  requireAtLeast,
  requireInteger,
  requireNumber,
  requireOptions,
  requireTensor,
} from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { JsonObject } from '../types/json.js'
import type { Module } from './module.js'

/** A constraint as plain JSON, as saved models hold it. */
export type ConstraintConfig = JsonObject

/** What puts the values of a parameter back into a set after each step; objects of one's own may be constraints too. */
export interface Constraint {
  /** The values that the parameter is to have, in its shape. */
  apply(weight: Tensor): Tensor
  /** Name and settings as plain JSON; {@link fromConfig} reads those of this module. */
  config(): ConstraintConfig
}

export interface NormOptions {
  /**
   * The axes that a norm is taken over. All but the first by default (of a vector, its only one): the weights that lead
   * into one unit. Keras counts axes of `[in, out]` kernels, so its `axis=0` of a dense layer is the default here.
   */
  readonly dim?: number | readonly number[] | undefined
}

export interface MinMaxNormOptions extends NormOptions {
  /** Smallest norm; `0` by default. */
  readonly minValue?: number | undefined
  /** Largest norm; `1` by default. */
  readonly maxValue?: number | undefined
  /** How much of the way to the nearest norm in between is gone, in [0, 1]; `1` by default: all of it. */
  readonly rate?: number | undefined
}

/** Keras's: keeps norms of zero from being divided by. */
const epsilon = 1e-7

type Dim = number | readonly number[] | undefined

function dimOf(op: string, dim: unknown): Dim {
  if (dim === undefined) return undefined
  if (!Array.isArray(dim)) return requireInteger(op, 'dim', dim)
  if (dim.length === 0) throw new ValueError(`${op}: no axes as dim; expected at least one.`)
  return dim.map((axis: unknown) => requireInteger(op, 'dim', axis))
}

function normsOf(weight: Tensor, dim: Dim): Tensor {
  const rest = weight.shape.map((_, axis) => axis).slice(weight.rank > 1 ? 1 : 0)
  return weight
    .mul(weight)
    .sum(dim ?? rest, { keepDim: true })
    .sqrt()
}

/** One of the constraints on norms: `desired` says which norm a vector gets. */
function norming(
  name: string,
  dim: Dim,
  settings: Readonly<Record<string, number>>,
  desired: (norms: Tensor) => Tensor | number,
): Constraint {
  return {
    apply(weight) {
      requireTensor(`constraints.${name}`, 'weight', weight)
      const norms = normsOf(weight, dim)
      const wanted = desired(norms)
      const safe = norms.add(epsilon)
      return typeof wanted === 'number' ? weight.div(safe) : weight.mul(wanted.div(safe))
    },
    config: () => ({ name, ...settings, ...(dim === undefined ? {} : { dim }) }),
  }
}

/**
 * Scales vectors of weights whose norm exceeds a limit back to it.
 *
 * @param maxValue - the largest norm, at least 0; `2` by default, as in Keras
 * @throws ValueError for a negative limit
 * @see Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014)
 * @example
 * ```ts
 * import { constraints, tensor } from 'neuroxide'
 * const limited = constraints.maxNorm(1).apply(tensor([[3, 4], [0.3, 0.4]]))
 * console.log(limited) // tensor([[0.6000, 0.8000], [0.3000, 0.4000]], f32[2, 2])
 * ```
 */
export function maxNorm(maxValue = 2, options: NormOptions = {}): Constraint {
  const op = 'constraints.maxNorm'
  requireOptions(op, options, ['dim'])
  const most = requireAtLeast(op, 'maxValue', maxValue, 0)
  return norming('maxNorm', dimOf(op, options.dim), { maxValue: most }, (norms) => norms.clamp(0, most))
}

/**
 * Sets weights below zero to zero.
 *
 * @example
 * ```ts
 * import { constraints, tensor } from 'neuroxide'
 * console.log(constraints.nonNeg().apply(tensor([-1, 2])).toArray()) // [ 0, 2 ]
 * ```
 */
export function nonNeg(): Constraint {
  return {
    apply(weight) {
      requireTensor('constraints.nonNeg', 'weight', weight)
      return weight.maximum(0)
    },
    config: () => ({ name: 'nonNeg' }),
  }
}

/**
 * Scales vectors of weights to norm 1.
 *
 * @throws ValueError for axes that are no integers
 * @example
 * ```ts
 * import { constraints, tensor } from 'neuroxide'
 * console.log(constraints.unitNorm().apply(tensor([[3, 4]]))) // tensor([[0.6000, 0.8000]], f32[1, 2])
 * ```
 */
export function unitNorm(options: NormOptions = {}): Constraint {
  requireOptions('constraints.unitNorm', options, ['dim'])
  return norming('unitNorm', dimOf('constraints.unitNorm', options.dim), {}, () => 1)
}

/**
 * Scales vectors of weights so that their norms lie in a range, or come nearer to it.
 *
 * @throws ValueError for limits or a rate out of range
 * @example
 * ```ts
 * import { constraints, tensor } from 'neuroxide'
 * const moved = constraints.minMaxNorm({ maxValue: 1, rate: 0.5 }).apply(tensor([[3, 4]]))
 * console.log(moved) // tensor([[1.8000, 2.4000]], f32[1, 2])
 * ```
 */
export function minMaxNorm(options: MinMaxNormOptions = {}): Constraint {
  const op = 'constraints.minMaxNorm'
  requireOptions(op, options, ['minValue', 'maxValue', 'rate', 'dim'])
  const least = requireAtLeast(op, 'minValue', options.minValue ?? 0, 0)
  const most = requireAtLeast(op, 'maxValue', options.maxValue ?? 1, least)
  const rate = requireNumber(op, 'rate', options.rate ?? 1)
  if (rate < 0 || rate > 1) throw new ValueError(`${op}: ${rate} as rate; expected a number in [0, 1].`)
  const settings = { minValue: least, maxValue: most, rate }
  return norming('minMaxNorm', dimOf(op, options.dim), settings, (norms) =>
    norms
      .clamp(least, most)
      .mul(rate)
      .add(norms.mul(1 - rate)),
  )
}

/**
 * The constraint that `config()` described.
 *
 * @throws ValueError for a description of none of this module
 * @example
 * ```ts
 * import { constraints } from 'neuroxide'
 * console.log(constraints.fromConfig({ name: 'maxNorm', maxValue: 3 }).config()) // { name: 'maxNorm', maxValue: 3 }
 * ```
 */
export function fromConfig(config: ConstraintConfig): Constraint {
  // Files can say anything; the constructors look at what they are given.
  const { name, maxValue, ...more } = (config ?? {}) as Readonly<Record<string, never>>
  if (name === 'maxNorm') return maxNorm(maxValue, more)
  if (name === 'nonNeg') return nonNeg()
  if (name === 'unitNorm') return unitNorm(more)
  if (name === 'minMaxNorm') return minMaxNorm(maxValue === undefined ? more : { ...more, maxValue })
  throw new ValueError(
    `constraints.fromConfig: ${shown(name)} as name; expected 'maxNorm', 'nonNeg', 'unitNorm' or 'minMaxNorm' in { name, … }.`,
  )
}

/** Refuses what is no constraint; leaving it out gives null. */
export function requireConstraint(op: string, what: string, value: unknown): Constraint | null {
  if (value === undefined || value === null) return null
  if (typeof (value as { apply?: unknown }).apply !== 'function')
    throw located(
      ValueError,
      `${op}: ${shown(value)} as ${what}; expected a constraint, such as constraints.maxNorm(3).`,
    )
  return value as Constraint
}

/**
 * Puts every parameter of a module that is trained and has a constraint back into its set, in place.
 *
 * @internal
 */
export function constrain(module: Module): void {
  noGrad(() => {
    for (const [name, parameter] of module.namedParameters()) {
      const { constraint } = parameter
      // As in Keras, what is frozen stays as it is.
      if (constraint === null || !parameter.requiresGrad) continue
      const value: unknown = constraint.apply(parameter)
      if (!isTensor(value) || value.shape.join() !== parameter.shape.join())
        throw located(
          ShapeError,
          `constraint: ${name} became ${isTensor(value) ? `[${value.shape.join(', ')}]` : shown(value)}; expected a tensor [${parameter.shape.join(', ')}].`,
        )
      parameter.copyFrom(value)
    }
  })
}

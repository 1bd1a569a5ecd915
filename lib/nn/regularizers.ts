import { ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { isTensor, located } from '../tensor/base.js'
import { requireAtLeast, requireOptions, requireTensor } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { JsonObject } from '../types/json.js'
import type { Module } from './module.js'

/** A regularizer as plain JSON, as saved models hold it. */
export type RegularizerConfig = JsonObject

/** What adds a number to the loss for the values that a parameter has; objects of one's own may be regularizers too. */
export interface Regularizer {
  /** The penalty of a parameter, a 0-d tensor that gradients flow through. */
  penalty(weight: Tensor): Tensor
  /** Name and factors as plain JSON; {@link fromConfig} reads those of this module. */
  config(): RegularizerConfig
}

class Factors implements Regularizer {
  readonly #name: string
  readonly #l1: number
  readonly #l2: number

  constructor(name: 'l1' | 'l2' | 'l1l2', factors: { readonly l1?: number; readonly l2?: number }) {
    this.#name = name
    this.#l1 = factors.l1 ?? 0
    this.#l2 = factors.l2 ?? 0
  }

  penalty(weight: Tensor): Tensor {
    requireTensor(`regularizers.${this.#name}`, 'weight', weight)
    const absolute = this.#l1 === 0 ? null : weight.abs().sum().mul(this.#l1)
    const squared = this.#l2 === 0 ? null : weight.mul(weight).sum().mul(this.#l2)
    if (absolute !== null && squared !== null) return absolute.add(squared)
    return absolute ?? squared ?? weight.sum().mul(0)
  }

  config(): RegularizerConfig {
    const factors = { l1: this.#l1, l2: this.#l2 }
    if (this.#name === 'l1l2') return { name: 'l1l2', ...factors }
    return this.#name === 'l1' ? { name: 'l1', l1: this.#l1 } : { name: 'l2', l2: this.#l2 }
  }
}

function factor(op: string, what: string, value: unknown): number {
  const checked = requireAtLeast(op, what, value, 0)
  if (checked === Infinity) throw new ValueError(`${op}: Infinity as ${what}; expected a finite number.`)
  return checked
}

/**
 * The sum of absolute values times a factor, which drives weights to exactly zero.
 *
 * @param c - the factor, at least 0; `0.01` by default, as in Keras
 * @throws ValueError for a factor that is no finite number of at least 0
 * @example
 * ```ts
 * import { regularizers, tensor } from 'neuroxide'
 * console.log(regularizers.l1(0.5).penalty(tensor([1, -3])).item()) // 2
 * ```
 */
export function l1(c = 0.01): Regularizer {
  return new Factors('l1', { l1: factor('regularizers.l1', 'factor', c) })
}

/**
 * The sum of squares times a factor, which keeps weights small: Keras's, without the half that some texts have.
 *
 * @param c - the factor, at least 0; `0.01` by default, as in Keras
 * @throws ValueError for a factor that is no finite number of at least 0
 * @example
 * ```ts
 * import { nn, regularizers } from 'neuroxide'
 * const layer = new nn.Linear(4, 2, { regularizer: regularizers.l2(1e-4) })
 * console.log(layer.weight.regularizer?.config()) // { name: 'l2', l2: 0.0001 }
 * ```
 */
export function l2(c = 0.01): Regularizer {
  return new Factors('l2', { l2: factor('regularizers.l2', 'factor', c) })
}

export interface L1L2Options {
  /** Factor of the absolute values; `0` by default. */
  readonly l1?: number | undefined
  /** Factor of the squares; `0` by default. */
  readonly l2?: number | undefined
}

/**
 * The sum of {@link l1} and {@link l2}.
 *
 * @throws ValueError for factors that are no finite numbers of at least 0
 * @example
 * ```ts
 * import { regularizers, tensor } from 'neuroxide'
 * console.log(regularizers.l1l2({ l1: 1, l2: 0.5 }).penalty(tensor([2, -2])).item()) // 8
 * ```
 */
export function l1l2(options: L1L2Options = {}): Regularizer {
  const op = 'regularizers.l1l2'
  requireOptions(op, options, ['l1', 'l2'])
  return new Factors('l1l2', {
    l1: factor(op, 'l1', options.l1 ?? 0),
    l2: factor(op, 'l2', options.l2 ?? 0),
  })
}

/**
 * The regularizer that `config()` described.
 *
 * @throws ValueError for a description of none of this module
 * @example
 * ```ts
 * import { regularizers } from 'neuroxide'
 * console.log(regularizers.fromConfig({ name: 'l1', l1: 0.1 }).config()) // { name: 'l1', l1: 0.1 }
 * ```
 */
export function fromConfig(config: RegularizerConfig): Regularizer {
  // Files can say anything; the constructors look at what they are given.
  const { name, ...factors } = (config ?? {}) as Readonly<Record<string, never>>
  if (name === 'l1') return l1(factors['l1'])
  if (name === 'l2') return l2(factors['l2'])
  if (name === 'l1l2') return l1l2(factors)
  throw new ValueError(
    `regularizers.fromConfig: ${shown(name)} as name; expected 'l1', 'l2' or 'l1l2' in { name, … }.`,
  )
}

/** Refuses what is no regularizer; leaving it out gives null. */
export function requireRegularizer(op: string, what: string, value: unknown): Regularizer | null {
  if (value === undefined || value === null) return null
  if (typeof (value as { penalty?: unknown }).penalty !== 'function')
    throw located(
      ValueError,
      `${op}: ${shown(value)} as ${what}; expected a regularizer, such as regularizers.l2(1e-4).`,
    )
  return value as Regularizer
}

/**
 * The sum of the penalties of all parameters of a module that are trained and have a regularizer; null where none has.
 *
 * @internal
 */
export function penalty(module: Module): Tensor | null {
  let sum: Tensor | null = null
  for (const [name, parameter] of module.namedParameters()) {
    const { regularizer } = parameter
    // As in Keras, what is frozen costs nothing.
    if (regularizer === null || !parameter.requiresGrad) continue
    const own: unknown = regularizer.penalty(parameter)
    if (!isTensor(own) || own.numel !== 1)
      throw located(
        ValueError,
        `regularizer: the penalty of ${name} is ${isTensor(own) ? `[${own.shape.join(', ')}]` : shown(own)}; expected a tensor of one number.`,
      )
    const scalar: Tensor = own.reshape([])
    sum = sum === null ? scalar : sum.add(scalar)
  }
  return sum
}

import { DTypeError, ValueError } from '../errors.js'
import * as F from '../functional.js'
import type { Tensor } from '../tensor.js'
import { located } from '../tensor/base.js'
import { requireFlag, requireOptions, requireTensor } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { zeros } from '../tensor/factories.js'
import type { FloatDType } from '../types.js'
import type { Enters, Features, Leaves, flow } from '../types/layers.js'
import type { JsonObject } from '../types/json.js'
import { requireConstraint, type Constraint } from './constraints.js'
import { kaimingUniform, uniform } from './init.js'
import { Module } from './module.js'
import { Parameter } from './parameter.js'
import { requireRegularizer, type Regularizer } from './regularizers.js'

export interface LinearOptions {
  /** Whether a bias is added; `true` by default. */
  readonly bias?: boolean | undefined
  /** Element type of weight and bias; `'f32'` by default. */
  readonly dtype?: FloatDType | undefined
  /** Adds to the loss for the weight, in `fit`, `evaluate` and `losses.total`; nothing by default. */
  readonly regularizer?: Regularizer | undefined
  /** The same for the bias. */
  readonly biasRegularizer?: Regularizer | undefined
  /** The set that `fit` puts the weight back into after each step; none by default. */
  readonly constraint?: Constraint | undefined
  /** The same for the bias. */
  readonly biasConstraint?: Constraint | undefined
}

const known = ['bias', 'dtype', 'regularizer', 'biasRegularizer', 'constraint', 'biasConstraint']

/** The size of a layer, as an integer of at least 1. */
export function requireSize(value: number, name: string, layer: string): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new ValueError(`nn.${layer}: ${name} is ${String(value)}; expected a positive integer.`)
  }
  return value
}

/** Layers with weights compute on floats; images come as u8, and nothing scales them silently. */
export function requireFloat(x: Tensor, layer: string): void {
  requireTensor(`nn.${layer}`, 'input', x)
  if (x.dtype !== 'f32' && x.dtype !== 'f64') {
    const hint = x.dtype === 'u8' ? 'put nn.Rescale(1 / 255) before it' : "convert with x.to('f32')"
    throw located(DTypeError, `nn.${layer}: the input is ${x.dtype}; expected f32 or f64: ${hint}.`)
  }
}

/**
 * An affine map of the last axis: `y = x · weightᵀ + bias`.
 *
 * Shapes: `[…, inFeatures]` → `[…, outFeatures]`; `weight` is `[outFeatures, inFeatures]`, `bias` `[outFeatures]`.
 * Both begin uniform in ±1/√inFeatures, as in PyTorch. In memory the weight lies as `[in, out]`, which the forward
 * product reads fastest; its shape, its export and its state do not show it.
 *
 * @throws ValueError for sizes that are no positive integers
 * @throws ShapeError when the last axis of an input is not `inFeatures`
 * @throws DTypeError for an input that is no float
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const layer = new nn.Linear(784, 10)
 * console.log(layer.forward(zeros([32, 784])).shape, layer.weight.shape) // [ 32, 10 ] [ 10, 784 ]
 * ```
 */
export class Linear<In extends number = number, Out extends number = number> extends Module {
  /** @hidden */
  declare readonly [flow]: Features<In, Out>
  readonly weight: Parameter<[Out, In]>
  readonly bias: Parameter<[Out]> | null
  readonly inFeatures: In
  readonly outFeatures: Out

  constructor(inFeatures: In, outFeatures: Out, options: LinearOptions = {}) {
    super()
    requireOptions('nn.Linear', options, known)
    const { bias = true, dtype = 'f32' } = options
    requireFlag('nn.Linear', 'bias', bias)
    if (dtype !== 'f32' && dtype !== 'f64')
      throw new DTypeError(`nn.Linear: ${shown(dtype)} as dtype; expected 'f32' or 'f64'.`)
    requireSize(inFeatures, 'inFeatures', 'Linear')
    requireSize(outFeatures, 'outFeatures', 'Linear')
    this.inFeatures = inFeatures
    this.outFeatures = outFeatures
    // The parameter is a copy: one element stands for all, so that only it takes memory.
    const weight = zeros([1, 1], { dtype }).expand([outFeatures, inFeatures])
    this.weight = new Parameter(weight, { memoryOrder: [1, 0] })
    this.bias = bias ? new Parameter(zeros([outFeatures], { dtype })) : null
    this.weight.regularizer = requireRegularizer('nn.Linear', 'regularizer', options.regularizer)
    this.weight.constraint = requireConstraint('nn.Linear', 'constraint', options.constraint)
    const biasRegularizer = requireRegularizer('nn.Linear', 'biasRegularizer', options.biasRegularizer)
    const biasConstraint = requireConstraint('nn.Linear', 'biasConstraint', options.biasConstraint)
    if (this.bias !== null) {
      this.bias.regularizer = biasRegularizer
      this.bias.constraint = biasConstraint
    }
    this.resetParameters()
  }

  /** Draws weight and bias anew. */
  resetParameters(): void {
    kaimingUniform(this.weight, { a: Math.sqrt(5) })
    const bound = 1 / Math.sqrt(this.inFeatures)
    if (this.bias !== null) uniform(this.bias, -bound, bound)
  }

  override forward<X extends Tensor>(x: X & Enters<X, In>): Leaves<X, In, Out> {
    requireFloat(x, 'Linear')
    return F.linear(x, this.weight, this.bias ?? undefined)
  }

  override config(): JsonObject {
    const { inFeatures, outFeatures, weight, bias } = this
    const extras = {
      regularizer: weight.regularizer?.config(),
      biasRegularizer: bias?.regularizer?.config(),
      constraint: weight.constraint?.config(),
      biasConstraint: bias?.constraint?.config(),
    }
    const set = Object.entries(extras).filter(
      (entry): entry is [string, JsonObject] => entry[1] !== undefined,
    )
    return { inFeatures, outFeatures, bias: bias !== null, dtype: weight.dtype, ...Object.fromEntries(set) }
  }

  override describe(): string {
    const bias = this.bias === null ? ', { bias: false }' : ''
    return `Linear(${this.inFeatures}, ${this.outFeatures}${bias})`
  }
}

import { DTypeError, ValueError } from '../errors.js'
import { Tensor, adoptParameter } from '../tensor.js'
import { handleOf, internal, isTensor } from '../tensor/base.js'
import { modeChanged, readGuard } from '../tensor/guards.js'
import type { FloatDType, Shape } from '../types.js'
import { requireConstraint, type Constraint } from './constraints.js'
import { requireRegularizer, type Regularizer } from './regularizers.js'
import { noticeParameter } from './orphans.js'
import { requireFlag, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

const parameterBrand: unique symbol = Symbol.for('neuroxide.parameter') as never

export interface ParameterOptions {
  /** Whether it is trained; `true` by default. */
  readonly requiresGrad?: boolean | undefined
  /**
   * The axes from the outermost to the innermost in memory; the usual order by default. It is fixed for life, shared
   * by gradient and optimizer state, and shows nowhere but in speed.
   */
  readonly memoryOrder?: readonly number[] | undefined
}

/**
 * A tensor that is trained: a leaf with memory of its own that optimizers write in place. Modules find it in their
 * fields.
 *
 * Takes a copy of the values it is made from; f32 or f64.
 *
 * @throws DTypeError for values that are no floats
 * @throws ValueError for a memory order that is no order of the axes
 * @throws TraceError inside a jitted function, where it would be made once
 * @example
 * ```ts
 * import { nn, ones } from 'neuroxide'
 * const scale = new nn.Parameter(ones([3]))
 * console.log(scale.requiresGrad, scale.shape) // true [ 3 ]
 * ```
 */
export class Parameter<S extends Shape = Shape, D extends FloatDType = FloatDType> extends Tensor<S, D> {
  /** Tells the compiler that not every tensor is a parameter. */
  declare readonly [parameterBrand]: true
  /** What selects a program among those of a traced function. */
  readonly #extras: { regularizer: Regularizer | null; constraint: Constraint | null } = {
    regularizer: null,
    constraint: null,
  }

  constructor(source: Tensor<S, D>, options: ParameterOptions = {}) {
    super(internal)
    if (!isTensor(source))
      throw new ValueError(
        `nn.Parameter: ${shown(source)}; expected a tensor, as in new nn.Parameter(zeros([3])).`,
      )
    if (source.dtype !== 'f32' && source.dtype !== 'f64') {
      throw new DTypeError(`nn.Parameter: ${String(source.dtype)} has no gradients; expected f32 or f64.`)
    }
    requireOptions('nn.Parameter', options, ['requiresGrad', 'memoryOrder'])
    const requiresGrad = requireFlag('nn.Parameter', 'requiresGrad', options.requiresGrad ?? true)
    const order = options.memoryOrder ?? source.shape.map((_, axis) => axis)
    const sorted = order.toSorted((a, b) => a - b)
    if (sorted.length !== source.rank || sorted.some((axis, i) => axis !== i)) {
      throw new ValueError(
        `nn.Parameter: memoryOrder [${order.join(', ')}]; expected an order of ${source.rank} axes.`,
      )
    }
    adoptParameter<Tensor>(this, source, order, requiresGrad)
    noticeParameter(handleOf(this), this.shape)
  }

  /**
   * What `fit`, `evaluate` and `losses.total` add to the loss for this parameter; null by default: nothing.
   *
   * @throws ValueError for a value that is no regularizer
   */
  get regularizer(): Regularizer | null {
    return readGuard(this.#extras, 'regularizer', this.#extras.regularizer)
  }

  set regularizer(value: Regularizer | null) {
    this.#extras.regularizer = requireRegularizer('nn.Parameter', 'regularizer', value)
    modeChanged()
  }

  /**
   * The set that `fit` puts this parameter back into after each step; null by default: it moves freely.
   *
   * @throws ValueError for a value that is no constraint
   */
  get constraint(): Constraint | null {
    return readGuard(this.#extras, 'constraint', this.#extras.constraint)
  }

  set constraint(value: Constraint | null) {
    this.#extras.constraint = requireConstraint('nn.Parameter', 'constraint', value)
    modeChanged()
  }
}

Object.defineProperty(Parameter.prototype, parameterBrand, { value: true })

/** Whether a value is a parameter, of this or another copy of the package. */
export function isParameter(value: unknown): value is Parameter {
  return typeof value === 'object' && value !== null && parameterBrand in value
}

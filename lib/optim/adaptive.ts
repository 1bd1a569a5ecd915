import { epsMode, flag, numeric, type EpsMode } from './hyper.js'
import { Optimizer, type Trained } from './optimizer.js'

export interface RMSpropHypers {
  /** Learning rate; `1e-2` by default. */
  lr: number
  /** How slowly the mean of squared gradients forgets; `0.99` by default. */
  alpha: number
  /** Added to the root; `1e-8` by default. */
  eps: number
  /** Factor of the L2 penalty, added to the gradient; `0` by default. */
  weightDecay: number
  /** Share of the last step that is taken again; `0` by default. */
  momentum: number
  /** Whether the squared mean is taken off, so that steps are scaled by the variance; chosen once, `false` by default. */
  readonly centered: boolean
  /** Whether steps go uphill; chosen once, `false` by default. */
  readonly maximize: boolean
  /** Where eps is added: `'torch'` (default) to the root, `'keras'` inside it; chosen once. */
  readonly epsMode: EpsMode
}

/**
 * Steps scaled by a running mean of the squared gradient; PyTorch's formula and defaults.
 *
 * @throws ValueError for hyperparameters out of range
 * @see Hinton, "Neural Networks for Machine Learning", lecture 6e (2012)
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.RMSprop(new nn.Linear(2, 1).parameters(), { lr: 1e-3, centered: true })
 * console.log(optimizer.alpha) // 0.99
 * ```
 */
export class RMSprop extends Optimizer<RMSpropHypers> {
  declare lr: number
  declare alpha: number
  declare eps: number
  declare weightDecay: number
  declare momentum: number
  declare readonly centered: boolean
  declare readonly maximize: boolean
  declare readonly epsMode: EpsMode

  constructor(params: Trained<RMSpropHypers>, options: Partial<RMSpropHypers> = {}) {
    const hypers = [
      numeric('lr', 1e-2),
      numeric('alpha', 0.99),
      numeric('eps', 1e-8),
      numeric('weightDecay', 0),
      numeric('momentum', 0, { fixed: 'zero' }),
      flag('centered'),
      flag('maximize'),
      epsMode,
    ]
    super('RMSprop', hypers, params, options)
  }

  protected override stateNames({ centered, momentum }: RMSpropHypers): readonly string[] {
    return ['square_avg', ...(centered ? ['grad_avg'] : []), ...(momentum === 0 ? [] : ['momentum_buffer'])]
  }
}

export interface AdagradHypers {
  /** Learning rate; `1e-2` by default. */
  lr: number
  /** How fast the learning rate falls with the number of steps; `0` by default. */
  lrDecay: number
  /** Factor of the L2 penalty, added to the gradient; `0` by default. */
  weightDecay: number
  /** Where the sums of squares begin; chosen once, `0` by default. */
  readonly initialAccumulatorValue: number
  /** Added to the root; `1e-10` by default. */
  eps: number
  /** Whether steps go uphill; chosen once, `false` by default. */
  readonly maximize: boolean
  /** Where eps is added: `'torch'` (default) to the root, `'keras'` inside it; chosen once. */
  readonly epsMode: EpsMode
}

/**
 * Steps scaled by the sum of all squared gradients so far; PyTorch's formula and defaults.
 *
 * @throws ValueError for hyperparameters out of range
 * @see Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online Learning" (2011)
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.Adagrad(new nn.Linear(2, 1).parameters(), { lr: 0.1 })
 * console.log(optimizer.lrDecay) // 0
 * ```
 */
export class Adagrad extends Optimizer<AdagradHypers> {
  declare lr: number
  declare lrDecay: number
  declare weightDecay: number
  declare readonly initialAccumulatorValue: number
  declare eps: number
  declare readonly maximize: boolean
  declare readonly epsMode: EpsMode

  constructor(params: Trained<AdagradHypers>, options: Partial<AdagradHypers> = {}) {
    const hypers = [
      numeric('lr', 1e-2),
      numeric('lrDecay', 0),
      numeric('weightDecay', 0),
      numeric('initialAccumulatorValue', 0, { fixed: 'nothing' }),
      numeric('eps', 1e-10),
      flag('maximize'),
      epsMode,
    ]
    super('Adagrad', hypers, params, options)
  }

  protected override stateNames(): readonly string[] {
    return ['sum']
  }
}

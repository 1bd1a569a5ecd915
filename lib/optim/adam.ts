import { betas, epsMode, flag, numeric, type EpsMode, type Hyper } from './hyper.js'
import { Optimizer, type Trained } from './optimizer.js'

export interface AdamHypers {
  /** Learning rate; `1e-3` by default. */
  lr: number
  /** How slowly the means of gradients and of their squares forget; `[0.9, 0.999]` by default. */
  betas: readonly [number, number]
  /** Added to the root of the second moment; `1e-8` by default. */
  eps: number
  /** Adam: factor of the L2 penalty, `0` by default. AdamW: share of the weight taken away per unit of lr, `0.01`. */
  weightDecay: number
  /** Whether the largest second moment so far is used; chosen once, `false` by default. */
  readonly amsgrad: boolean
  /** Whether steps go uphill; chosen once, `false` by default. */
  readonly maximize: boolean
  /**
   * Where eps is added: `'torch'` (default) to the root of the moment whose bias was taken off, `'keras'` to the root
   * as it is, so that eps counts for more in the first steps; chosen once.
   */
  readonly epsMode: EpsMode
}

function hypers(weightDecay: number): Hyper[] {
  return [
    numeric('lr', 1e-3),
    betas,
    numeric('eps', 1e-8),
    numeric('weightDecay', weightDecay),
    flag('amsgrad'),
    flag('maximize'),
    epsMode,
  ]
}

function moments({ amsgrad }: AdamHypers): readonly string[] {
  return amsgrad ? ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'] : ['exp_avg', 'exp_avg_sq']
}

/**
 * Steps scaled by running means of the gradient and of its square; PyTorch's formula and defaults.
 *
 * @throws ValueError for hyperparameters out of range
 * @see Kingma, Ba, "Adam: A Method for Stochastic Optimization" (2015)
 * @example
 * ```ts
 * import { losses, nn, optim, randn } from 'neuroxide'
 * const model = new nn.Linear(3, 1)
 * const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2 })
 * losses.mse(model.forward(randn([8, 3])), randn([8, 1])).backward()
 * optimizer.step()
 * optimizer.zeroGrad()
 * ```
 */
export class Adam extends Optimizer<AdamHypers> {
  declare lr: number
  declare betas: readonly [number, number]
  declare eps: number
  declare weightDecay: number
  declare readonly amsgrad: boolean
  declare readonly maximize: boolean
  declare readonly epsMode: EpsMode

  constructor(params: Trained<AdamHypers>, options: Partial<AdamHypers> = {}) {
    super('Adam', hypers(0), params, options)
  }

  protected override stateNames(group: AdamHypers): readonly string[] {
    return moments(group)
  }
}

/**
 * Adam whose weight decay acts on the weights themselves and not through the gradient's moments.
 *
 * @throws ValueError for hyperparameters out of range
 * @see Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (2019)
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(2, 8), new nn.ReLU(), new nn.Linear(8, 1))
 * const [decayed, plain] = [model.parameters().filter((p) => p.rank > 1), model.parameters().filter((p) => p.rank < 2)]
 * const optimizer = new optim.AdamW([{ params: decayed }, { params: plain, weightDecay: 0 }], { lr: 3e-4 })
 * console.log(optimizer.paramGroups.map((group) => group.weightDecay)) // [ 0.01, 0 ]
 * ```
 */
export class AdamW extends Optimizer<AdamHypers> {
  declare lr: number
  declare betas: readonly [number, number]
  declare eps: number
  declare weightDecay: number
  declare readonly amsgrad: boolean
  declare readonly maximize: boolean
  declare readonly epsMode: EpsMode

  constructor(params: Trained<AdamHypers>, options: Partial<AdamHypers> = {}) {
    super('AdamW', hypers(1e-2), params, options)
  }

  protected override stateNames(group: AdamHypers): readonly string[] {
    return moments(group)
  }
}

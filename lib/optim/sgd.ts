import { ValueError } from '../errors.js'
import { flag, numeric } from './hyper.js'
import { Optimizer, type Trained } from './optimizer.js'

export interface SGDHypers {
  /** Learning rate; `1e-3` by default. */
  lr: number
  /** Share of the last step that is taken again; `0` by default. */
  momentum: number
  /** How much of the gradient momentum leaves out; `0` by default. */
  dampening: number
  /** Factor of the L2 penalty, added to the gradient; `0` by default. */
  weightDecay: number
  /** Whether momentum looks ahead; needs momentum and no dampening; chosen once, `false` by default. */
  readonly nesterov: boolean
  /** Whether steps go uphill; chosen once, `false` by default. */
  readonly maximize: boolean
}

/**
 * Gradient descent, with momentum where it is asked for; PyTorch's formula and defaults.
 *
 * @throws ValueError for hyperparameters out of range, and for nesterov without momentum or with dampening
 * @see Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013)
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const model = new nn.Linear(2, 1)
 * const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 })
 * optimizer.lr = 0.01
 * console.log(optimizer.lr, optimizer.momentum) // 0.01 0.9
 * ```
 */
export class SGD extends Optimizer<SGDHypers> {
  declare lr: number
  declare momentum: number
  declare dampening: number
  declare weightDecay: number
  declare readonly nesterov: boolean
  declare readonly maximize: boolean

  constructor(params: Trained<SGDHypers>, options: Partial<SGDHypers> = {}) {
    const hypers = [
      numeric('lr', 1e-3),
      numeric('momentum', 0, { fixed: 'zero' }),
      numeric('dampening', 0, { range: [-Infinity, Infinity] }),
      numeric('weightDecay', 0),
      flag('nesterov'),
      flag('maximize'),
    ]
    super('SGD', hypers, params, options)
  }

  protected override check(values: Readonly<Record<string, unknown>>): void {
    if (values['nesterov'] === true && (values['momentum'] === 0 || values['dampening'] !== 0)) {
      throw new ValueError('optim.SGD: nesterov needs a momentum above 0 and a dampening of 0.')
    }
  }

  protected override stateNames({ momentum }: SGDHypers): readonly string[] {
    return momentum === 0 ? [] : ['momentum_buffer']
  }
}

import { ValueError } from '../errors.js'
import type { Module } from '../nn/module.js'
import { penalty } from '../nn/regularizers.js'
import type { Tensor } from '../tensor.js'
import { located } from '../tensor/base.js'
import { requireTensor } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import type { FloatTensor } from '../types.js'

/**
 * A loss with the penalties of a model's regularizers, for loops of one's own: `fit` and `evaluate` add them themselves.
 *
 * @param model - the module whose parameters may have regularizers
 * @param loss - a tensor of one number
 * @returns the sum, a scalar; the loss itself where no parameter that is trained has a regularizer
 * @throws ValueError for what is no module or no tensor of one number
 * @example
 * ```ts
 * import { losses, nn, regularizers, zeros } from 'neuroxide'
 * const model = new nn.Linear(2, 1, { regularizer: regularizers.l2(0.5) })
 * nn.init.ones(model.weight)
 * nn.init.zeros(model.bias as nn.Parameter)
 * const loss = losses.mse(model.forward(zeros([4, 2])), zeros([4, 1]))
 * console.log(loss.item(), losses.total(model, loss).item()) // 0 1
 * ```
 */
export function total(model: Module, loss: Tensor): FloatTensor {
  if (typeof (model as Partial<Module> | null)?.namedParameters !== 'function')
    throw located(ValueError, `losses.total: ${shown(model)} as model; expected a module.`)
  requireTensor('losses.total', 'loss', loss)
  if (loss.numel !== 1)
    throw located(
      ValueError,
      `losses.total: a loss [${loss.shape.join(', ')}]; expected one number: reduce it with mean().`,
    )
  const more = penalty(model)
  return (more === null ? loss : loss.add(more.to(loss.dtype))) as FloatTensor
}

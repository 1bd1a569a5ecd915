import { ValueError } from '../../errors.js'
import type { ScheduledGroup } from '../../optim/schedule/index.js'
import type { Model } from '../model.js'

/** The groups of the model's optimizer, whose learning rates are read and written. */
export function rateGroups(op: string, model: Model): readonly ScheduledGroup[] {
  const { optimizer } = model
  if (optimizer === null)
    throw new ValueError(`${op}: a model without optimizer; expected one that compile was called on.`)
  return optimizer.paramGroups as unknown as readonly ScheduledGroup[]
}

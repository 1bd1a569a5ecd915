import { stack } from '../functional.js'
import { constrain } from '../nn/constraints.js'
import type { Module } from '../nn/module.js'
import { noGrad, type Tensor, zeros } from '../tensor.js'
import type { Compiled, Update } from './compiled.js'

/** Makes room for sums of gradients, where several batches share a step: once, before anything is traced. */
export function prepareSums({ optimizer, update, sums }: Compiled): void {
  if (update.every === 1 || sums.length > 0) return
  for (const parameter of optimizer.parameters())
    sums.push(zeros([...parameter.shape], { dtype: parameter.dtype as 'f32' }))
}

/** Adds the gradients of a batch to the sums; the optimizer waits. */
export function addUp({ optimizer, sums }: Compiled): void {
  noGrad(() => {
    for (const [i, parameter] of optimizer.parameters().entries()) {
      const { grad } = parameter
      const sum = sums[i] as Tensor
      if (grad !== null) sum.copyFrom(sum.add(grad))
    }
  })
}

/** One step with the gradients of a batch, or with the mean of those that were added up; then constraints and averages. */
export function applyGradients(compiled: Compiled, model: Module): void {
  const { optimizer, update, sums } = compiled
  noGrad(() => {
    if (update.every > 1) averageSums(optimizer.parameters(), sums, update.every)
    clip(optimizer.parameters(), update.clip)
  })
  optimizer.step()
  constrain(model)
  update.ema?.update()
}

function averageSums(parameters: readonly Tensor[], sums: readonly Tensor[], every: number): void {
  for (const [i, parameter] of parameters.entries()) {
    const { grad } = parameter
    const sum = sums[i] as Tensor
    if (grad === null) continue
    parameter.grad = grad.add(sum).div(every)
    sum.copyFrom(sum.mul(0))
  }
}

/** Keras's clipping: the norm of each gradient, each value, or the norm of all. */
function clip(parameters: readonly Tensor[], limits: Update['clip']): void {
  if (limits === null) return
  const { kind, limit } = limits
  const pairs = parameters.flatMap((parameter): [Tensor, Tensor][] => {
    const { grad } = parameter
    return grad === null ? [] : [[parameter, grad]]
  })
  if (kind === 'value') {
    for (const [parameter, grad] of pairs) parameter.grad = grad.clamp(-limit, limit)
    return
  }
  const norms = pairs.map(([, grad]) => grad.norm())
  if (kind === 'norm') {
    for (const [i, [parameter, grad]] of pairs.entries())
      parameter.grad = grad.mul(limit).div((norms[i] as Tensor).maximum(limit))
    return
  }
  if (pairs.length === 0) return
  const total = stack(norms.map((norm) => norm.to('f32'))).norm()
  const factor = total
    .reciprocal()
    .minimum(1 / limit)
    .mul(limit)
  for (const [parameter, grad] of pairs) parameter.grad = grad.mul(factor.to(grad.dtype))
}

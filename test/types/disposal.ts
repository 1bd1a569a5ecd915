// Memory may be given back early: never necessary, and typed as the language wants it.
import { scope, zeros, type Tensor } from 'neuroxide'
import { holds, type Same } from './same.js'

export function halves(): number {
  using x = zeros([2, 3])
  using y = x.exp()
  holds<Same<typeof y, Tensor<[2, 3], 'f32'>>>()
  return y.sum().item()
}

const disposable: Disposable = zeros([1])
holds<Same<ReturnType<Tensor[typeof Symbol.dispose]>, void>>()
holds<Same<Tensor['isDisposed'], boolean>>()

// What a scope returns is kept, and has its type.
const kept = scope(() => ({ sum: zeros([2]).sum(), name: 'sum' }))
holds<Same<typeof kept, { sum: Tensor<[], 'f32'>; name: string }>>()
// @ts-expect-error only functions
scope(3)

export const used = [disposable]

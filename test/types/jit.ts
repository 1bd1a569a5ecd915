// A jitted function has the arguments and the results of the original.
import {
  jit,
  tensor,
  zeros,
  type CompiledFunction,
  type JitOptions,
  type Shape,
  type Tensor,
} from 'neuroxide'
import { holds, type Same } from './same.js'

const x = zeros([2, 3])

const step = jit((x: Tensor, k: Tensor, name: string) => ({ loss: x.mul(k).sum(), name }))
const result = step(x, 3, 'a')
holds<Same<typeof result.name, string>>()
const loss: Tensor = result.loss
// @ts-expect-error there is no such result
void result.accuracy
// Where the function takes tensors, the jitted one takes numbers and data too.
step(x, new Float32Array(6), 'a')
// @ts-expect-error a string is no tensor
step('x', 3, 'a')
// @ts-expect-error a number is no string
step(x, 3, 4)
// @ts-expect-error all arguments are needed
step(x, 3)
// @ts-expect-error and no more
step(x, 3, 'a', 4)

holds<Same<Parameters<typeof step>[2], string>>()

// Shapes and element types stay, in arguments and results.
const exact = jit((x: Tensor<[2, 3], 'f32'>) => x.exp())
const powers = exact(x)
holds<Same<typeof powers, Tensor<[2, 3], 'f32'>>>()
// @ts-expect-error another shape
exact(zeros([3]))

// Tuples, records and arrays of tensors, optional and any number of arguments.
const paired = jit((pair: readonly [Tensor, Tensor], options: { readonly scale: Tensor }) => {
  const [a, b] = pair
  return [a.add(b), options.scale] as const
})
const [sum, scale] = paired([x, x], { scale: tensor(1) })
holds<Same<typeof sum, Tensor>>()
holds<Same<typeof scale, Tensor>>()
// @ts-expect-error the pair is a triple
paired([x, x, x], { scale: x })
const optional = jit((x: Tensor, flag?: boolean) => (flag === true ? x.neg() : x))
optional(x)
optional(x, true)
const variadic = jit((...xs: Tensor[]) => xs.length)
const count = variadic(x, x, 3)
holds<Same<typeof count, number>>()
const nothing = jit((x: Tensor) => {
  x.sum().backward()
})
holds<Same<ReturnType<typeof nothing>, void>>()
const bare = jit(() => x.sum())
const total: Tensor<[], 'f32'> = bare()

const compiled: CompiledFunction<[Tensor, Tensor, string], { loss: Tensor; name: string }> = step
const table: string = compiled.explain()
const counts: number = step.traces + step.runs + step.programs
// @ts-expect-error counts are not written
step.traces = 0

const options: JitOptions = { static: ['k'], keepGrads: true, verify: false }
jit((x: Tensor) => x, options)
// @ts-expect-error that is no option
jit((x: Tensor) => x, { statics: ['k'] })
// @ts-expect-error names, not numbers
jit((x: Tensor) => x, { static: [1] })
// @ts-expect-error not a function
jit(x)

export const used: unknown[] = [loss, table, counts, total, {} as Shape]

// What `grad`, `valueAndGrad` and the words around them give: gradients are there, not perhaps there.
import {
  detectAnomaly,
  grad,
  isGradEnabled,
  isTensor,
  noGrad,
  tensor,
  valueAndGrad,
  zeros,
  type FloatTensor,
  type Shape,
  type Tensor,
  nn,
} from 'neuroxide'
import { holds, type Same } from './same.js'

const x = zeros([2, 3])
const w = zeros([3], { dtype: 'f64', requiresGrad: true })
const weight = new nn.Parameter(zeros([4]))
const y = x.sum()
declare const several: Tensor[]

const [dx, dw, dp] = grad(y, [x, w, weight])
holds<Same<typeof dx, Tensor<[2, 3], 'f32'>>>()
holds<Same<typeof dw, Tensor<[3], 'f64'>>>()
// The gradient of a parameter is a tensor, not a parameter.
holds<Same<typeof dp, Tensor<[4], 'f32'>>>()
const all = grad(y, several)
holds<Same<typeof all, Tensor[]>>()
const seeded = grad(x, [x], { gradient: [1, 1, 1], retainGraph: true })
holds<Same<typeof seeded, [Tensor<[2, 3], 'f32'>]>>()
// @ts-expect-error numbers have no gradients
grad(3, [x])
// @ts-expect-error nor can one differentiate with respect to one
grad(y, [3])
// @ts-expect-error that is no option
grad(y, [x], { retain: true })

const loss = valueAndGrad((left: Tensor, right: Tensor<[2], 'f32'>) => left.mul(right).sum())
const [value, [dLeft, dRight]] = loss(x, zeros([2]))
const scalar: Tensor<[]> = value
holds<Same<typeof dLeft, Tensor<[2, 3], 'f32'>>>()
holds<Same<typeof dRight, Tensor<[2], 'f32'>>>()
// @ts-expect-error one argument is missing
loss(x)
// @ts-expect-error another element type
loss(x, zeros([2], { dtype: 'f64' }))
// @ts-expect-error a gradient needs a tensor as value
valueAndGrad((x: Tensor) => x.numel)
// However many there are, each that was given has its gradient.
const [, [d0, d1]] = valueAndGrad((...xs: Tensor[]) => (xs[0] as Tensor).sum())(x, weight)
holds<Same<typeof d0, Tensor<[2, 3], 'f32'>>>()
holds<Same<typeof d1, Tensor<[4], 'f32'>>>()
// @ts-expect-error there are two
const [, [, , d2]] = valueAndGrad((...xs: Tensor[]) => (xs[0] as Tensor).sum())(x, weight)
const [, listed] = valueAndGrad((...xs: Tensor[]) => (xs[0] as Tensor).sum())(...several)
holds<Same<typeof listed, Tensor[]>>()

// What `backward` leaves may not be there.
holds<Same<typeof w.grad, Tensor<[3], 'f64'> | null>>()
// @ts-expect-error perhaps null
w.grad.sum()
w.grad = null
w.grad = zeros([3])
// @ts-expect-error not undefined
w.grad = undefined
const nothing: void = y.backward()
y.backward(null, { retainGraph: true })
x.backward([[1, 2, 3]])
// @ts-expect-error that is no option
y.backward(null, { retain: true })

// What takes a function gives what it returns.
const named = noGrad(() => ({ a: x, b: 'b' }) as const)
holds<Same<typeof named, { readonly a: Tensor<[2, 3], 'f32'>; readonly b: 'b' }>>()
const recorded: boolean = isGradEnabled()
const found = detectAnomaly(() => 3)
holds<Same<typeof found, number>>()
const detached = x.detach()
holds<Same<typeof detached, Tensor<[2, 3], 'f32'>>>()
holds<Same<ReturnType<typeof weight.copyFrom>, typeof weight>>()

declare const unknown: unknown
if (isTensor(unknown)) holds<Same<typeof unknown, Tensor>>()
const floating: FloatTensor = tensor([1])
const shape: Shape = floating.shape

export const used = [scalar, nothing, shape, d2, recorded]

import {
  Tensor,
  add,
  eq,
  exp,
  grad,
  jit,
  noGrad,
  ones,
  relu,
  tensor,
  valueAndGrad,
  zeros,
  type DType,
  type Shape,
} from 'neuroxide'

/** Compiles only where both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <_ extends true>(): void => {}

// Creation: the rank follows from the values, sizes from a literal shape.
const scalar = tensor(1)
same<Same<typeof scalar, Tensor<[], 'f32'>>>()
const matrix = tensor([[1, 2]])
same<Same<typeof matrix, Tensor<[number, number], 'f32'>>>()
const flags = tensor([true])
same<Same<typeof flags, Tensor<[number], 'bool'>>>()
const bytes = tensor(new Uint8Array(2))
same<Same<typeof bytes, Tensor<[number], 'u8'>>>()
const asked = tensor([1], { dtype: 'i32' })
same<Same<typeof asked, Tensor<[number], 'i32'>>>()
const shaped = zeros([2, 3])
same<Same<typeof shaped, Tensor<[2, 3], 'f32'>>>()
const doubled = ones([4], { dtype: 'f64' })
same<Same<typeof doubled, Tensor<[4], 'f64'>>>()

// A special tensor is a tensor.
const any: Tensor = shaped
const float: Tensor<Shape, 'f32'> = shaped
const ranked: Tensor<[number, number]> = shaped
// @ts-expect-error an i32 tensor is no f32 tensor
const wrong: Tensor<Shape, 'f32'> = asked
// @ts-expect-error a vector is no matrix
const flat: Tensor<[number, number]> = doubled
// @ts-expect-error tensors are not made by hand
const byHand: Tensor = { shape: [1] }
// @ts-expect-error nor by their constructor
const constructed = new Tensor()

// Ops: shape and element type where they can be known.
same<Same<ReturnType<typeof shaped.exp>, Tensor<[2, 3], 'f32'>>>()
same<Same<ReturnType<typeof asked.exp>, Tensor<[number], 'f32'>>>()
const counted = flags.sum()
same<Same<typeof counted, Tensor<[], 'i32'>>>()
const plusNumber = shaped.add(1)
same<Same<typeof plusNumber, Tensor<[2, 3], 'f32'>>>()
const plusTensor = shaped.add(doubled)
same<Same<typeof plusTensor, Tensor<Shape, 'f64'>>>()
const integers = asked.add(1)
same<Same<typeof integers, Tensor<[number], 'i32' | 'f32'>>>()
const quotient = asked.div(asked)
same<Same<typeof quotient, Tensor<Shape, 'f32'>>>()
const compared = shaped.lt(0)
same<Same<typeof compared, Tensor<[2, 3], 'bool'>>>()
const cast = shaped.cast('u8')
same<Same<typeof cast, Tensor<[2, 3], 'u8'>>>()
const reshaped = shaped.reshape([3, 2])
same<Same<typeof reshaped, Tensor<[3, 2], 'f32'>>>()

// Functions say the same as methods.
const viaFunction = exp(shaped)
same<Same<typeof viaFunction, Tensor<[2, 3], 'f32'>>>()
const rectified = relu([1, 2])
same<Same<typeof rectified, Tensor>>()
const sum = add(shaped, 1)
same<Same<typeof sum, Tensor<[2, 3], 'f32'>>>()
const equal = eq(shaped, 1)
same<Same<typeof equal, Tensor<[2, 3], 'bool'>>>()

// Reading.
const number: number = scalar.item()
const rows: number[][] = matrix.toArray()
const truths: boolean[] = flags.toArray()
const data: Float32Array = shaped.toTypedArray()
const later: Promise<Uint8Array> = bytes.read()
const sizes: readonly [2, 3] = shaped.shape
const dtype: 'f32' = shaped.dtype
const general: DType = any.dtype
// @ts-expect-error shapes are not written
shaped.shape[0] = 3
// @ts-expect-error a list of indices is a tensor
shaped.at([0, 1, 2, 3])
shaped.at(0, [0, 1], null, '...', asked)

// Gradients are there, not perhaps there.
const [dx, dm] = grad(scalar, [shaped, matrix])
same<Same<typeof dx, Tensor<[2, 3], 'f32'>>>()
same<Same<typeof dm, Tensor<[number, number], 'f32'>>>()
const [value, [dLeft, dRight]] = valueAndGrad((left: Tensor, right: Tensor<[2], 'f32'>) =>
  left.mul(right).sum(),
)(any, zeros([2]))
const results: [Tensor, Tensor, Tensor<[2], 'f32'>] = [value, dLeft, dRight]
const perhaps: Tensor | null = shaped.grad
const quiet: number = noGrad(() => 3)

// A jitted function takes numbers where the function takes tensors.
const step = jit((x: Tensor, k: Tensor, name: string) => ({ loss: x.mul(k).sum(), name }))
const { loss } = step(shaped, 3, 'a')
const lost: Tensor = loss
// @ts-expect-error a string is no tensor
step('x', 3, 'a')
// @ts-expect-error all arguments are needed
step(shaped, 3)
const table: string = step.explain()
const counts: number = step.traces + step.runs + step.programs

export const used = [
  constructed,
  any,
  float,
  ranked,
  wrong,
  flat,
  byHand,
  number,
  rows,
  truths,
  data,
  later,
  sizes,
  dtype,
  general,
  results,
  perhaps,
  quiet,
  lost,
  table,
  counts,
]

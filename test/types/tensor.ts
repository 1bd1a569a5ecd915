import { F, Tensor, add, eq, exp, ones, relu, tensor, zeros, type DType, type Shape } from 'neuroxide'
import { holds, type Same } from './same.js'

// Creation: the rank follows from the values, sizes from a literal shape.
const scalar = tensor(1)
holds<Same<typeof scalar, Tensor<[], 'f32'>>>()
const matrix = tensor([[1, 2]])
holds<Same<typeof matrix, Tensor<[number, number], 'f32'>>>()
const flags = tensor([true])
holds<Same<typeof flags, Tensor<[number], 'bool'>>>()
const bytes = tensor(new Uint8Array(2))
holds<Same<typeof bytes, Tensor<[number], 'u8'>>>()
const asked = tensor([1], { dtype: 'i32' })
holds<Same<typeof asked, Tensor<[number], 'i32'>>>()
const shaped = zeros([2, 3])
holds<Same<typeof shaped, Tensor<[2, 3], 'f32'>>>()
const doubled = ones([4], { dtype: 'f64' })
holds<Same<typeof doubled, Tensor<[4], 'f64'>>>()

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
holds<Same<ReturnType<typeof shaped.exp>, Tensor<[2, 3], 'f32'>>>()
holds<Same<ReturnType<typeof asked.exp>, Tensor<[number], 'f32'>>>()
const counted = flags.sum()
holds<Same<typeof counted, Tensor<[], 'i32'>>>()
const plusNumber = shaped.add(1)
holds<Same<typeof plusNumber, Tensor<[2, 3], 'f32'>>>()
const row = ones([3], { dtype: 'f64' })
const plusTensor = shaped.add(row)
holds<Same<typeof plusTensor, Tensor<[2, 3], 'f64'>>>()
const integers = asked.add(1)
holds<Same<typeof integers, Tensor<[number], 'i32' | 'f32'>>>()
const quotient = asked.div(asked)
holds<Same<typeof quotient, Tensor<[number], 'f32'>>>()
const compared = shaped.lt(0)
holds<Same<typeof compared, Tensor<[2, 3], 'bool'>>>()
const cast = shaped.cast('u8')
holds<Same<typeof cast, Tensor<[2, 3], 'u8'>>>()
const reshaped = shaped.reshape([3, 2])
holds<Same<typeof reshaped, Tensor<[3, 2], 'f32'>>>()

// Functions say the same as methods.
const viaFunction = exp(shaped)
holds<Same<typeof viaFunction, Tensor<[2, 3], 'f32'>>>()
const rectified = relu([1, 2])
holds<Same<typeof rectified, Tensor>>()
const sum = add(shaped, 1)
holds<Same<typeof sum, Tensor<[2, 3], 'f32'>>>()
const mean = F.mean(asked)
holds<Same<typeof mean, Tensor<Shape, 'f32'>>>()
const summed = F.sum(flags, 0)
holds<Same<typeof summed, Tensor<Shape, 'i32'>>>()
const { values, indices } = F.max(doubled, 0)
holds<Same<typeof values, Tensor<Shape, 'f64'>>>()
holds<Same<typeof indices, Tensor<Shape, 'i32'>>>()
const best = F.argmax([[1, 2]], 1)
holds<Same<typeof best, Tensor<Shape, 'i32'>>>()
const meanOfBytes = bytes.mean()
holds<Same<typeof meanOfBytes, Tensor<[], 'f32'>>>()
const bestOfAxis = shaped.argmax(0)
holds<Same<typeof bestOfAxis, Tensor<Shape, 'i32'>>>()
const equal = eq(shaped, 1)
holds<Same<typeof equal, Tensor<[2, 3], 'bool'>>>()

// Reading.
const number: number = scalar.item()
const truth: boolean = flags.at(0).item()
// @ts-expect-error a truth value is no number
const noNumber: number = flags.at(0).item()
const plain: number = scalar.toArray()
const whichever: number | boolean = any.item()
// @ts-expect-error the dtypes are literals
zeros([1], { dtype: 'float32' })
// @ts-expect-error strings are no values
tensor('1')
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

export const used = [
  constructed,
  any,
  float,
  ranked,
  wrong,
  flat,
  byHand,
  number,
  truth,
  noNumber,
  plain,
  whichever,
  rows,
  truths,
  data,
  later,
  sizes,
  dtype,
  general,
]

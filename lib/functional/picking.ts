import { ValueError } from '../errors.js'
import { LIST_CAPACITY } from '../native.js'
import { Code } from '../ops.generated.js'
import { applyList, attributes, located } from '../tensor/base.js'
import { asTensor, shown } from '../tensor/create.js'
import { axisOf } from '../tensor/reduce.js'
import type { Tensor } from '../tensor.js'
import type { Shape, TensorLike } from '../types.js'
import type { Known } from '../types/fit.js'
import type { Concatenated, JoinedType, Joins, Stacked } from '../types/join.js'

function listOf(op: string, tensors: readonly TensorLike[]): Tensor[] {
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw located(ValueError, `${op}: ${shown(tensors)}; expected an array of at least one tensor.`)
  return tensors.map((tensor: TensorLike) => asTensor(tensor, op))
}

/** Lists as long as one call takes; what is longer, as the batches of a large prediction are, is joined in parts. */
function portions(tensors: readonly Tensor[]): Tensor[][] {
  const parts: Tensor[][] = []
  for (let start = 0; start < tensors.length; start += LIST_CAPACITY)
    parts.push(tensors.slice(start, start + LIST_CAPACITY))
  return parts
}

function joined(tensors: readonly Tensor[], axis: number): Tensor {
  const parts = portions(tensors).map((part) =>
    part.length === 1 && tensors.length > 1
      ? (part[0] as Tensor)
      : applyList(Code.concat, part, attributes(axis)),
  )
  return parts.length === 1 ? (parts[0] as Tensor) : joined(parts, axis)
}

/**
 * Takes single elements along an axis.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis that is indexed
 * @param index - i32, of the shape of the result
 * @returns a tensor of the shape of `index`
 * @throws IndexError where an index lies outside the axis
 * @example
 * ```ts
 * import { gather, tensor } from 'neuroxide'
 * console.log(gather(tensor([[1, 2], [3, 4]]), 1, [[1], [0]]).toArray()) // [ [ 2 ], [ 3 ] ]
 * ```
 */
export function gather(x: TensorLike, axis: number, index: TensorLike): Tensor {
  return asTensor(x, 'gather').gather(axis, index)
}

/**
 * Takes single elements along an axis, with all other axes broadcast.
 *
 * @param x - a tensor or what becomes one
 * @param index - i32
 * @param axis - the axis that is indexed; both are flattened when left out
 * @returns a tensor of the broadcast shape
 * @throws IndexError where an index lies outside the axis
 * @example
 * ```ts
 * import { takeAlongDim, tensor } from 'neuroxide'
 * console.log(takeAlongDim(tensor([[1, 2], [3, 4]]), [[1]], 1).toArray()) // [ [ 2 ], [ 4 ] ]
 * ```
 */
export function takeAlongDim(x: TensorLike, index: TensorLike, axis?: number | null): Tensor {
  return asTensor(x, 'takeAlongDim').takeAlongDim(index, axis)
}

/**
 * Takes whole slices along an axis.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis that is indexed
 * @param index - an i32 vector
 * @returns a tensor with as many entries along the axis as `index` has
 * @throws IndexError where an index lies outside the axis
 * @example
 * ```ts
 * import { indexSelect, tensor } from 'neuroxide'
 * console.log(indexSelect(tensor([10, 20, 30]), 0, [2, 0]).toArray()) // [ 30, 10 ]
 * ```
 */
export function indexSelect(x: TensorLike, axis: number, index: TensorLike): Tensor {
  return asTensor(x, 'indexSelect').indexSelect(axis, index)
}

/**
 * Adds elements where an index says; equal indices add up in their order.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis that is indexed
 * @param index - i32
 * @param source - of the shape of `index`
 * @returns a tensor of the shape of `x`
 * @throws IndexError where an index lies outside the axis
 * @example
 * ```ts
 * import { scatterAdd, tensor } from 'neuroxide'
 * console.log(scatterAdd(tensor([0, 0]), 0, [1, 1], tensor([2, 3])).toArray()) // [ 0, 5 ]
 * ```
 */
export function scatterAdd(x: TensorLike, axis: number, index: TensorLike, source: TensorLike): Tensor {
  return asTensor(x, 'scatterAdd').scatterAdd(axis, index, source)
}

/**
 * Adds whole slices at indices along an axis.
 *
 * @param x - a tensor or what becomes one
 * @param axis - the axis that is indexed
 * @param index - an i32 vector
 * @param source - as many slices as `index` has entries
 * @param options - `alpha` (1) scales the source
 * @returns a tensor of the shape of `x`
 * @throws IndexError where an index lies outside the axis
 * @example
 * ```ts
 * import { indexAdd, tensor } from 'neuroxide'
 * console.log(indexAdd(tensor([0, 0]), 0, [1], tensor([2])).toArray()) // [ 0, 2 ]
 * ```
 */
export function indexAdd(
  x: TensorLike,
  axis: number,
  index: TensorLike,
  source: TensorLike,
  options?: { readonly alpha?: number | undefined },
): Tensor {
  return asTensor(x, 'indexAdd').indexAdd(axis, index, source, options)
}

/**
 * Writes class indices as rows with a single one.
 *
 * @param index - i32 class indices of any shape
 * @param classes - the number of classes
 * @returns i32, with a new last axis of `classes` entries
 * @throws IndexError where an index is no class
 * @example
 * ```ts
 * import { oneHot } from 'neuroxide'
 * console.log(oneHot([1, 0], 2).toArray()) // [ [ 0, 1 ], [ 1, 0 ] ]
 * ```
 */
export function oneHot(index: TensorLike, classes: number): Tensor<Shape, 'i32'> {
  return asTensor(index, 'oneHot', 'i32').oneHot(classes)
}

/**
 * Writes a value where a mask is true.
 *
 * @param x - a tensor or what becomes one
 * @param mask - a bool tensor that broadcasts
 * @param value - a number or a 0-d tensor
 * @returns a tensor of the broadcast shape
 * @throws ShapeError where the shapes do not broadcast
 * @example
 * ```ts
 * import { maskedFill, tensor } from 'neuroxide'
 * console.log(maskedFill(tensor([1, 2]), [true, false], 9).toArray()) // [ 9, 2 ]
 * ```
 */
export function maskedFill(x: TensorLike, mask: TensorLike, value: number | Tensor): Tensor {
  return asTensor(x, 'maskedFill').maskedFill(mask, value)
}

/**
 * Joins tensors along an axis that they have.
 *
 * @param tensors - at least one; equal sizes but for the axis
 * @param axis - the axis (0)
 * @returns a tensor whose axis is as long as all together
 * @throws ShapeError where other sizes differ
 * @example
 * ```ts
 * import { concat, tensor } from 'neuroxide'
 * console.log(concat([tensor([1]), tensor([2, 3])]).toArray()) // [ 1, 2, 3 ]
 * ```
 */
export function concat<const Ts extends readonly TensorLike[], Axis extends number = 0>(
  tensors: Ts & Joins<'concat', Concatenated<Ts, Axis>>,
  axis: Axis = 0 as number as Axis,
): Tensor<Known<Concatenated<Ts, Axis>>, JoinedType<Ts>> {
  return joined(listOf('concat', tensors), axisOf('concat', axis)) as Tensor<never, never>
}

/**
 * Joins tensors of one shape along a new axis.
 *
 * @param tensors - at least one
 * @param axis - where the new axis goes (0)
 * @returns a tensor with one axis more
 * @throws ShapeError where the shapes differ
 * @example
 * ```ts
 * import { stack, tensor } from 'neuroxide'
 * console.log(stack([tensor([1, 2]), tensor([3, 4])]).toArray()) // [ [ 1, 2 ], [ 3, 4 ] ]
 * ```
 */
export function stack<const Ts extends readonly TensorLike[], Axis extends number = 0>(
  tensors: Ts & Joins<'stack', Stacked<Ts, Axis>>,
  axis: Axis = 0 as number as Axis,
): Tensor<Known<Stacked<Ts, Axis>>, JoinedType<Ts>> {
  const along = axisOf('stack', axis)
  const parts = portions(listOf('stack', tensors)).map((part) =>
    applyList(Code.stack, part, attributes(along)),
  )
  return (parts.length === 1 ? (parts[0] as Tensor) : joined(parts, along)) as Tensor<never, never>
}

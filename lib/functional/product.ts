import { asTensor } from '../tensor/create.js'
import type { Tensor } from '../tensor.js'
import type { DTypeOf, TensorLike } from '../types.js'
import type { Known, ShapeOf } from '../types/fit.js'
import type { Bmm, Dot, Matmul, Mm, Multiplies, Mv } from '../types/product.js'

/**
 * Multiplies matrices, batched and broadcast over leading axes; vectors as in PyTorch.
 *
 * @param a - `[*, m, k]` or `[k]`
 * @param b - `[*, k, n]` or `[k]`
 * @returns the product
 * @throws ShapeError where the sizes do not fit
 * @example
 * ```ts
 * import { matmul, tensor } from 'neuroxide'
 * console.log(matmul(tensor([[1, 2], [3, 4]]), tensor([1, 1])).toArray()) // [ 3, 7 ]
 * ```
 */
export function matmul<A extends TensorLike, B extends TensorLike>(
  a: A,
  b: B & Multiplies<Matmul<ShapeOf<A>, ShapeOf<B>>, 'matmul', ShapeOf<A>, B>,
): Tensor<Known<Matmul<ShapeOf<A>, ShapeOf<B>>>, DTypeOf<A>> {
  return asTensor(a, 'matmul').matmul(b) as Tensor<never, never>
}

/**
 * Multiplies two matrices.
 *
 * @param a - `[m, k]`
 * @param b - `[k, n]`
 * @returns the product
 * @throws ShapeError where the sizes do not fit
 * @example
 * ```ts
 * import { mm, tensor } from 'neuroxide'
 * console.log(mm(tensor([[1, 2]]), tensor([[3], [4]])).toArray()) // [ [ 11 ] ]
 * ```
 */
export function mm<A extends TensorLike, B extends TensorLike>(
  a: A,
  b: B & Multiplies<Mm<ShapeOf<A>, ShapeOf<B>>, 'mm', ShapeOf<A>, B>,
): Tensor<Known<Mm<ShapeOf<A>, ShapeOf<B>>>, DTypeOf<A>> {
  return asTensor(a, 'mm').mm(b) as Tensor<never, never>
}

/**
 * Multiplies two batches of matrices.
 *
 * @param a - `[b, m, k]`
 * @param b - `[b, k, n]`
 * @returns the product
 * @throws ShapeError where the sizes do not fit
 * @example
 * ```ts
 * import { bmm, tensor } from 'neuroxide'
 * console.log(bmm(tensor([[[1, 2]]]), tensor([[[3], [4]]])).toArray()) // [ [ [ 11 ] ] ]
 * ```
 */
export function bmm<A extends TensorLike, B extends TensorLike>(
  a: A,
  b: B & Multiplies<Bmm<ShapeOf<A>, ShapeOf<B>>, 'bmm', ShapeOf<A>, B>,
): Tensor<Known<Bmm<ShapeOf<A>, ShapeOf<B>>>, DTypeOf<A>> {
  return asTensor(a, 'bmm').bmm(b) as Tensor<never, never>
}

/**
 * Multiplies a matrix and a vector.
 *
 * @param a - `[m, k]`
 * @param b - `[k]`
 * @returns the product
 * @throws ShapeError where the sizes do not fit
 * @example
 * ```ts
 * import { mv, tensor } from 'neuroxide'
 * console.log(mv(tensor([[1, 2]]), tensor([3, 4])).toArray()) // [ 11 ]
 * ```
 */
export function mv<A extends TensorLike, B extends TensorLike>(
  a: A,
  b: B & Multiplies<Mv<ShapeOf<A>, ShapeOf<B>>, 'mv', ShapeOf<A>, B>,
): Tensor<Known<Mv<ShapeOf<A>, ShapeOf<B>>>, DTypeOf<A>> {
  return asTensor(a, 'mv').mv(b) as Tensor<never, never>
}

/**
 * Gives the inner product of two vectors.
 *
 * @param a - `[n]`
 * @param b - `[n]`
 * @returns the product
 * @throws ShapeError where the sizes do not fit
 * @example
 * ```ts
 * import { dot, tensor } from 'neuroxide'
 * console.log(dot(tensor([1, 2]), tensor([3, 4])).item()) // 11
 * ```
 */
export function dot<A extends TensorLike, B extends TensorLike>(
  a: A,
  b: B & Multiplies<Dot<ShapeOf<A>, ShapeOf<B>>, 'dot', ShapeOf<A>, B>,
): Tensor<Known<Dot<ShapeOf<A>, ShapeOf<B>>>, DTypeOf<A>> {
  return asTensor(a, 'dot').dot(b) as Tensor<never, never>
}

/**
 * Computes beta · x + alpha · (a × b) for matrices.
 *
 * @param x - what is added; broadcasts
 * @param a - the left factor
 * @param b - the right factor
 * @param options - `beta` (1) and `alpha` (1)
 * @returns a tensor of the shape of a × b
 * @throws ShapeError where the sizes do not fit
 * @example
 * ```ts
 * import { addmm, tensor } from 'neuroxide'
 * console.log(addmm(tensor([[1]]), tensor([[2]]), tensor([[3]])).reshape([]).item()) // 7
 * ```
 */
export function addmm(
  x: TensorLike,
  a: TensorLike,
  b: TensorLike,
  options?: { readonly beta?: number | undefined; readonly alpha?: number | undefined },
): Tensor {
  return asTensor(x, 'addmm').addmm(a, b, options)
}

/**
 * Computes beta · x + alpha · (a × b) for batches of matrices.
 *
 * @param x - what is added; broadcasts
 * @param a - the left factor
 * @param b - the right factor
 * @param options - `beta` (1) and `alpha` (1)
 * @returns a tensor of the shape of a × b
 * @throws ShapeError where the sizes do not fit
 * @example
 * ```ts
 * import { baddbmm, tensor } from 'neuroxide'
 * console.log(baddbmm(tensor([[[1]]]), tensor([[[2]]]), tensor([[[3]]])).reshape([]).item()) // 7
 * ```
 */
export function baddbmm(
  x: TensorLike,
  a: TensorLike,
  b: TensorLike,
  options?: { readonly beta?: number | undefined; readonly alpha?: number | undefined },
): Tensor {
  return asTensor(x, 'baddbmm').baddbmm(a, b, options)
}

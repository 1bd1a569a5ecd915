import type { Tensor } from './tensor.js'
import type { Broadcast } from './types/broadcast.js'
import type { sizes } from './types/fit.js'

export type { Broadcast } from './types/broadcast.js'
export type { ShapeMismatch, ShapeOf } from './types/fit.js'

/**
 * Element type of a tensor.
 *
 * @example
 * ```ts
 * import { zeros, type DType } from 'neuroxide'
 * const dtype: DType = 'i32'
 * console.log(zeros([2], { dtype }).dtype) // i32
 * ```
 */
export type DType = 'bool' | 'u8' | 'i32' | 'f32' | 'f64'

/** Element types that hold fractions, and so the ones that can have gradients. */
export type FloatDType = 'f32' | 'f64'

/** A tensor of a float type, such as a loss: its elements read as numbers. */
export type FloatTensor = Tensor<Shape, FloatDType>

/** Sizes of the axes of a tensor, outermost first; `[]` is a scalar. */
export type Shape = readonly number[]

/** Where a tensor lives. */
export type Device = 'cpu'

/** One axis or several; negative ones count from the last. */
export type Axes = number | readonly number[]

/** A value or arrays of it, nested to any depth. */
export type NestedArray<T> = T | readonly NestedArray<T>[]

/** Typed arrays that become tensors of their own element type (64-bit integers become i32, range-checked). */
export type TypedArray =
  | Uint8Array
  | Uint8ClampedArray
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array

// What depends on the shape or the element type of a tensor is looked up in maps and not decided by conditions: so the
// compiler sees that a tensor of a special shape or element type is a tensor.

interface TypedArrays {
  bool: Uint8Array<ArrayBuffer>
  u8: Uint8Array<ArrayBuffer>
  i32: Int32Array<ArrayBuffer>
  f32: Float32Array<ArrayBuffer>
  f64: Float64Array<ArrayBuffer>
}

/** What {@link Tensor.toTypedArray} gives for an element type. */
export type TypedArrayOf<D extends DType> = TypedArrays[D]

interface Elements {
  bool: boolean
  u8: number
  i32: number
  f32: number
  f64: number
}

/** What one element reads as in JavaScript. */
export type ElementOf<D extends DType> = Elements[D]

interface Ranks<E> {
  0: E
  1: E[]
  2: E[][]
  3: E[][][]
  4: E[][][][]
  5: E[][][][][]
  [rank: number]: NestedArray<E>
}

/** The nested arrays that a tensor of a shape reads as. */
export type ArrayOf<S extends Shape, E> = Ranks<E>[S['length']]

/** What is accepted wherever a tensor is: numbers adapt to the element type of the tensor that they meet. */
export type TensorLike = Tensor | number | boolean | readonly NestedArray<number | boolean>[] | TypedArray

/** Values that {@link tensor} takes. */
export type TensorValues = NestedArray<number | boolean> | TypedArray

/** Rank of nested arrays as a shape of unknown sizes. */
export type ShapeOfValues<V, Depth extends unknown[] = []> = Depth['length'] extends 6
  ? Shape
  : V extends TypedArray
    ? [number]
    : V extends readonly (infer Inner)[]
      ? ShapeOfValues<Inner, [...Depth, 0]> extends infer Rest extends Shape
        ? [number, ...Rest]
        : never
      : []

/** Element type that values get when none is asked for. */
export type DTypeOfValues<V, Depth extends unknown[] = []> = Depth['length'] extends 6
  ? DType
  : V extends Float64Array
    ? 'f64'
    : V extends Float32Array
      ? 'f32'
      : V extends Int32Array | BigInt64Array
        ? 'i32'
        : V extends Uint8Array | Uint8ClampedArray
          ? 'u8'
          : V extends boolean
            ? 'bool'
            : V extends number
              ? 'f32'
              : V extends readonly (infer Inner)[]
                ? [Inner] extends [never]
                  ? 'f32'
                  : DTypeOfValues<Inner, [...Depth, 0]>
                : DType

interface Floats {
  bool: 'f32'
  u8: 'f32'
  i32: 'f32'
  f32: 'f32'
  f64: 'f64'
}

/** Element type of ops whose results have fractions: floats keep theirs, everything else becomes f32. */
export type FloatOf<D extends DType> = Floats[D]

interface Sums {
  bool: 'i32'
  u8: 'i32'
  i32: 'i32'
  f32: 'f32'
  f64: 'f64'
}

/** Element type of sums: bool, u8 and i32 are summed as i32. */
export type SumOf<D extends DType> = Sums[D]

interface WithNumber {
  bool: 'i32' | 'f32'
  u8: 'u8' | 'f32'
  i32: 'i32' | 'f32'
  f32: 'f32'
  f64: 'f64'
}

interface WithTensor {
  bool: { bool: 'bool'; u8: 'u8'; i32: 'i32'; f32: 'f32'; f64: 'f64' }
  u8: { bool: 'u8'; u8: 'u8'; i32: 'i32'; f32: 'f32'; f64: 'f64' }
  i32: { bool: 'i32'; u8: 'i32'; i32: 'i32'; f32: 'f32'; f64: 'f64' }
  f32: { bool: 'f32'; u8: 'f32'; i32: 'f32'; f32: 'f32'; f64: 'f64' }
  f64: { bool: 'f64'; u8: 'f64'; i32: 'f64'; f32: 'f64'; f64: 'f64' }
}

/** Element type of what is accepted where a tensor is, as far as its type says it. */
export type DTypeOf<X> = X extends { readonly dtype: infer D extends DType } ? D : DType

/** Element type of an arithmetic op of a tensor and something else. */
export type Promoted<D extends DType, Other> = Other extends { readonly dtype: infer E extends DType }
  ? WithTensor[D][E]
  : Other extends number
    ? WithNumber[D]
    : DType

/** Element type of a quotient: integers divide to f32. */
export type Quotient<D extends DType, Other> = Floats[Promoted<D, Other>]

/** A shape literal without `readonly`, as it shows in types. */
export type Sizes<S extends Shape> = { -readonly [Axis in keyof S]: S[Axis] }

/** Options of functions that make tensors from a shape. */
export interface CreationOptions<D extends DType = DType> {
  /** Element type; `'f32'` unless the function says otherwise. */
  readonly dtype?: D | undefined
  /** Whether gradients with respect to the tensor are wanted; `false` by default, floats only. */
  readonly requiresGrad?: boolean | undefined
}

/** Options of reductions. */
export interface ReduceOptions {
  /** Leaves the reduced axes in the shape with size 1; `false` by default. */
  readonly keepDim?: boolean | undefined
}

/** One entry of {@link Tensor.at}: an index, a range `[start, end]` or `[start, end, step]`, `null` (the whole axis), `'...'` (all axes in between), or a tensor of i32 indices. */
export type AtIndex =
  | number
  | readonly [start: number, end: number]
  | readonly [start: number, end: number, step: number]
  | null
  | '...'
  | Tensor

/** What is looked up in the type of a tensor; cheaper for the compiler than its class. */
interface Typed<S extends Shape, D extends DType> {
  readonly [sizes]: S
  readonly dtype: D
}

/** What an elementwise op gives that keeps the element type. */
export type Same<X> = X extends Typed<infer S, infer D> ? Tensor<S, D> : Tensor

/** What an elementwise op gives whose results have fractions. */
export type Floating<X> = X extends Typed<infer S, infer D> ? Tensor<S, FloatOf<D>> : Tensor

/** What an elementwise test gives. */
export type Truth<X> = X extends Typed<infer S, DType> ? Tensor<S, 'bool'> : Tensor<Shape, 'bool'>

/** What an arithmetic op of two values gives. */
export type Joined<A, B> =
  A extends Typed<infer S, infer D> ? Tensor<Broadcast<S, B>, Promoted<D, B>> : Tensor

/** What a division of two values gives. */
export type Divided<A, B> =
  A extends Typed<infer S, infer D> ? Tensor<Broadcast<S, B>, Quotient<D, B>> : Tensor

/** What a comparison of two values gives. */
export type Compared<A, B> =
  A extends Typed<infer S, DType> ? Tensor<Broadcast<S, B>, 'bool'> : Tensor<Shape, 'bool'>

/** The gradients with respect to some tensors: one for each, of its shape and element type. */
export type GradientsOf<Xs extends readonly Tensor[]> = {
  -readonly [I in keyof Xs]: Xs[I] extends Typed<infer S, infer D> ? Tensor<S, D> : Tensor
}

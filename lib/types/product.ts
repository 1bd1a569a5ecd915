import type { Shape } from '../types.js'
import type { Aligned } from './broadcast.js'
import type { Equal, Fit, Known, ShapeOf } from './fit.js'

/** The product of two shapes of known rank by PyTorch's rules, or what keeps them apart. */
type Multiplied<A extends Shape, B extends Shape> = A extends readonly []
  ? 'a scalar is no matrix'
  : B extends readonly []
    ? 'a scalar is no matrix'
    : A extends readonly [infer Inner extends number]
      ? B extends readonly [infer Other extends number]
        ? Equal<Inner, Other, []>
        : B extends readonly [
              ...infer Batch extends Shape,
              infer Other extends number,
              infer Columns extends number,
            ]
          ? Equal<Inner, Other, [...Batch, Columns]>
          : never
      : A extends readonly [
            ...infer Batch extends Shape,
            infer Rows extends number,
            infer Inner extends number,
          ]
        ? B extends readonly [infer Other extends number]
          ? Equal<Inner, Other, [...Batch, Rows]>
          : B extends readonly [
                ...infer OtherBatch extends Shape,
                infer Other extends number,
                infer Columns extends number,
              ]
            ? Equal<Inner, Other, Batched<Aligned<Batch, OtherBatch>, Rows, Columns>>
            : never
        : never

type Batched<Batch, Rows extends number, Columns extends number> = Batch extends Shape
  ? [...Batch, Rows, Columns]
  : Batch

/** The product of two shapes, or what keeps them apart. */
export type Matmul<A extends Shape, B extends Shape> = A extends unknown
  ? number extends A['length']
    ? Shape
    : B extends unknown
      ? number extends B['length']
        ? Shape
        : Multiplied<A, B>
      : never
  : never

/** The product of two matrices, or what keeps them apart; sizes stay open where a rank is unknown. */
export type Mm<A extends Shape, B extends Shape> = Ranked<A, B, 2, 2, [number, number], Multiplied<A, B>>

/** The products of two batches of matrices. */
export type Bmm<A extends Shape, B extends Shape> = Ranked<
  A,
  B,
  3,
  3,
  [number, number, number],
  BatchedPairs<A, B>
>

type BatchedPairs<A extends Shape, B extends Shape> = A extends readonly [
  infer Batch extends number,
  infer Rows extends number,
  infer Inner extends number,
]
  ? B extends readonly [
      infer OtherBatch extends number,
      infer Other extends number,
      infer Columns extends number,
    ]
    ? Equal<Batch, OtherBatch, Equal<Inner, Other, [Batch & OtherBatch, Rows, Columns]>>
    : never
  : never

/** The product of a matrix and a vector. */
export type Mv<A extends Shape, B extends Shape> = Ranked<A, B, 2, 1, [number], Multiplied<A, B>>

/** The inner product of two vectors. */
export type Dot<A extends Shape, B extends Shape> = Ranked<A, B, 1, 1, [], Multiplied<A, B>>

/** What a rule gives where both ranks are those it wants; `Open` where one is unknown. */
type Ranked<
  A extends Shape,
  B extends Shape,
  RankA extends number,
  RankB extends number,
  Open extends Shape,
  P,
> = A extends unknown
  ? number extends A['length']
    ? Open
    : B extends unknown
      ? number extends B['length']
        ? Open
        : A['length'] extends RankA
          ? B['length'] extends RankB
            ? P
            : `the second is no ${Kinds[RankB & keyof Kinds]}`
          : `the first is no ${Kinds[RankA & keyof Kinds]}`
      : never
  : never

type Kinds = {
  1: 'vector'
  2: 'matrix'
  3: 'batch of matrices'
}

/** What the right factor of a product has to be. */
export type Multiplies<P, Op extends string, A extends Shape, Other> = Fit<P, Op, A, ' × ', ShapeOf<Other>>

/** The shape of `x · weightᵀ + bias`. */
export type Affine<X extends Shape, Weight extends Shape> = Weight extends readonly [
  infer Out extends number,
  infer In extends number,
]
  ? LastAxis<X, In, Out>
  : Shape

/** A shape whose last axis, of `In` sizes, becomes one of `Out`; or a text. */
export type LastAxis<S extends Shape, In extends number, Out extends number> = S extends readonly [
  ...infer Before extends Shape,
  infer Last extends number,
]
  ? Outgoing<Equal<Last, In, true>, Before, Last, In, Out>
  : number extends S['length']
    ? readonly [...number[], Out]
    : `expects ${In} features but gets a scalar`

type Outgoing<
  Same,
  Before extends Shape,
  Last extends number,
  In extends number,
  Out extends number,
> = Same extends true ? [...Before, Out] : `expects ${In} features but gets ${Last}`

/** The same for the shapes that users see: where the rank is open, nothing is said of the result. */
export type Closed<P> = P extends Shape ? (number extends P['length'] ? Shape : P) : P

/** What the input of `x · weightᵀ` has to be. */
export type EntersWeight<X extends Shape, Weight extends Shape> = Fit<
  Affine<X, Weight>,
  'linear',
  X,
  ' and weight ',
  Weight
>

export type AffineShape<X extends Shape, Weight extends Shape> = Known<Closed<Affine<X, Weight>>>

import type { Shape } from '../types.js'
import type { Equal, Fit, ShapeOf } from './fit.js'

/** Two shapes of known length whose sizes may all be equal; or a text. */
export type Equals<A extends Shape, B extends Shape> = A extends readonly [
  infer First extends number,
  ...infer Rest extends Shape,
]
  ? B extends readonly [infer Other extends number, ...infer OtherRest extends Shape]
    ? After<Equal<First, Other, true>, Rest, OtherRest>
    : Ranks
  : B extends readonly []
    ? A
    : Ranks

type After<Same, Rest extends Shape, OtherRest extends Shape> = Same extends string
  ? Same
  : Equals<Rest, OtherRest>

type Ranks = 'the ranks differ'

/** Whether a prediction and a target of one shape belong together. */
type Alike<A extends Shape, B extends Shape> = A extends unknown
  ? number extends A['length']
    ? Shape
    : B extends unknown
      ? number extends B['length']
        ? Shape
        : Equals<A, B>
      : never
  : never

/** The same where a last axis of size 1 may be missing on one side. */
type NearlyAlike<A extends Shape, B extends Shape> = A extends unknown
  ? number extends A['length']
    ? Shape
    : B extends unknown
      ? number extends B['length']
        ? Shape
        : EqualsButOne<A, B, Equals<A, B>>
      : never
  : never

type EqualsButOne<A extends Shape, B extends Shape, P> = P extends Shape
  ? P
  : WithoutOne<A> extends infer Less extends Shape
    ? Equals<Less, B> extends infer Q extends Shape
      ? Q
      : OtherWithoutOne<A, B, P>
    : OtherWithoutOne<A, B, P>

type OtherWithoutOne<A extends Shape, B extends Shape, P> =
  WithoutOne<B> extends infer Less extends Shape ? (Equals<A, Less> extends infer Q extends Shape ? Q : P) : P

/** A shape without its last axis, where that may have size 1. */
type WithoutOne<S extends Shape> = S extends readonly [
  ...infer Before extends Shape,
  infer Last extends number,
]
  ? 1 extends Last
    ? Before
    : null
  : null

/** Whether class indices, or probabilities, belong to logits whose classes are on the second axis. */
type Classes<A extends Shape, B extends Shape> = A extends unknown
  ? number extends A['length']
    ? Shape
    : B extends unknown
      ? number extends B['length']
        ? Shape
        : EqualsOr<A, B, Indices<A>>
      : never
  : never

type Indices<A extends Shape> = A extends readonly [number]
  ? []
  : A extends readonly [infer Samples extends number, number, ...infer Rest extends Shape]
    ? [Samples, ...Rest]
    : A

type EqualsOr<A extends Shape, B extends Shape, Other extends Shape> = A['length'] extends B['length']
  ? Equals<A, B>
  : Equals<Other, B>

/** Whether class indices alone belong to log-probabilities. */
type ClassIndices<A extends Shape, B extends Shape> = A extends unknown
  ? number extends A['length']
    ? Shape
    : B extends unknown
      ? number extends B['length']
        ? Shape
        : Equals<Indices<A>, B>
      : never
  : never

/** Whether class indices belong to probabilities whose classes are on the last axis; they may have a last axis of size 1. */
type LastClasses<A extends Shape, B extends Shape> = A extends unknown
  ? number extends A['length']
    ? Shape
    : B extends unknown
      ? number extends B['length']
        ? Shape
        : A extends readonly [...infer Before extends Shape, number]
          ? EqualsOr<[...Before, 1], B, Before>
          : Shape
      : never
  : never

/** What a target has to be beside a tensor, by one of these rules. */
type Targets<P, Op extends string, Prediction, Target> = Fit<
  P,
  Op,
  ShapeOf<Prediction>,
  ' and target ',
  ShapeOf<Target>
>

/** A target of the prediction's shape. */
export type AlikeTarget<Op extends string, Prediction, Target> = Targets<
  Alike<ShapeOf<Prediction>, ShapeOf<Target>>,
  Op,
  Prediction,
  Target
>

/** A target of the prediction's shape, but for a last axis of size 1. */
export type NearTarget<Op extends string, Prediction, Target> = Targets<
  NearlyAlike<ShapeOf<Prediction>, ShapeOf<Target>>,
  Op,
  Prediction,
  Target
>

/** Class indices or probabilities for predictions whose classes are on the second axis. */
export type ClassTarget<Op extends string, Prediction, Target> = Targets<
  Classes<ShapeOf<Prediction>, ShapeOf<Target>>,
  Op,
  Prediction,
  Target
>

/** Class indices for predictions whose classes are on the second axis. */
export type IndexTarget<Op extends string, Prediction, Target> = Targets<
  ClassIndices<ShapeOf<Prediction>, ShapeOf<Target>>,
  Op,
  Prediction,
  Target
>

/** Class indices for predictions whose classes are on the last axis. */
export type LastIndexTarget<Op extends string, Prediction, Target> = Targets<
  LastClasses<ShapeOf<Prediction>, ShapeOf<Target>>,
  Op,
  Prediction,
  Target
>

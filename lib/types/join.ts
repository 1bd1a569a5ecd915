import type { DType, DTypeOf, Shape } from '../types.js'
import type { Outcome, ShapeMismatch, ShapeOf, ShapeText } from './fit.js'
import type { Equals } from './loss.js'
import type { AxisOf, Inserted } from './view.js'

/** A shape whose size along an axis is open. */
type Opened<S extends Shape, Axis> = { -readonly [I in keyof S]: I extends Axis ? number : S[I] }

/**
 * `P` where all tensors of a list may have one shape but for one axis, else a text about the first that differs. `Shown`
 * is the shape of the first as it stands in that text.
 */
type Common<
  P,
  S extends Shape,
  Others extends readonly unknown[],
  Axis,
  Shown extends Shape,
> = Others extends readonly [infer First, ...infer Rest]
  ? Compared<P, S, ShapeOf<First>, Rest, Axis, Shown>
  : P

type Compared<
  P,
  S extends Shape,
  T extends Shape,
  Rest extends readonly unknown[],
  Axis,
  Shown extends Shape,
> = T extends unknown
  ? number extends T['length']
    ? Common<P, S, Rest, Axis, Shown>
    : Judged<Equals<S, Opened<T, Axis>>, P, S, T, Rest, Axis, Shown>
  : never

type Judged<
  Same,
  P,
  S extends Shape,
  T extends Shape,
  Rest extends readonly unknown[],
  Axis,
  Shown extends Shape,
> = Same extends string ? `${ShapeText<Shown>} and ${ShapeText<T>}: ${Same}` : Common<P, S, Rest, Axis, Shown>

/** Tensors joined along an axis: the shape, whose size there is open; or a text. */
export type Concatenated<Ts extends readonly unknown[], Axis extends number> = Ts extends readonly [
  infer First,
  ...infer Rest,
]
  ? Joined<ShapeOf<First>, Rest, Axis>
  : Shape

type Joined<S extends Shape, Rest extends readonly unknown[], Axis extends number> = S extends unknown
  ? number extends S['length']
    ? Shape
    : Along<S, Rest, AxisOf<S, Axis>>
  : never

type Along<S extends Shape, Rest extends readonly unknown[], Axis> = [Axis] extends [never]
  ? Shape
  : Common<Opened<S, Axis>, Opened<S, Axis>, Rest, Axis, S>

/** Tensors of one shape along a new axis: the shape, or a text. */
export type Stacked<Ts extends readonly unknown[], Axis extends number> = Ts extends readonly [
  infer First,
  ...infer Rest,
]
  ? Piled<ShapeOf<First>, Rest, Axis, Ts['length']>
  : Shape

type Piled<
  S extends Shape,
  Rest extends readonly unknown[],
  Axis extends number,
  Count extends number,
> = S extends unknown
  ? number extends S['length'] | Count
    ? Shape
    : Common<Inserted<S, Axis, Count>, S, Rest, never, S>
  : never

/** What a list of tensors has to be that are joined. */
export type Joins<Op extends string, P> = {
  fits: unknown
  misfits: ShapeMismatch<`${Op}: ${P & string}`>
}[Outcome<P>]

/** The element type of joined tensors, where they have one. */
export type JoinedType<Ts extends readonly unknown[]> =
  DTypeOf<Ts[number]> extends infer D extends DType ? D : DType

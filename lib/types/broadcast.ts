import type { Shape } from '../types.js'
import type { Fit, Known, ShapeOf } from './fit.js'

/** One axis of two shapes that meet: a size of 1 becomes the other one. */
type Axis<A extends number, B extends number> = A extends unknown
  ? number extends A
    ? B extends 1
      ? A
      : B
    : B extends unknown
      ? number extends B
        ? A extends 1
          ? B
          : A
        : B extends 1 | A
          ? A
          : A extends 1
            ? B
            : `${A} and ${B} do not broadcast`
      : never
  : never

/** Two shapes of known rank, axis by axis from the last on. */
export type Aligned<A extends Shape, B extends Shape, Done extends Shape = []> = A extends readonly [
  ...infer Before extends Shape,
  infer Last extends number,
]
  ? B extends readonly [...infer OtherBefore extends Shape, infer OtherLast extends number]
    ? Next<Axis<Last, OtherLast>, Before, OtherBefore, Done>
    : [...A, ...Done]
  : [...B, ...Done]

// A type parameter that is looked at is one that the compiler can replace by what it extends; see fit.ts.
type Next<Size, Before extends Shape, OtherBefore extends Shape, Done extends Shape> = Size extends number
  ? Aligned<Before, OtherBefore, [Size, ...Done]>
  : Size

/** The shape of an elementwise op of two shapes, or what keeps them apart. */
export type Broadcasted<A extends Shape, B extends Shape> = A extends unknown
  ? number extends A['length']
    ? Shape
    : B extends unknown
      ? number extends B['length']
        ? Shape
        : Aligned<A, B>
      : never
  : never

/** Shape of an elementwise op: that of the tensor when it meets a number, else whatever the two broadcast to. */
export type Broadcast<S extends Shape, Other> = Other extends number | boolean
  ? S
  : Known<Broadcasted<S, ShapeOf<Other>>>

/** What the second operand of an elementwise op has to be: of a shape that broadcasts with the first. */
export type BroadcastsWith<Op extends string, S extends Shape, Other> = Fit<
  Broadcasted<S, ShapeOf<Other>>,
  Op,
  S,
  ' and ',
  ShapeOf<Other>
>

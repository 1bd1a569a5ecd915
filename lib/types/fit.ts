import type { Shape } from '../types.js'

// Shapes are checked while a program is written, as far as they are literal there. Three rules make that bearable:
// - `number` is a size that nobody knows yet, and fits everything; a shape of unknown rank fits everything too.
// - What a rule gives is either the shape of the result or a text that says what does not fit.
// - The verdict is looked up in an object of two entries. For a type parameter whose value is still open the compiler
//   looks up what belongs to its constraint, the unknown shape: so generic code is never refused.

/** Names the type of a tensor's shape; nothing stands there at run time. */
export declare const sizes: unique symbol

declare const mismatch: unique symbol

/** What an argument of a wrong shape would have to be as well; its text says what does not fit, and no value is one. */
export interface ShapeMismatch<Message extends string> {
  readonly [mismatch]: Message
}

/** The shape of a tensor's type; unknown for everything else. */
export type ShapeOf<X> = X extends { readonly [sizes]: infer S extends Shape } ? S : Shape

/** The shape that a rule gave; unknown where nothing fitted, since that is told at the argument. */
export type Known<P> = P extends Shape ? P : Shape

/** Whether a rule gave a shape. */
export type Outcome<P> = P extends string ? 'misfits' : 'fits'

/** A size as text. */
export type SizeText<N extends number> = number extends N ? '?' : `${N}`

/** A shape as text. */
export type ShapeText<S extends Shape> = number extends S['length'] ? '[…]' : `[${Listed<S>}]`

type Listed<S extends Shape> = S extends readonly [infer N extends number, ...infer Rest extends Shape]
  ? Rest extends readonly []
    ? SizeText<N>
    : `${SizeText<N>}, ${Listed<Rest>}`
  : ''

/** `P` where two sizes may be equal, else a text. */
export type Equal<A extends number, B extends number, P> = A extends unknown
  ? number extends A
    ? P
    : B extends unknown
      ? number extends B
        ? P
        : A extends B
          ? P
          : `${A} and ${B} differ`
      : never
  : never

/** What the argument of an op has to be beside a tensor: nothing where a rule gave a shape. */
export type Fit<P, Op extends string, A extends Shape, Sign extends string, B extends Shape> = {
  fits: unknown
  misfits: ShapeMismatch<`${Op}: ${ShapeText<A>}${Sign}${ShapeText<B>}: ${P & string}`>
}[Verdict<A, B, P>]

/** Whether a rule about two shapes gave one; while a rank is open everything fits. */
type Verdict<A extends Shape, B extends Shape, P> = A extends unknown
  ? number extends A['length']
    ? 'fits'
    : B extends unknown
      ? number extends B['length']
        ? 'fits'
        : Outcome<P>
      : never
  : never

import type { Shape } from '../types.js'
import type { Times } from './arithmetic.js'
import type { Fit, Known } from './fit.js'

/** How many elements a shape has; `number` where a size is unknown. */
export type Count<S extends Shape, Done extends number = 1> = number extends Done
  ? number
  : S extends readonly [infer First extends number, ...infer Rest extends Shape]
    ? Count<Rest, Times<Done, First>>
    : S extends readonly []
      ? Done
      : number

/** A shape whose axes from `From` on (0 or 1) are one. */
export type Flattened<S extends Shape, From extends 0 | 1> = From extends 0
  ? number extends S['length']
    ? [number]
    : [Count<S>]
  : S extends readonly [infer First extends number, infer Second extends number, ...infer Rest extends Shape]
    ? [First, Count<[Second, ...Rest]>]
    : Shape

/** Sizes as they were asked for; -1 is computed. */
type Asked<T extends Shape> = { -readonly [Axis in keyof T]: T[Axis] extends -1 ? number : T[Axis] }

/** `S` without the sizes of `T`, each taken out once; `never` where one of them is not among those of `S`. */
type Without<S extends Shape, T extends Shape> = T extends readonly [
  infer First extends number,
  ...infer Rest extends Shape,
]
  ? First extends -1
    ? Without<S, Rest>
    : Taken<S, First> extends infer Left extends Shape
      ? Without<Left, Rest>
      : never
  : S

/** `S` without its first size that is `N`. */
type Taken<S extends Shape, N extends number, Before extends Shape = []> = S extends readonly [
  infer First extends number,
  ...infer Rest extends Shape,
]
  ? First extends N
    ? [...Before, ...Rest]
    : Taken<Rest, N, [...Before, First]>
  : never

/** The same elements under another shape: that shape, or a text. */
export type Reshaped<S extends Shape, T extends Shape> = S extends unknown
  ? number extends S['length'] | S[number]
    ? Asked<T>
    : number extends T['length'] | T[number]
      ? Asked<T>
      : -1 extends T[number]
        ? Completed<T, Without<S, T>>
        : Recounted<T, Count<S>, Count<T>>
  : never

type Recounted<T extends Shape, Old extends number, New extends number> = number extends Old | New
  ? Asked<T>
  : Old extends New
    ? Asked<T>
    : `${Old} and ${New} elements`

/** -1 where the other sizes are all those of the tensor: what is left of it. */
type Completed<T extends Shape, Left> = [Left] extends [never]
  ? Asked<T>
  : Left extends Shape
    ? { -readonly [Axis in keyof T]: T[Axis] extends -1 ? Count<Left> : T[Axis] }
    : never

/** What the shape has to be that a tensor is to have. */
export type Reshapes<S extends Shape, T extends Shape> = Fit<Reshaped<S, T>, 'reshape', S, ' to ', T>

export type ReshapedTo<S extends Shape, T extends Shape> = Known<Reshaped<S, T>>

/** The index of an axis as text, of which negative ones count from the end; `never` where it is not known. */
export type AxisOf<S extends Shape, Axis extends number> = number extends Axis
  ? never
  : `${Axis}` extends keyof S
    ? `${Axis}`
    : FromEnd[S['length'] & keyof FromEnd][`${Axis}` & keyof FromEnd[S['length'] & keyof FromEnd]]

/** Axes from the end on, by rank. */
export interface FromEnd {
  1: { '-1': '0' }
  2: { '-1': '1'; '-2': '0' }
  3: { '-1': '2'; '-2': '1'; '-3': '0' }
  4: { '-1': '3'; '-2': '2'; '-3': '1'; '-4': '0' }
  5: { '-1': '4'; '-2': '3'; '-3': '2'; '-4': '1'; '-5': '0' }
  6: { '-1': '5'; '-2': '4'; '-3': '3'; '-4': '2'; '-5': '1'; '-6': '0' }
}

/** Two axes exchanged. */
export type Transposed<S extends Shape, A extends number, B extends number> = S extends unknown
  ? number extends S['length']
    ? Shape
    : Exchanged<S, AxisOf<S, A>, AxisOf<S, B>>
  : never

type Exchanged<S extends Shape, A, B> = [A] extends [never]
  ? AnyOfRank<S>
  : [B] extends [never]
    ? AnyOfRank<S>
    : {
        -readonly [Axis in keyof S]: Axis extends A
          ? Sized<S[B & keyof S]>
          : Axis extends B
            ? Sized<S[A & keyof S]>
            : S[Axis]
      }

type Sized<N> = N extends number ? N : number

/** A shape of the same rank of which no size is known. */
type AnyOfRank<S extends Shape> = { -readonly [Axis in keyof S]: number }

/** The axes in another order: the shape, or a text. */
type Permuted<S extends Shape, Axes extends Shape> = S extends unknown
  ? number extends S['length'] | Axes['length']
    ? Shape
    : S['length'] extends Axes['length']
      ? { -readonly [I in keyof Axes]: SizeAt<S, AxisOf<S, Axes[I]>> }
      : `${Axes['length']} axes for a rank of ${S['length']}`
  : never

type SizeAt<S extends Shape, Axis> = [Axis] extends [never] ? number : Sized<S[Axis & keyof S]>

/** What the order of axes has to be. */
export type Permutes<S extends Shape, Axes extends Shape> = Fit<Permuted<S, Axes>, 'permute', S, ' by ', Axes>

export type PermutedTo<S extends Shape, Axes extends Shape> = Known<Permuted<S, Axes>>

/** Some axes joined: all, or all but the first; of others nothing is told. */
export type FlattenedTo<S extends Shape, Start extends number, End extends number> = S extends unknown
  ? [Start, End] extends [0, -1]
    ? Flattened<S, 0>
    : [Start, End] extends [1, -1]
      ? Flattened<S, 1>
      : Shape
  : never

/** A new axis of `N` entries: the first, the second or the last one; of others nothing is told. */
export type Inserted<S extends Shape, Axis extends number, N extends number> = S extends unknown
  ? number extends S['length'] | Axis
    ? Shape
    : Axis extends 0
      ? [N, ...S]
      : Axis extends -1
        ? [...S, N]
        : Axis extends 1
          ? S extends readonly [infer First extends number, ...infer Rest extends Shape]
            ? [First, N, ...Rest]
            : Shape
          : Shape
  : never

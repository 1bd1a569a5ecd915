import type { Tensor } from '../tensor.js'
import type { DType, FloatDType, FloatOf, Shape } from '../types.js'
import type { Known, Outcome, ShapeMismatch, ShapeText, sizes } from './fit.js'
import type { Closed, LastAxis } from './product.js'
import type { Flattened } from './view.js'

/** Names what a layer does to the shape of its input; nothing stands there at run time. A layer without it does anything. */
export declare const flow: unique symbol

/** Layers that keep shape and element type. */
export interface Keeps {
  readonly keeps: 'all'
}

/** Layers that keep the shape and give floats. */
export interface KeepsShape {
  readonly keeps: 'shape'
}

/** Layers that make `Out` of `In` features, the last axis. */
export interface Features<In extends number, Out extends number> {
  readonly features: readonly [In, Out]
}

/** Layers that join axes: without arguments, all but the first. */
export interface Flattens<Axes extends readonly unknown[]> {
  readonly flattens: Axes
}

/** Layers one after the other. */
export interface Layers<L extends readonly unknown[]> {
  readonly layers: L
}

/** The shape that a layer makes of one, or what keeps it from that; unknown for layers that do not say. */
type Passed<Layer, S extends Shape> = Layer extends { readonly [flow]: infer Flow }
  ? Flow extends Keeps | KeepsShape
    ? S
    : Flow extends Features<infer In, infer Out>
      ? LastAxis<S, In, Out> extends infer P
        ? P extends string
          ? ` ${P}`
          : P
        : never
      : Flow extends Flattens<infer Axes>
        ? Rows<S, Axes>
        : Flow extends Layers<infer L>
          ? Through<L, S>
          : Shape
  : Shape

type Rows<S extends Shape, Axes extends readonly unknown[]> = number extends S['length']
  ? Shape
  : Axes extends readonly [] | readonly [1] | readonly [1, -1]
    ? Known<Flattened<S, 1>>
    : Shape

/**
 * The shape that a chain of layers makes of one; or a text: the index of the layer that it does not fit, then what that
 * expects. Of a chain of unknown length nothing is known.
 */
export type Through<
  L extends readonly unknown[],
  S extends Shape,
  Done extends readonly 0[] = [],
> = number extends L['length']
  ? Shape
  : L extends readonly [infer Layer, ...infer Rest]
    ? Passed<Layer, S> extends infer P
      ? P extends Shape
        ? Through<Rest, P, [...Done, 0]>
        : `.${Done['length']}${P & string}`
      : never
    : S

/** The element type that a chain of layers gives: floats where one of them multiplies. */
type Given<L extends readonly unknown[], D extends DType> = L extends readonly [infer Layer, ...infer Rest]
  ? Given<Rest, Turned<Layer, D>>
  : D

type Turned<Layer, D extends DType> = Layer extends { readonly [flow]: infer Flow }
  ? Flow extends Keeps | Flattens<readonly unknown[]>
    ? D
    : Flow extends KeepsShape
      ? Floated<D>
      : Flow extends Layers<infer L>
        ? Given<L, D>
        : FloatDType
  : DType

/** {@link FloatOf}, which leaves what is float already as it was written. */
type Floated<D extends DType> = [D] extends [FloatDType] ? D : FloatOf<D>

/** What a layer of a chain has to be beside a layer: nothing, unless it is the first that does not fit. */
export type Neighbour<P, Index> = P extends `.${infer Path}`
  ? Path extends `${Index & string}${' ' | '.'}${string}`
    ? ShapeMismatch<`nn.Sequential: layer ${Path}`>
    : unknown
  : unknown

/** Whether the rank of a tensor is known. */
type Rank<X> = X extends { readonly [sizes]: infer S extends Shape }
  ? number extends S['length']
    ? 'open'
    : 'known'
  : 'open'

/** What a layer gives that keeps shape and element type. */
export type Kept<X extends Tensor> = { known: Tensor<X[typeof sizes], X['dtype']>; open: Tensor }[Rank<X>]

/** What a layer gives that keeps the shape and makes floats. */
export type KeptFloat<X extends Tensor> = {
  known: Tensor<X[typeof sizes], Floated<X['dtype']>>
  open: Tensor
}[Rank<X>]

/** What a rule says of a tensor's shape; everything fits while its rank is open. */
type Judged<S extends Shape, P> = S extends unknown
  ? number extends S['length']
    ? 'fits'
    : Outcome<P>
  : never

/** What a layer of `In` features has to be given. */
export type Enters<X extends Tensor, In extends number> = {
  fits: unknown
  misfits: ShapeMismatch<`nn.Linear: ${ShapeText<X[typeof sizes]>}: ${LastAxis<X[typeof sizes], In, 1> & string}`>
}[Judged<X[typeof sizes], LastAxis<X[typeof sizes], In, 1>>]

/** What a layer gives that makes `Out` features. */
export type Leaves<X extends Tensor, In extends number, Out extends number> = {
  known: Tensor<Known<Closed<LastAxis<X[typeof sizes], In, Out>>>, FloatDType>
  open: Tensor
}[Rank<X>]

/** What {@link Flattens} gives. */
export type FlattenedRows<X extends Tensor, Axes extends readonly unknown[]> = {
  known: Tensor<Rows<X[typeof sizes], Axes>, X['dtype']>
  open: Tensor
}[Rank<X>]

/** What a chain of layers has to be given. */
export type EntersChain<X extends Tensor, L extends readonly unknown[]> = {
  fits: unknown
  misfits: ShapeMismatch<`nn.Sequential: ${ShapeText<X[typeof sizes]>}: layer ${Path<Through<L, X[typeof sizes]>>}`>
}[Judged<X[typeof sizes], Through<L, X[typeof sizes]>>]

type Path<P> = P extends `.${infer Rest}` ? Rest : never

/** What a chain of layers gives. */
export type LeavesChain<X extends Tensor, L extends readonly unknown[]> = {
  known: ChainTensor<Known<Closed<Through<L, X[typeof sizes]>>>, L, X['dtype']>
  open: Tensor
}[Rank<X>]

type ChainTensor<S extends Shape, L extends readonly unknown[], D extends DType> = number extends S['length']
  ? Tensor
  : Tensor<S, Given<L, D>>

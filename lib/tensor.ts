/// <reference lib="esnext.disposable" preserve="true" />
import { GradError, ShapeError, TraceError, ValueError } from './errors.js'
import { argumentName, modeChanged, readGuard } from './tensor/guards.js'
import { Flag, Io, NONE, io, isTracing, native, type Handle } from './native.js'
import { formatted } from './tensor/print.js'
import { at } from './tensor/at.js'
import {
  DEAD,
  adopt,
  adoptAs,
  apply1,
  blank,
  detachHandle,
  flagsOf,
  handleOf,
  isTensor,
  located,
  rawHandle,
  requireList,
  requireReadable,
  setFlag,
  setTensorClass,
} from './tensor/base.js'
import { requireFlag, requireFunction, requireOptions, requireTensor } from './tensor/checks.js'
import { arrayFor, asTensor, isFloat, nested, shown } from './tensor/create.js'
import { ViewTensor } from './tensor/view.js'
import { Code } from './ops.generated.js'
import type {
  ArrayOf,
  AtIndex,
  DType,
  Device,
  ElementOf,
  GradientsOf,
  Shape,
  TensorLike,
  TypedArrayOf,
} from './types.js'

// The key by which Node's console asks for text, without Node's types: users may not have them installed.
const inspectCustom: unique symbol = Symbol.for('nodejs.util.inspect.custom')

/**
 * An array of numbers of one element type, which computes in Rust and can be differentiated.
 *
 * Tensors are made by functions ({@link tensor}, {@link zeros}, {@link randn}, …) and by operations on other tensors;
 * they are values: no operation changes one, but for parameters, buffers and {@link Tensor.copyFrom}. Nobody has to
 * free them. `S` is the shape and `D` the element type, as far as they are known to the compiler.
 *
 * @example
 * ```ts
 * import { tensor } from 'neuroxide'
 * const x = tensor([[1, 2], [3, 4]], { requiresGrad: true })
 * const y = x.square().sum()
 * y.backward()
 * console.log(y.item(), x.grad?.toArray()) // 30 [ [ 2, 4 ], [ 6, 8 ] ]
 * ```
 */
export class Tensor<S extends Shape = Shape, D extends DType = DType> extends ViewTensor<S, D> {
  /** Where the tensor lives. */
  get device(): Device {
    return 'cpu'
  }

  /** Whether gradients with respect to this tensor are computed; settable on leaves of a float type. */
  get requiresGrad(): boolean {
    const value = (flagsOf(this) & Flag.requiresGrad) !== 0
    return isTracing() && (flagsOf(this) & Flag.traced) === 0 ? readGuard(this, 'requiresGrad', value) : value
  }

  set requiresGrad(on: boolean) {
    const handle = handleOf(this)
    requireFlag('requiresGrad', 'value', on)
    if (isTracing())
      throw located(
        TraceError,
        'requiresGrad: written while a jitted function is traced; expected writes before the call only. It would happen once, not at each call.',
      )
    if (on && !isFloat(this.dtype))
      throw located(
        GradError,
        `requiresGrad: a tensor of ${this.dtype}; expected f32 or f64. Integers have no gradients.`,
      )
    if (((flagsOf(this) & Flag.requiresGrad) !== 0) === on) return
    native.setRequiresGrad(handle, on)
    setFlag(this, Flag.requiresGrad, on)
    modeChanged()
  }

  /** Whether the tensor was made by hand and not by a differentiated operation; gradients are kept for leaves. */
  get isLeaf(): boolean {
    return (flagsOf(this) & Flag.leaf) !== 0
  }

  /** The gradient that `backward` left here, or null; assignable to overwrite or (with null) drop it. */
  get grad(): Tensor<S, D> | null {
    const out = blank()
    const handle = native.gradOf(out, handleOf(this))
    return handle === NONE ? null : (adopt(out, handle) as Tensor<S, D>)
  }

  set grad(value: Tensor | null) {
    if (value !== null) requireTensor('grad', 'gradient', value)
    native.setGrad(handleOf(this), value === null ? NONE : handleOf(value))
  }

  /**
   * Computes the gradients of this tensor with respect to all leaves that require one and adds them to their `grad`.
   *
   * @param gradient - the gradient of something with respect to this tensor, of its shape; may be left out where the
   * tensor has one element
   * @param options - `retainGraph` keeps what a second pass needs; without it a second pass throws
   * @throws GradError where the tensor depends on nothing that requires a gradient, or a needed value was overwritten
   * @throws ShapeError where `gradient` is left out or has another shape
   */
  backward(gradient?: TensorLike | null, options: { readonly retainGraph?: boolean | undefined } = {}): void {
    requireOptions('backward', options, ['retainGraph'])
    const retain = requireFlag('backward', 'retainGraph', options.retainGraph ?? false)
    const seed =
      gradient === undefined || gradient === null ? null : asTensor(gradient, 'backward', this.dtype)
    native.backward(handleOf(this), seed === null ? NONE : handleOf(seed), retain)
  }

  /** The same values without history: no gradient flows through the result. */
  detach(): Tensor<S, D> {
    return apply1(Code.detach, this) as Tensor<S, D>
  }

  /** A copy with storage of its own; gradients flow through it. */
  clone(): Tensor<S, D> {
    return apply1(Code.clone, this) as Tensor<S, D>
  }

  /**
   * Writes values into this leaf: a parameter, a buffer or any tensor that was made by hand.
   *
   * @param source - values that broadcast to the tensor's shape; they are cast to its element type
   * @returns this tensor
   * @throws GradError where this tensor is the result of a differentiated operation
   */
  copyFrom(source: TensorLike): this {
    const value = asTensor(source, 'copyFrom', typeof source === 'number' ? this.dtype : undefined)
    native.assign(handleOf(this), handleOf(value))
    return this
  }

  /**
   * The value of a tensor with one element.
   *
   * @throws ShapeError where there are more or none
   * @throws TraceError while a jitted function is traced
   */
  item(): ElementOf<D> {
    requireReadable(this, 'item')
    const handle = handleOf(this)
    if (this.numel !== 1)
      throw located(
        ShapeError,
        `item: shape [${this.shape.join(', ')}]; expected one element. Use toArray() or at(…).item().`,
      )
    const data = arrayFor(this.dtype, 1)
    native.read(handle, data)
    const value = data[0] as number
    return (this.dtype === 'bool' ? value !== 0 : value) as ElementOf<D>
  }

  /** All values as nested arrays; a number or boolean where the tensor is a scalar. */
  toArray(): ArrayOf<S, ElementOf<D>> {
    requireReadable(this, 'toArray')
    return this.#nested(this.#values())
  }

  /** All values in row-major order, in a typed array of the element type (bool as bytes). */
  toTypedArray(): TypedArrayOf<D> {
    requireReadable(this, 'toTypedArray')
    return this.#values() as unknown as TypedArrayOf<D>
  }

  /** The same without blocking: settles when the values have been computed and copied. */
  async read(): Promise<TypedArrayOf<D>> {
    requireReadable(this, 'read')
    const { dtype } = this
    const bytes = await native.readAsync(handleOf(this))
    const data = arrayFor(dtype, this.numel)
    new Uint8Array(data.buffer).set(bytes)
    return data as unknown as TypedArrayOf<D>
  }

  /**
   * A part of the tensor, axis by axis.
   *
   * An integer selects one index and drops the axis, `[start, end]` and `[start, end, step]` are ranges, `null` keeps the
   * whole axis, `'...'` stands for all axes in between, and a tensor of i32 picks those indices. Negative numbers count
   * from the end.
   *
   * @throws IndexError where an index lies outside its axis, or there are more entries than axes
   */
  at(...indices: readonly AtIndex[]): Tensor<Shape, D> {
    return at(this, indices) as Tensor<Shape, D>
  }

  /** What `JSON.stringify` writes: the values as nested arrays. JSON has no NaN or infinity; they become null. */
  toJSON(): ArrayOf<S, ElementOf<D>> {
    requireReadable(this, 'toJSON')
    return this.#nested(this.#values())
  }

  /** Gives the memory back now; the tensor cannot be used afterwards. Never necessary. */
  dispose(): void {
    const handle = detachHandle(this)
    if (handle !== DEAD) native.release(handle)
  }

  /** Whether the tensor was disposed of, or the core holds it no more. */
  get isDisposed(): boolean {
    const handle = rawHandle(this)
    return handle === DEAD || !native.alive(handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** The values as text, with the edges only where there are many. */
  override toString(): string {
    return formatted(this)
  }

  [inspectCustom](): string {
    return formatted(this)
  }

  /** One element as a number, the text in a template literal; everything else is refused, as `a + b` on tensors is no sum. */
  [Symbol.toPrimitive](hint: string): number | string {
    if (hint === 'string') return this.toString()
    requireNoPrimitive(this)
    if (this.numel === 1) return Number(this.item())
    throw located(
      ValueError,
      `operator: a tensor of shape [${this.shape.join(', ')}] as operand of a JavaScript operator such as + or <; expected a number. ` +
        'Use the methods: a.add(b), a.sub(b), a.mul(b), a.div(b), a.lt(b), a.gt(b), a.eq(b).',
    )
  }

  #values(): ReturnType<typeof arrayFor> {
    const handle = handleOf(this)
    const data = arrayFor(this.dtype, this.numel)
    native.read(handle, data)
    return data
  }

  #nested(values: ArrayLike<number>): ArrayOf<S, ElementOf<D>> {
    const elements = this.dtype === 'bool' ? Array.from(values, (value) => value !== 0) : values
    return nested<number | boolean>(elements, this.shape) as ArrayOf<S, ElementOf<D>>
  }
}

setTensorClass(Tensor)

/** Inside a trace a number argument is a tensor: using it as a number would freeze its value. */
function requireNoPrimitive(tensor: Tensor): void {
  if (!isTracing()) return
  const name = argumentName(tensor)
  if (name === null) requireReadable(tensor, 'operator')
  else
    throw located(
      TraceError,
      `jit: the argument ${name} was used as a JavaScript number; expected tensor ops only, since its value differs from call to call. ` +
        `Name it in jit(fn, { static: ['${name}'] }) to trace once per value.`,
    )
}

/** @internal Makes `out`, a blank tensor of a derived class, a leaf with storage of its own that holds the values of `source`. */
export function adoptParameter<T extends Tensor>(
  out: T,
  source: Tensor,
  order: readonly number[],
  requiresGrad: boolean,
): T {
  if (isTracing())
    throw located(
      TraceError,
      'Parameter: constructed while a jitted function is traced; expected it before the call. It would exist once, not at each call.',
    )
  for (let axis = 0; axis < order.length; axis += 1) io[Io.attributes + axis] = order[axis] as number
  adopt(out, native.parameter(out, handleOf(source), order.length))
  if (!requiresGrad) {
    native.setRequiresGrad(handleOf(out), false)
    setFlag(out, Flag.requiresGrad, false)
  }
  return out
}

/** @internal A weakly typed 0-d tensor: what a number argument of a jitted function is inside it. */
export function numberTensor(value: number): Tensor {
  const out = blank()
  return adopt(out, native.number(out, value))
}

/**
 * Gradients of a tensor with respect to others, without touching anyone's `grad`.
 *
 * @param y - what to differentiate; one element, unless `gradient` is given
 * @param xs - with respect to which; each must require a gradient
 * @param options - `gradient` of something with respect to `y`; `retainGraph` keeps what a second pass needs
 * @returns one gradient per entry of `xs`, in their order and shapes
 * @throws GradError where `y` does not depend on one of them
 * @example
 * ```ts
 * import { grad, tensor } from 'neuroxide'
 * const x = tensor([1, 2, 3], { requiresGrad: true })
 * const [dx] = grad(x.square().sum(), [x])
 * console.log(dx.toArray()) // [ 2, 4, 6 ]
 * ```
 */
export function grad<const Xs extends readonly Tensor[]>(
  y: Tensor,
  xs: Xs,
  options: { readonly gradient?: TensorLike | undefined; readonly retainGraph?: boolean | undefined } = {},
): GradientsOf<Xs> {
  if (!isTensor(y)) throw located(ValueError, `grad: ${shown(y)} to differentiate; expected a tensor.`)
  requireOptions('grad', options, ['gradient', 'retainGraph'])
  const retain = requireFlag('grad', 'retainGraph', options.retainGraph ?? false)
  if (!Array.isArray(xs)) throw located(ValueError, `grad: ${shown(xs)} as xs; expected an array of tensors.`)
  xs.forEach((x, i) => requireTensor('grad', `entry ${i} of xs`, x))
  requireList(xs.length)
  const seed = options.gradient === undefined ? null : asTensor(options.gradient, 'grad', y.dtype)
  const outs = xs.map(() => blank())
  for (let i = 0; i < xs.length; i += 1) io[Io.list + i] = handleOf(xs[i] as Tensor)
  native.gradients(outs, handleOf(y), seed === null ? NONE : handleOf(seed), xs.length, retain)
  const handles = Array.from(io.subarray(Io.list, Io.list + xs.length))
  const traced = io[Io.tracing] === 0 ? 0 : Flag.traced
  return outs.map((out, i) => {
    const x = xs[i] as Tensor
    const handle = handles[i] as Handle
    if (handle === NONE)
      throw located(
        GradError,
        `grad: the tensor does not depend on entry ${i} of shape [${x.shape.join(', ')}]; expected that it does.`,
      )
    return adoptAs(out, handle, x.dtype, Flag.leaf | traced, x.shape)
  }) as GradientsOf<Xs>
}

/**
 * Makes a function that returns the value of `fn` together with the gradients of its tensor arguments.
 *
 * @param fn - a function of tensors that returns a tensor with one element
 * @returns a function of the same arguments that gives `[value, gradients]`, one gradient per argument
 * @throws GradError where the value does not depend on an argument
 * @example
 * ```ts
 * import { tensor, valueAndGrad, type Tensor } from 'neuroxide'
 * const loss = valueAndGrad((x: Tensor, w: Tensor) => x.mul(w).square().sum())
 * const [value, [dx, dw]] = loss(tensor([1, 2]), tensor([3, 4]))
 * console.log(value.item(), dx.toArray(), dw.toArray()) // 73 [ 18, 64 ] [ 6, 32 ]
 * ```
 */
export function valueAndGrad<Xs extends readonly Tensor[], R extends Tensor>(
  fn: (...xs: Xs) => R,
): <const Given extends Xs>(...xs: Given) => [value: R, gradients: GradientsOf<Given>] {
  requireFunction('valueAndGrad', fn)
  return <const Given extends Xs>(...xs: Given): [value: R, gradients: GradientsOf<Given>] => {
    const leaves = xs.map((x) => differentiable(x)) as unknown as Xs
    const value = withGradients(true, () => fn(...leaves))
    const gradients = grad(value, leaves) as unknown as GradientsOf<Given>
    return [value.detach() as R, gradients]
  }
}

/** The tensor itself where it is differentiated already, else a leaf with its values. */
function differentiable(x: Tensor): Tensor {
  if (!isTensor(x)) throw located(ValueError, `valueAndGrad: ${shown(x)} as argument; expected tensors only.`)
  if ((flagsOf(x) & Flag.requiresGrad) !== 0) return x
  if (!isFloat(x.dtype))
    throw located(
      GradError,
      `valueAndGrad: an argument of ${x.dtype}; expected f32 or f64. Integers have no gradients.`,
    )
  const leaf = x.detach()
  native.setRequiresGrad(handleOf(leaf), true)
  setFlag(leaf, Flag.requiresGrad, true)
  return leaf
}

let gradients = true

function withGradients<T>(on: boolean, fn: () => T): T {
  const before = gradients
  native.gradEnabled(on)
  gradients = on
  try {
    return fn()
  } finally {
    native.gradEnabled(before)
    gradients = before
  }
}

/**
 * Runs a function without recording anything for gradients.
 *
 * @param fn - what to run; synchronous
 * @returns what `fn` returns
 * @example
 * ```ts
 * import { noGrad, tensor } from 'neuroxide'
 * const w = tensor([1, 2], { requiresGrad: true })
 * const y = noGrad(() => w.mul(2))
 * console.log(y.requiresGrad) // false
 * ```
 */
export function noGrad<T>(fn: () => T): T {
  requireFunction('noGrad', fn)
  const result = withGradients(false, fn)
  if (result instanceof Promise)
    throw located(
      ValueError,
      'noGrad: the function returned a Promise; expected a synchronous function. What it does later would have gradients.',
    )
  return result
}

/**
 * Whether operations are recorded for gradients at the moment.
 *
 * @returns false inside {@link noGrad}, else true
 * @example
 * ```ts
 * import { isGradEnabled, noGrad } from 'neuroxide'
 * console.log(isGradEnabled(), noGrad(() => isGradEnabled())) // true false
 * ```
 */
export function isGradEnabled(): boolean {
  return gradients
}

/** @internal Drops the gradients of all these leaves in one call. */
export function zeroGradients(leaves: readonly Tensor[]): void {
  requireList(leaves.length)
  for (let i = 0; i < leaves.length; i += 1) io[Io.list + i] = handleOf(leaves[i] as Tensor)
  native.zeroGrad(leaves.length)
}

/** @internal What made a prediction: the softmax or sigmoid (or else) behind a tensor, its input, and the layer's path. */
export function producerOf(
  tensor: Tensor,
  axis?: number,
): {
  kind: 'unknown' | 'softmax' | 'sigmoid' | 'linear' | 'logSoftmax'
  logits: Tensor | null
  path: string
} {
  const out = blank()
  const handle = native.producer(out, handleOf(tensor), axis ?? NaN)
  const kind =
    (['unknown', 'softmax', 'sigmoid', 'linear', 'logSoftmax'] as const)[io[Io.list] as number] ?? 'unknown'
  const path = io[Io.list + 1] as number
  return {
    kind,
    logits: handle === NONE ? null : adopt(out, handle),
    path: path === 0 ? '' : native.pathName(path),
  }
}

/**
 * Whether a value is a tensor.
 *
 * Use this rather than `instanceof`, which fails where two copies of the library are loaded.
 *
 * @param value - anything
 * @returns true for tensors, parameters included
 * @example
 * ```ts
 * import { isTensor, zeros } from 'neuroxide'
 * console.log(isTensor(zeros([2])), isTensor([0, 0])) // true false
 * ```
 */
export { isTensor } from './tensor/base.js'

export {
  arange,
  bernoulli,
  eye,
  fromTypedArray,
  full,
  fullLike,
  linspace,
  ones,
  onesLike,
  rand,
  randint,
  randn,
  randperm,
  tensor,
  zeros,
  zerosLike,
} from './tensor/factories.js'

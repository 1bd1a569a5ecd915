import { DTypeError, ShapeError, ValueError } from '../errors.js'
import { type Tensor, noGrad } from '../tensor.js'
import {
  fromTypedArray,
  full,
  ones as newOnes,
  rand,
  randn,
  tensor,
  zeros as newZeros,
} from '../tensor/factories.js'
import { requireAtLeast, requireOptions, requireTensor } from '../tensor/checks.js'
import { isFloat, shown } from '../tensor/create.js'
import type { Shape } from '../types.js'
import { isBlank } from './blank.js'

/** Which of a weight's two sides keeps its variance: the inputs forward, or the outputs backward. */
export type FanMode = 'fanIn' | 'fanOut'

/** Nonlinearities that {@link calculateGain} knows. */
export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu'

export interface XavierOptions {
  /** Factor of the standard deviation; `1` by default. */
  readonly gain?: number | undefined
}

export interface KaimingOptions {
  /** Negative slope of the leaky ReLU that follows; `0` by default. */
  readonly a?: number | undefined
  /** `'fanIn'` by default. */
  readonly mode?: FanMode | undefined
  /** `'leakyRelu'` by default. */
  readonly nonlinearity?: Nonlinearity | undefined
}

export interface NormalOptions {
  /** `0` by default. */
  readonly mean?: number | undefined
  /** `1` by default. */
  readonly std?: number | undefined
}

export interface TruncatedNormalOptions extends NormalOptions {
  /** Smallest value; `-2` by default. */
  readonly low?: number | undefined
  /** Largest value; `2` by default. */
  readonly high?: number | undefined
}

/**
 * The numbers of inputs and outputs that one weight connects, as PyTorch counts them: shape `[out, in, …kernel]`.
 *
 * @throws ShapeError for fewer than two axes
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * console.log(nn.init.fans(zeros([8, 4, 3, 3]))) // { fanIn: 36, fanOut: 72 }
 * ```
 */
export function fans(weight: Tensor): Record<FanMode, number> {
  requireTensor('init.fans', 'weight', weight)
  const [outputs, inputs, ...kernel] = weight.shape as readonly number[]
  if (outputs === undefined || inputs === undefined) {
    throw new ShapeError(
      `init.fans: a weight of shape [${weight.shape.join(', ')}]; expected at least two axes, [out, in, …].`,
    )
  }
  const field = kernel.reduce((product, size) => product * size, 1)
  return { fanIn: inputs * field, fanOut: outputs * field }
}

/**
 * The factor by which a nonlinearity's input has to be larger to keep its variance.
 *
 * @param parameter - the negative slope for `'leakyRelu'`; `0.01` by default
 * @example
 * ```ts
 * import { nn } from 'neuroxide'
 * console.log(nn.init.calculateGain('tanh')) // 1.6666666666666667
 * ```
 */
export function calculateGain(nonlinearity: Nonlinearity, parameter = 0.01): number {
  finite(parameter, 'parameter', 'calculateGain')
  switch (nonlinearity) {
    case 'tanh':
      return 5 / 3
    case 'relu':
      return Math.sqrt(2)
    case 'leakyRelu':
      return Math.sqrt(2 / (1 + parameter * parameter))
    case 'selu':
      return 3 / 4
    case 'linear':
    case 'sigmoid':
      return 1
    default:
      throw new ValueError(
        `init.calculateGain: ${shown(nonlinearity)}; expected 'linear', 'sigmoid', 'tanh', 'relu', 'leakyRelu' or 'selu'.`,
      )
  }
}

/** Writes values into a tensor in logical order, whatever its order in memory; gradients do not see it. */
function fill<T extends Tensor>(of: string, target: T, values: () => Tensor, anyType = false): T {
  requireTensor(`init.${of}`, 'target', target)
  if (!anyType && !isFloat(target.dtype))
    throw new DTypeError(`init.${of}: a target of ${target.dtype}; expected f32 or f64.`)
  if (!isBlank()) noGrad(() => target.copyFrom(values()))
  return target
}

function finite(value: number, name: string, of: string): number {
  if (!Number.isFinite(value))
    throw new ValueError(`init.${of}: ${shown(value)} as ${name}; expected a finite number.`)
  return value
}

/** Numbers drawn evenly from [low, high), written into `target`; returns it. Defaults: `low = 0`, `high = 1`. */
export function uniform<T extends Tensor>(target: T, low = 0, high = 1): T {
  finite(low, 'low', 'uniform')
  finite(high, 'high', 'uniform')
  const width = finite(high - low, 'high - low', 'uniform')
  if (width < 0) throw new ValueError(`init.uniform: from ${low} to ${high}; expected low ≤ high.`)
  return fill('uniform', target, () =>
    rand(target.shape as Shape)
      .mul(width)
      .add(low),
  )
}

/** Numbers from a normal distribution, written into `target`; returns it. */
export function normal<T extends Tensor>(target: T, options: NormalOptions = {}): T {
  requireOptions('init.normal', options, ['mean', 'std'])
  const { mean = 0, std = 1 } = options
  requireAtLeast('init.normal', 'std', finite(std, 'std', 'normal'), 0)
  finite(mean, 'mean', 'normal')
  return fill('normal', target, () =>
    randn(target.shape as Shape)
      .mul(std)
      .add(mean),
  )
}

/**
 * Numbers from a normal distribution without its tails beyond `low` and `high`, written into `target`; returns it.
 *
 * Drawn through the inverse of the distribution function, so each element costs one random number.
 *
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const w = nn.init.truncNormal(zeros([1000]), { std: 0.02, low: -0.04, high: 0.04 })
 * console.log(w.abs().max().item() <= 0.04) // true
 * ```
 */
export function truncNormal<T extends Tensor>(target: T, options: TruncatedNormalOptions = {}): T {
  requireOptions('init.truncNormal', options, ['mean', 'std', 'low', 'high'])
  const { mean = 0, std = 1, low = -2, high = 2 } = options
  for (const [name, value] of Object.entries({ mean, std, low, high })) finite(value, name, 'truncNormal')
  if (!(std > 0) || !(low < high)) {
    throw new ValueError(`init.truncNormal: std ${std}, [${low}, ${high}]; expected std > 0 and low < high.`)
  }
  return fill('truncNormal', target, () => {
    const bounds = tensor([low, high], { dtype: 'f64' })
      .sub(mean)
      .div(std * Math.SQRT2)
      .erf()
    const [from = -1, to = 1] = bounds.toTypedArray()
    // The distribution function is (1 + erf(x / √2)) / 2; scaled to (-1, 1) it is erf itself.
    const quantiles = rand(target.shape as Shape, { dtype: 'f64' })
      .mul(to - from)
      .add(from)
    return inverseErf(quantiles)
      .mul(std * Math.SQRT2)
      .add(mean)
      .clamp(low, high)
      .to(target.dtype)
  })
}

// Polynomials of Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011), highest power first.
const central = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503, -0.00417768164,
  0.246640727, 1.50140941,
]
const tail = [
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
  1.00167406, 2.83297682,
]

function inverseErf(x: Tensor): Tensor {
  const w = x.mul(x).neg().log1p().neg()
  const polynomial = (coefficients: readonly number[], at: Tensor): Tensor => {
    const [highest = 0, ...rest] = coefficients
    return rest.reduce<Tensor>((sum, coefficient) => sum.mul(at).add(coefficient), at.mul(0).add(highest))
  }
  const near = polynomial(central, w.sub(2.5))
  const far = polynomial(tail, w.maximum(5).sqrt().sub(3))
  return near.where(w.lt(5), far).mul(x)
}

/** Zeros, written into `target`; returns it. */
export function zeros<T extends Tensor>(target: T): T {
  return fill('zeros', target, () => newZeros(target.shape as Shape, { dtype: target.dtype }), true)
}

/** Ones, written into `target`; returns it. */
export function ones<T extends Tensor>(target: T): T {
  return fill('ones', target, () => newOnes(target.shape as Shape, { dtype: target.dtype }), true)
}

/** One number, written into every element of `target`; returns it. */
export function constant<T extends Tensor>(target: T, value: number): T {
  return fill('constant', target, () => full(target.shape as Shape, value, { dtype: target.dtype }), true)
}

/**
 * Xavier's (Glorot's) uniform initialisation: variance `gain² · 2 / (fanIn + fanOut)`, which suits tanh and sigmoid.
 *
 * @see Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010)
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const w = nn.init.xavierUniform(zeros([64, 32]))
 * console.log(w.abs().max().item() <= 0.25) // true
 * ```
 */
export function xavierUniform<T extends Tensor>(weight: T, options: XavierOptions = {}): T {
  const bound = Math.sqrt(3) * xavierStd('xavierUniform', weight, options)
  return uniform(weight, -bound, bound)
}

/** Xavier's (Glorot's) normal initialisation: variance `gain² · 2 / (fanIn + fanOut)`; writes into `weight`, returns it. */
export function xavierNormal<T extends Tensor>(weight: T, options: XavierOptions = {}): T {
  return normal(weight, { std: xavierStd('xavierNormal', weight, options) })
}

function xavierStd(of: string, weight: Tensor, options: XavierOptions): number {
  requireOptions(`init.${of}`, options, ['gain'])
  const gain = requireAtLeast(`init.${of}`, 'gain', options.gain ?? 1, 0)
  const { fanIn, fanOut } = fans(weight)
  return gain * Math.sqrt(2 / (fanIn + fanOut))
}

/**
 * Kaiming's (He's) uniform initialisation: variance `gain² / fan`, which suits ReLU and its relatives.
 *
 * @see He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (2015)
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const w = nn.init.kaimingUniform(zeros([64, 24]), { nonlinearity: 'relu' })
 * console.log(w.abs().max().item() <= 0.5) // true
 * ```
 */
export function kaimingUniform<T extends Tensor>(weight: T, options: KaimingOptions = {}): T {
  const bound = Math.sqrt(3) * kaimingStd('kaimingUniform', weight, options)
  return uniform(weight, -bound, bound)
}

/** Kaiming's (He's) normal initialisation: variance `gain² / fan`; writes into `weight`, returns it. */
export function kaimingNormal<T extends Tensor>(weight: T, options: KaimingOptions = {}): T {
  return normal(weight, { std: kaimingStd('kaimingNormal', weight, options) })
}

function kaimingStd(of: string, weight: Tensor, options: KaimingOptions): number {
  requireOptions(`init.${of}`, options, ['a', 'mode', 'nonlinearity'])
  const { a = 0, mode = 'fanIn', nonlinearity = 'leakyRelu' } = options
  finite(a, 'a', of)
  if (mode !== 'fanIn' && mode !== 'fanOut')
    throw new ValueError(`init.${of}: ${shown(mode)} as mode; expected 'fanIn' or 'fanOut'.`)
  const fan = fans(weight)[mode]
  // A weight without inputs has no elements to draw.
  return fan === 0 ? 0 : calculateGain(nonlinearity, a) / Math.sqrt(fan)
}

/** LeCun's uniform initialisation: variance `1 / fanIn`, which suits SELU; writes into `weight`, returns it. */
export function lecunUniform<T extends Tensor>(weight: T): T {
  const bound = Math.sqrt(3 / fans(weight).fanIn)
  return uniform(weight, -bound, bound)
}

/**
 * LeCun's normal initialisation: variance `1 / fanIn`, drawn as Keras does from a normal distribution cut at two
 * standard deviations; writes into `weight`, returns it.
 *
 * @see LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998)
 */
export function lecunNormal<T extends Tensor>(weight: T): T {
  // The standard deviation of the cut distribution is this fraction of the uncut one's.
  const std = Math.sqrt(1 / fans(weight).fanIn) / 0.879_625_661_034_239_8
  return truncNormal(weight, { std, low: -2 * std, high: 2 * std })
}

/**
 * A matrix with orthonormal rows or columns, whichever are fewer; axes after the first are flattened.
 *
 * @param options - `gain`: factor of the matrix, `1` by default
 * @throws ShapeError for fewer than two axes
 * @see Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning" (2013)
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const w = nn.init.orthogonal(zeros([3, 3]))
 * console.log(Math.abs(Number(w.matmul(w.transpose(0, 1)).sum().item()) - 3) < 1e-4) // true
 * ```
 */
export function orthogonal<T extends Tensor>(weight: T, options: XavierOptions = {}): T {
  requireOptions('init.orthogonal', options, ['gain'])
  const gain = finite(options.gain ?? 1, 'gain', 'orthogonal')
  fans(weight)
  const rows = weight.shape[0] ?? 0
  const columns = rows === 0 ? 0 : weight.numel / rows
  return fill('orthogonal', weight, () => {
    const [long, short] = [Math.max(rows, columns), Math.min(rows, columns)]
    const vectors = orthonormal(randn([short, long], { dtype: 'f64' }).toTypedArray(), short, long)
    for (let i = 0; i < vectors.length; i++) vectors[i] = (vectors[i] ?? 0) * gain
    const matrix = fromTypedArray(vectors, [short, long])
    const oriented = rows > columns ? matrix.transpose(0, 1) : matrix
    return oriented.reshape(weight.shape as Shape).to(weight.dtype)
  })
}

/**
 * Orthonormal rows that span the same spaces as the rows of `source`: Gram and Schmidt's way, done twice, which is as
 * accurate as Householder's. As each row keeps its direction, the result is evenly distributed.
 */
function orthonormal(source: Float64Array, count: number, length: number): Float64Array {
  const rows = Float64Array.from(source)
  const row = (i: number): Float64Array => rows.subarray(i * length, (i + 1) * length)
  for (let i = 0; i < count; i++) {
    const own = row(i)
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) subtractProjection(own, row(j))
    }
    const size = Math.sqrt(dot(own, own))
    for (let k = 0; k < length; k++) own[k] = (own[k] ?? 0) / size
  }
  return rows
}

function subtractProjection(from: Float64Array, unit: Float64Array): void {
  const share = dot(from, unit)
  for (let k = 0; k < from.length; k++) from[k] = (from[k] ?? 0) - share * (unit[k] ?? 0)
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += (a[k] ?? 0) * (b[k] ?? 0)
  return sum
}

export {
  xavierUniform as glorotUniform,
  xavierNormal as glorotNormal,
  kaimingUniform as heUniform,
  kaimingNormal as heNormal,
}

import { GradError, ValueError } from '../errors.js'
import { stack } from '../functional.js'
import { isTracing } from '../native.js'
import { noGrad, zeros, type Tensor } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { requireAtLeast, requireFlag, requireOptions, requireTensor } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

export interface ClipOptions {
  /** Throws when the norm is NaN or infinite; `false` by default, and not possible inside a jitted function. */
  readonly errorIfNonfinite?: boolean | undefined
}

function gradients(op: string, parameters: Tensor | Iterable<Tensor>): [Tensor, Tensor][] {
  if (
    typeof parameters !== 'object' ||
    parameters === null ||
    !(isTensor(parameters) || Symbol.iterator in parameters)
  )
    throw new ValueError(`${op}: ${shown(parameters)} as parameters; expected tensors.`)
  const list = isTensor(parameters) ? [parameters] : [...parameters]
  list.forEach((parameter, i) => requireTensor(op, `parameter ${i}`, parameter))
  return list.flatMap((parameter): [Tensor, Tensor][] => {
    const gradient = parameter.grad
    return gradient === null ? [] : [[parameter, gradient]]
  })
}

/**
 * Scales all gradients together so that their common norm is at most `maxNorm`.
 *
 * Works between `backward()` and `step()`, also inside a jitted function; PyTorch's formula, `maxNorm / (norm + 1e-6)`.
 *
 * @param parameters - those whose gradients are meant; ones without a gradient are skipped
 * @param maxNorm - the largest norm that is left; at least 0
 * @param normType - the p of the norm, `2` by default; `Infinity` for the largest absolute value
 * @returns the norm before, a 0-d tensor
 * @throws ValueError for a negative `maxNorm` or a `normType` that is not above 0
 * @throws GradError for a norm that is not finite, where `errorIfNonfinite` is set
 * @example
 * ```ts
 * import { nn, ones, optim } from 'neuroxide'
 * const w = new nn.Parameter(ones([4]))
 * w.mul(3).sum().backward()
 * console.log(optim.clipGradNorm([w], 1).item(), w.grad?.norm().item().toFixed(3)) // 6 1.000
 * ```
 */
export function clipGradNorm(
  parameters: Tensor | Iterable<Tensor>,
  maxNorm: number,
  normType = 2,
  options: ClipOptions = {},
): Tensor {
  const op = 'optim.clipGradNorm'
  requireAtLeast(op, 'maxNorm', maxNorm, 0)
  if (typeof normType !== 'number' || !(normType > 0))
    throw new ValueError(`${op}: ${shown(normType)} as normType; expected a number above 0.`)
  requireOptions(op, options, ['errorIfNonfinite'])
  const strict = requireFlag(op, 'errorIfNonfinite', options.errorIfNonfinite ?? false)
  return noGrad(() => {
    const pairs = gradients(op, parameters)
    if (pairs.length === 0) return zeros([])
    const norms = pairs.map(([, gradient]) => gradient.norm(normType))
    const total = stack(norms).norm(normType)
    if (strict && !isTracing() && !Number.isFinite(Number(total.item()))) {
      throw new GradError(
        `${op}: the norm of the gradients is ${String(total.item())}; expected a finite number.`,
      )
    }
    const factor = total.add(1e-6).reciprocal().mul(maxNorm).minimum(1)
    for (const [parameter, gradient] of pairs) parameter.grad = gradient.mul(factor.to(gradient.dtype))
    return total
  })
}

/**
 * Clamps every element of all gradients into [-clipValue, clipValue].
 *
 * @param parameters - those whose gradients are meant; ones without a gradient are skipped
 * @param clipValue - the largest absolute value that is left; at least 0
 * @throws ValueError for a negative `clipValue`
 * @example
 * ```ts
 * import { nn, ones, optim } from 'neuroxide'
 * const w = new nn.Parameter(ones([2]))
 * w.mul(-3).sum().backward()
 * optim.clipGradValue([w], 0.5)
 * console.log(w.grad?.toArray()) // [ -0.5, -0.5 ]
 * ```
 */
export function clipGradValue(parameters: Tensor | Iterable<Tensor>, clipValue: number): void {
  requireAtLeast('optim.clipGradValue', 'clipValue', clipValue, 0)
  noGrad(() => {
    for (const [parameter, gradient] of gradients('optim.clipGradValue', parameters))
      parameter.grad = gradient.clamp(-clipValue, clipValue)
  })
}

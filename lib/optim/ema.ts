import { TraceError, ValueError } from '../errors.js'
import { isTracing } from '../native.js'
import { isModule } from '../nn/module.js'
import type { Module } from '../nn/module.js'
import { type Tensor, noGrad } from '../tensor.js'
import { isTensor } from '../tensor/base.js'
import { requireNumber, requireOptions, requireTensor } from '../tensor/checks.js'
import { fromValues, isFloat, shown } from '../tensor/create.js'
import type { TensorLike } from '../types.js'
import { OptimizerStateError } from './optimizer.js'

export interface EMAOptions {
  /** The share of the average that each update keeps, in [0, 1); `0.99` by default. */
  readonly decay?: number | undefined
}

/** The averages by the names of the parameters, and the decay, as {@link EMA.stateDict} returns them. */
export interface EMAState {
  readonly decay: number
  readonly averages: Readonly<Record<string, TensorLike>>
}

/**
 * An exponential moving average of weights, which often tests better than the weights themselves.
 *
 * It begins with the values that the weights have when it is made. In a loop of your own call `update()` after each
 * `optimizer.step()`, in jitted functions too; `compile({ ema })` does that in `fit`. `swap()` puts the averages into
 * the model and, called again, takes them out.
 *
 * @throws ValueError for a decay that is not in [0, 1), and for something without parameters
 * @see Polyak, Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992)
 * @example
 * ```ts
 * import { nn, ones, optim } from 'neuroxide'
 * const w = new nn.Parameter(ones([1]))
 * const ema = new optim.EMA([w], { decay: 0.5 })
 * w.copyFrom(ones([1]).mul(3))
 * ema.update()
 * ema.swap()
 * console.log(w.item()) // 2
 * ema.swap()
 * console.log(w.item()) // 3
 * ```
 */
export class EMA {
  readonly #parameters: readonly Tensor[]
  readonly #names: readonly string[]
  readonly #averages: readonly Tensor[]
  /** The share of the average that each update keeps. */
  readonly decay: number

  constructor(averaged: Module | Iterable<Tensor>, options: EMAOptions = {}) {
    requireOptions('optim.EMA', options, ['decay'])
    if (isTracing())
      throw new TraceError(
        'optim.EMA: made inside a traced function; expected it before. It would be made once.',
      )
    this.decay = requireNumber('optim.EMA', 'decay', options.decay ?? 0.99)
    if (!(this.decay >= 0 && this.decay < 1))
      throw new ValueError(`optim.EMA: ${this.decay} as decay; expected a number in [0, 1).`)
    const named = parametersOf(averaged)
    this.#names = named.map(([name]) => name)
    this.#parameters = named.map(([, parameter]) => parameter)
    this.#averages = noGrad(() => this.#parameters.map((parameter) => parameter.detach().clone()))
  }

  /** Moves the averages towards the present values of the weights. */
  update(): void {
    noGrad(() => {
      for (const [i, parameter] of this.#parameters.entries()) {
        const average = this.#averages[i] as Tensor
        average.copyFrom(average.mul(this.decay).add(parameter.detach().mul(1 - this.decay)))
      }
    })
  }

  /**
   * Exchanges weights and averages: call it to measure or save the averaged model, and again to go on training.
   *
   * @throws TraceError inside a jitted function
   * @throws BusyError while a running `fit` owns the weights
   */
  swap(): void {
    if (isTracing())
      throw new TraceError('optim.EMA: swap was called inside a traced function; expected it outside.')
    noGrad(() => {
      for (const [i, parameter] of this.#parameters.entries()) {
        const average = this.#averages[i] as Tensor
        const held = parameter.detach().clone()
        parameter.copyFrom(average)
        average.copyFrom(held)
      }
    })
  }

  /** The averages by the names of the parameters (their indices where a list was given). They share this object's memory. */
  stateDict(): { readonly decay: number; readonly averages: Record<string, Tensor> } {
    const averages = this.#averages.map((average, i) => [this.#names[i] as string, average] as const)
    return { decay: this.decay, averages: Object.fromEntries(averages) }
  }

  /**
   * Copies averages; nothing is written unless everything fits. The decay stays that of this object.
   *
   * @throws OptimizerStateError when names or shapes differ
   */
  loadStateDict(state: EMAState): void {
    this.loading(state)()
  }

  /** @internal Checks all of a state; returns what copies it. */
  loading(state: EMAState): () => void {
    const given: unknown = state?.averages
    if (typeof given !== 'object' || given === null)
      throw new OptimizerStateError(`optim.EMA: ${shown(state)}; expected { averages } of an EMA.`)
    const entries = given as Readonly<Record<string, unknown>>
    const copies = this.#names.map((name, i) => {
      const average = this.#averages[i] as Tensor
      const held = entries[name]
      // A state that went through JSON has arrays.
      const value = Array.isArray(held) ? fromValues('loadStateDict', held, average.dtype) : held
      if (!isTensor(value) || value.shape.join() !== average.shape.join())
        throw new OptimizerStateError(
          `optim.EMA: the average of ${name} is ${isTensor(value) ? `[${value.shape.join(', ')}]` : shown(value)}; expected [${average.shape.join(', ')}].`,
        )
      return [average, value] as const
    })
    return () =>
      noGrad(() => {
        for (const [average, value] of copies) average.copyFrom(value.detach())
      })
  }
}

function parametersOf(averaged: Module | Iterable<Tensor>): [name: string, parameter: Tensor][] {
  if (isModule(averaged)) return requireSome(averaged.namedParameters())
  if (typeof averaged !== 'object' || averaged === null || !(Symbol.iterator in averaged))
    throw new ValueError(`optim.EMA: ${shown(averaged)}; expected a model or its parameters.`)
  const list = [...(averaged as Iterable<unknown>)]
  return requireSome(
    list.map((parameter, i) => {
      requireTensor('optim.EMA', `parameter ${i}`, parameter)
      if (!isFloat(parameter.dtype))
        throw new ValueError(`optim.EMA: parameter ${i} is ${parameter.dtype}; expected f32 or f64.`)
      return [String(i), parameter]
    }),
  )
}

function requireSome(named: [string, Tensor][]): [string, Tensor][] {
  if (named.length === 0) throw new ValueError('optim.EMA: no parameters; expected at least one to average.')
  return named
}

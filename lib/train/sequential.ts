import { ValueError } from '../errors.js'
import { isModule, members, type TensorModule } from '../nn/module.js'
import type { Tensor } from '../tensor.js'
import type { Shape } from '../types.js'
import type { EntersChain, Layers, LeavesChain, Neighbour, Through, flow } from '../types/layers.js'
import { Model } from './model.js'
import { requireInteger } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'

/**
 * Layers one after the other; a model that can train itself.
 *
 * Its layers register under their indices: `0.weight`, `0.bias`, `2.weight`, as in PyTorch.
 *
 * @throws ValueError for something that is no module
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 2))
 * console.log(model.forward(zeros([5, 4])).shape, model.length) // [ 5, 2 ] 3
 * ```
 */
export class Sequential<L extends readonly TensorModule[] = readonly TensorModule[]>
  extends Model
  implements Iterable<TensorModule>
{
  /** @hidden */
  declare readonly [flow]: Layers<L>
  readonly #layers: readonly TensorModule[]

  constructor(...layers: { readonly [I in keyof L]: L[I] & Neighbour<Through<L, Shape>, I> }) {
    super()
    const stranger = layers.findIndex((layer) => !isModule(layer))
    if (stranger >= 0)
      throw new ValueError(
        `nn.Sequential: ${shown(layers[stranger])} as layer ${stranger}, which is no module; expected nn.ReLU and the like.`,
      )
    this.#layers = layers
  }

  /** How many layers there are. */
  get length(): number {
    return this.#layers.length
  }

  /** The layer at an index, counted from the end when it is negative; undefined where there is none. */
  at(index: number): TensorModule | undefined {
    return this.#layers.at(requireInteger('nn.Sequential', 'index', index))
  }

  [Symbol.iterator](): Iterator<TensorModule> {
    return this.#layers[Symbol.iterator]()
  }

  override [members](): Iterable<[string, unknown]> {
    return [...super[members](), ...this.#layers.map((layer, i): [string, unknown] => [String(i), layer])]
  }

  override forward<X extends Tensor>(x: X & EntersChain<X, L>): LeavesChain<X, L> {
    let value: Tensor = x
    for (const layer of this.#layers) value = layer.forward(value)
    return value
  }
}

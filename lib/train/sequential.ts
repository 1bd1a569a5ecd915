import { ValueError } from '../errors.js'
import type { FilePath } from '../io/files.js'
import { isModule, members, type TensorModule } from '../nn/module.js'
import type { Tensor } from '../tensor.js'
import type { Shape } from '../types.js'
import type { EntersChain, Layers, LeavesChain, Neighbour, Through, flow } from '../types/layers.js'
import { Model, type WithMetrics } from './model.js'
import { loadModel, setChain } from './saving.js'
import { restoreTraining } from './state.js'
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

  /**
   * Makes the model that a file describes, with its weights and, where `compile` was given names, ready to `evaluate`.
   *
   * A file with `{ optimizer: true }` brings the state of the optimizer too, so that `fit` goes on from it.
   *
   * Layers come from a closed table of this package's own: nothing in the file is ever run. The model is in training
   * mode, as a new one; `predict` and `evaluate` do not mind, `forward` wants `eval()`.
   *
   * `load<'accuracy'>(path)` says which numbers `evaluate` gives beside the loss, as `compile` does in a program.
   *
   * @param path - a file that {@link Model.save} wrote
   * @returns the model, as it was saved
   * @throws FileError where the file cannot be read
   * @throws FormatError where it is damaged, describes no model, names a layer that does not exist here, or was written
   * by a newer version
   * @throws nn.StateDictError where its tensors are not those of its structure
   * @example
   * ```ts
   * import { nn, ones } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 4), new nn.Tanh(), new nn.Linear(4, 1))
   * await model.save('net.safetensors')
   * const loaded = await nn.Sequential.load('net.safetensors')
   * console.log(loaded.forward(ones([1, 2])).item() === model.forward(ones([1, 2])).item()) // true
   * ```
   */
  static async load<N extends string = string>(path: FilePath): Promise<Sequential & WithMetrics<N>> {
    const model = await loadModel(path, restoreTraining)
    // What a file says of something else has no structure, and only this class makes one.
    return model as Sequential & WithMetrics<N>
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

setChain({
  name: 'Sequential',
  Class: Sequential,
  layersOf: (module) => [...(module as Sequential)],
  make: (layers) => new Sequential(...(layers as readonly TensorModule[])),
})

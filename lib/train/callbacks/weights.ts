import { ValueError } from '../../errors.js'
import type { Module } from '../../nn/module.js'
import { type Tensor, noGrad } from '../../tensor.js'

/** A copy of a model's weights beside them, in memory of the core. */
export class WeightSnapshot {
  readonly #op: string
  readonly #held = new Map<string, Tensor>()

  constructor(op: string) {
    this.#op = op
  }

  /** Whether nothing was copied yet. */
  get empty(): boolean {
    return this.#held.size === 0
  }

  /** Copies the weights of now; later copies overwrite the memory of the first. */
  take(model: Module): void {
    this.#write(weightsOf(model))
  }

  /** Writes the copy into the model. */
  restore(model: Module): void {
    noGrad(() => {
      for (const [name, tensor] of weightsOf(model)) {
        const held = this.#held.get(name)
        if (held !== undefined) tensor.copyFrom(held)
      }
    })
  }

  /** The copies by the names of the weights. */
  tensors(): Record<string, Tensor> {
    return Object.fromEntries(this.#held)
  }

  /** Takes copies that come from a file. */
  load(tensors: Readonly<Record<string, Tensor>>, model: Module): void {
    const own = weightsOf(model)
    for (const [name, tensor] of own)
      if (tensors[name]?.shape.join() !== tensor.shape.join())
        throw new ValueError(
          `${this.#op}: the saved best weights have no ${name} of [${tensor.shape.join(', ')}]; expected those of this model.`,
        )
    this.#write([...own.keys()].map((name) => [name, tensors[name] as Tensor]))
  }

  /** Gives the memory back. */
  free(): void {
    for (const tensor of this.#held.values()) tensor.dispose()
    this.#held.clear()
  }

  #write(state: Iterable<readonly [name: string, tensor: Tensor]>): void {
    noGrad(() => {
      for (const [name, tensor] of state) {
        const held = this.#held.get(name)
        if (held === undefined) this.#held.set(name, tensor.clone())
        else held.copyFrom(tensor)
      }
    })
  }
}

/** Parameters and buffers themselves, which no other handles are made for. */
function weightsOf(model: Module): Map<string, Tensor> {
  return new Map<string, Tensor>([...model.namedParameters(), ...model.namedBuffers()])
}

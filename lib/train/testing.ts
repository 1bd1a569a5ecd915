import type { CallbackList } from './callback.js'
import type { Compiled } from './compiled.js'
import { numbersOf } from './measures.js'
import { apart, type Ask, type Phase } from './runner.js'

const hooks = ['onTestBegin', 'onTestEnd', 'onTestBatchBegin', 'onTestBatchEnd'] as const

/** Calls the hooks of a test: of `evaluate`, or of the validation within `fit`. */
export class TestRun {
  readonly #callbacks: CallbackList
  readonly #compiled: Compiled
  readonly #phase: Phase | null
  /** Whether anybody wants to know. */
  readonly asked: boolean

  constructor(
    { callbacks, compiled }: { readonly callbacks: CallbackList; readonly compiled: Compiled },
    phase: Phase | null,
  ) {
    this.#callbacks = callbacks
    this.#compiled = compiled
    this.#phase = phase
    this.asked = callbacks.has(...hooks)
  }

  async begins(): Promise<void> {
    await this.#callbacks.whole('onTestBegin', {})
  }

  async batchBegins(step: number): Promise<void> {
    await this.#callbacks.counted('onTestBatchBegin', step, {})
  }

  async batchEnds(step: number, outputs: readonly (readonly number[])[]): Promise<void> {
    await this.#callbacks.counted('onTestBatchEnd', step, this.#logs(outputs))
  }

  async ends(outputs: readonly (readonly number[])[]): Promise<void> {
    await this.#callbacks.whole('onTestEnd', this.#logs(outputs))
  }

  #logs(outputs: readonly (readonly number[])[]): Readonly<Record<string, number>> {
    return Object.fromEntries(numbersOf(this.#compiled, outputs))
  }

  /** Where the runner stands between two steps; a test never ends early. */
  async ask({ first, step, steps, values }: Ask): Promise<boolean> {
    const outputs = this.#phase === null ? [] : apart(this.#phase, values)
    if (first) await this.begins()
    else await this.batchEnds(step - 1, outputs)
    if (step < steps) await this.batchBegins(step)
    else await this.ends(outputs)
    return false
  }
}

/** `accuracy` → `valAccuracy`: the name of a number measured on the validation data. */
export type ValidationName<M extends string> = `val${Capitalize<M>}`

/** What every training records, whatever its metrics. */
export interface Curves {
  /** Epochs that were completed, counted from 0 (from `initialEpoch` where it is given). */
  readonly epoch: number[]
  /** Mean training loss per epoch. */
  readonly loss: number[]
  /** Mean validation loss per epoch; empty without validation data. */
  readonly valLoss: number[]
  /** All curves by name, as in Keras: only those that were recorded. */
  readonly history: Readonly<Record<string, number[]>>
}

/**
 * The curves that `fit` resolves with: one array per number, one element per epoch.
 *
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse', metrics: ['mae'] })
 * const history = await model.fit(zeros([8, 2]), zeros([8, 1]), { epochs: 3, validationSplit: 0.25, verbose: 0 })
 * console.log(history.loss.length, history.mae.length, history.valMae.length) // 3 3 3
 * ```
 */
export type History<M extends string = string> = Curves & { readonly [K in M | ValidationName<M>]: number[] }

/** The name of `name`'s curve on validation data. */
export function validationName(name: string): string {
  return `val${name.charAt(0).toUpperCase()}${name.slice(1)}`
}

/** Collects epoch after epoch; `names` are the outputs of a step, the loss first. */
export class HistoryRecorder {
  readonly #names: readonly string[]
  readonly #epoch: number[] = []
  readonly #curves: Record<string, number[]> = {}
  readonly #record: Record<string, number[]> = {}

  constructor(names: readonly string[]) {
    this.#names = names
    for (const name of names) {
      this.#curves[name] = []
      this.#curves[validationName(name)] = []
    }
  }

  /** The numbers of one epoch by name, in the order in which they are shown. */
  logs(values: readonly number[], validation: readonly number[] | null): [string, number][] {
    const training = this.#names.map((name, i): [string, number] => [name, values[i] ?? Number.NaN])
    if (validation === null) return training
    const validated = this.#names.map((name, i): [string, number] => [
      validationName(name),
      validation[i] ?? Number.NaN,
    ])
    return [...training, ...validated]
  }

  add(epoch: number, values: readonly number[], validation: readonly number[] | null): void {
    this.#epoch.push(epoch)
    for (const [name, value] of this.logs(values, validation)) {
      const curve = (this.#curves[name] ??= [])
      curve.push(value)
      this.#record[name] = curve
    }
  }

  finish<M extends string>(): History<M> {
    // The names were given at run time; the caller's type of metrics says the same names.
    return { ...this.#curves, epoch: this.#epoch, history: this.#record } as unknown as History<M>
  }
}

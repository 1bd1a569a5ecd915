import type { InspectOptions } from 'node:util'
import { curves } from '../plot/curves.js'
import { endingOf, writeWhole } from '../plot/writing.js'
import { requireOptions } from '../tensor/checks.js'
import { table } from './sparkline.js'

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
  /** For each curve the epochs to which its numbers belong: fewer than `epoch` where a validation did not follow each. */
  readonly epochs: Readonly<Record<string, number[]>>
}

/** How `save` draws a history. */
export interface HistoryPictureOptions {
  /** Above the picture; nothing by default. */
  readonly title?: string | undefined
  /** `'linear'` (default), or `'log'` for positive numbers. */
  readonly yScale?: 'linear' | 'log' | undefined
}

const endings = ['svg', 'png', 'csv', 'json'] as const

/**
 * What a training recorded; printed, it is a table with a small curve for each number.
 *
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
 * const history = await model.fit(zeros([8, 2]), zeros([8, 1]), { epochs: 3, verbose: 0 })
 * console.log(String(history).split('\n')[0]) // History of 3 epochs
 * ```
 */
export class RecordedHistory implements Curves {
  declare readonly epoch: number[]
  declare readonly loss: number[]
  declare readonly valLoss: number[]
  declare readonly history: Readonly<Record<string, number[]>>
  declare readonly epochs: Readonly<Record<string, number[]>>

  /** @internal `all` has a list, maybe empty, for each name that could be recorded. */
  constructor(
    epoch: number[],
    history: Readonly<Record<string, number[]>>,
    epochs: Readonly<Record<string, number[]>>,
    all: Readonly<Record<string, number[]>>,
  ) {
    // A metric called `save` stays readable under `history`.
    for (const [name, curve] of Object.entries({ loss: [], valLoss: [], ...all, epoch }))
      if (!(name in RecordedHistory.prototype))
        Object.defineProperty(this, name, { value: curve, enumerable: true, configurable: true })
    for (const [name, value] of Object.entries({ history, epochs }))
      Object.defineProperty(this, name, { value, enumerable: true, configurable: true })
  }

  /**
   * Writes the curves as the file's name says: `.svg` and `.png` a picture with a panel for the loss and one for each
   * metric, `.csv` a row per epoch with empty cells where nothing was measured, `.json` what `toJSON` gives. The
   * file is replaced as a whole or not at all, its folder made where it is missing.
   *
   * @param path - where to
   * @param options - of pictures: `title`, `yScale`
   * @throws ValueError for another ending, and for a picture when the optional packages that draw it are missing (the
   * message has the npm line)
   * @throws FileError for a file that cannot be written; the old one is as it was
   * @example
   * ```ts
   * import { readFileSync } from 'node:fs'
   * import { nn, zeros } from 'neuroxide'
   * const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
   * const history = await model.fit(zeros([8, 2]), zeros([8, 1]), { epochs: 3, verbose: 0 })
   * await history.save('history.csv')
   * console.log(readFileSync('history.csv', 'utf8').split('\n')[0]) // epoch,loss
   * ```
   */
  async save(path: string, options: HistoryPictureOptions = {}): Promise<void> {
    const op = 'history.save'
    const ending = endingOf(op, path, endings)
    requireOptions(op, options, ['title', 'yScale'])
    if (ending === 'csv') return await writeWhole(op, path, this.#csv())
    if (ending === 'json') return await writeWhole(op, path, `${JSON.stringify(this, null, 2)}\n`)
    const picture = curves(this, options)
    await writeWhole(op, path, ending === 'svg' ? await picture.svg() : await picture.png())
  }

  /** The epochs and all recorded curves as plain data; JSON writes numbers that are not finite as null. */
  toJSON(): { epoch: number[]; history: Record<string, number[]>; epochs: Record<string, number[]> } {
    return { epoch: this.epoch, history: { ...this.history }, epochs: { ...this.epochs } }
  }

  toString(): string {
    return table(this.epoch, this.#rows(), (text) => text)
  }

  /** What `console.log` prints; nothing but text unless the console has colours. */
  [Symbol.for('nodejs.util.inspect.custom')](depth: number, options: InspectOptions & Styled): string {
    if (depth < 0) return '[History]'
    return table(this.epoch, this.#rows(), (text) => options.stylize?.(text, 'special') ?? text)
  }

  /** Each curve with an entry for each epoch, undefined where nothing was measured. */
  #rows(): Record<string, (number | undefined)[]> {
    const rows = Object.entries(this.history).map(([name, curve]) => {
      const epochs = this.epochs[name] ?? []
      const measured = new Map(epochs.map((epoch, i) => [epoch, curve[i]]))
      return [name, this.epoch.map((epoch) => measured.get(epoch))] as const
    })
    return Object.fromEntries(rows)
  }

  #csv(): string {
    const curves = Object.entries(this.#rows())
    const cell = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
    const rows = this.epoch.map((epoch, i) => [
      String(epoch),
      ...curves.map(([, values]) => String(values[i] ?? '')),
    ])
    return `${[['epoch', ...curves.map(([name]) => cell(name))], ...rows].map((row) => row.join(',')).join('\n')}\n`
  }
}

interface Styled {
  readonly stylize?: (text: string, style: 'special') => string
}

/**
 * The curves that `fit` resolves with: one array per number, one element per epoch.
 *
 * `console.log(history)` prints them as a table, `history.save(path)` writes them as a picture or as data.
 *
 * @example
 * ```ts
 * import { nn, zeros } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse', metrics: ['mae'] })
 * const history = await model.fit(zeros([8, 2]), zeros([8, 1]), { epochs: 3, validationSplit: 0.25, verbose: 0 })
 * console.log(history.loss.length, history.mae.length, history.valMae.length) // 3 3 3
 * ```
 */
export type History<M extends string = string> = RecordedHistory & {
  readonly [K in M | ValidationName<M>]: number[]
}

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
  readonly #epochs: Record<string, number[]> = {}

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
      ;(this.#epochs[name] ??= []).push(epoch)
    }
  }

  finish<M extends string>(): History<M> {
    // The names were given at run time; the caller's type of metrics says the same names.
    return new RecordedHistory(this.#epoch, this.#record, this.#epochs, this.#curves) as unknown as History<M>
  }
}

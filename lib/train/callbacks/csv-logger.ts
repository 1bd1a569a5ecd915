import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ValueError } from '../../errors.js'
import { Options } from '../../options.js'
import { shown } from '../../tensor/create.js'
import { Callback, type Logs } from '../callback.js'
import { validationName } from '../history.js'
import { requireSaved } from './saved.js'

export interface CSVLoggerOptions {
  /** What stands between the numbers of a row: one character; `','` by default. */
  readonly separator?: string | undefined
  /** Whether rows are added to a file that is there; by default it is overwritten. */
  readonly append?: boolean | undefined
}

const op = 'callbacks.CSVLogger'

/**
 * Writes a row after each epoch: its number, from 0, and what it ended with; `NA` where there is no number.
 *
 * A training that is resumed goes on in the file, whatever `append` says, and rows of epochs that it repeats are
 * replaced.
 *
 * @throws ValueError for options out of range, for a file that cannot be written, and for one that has other columns
 * @see Keras's `CSVLogger`, whose columns and order it has
 * @example
 * ```ts
 * import { mkdtempSync, readFileSync } from 'node:fs'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { callbacks, nn, randn } from 'neuroxide'
 * const path = join(mkdtempSync(join(tmpdir(), 'log-')), 'log.csv')
 * const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'adam', loss: 'mse' })
 * const logger = new callbacks.CSVLogger(path)
 * await model.fit(randn([64, 3]), randn([64, 1]), { epochs: 2, callbacks: [logger], verbose: 0 })
 * console.log(readFileSync(path, 'utf8').split('\n')[0]) // epoch,loss,valLoss
 * ```
 */
export class CSVLogger extends Callback {
  readonly #path: string
  readonly #separator: string
  readonly #append: boolean
  /** Null until the first row of a training. */
  #columns: readonly string[] | null = null
  #resumed = false

  constructor(path: string, options: CSVLoggerOptions = {}) {
    super()
    if (typeof path !== 'string' || path === '')
      throw new ValueError(`${op}: ${shown(path)} as path; expected that of a file.`)
    const read = new Options(op, options, ['separator', 'append'])
    this.#path = path
    this.#separator = read.text('separator', ',')
    if (this.#separator.length !== 1 || /["\n\r]/.test(this.#separator))
      read.fail('separator', 'one character that is no quote and no end of a line')
    this.#append = read.flag('append', false)
  }

  override onTrainBegin(): void {
    this.#columns = null
    this.#resumed = false
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const names = Object.keys(logs)
    this.#columns ??= attempt(() => this.#opened(epoch, names))
    const columns = this.#columns
    const unknown = names.find((name) => !columns.includes(name))
    if (unknown !== undefined)
      throw new ValueError(
        `${op}: ${this.#path} has no column ${shown(unknown)}; expected a file of a training that measures the same.`,
      )
    const row = columns.map((name) => (name === 'epoch' ? epoch : (logs[name] ?? 'NA')))
    attempt(() => appendFileSync(this.#path, this.#line(row)))
  }

  /** The columns of the file, which is made where it is not kept. */
  #opened(epoch: number, names: readonly string[]): string[] {
    mkdirSync(dirname(this.#path), { recursive: true })
    if ((this.#append || this.#resumed) && existsSync(this.#path)) {
      const [header, ...rows] = readFileSync(this.#path, 'utf8')
        .split(/\r?\n/)
        .filter((line) => line !== '')
      if (header !== undefined) {
        const kept = rows.filter((row) => !this.#resumed || Number.parseInt(row, 10) < epoch)
        writeFileSync(this.#path, [header, ...kept].map((line) => `${line}\n`).join(''))
        return this.#cells(header)
      }
    }
    const columns = ['epoch', ...columnsOf(names)]
    writeFileSync(this.#path, this.#line(columns))
    return columns
  }

  #line(cells: readonly (string | number)[]): string {
    const quoted = (cell: string): string =>
      cell.includes(this.#separator) || /["\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
    return `${cells.map((cell) => quoted(String(cell))).join(this.#separator)}\n`
  }

  /** The names of a header that this class wrote. */
  #cells(header: string): string[] {
    const cells: string[] = []
    let rest = header
    while (rest !== '') {
      const quoted = /^"((?:[^"]|"")*)"/.exec(rest)
      const end = quoted === null ? rest.indexOf(this.#separator) : quoted[0].length
      const until = end < 0 ? rest.length : end
      cells.push(quoted === null ? rest.slice(0, until) : (quoted[1] ?? '').replaceAll('""', '"'))
      rest = rest.slice(until + 1)
    }
    return cells
  }

  override state(): { readonly rows: boolean } {
    return { rows: true }
  }

  override loadState(state: unknown): void {
    this.#resumed = requireSaved<{ rows: boolean }>(op, state, { rows: 'boolean' }).rows
  }
}

/** Sorted; a training that has no validation after its first epoch may have one later. */
function columnsOf(names: readonly string[]): string[] {
  const sorted = names.toSorted()
  return sorted.some((name) => /^val[A-Z]/.test(name)) ? sorted : [...sorted, ...sorted.map(validationName)]
}

function attempt<T>(body: () => T): T {
  try {
    return body()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === undefined || error instanceof ValueError) throw error
    throw new ValueError(`${op}: ${message}; expected a file that can be written.`, { cause: error })
  }
}

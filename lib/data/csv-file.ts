import { createReadStream } from 'node:fs'
import type { Readable, Transform } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type CsvError, type Info, type Options, parse } from 'csv-parse'
import { shown } from '../tensor/create.js'
import type { CellProblem } from './cell.js'
import { type Charset, CharsetProblem, charsets } from './charset.js'
import { Decoding } from './decoding.js'
import { DataError, reasonOf } from './data-error.js'

type Stream = Readable | Transform

/** What is read at once: parsing as much takes a millisecond or two, and in between others run. */
const PIECE = 1 << 15

/** A row that is longer has lost its closing quote, and would take the rest of the file with it. */
const LONGEST_ROW = 64 * 2 ** 20

export interface CsvFormat {
  /** Whether the first row has the names of the columns; or their names, where no row has. `true` by default. */
  readonly header?: boolean | readonly string[] | undefined
  /** What stands between two values; `','` by default, and a tab for files that end in `.tsv`. */
  readonly separator?: string | undefined
  /**
   * How the file's characters are written: `'utf8'` by default, `'latin1'` or `'utf16le'`. A file with the byte order
   * mark of UTF-16 is read as that.
   */
  readonly charset?: Charset | undefined
}

/** A CSV file that is read row by row, as often as it is asked for. */
export class CsvFile {
  readonly #op: string
  readonly path: string
  readonly #separator: string
  readonly #charset: Charset
  readonly #header: boolean | readonly string[]
  #names: readonly string[] = []

  private constructor(op: string, path: string, format: CsvFormat) {
    this.#op = op
    this.path = path
    this.#header = format.header ?? true
    this.#charset = format.charset ?? 'utf8'
    this.#separator = format.separator ?? (/\.tsv(?:\.gz)?$/i.test(path) ? '\t' : ',')
  }

  /** Reads the names of the columns. */
  static async open(op: string, path: string, format: CsvFormat): Promise<CsvFile> {
    const file = new CsvFile(op, path, format)
    let first: readonly string[] | null = null
    for await (const row of file.#records<string[]>({})) {
      first = row
      break
    }
    if (first === null) throw file.#error('an empty file', 'a row of names and rows of values')
    file.#names = file.#named(first)
    return file
  }

  /** The names of the columns, all different. */
  get names(): readonly string[] {
    return this.#names
  }

  #named(first: readonly string[]): readonly string[] {
    const header = this.#header
    // As pandas calls the index that it writes without a name.
    if (header === true) {
      const names = first.map((name, i) => (name.trim() === '' ? `Unnamed: ${i}` : name.trim()))
      const twice = names.find((name, i) => names.indexOf(name) !== i)
      if (twice !== undefined) {
        const places = names.flatMap((name, i) => (name === twice ? [i + 1] : []))
        throw this.#error(
          `${shown(twice)} as name of the columns ${places.join(' and ')}`,
          `a name of its own for each. Name them yourself: { header: ['a', 'b', …] } after you have taken the first line away`,
          { line: 1, column: twice },
        )
      }
      return names
    }
    if (header === false) return first.map((_, i) => String(i))
    if (header.length !== first.length)
      throw this.#error(`${header.length} names in header for ${first.length} columns`, 'a name for each', {
        line: 1,
      })
    return header
  }

  /** The rows of values, all as long as there are columns. */
  async *rows(): AsyncGenerator<readonly string[], void, undefined> {
    let row = this.#header === true ? -1 : 0
    for await (const values of this.#records<string[]>({})) {
      if (row >= 0) {
        if (values.length !== this.#names.length)
          throw this.#error(
            `${values.length} values`,
            `${this.#names.length}, as many as there are columns. Values that hold ${shown(this.#separator)} are put in quotes`,
            { line: await this.#lineOf(row), row },
          )
        yield values
      }
      row++
    }
  }

  /** The error of a value in a row; null stands for the column as a whole. */
  async problem(row: number | null, { column, given, expected }: CellProblem): Promise<DataError> {
    if (row === null) return this.#error(given, expected, { column })
    return this.#error(given, expected, { column, line: await this.#lineOf(row), row })
  }

  /** The error of the file as a whole. */
  failure(given: string, expected: string): DataError {
    return this.#error(given, expected)
  }

  #error(
    given: string,
    expected: string,
    place: { readonly line?: number | undefined; readonly column?: string; readonly row?: number } = {},
    cause?: unknown,
  ): DataError {
    const where = [
      this.path,
      ...(place.line === undefined ? [] : [`line ${place.line}`]),
      ...(place.column === undefined ? [] : [`column ${shown(place.column)}`]),
    ].join(', ')
    return new DataError(
      `${this.#op}: ${where}: ${given}; expected ${expected}.`,
      { file: this.path, ...place },
      cause === undefined ? undefined : { cause },
    )
  }

  /**
   * The line in which a row ends. Counting lines takes as long as parsing, so it is done when there is something to be
   * told: the file is read again up to the row.
   */
  async #lineOf(row: number): Promise<number | undefined> {
    let left = row + (this.#header === true ? 1 : 0)
    for await (const { info } of this.#records<{ info: Info }>({ info: true }))
      if (left-- === 0) return info.lines
    return undefined
  }

  async *#records<T>(more: Options): AsyncGenerator<T, void, undefined> {
    const file = createReadStream(this.path, { highWaterMark: PIECE })
    const parser = parse({
      bom: true,
      delimiter: this.#separator,
      // All three, so that a file that mixes them is read too.
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: LONGEST_ROW,
      ...more,
    })
    const decoding = new Decoding(this.#charset)
    const stages: Stream[] = /\.gz$/i.test(this.path)
      ? [file, createGunzip(), decoding, parser]
      : [file, decoding, parser]
    // An error of any of them is thrown by the last, which is the one that is read.
    for (const [i, stage] of stages.entries()) {
      stage.on('error', (error: Error) => parser.destroy(error))
      if (i > 0) (stages[i - 1] as Stream).pipe(stage as Transform)
    }
    try {
      for await (const record of parser.iterator({ destroyOnReturn: false })) yield record as T
    } catch (error) {
      // Where a row began that does not end, only the row before it knows.
      throw more.info === true ? error : this.#damage(error, await this.#lastLine())
    } finally {
      for (const stage of stages) stage.destroy()
      if (!file.closed) await new Promise<void>((resolve) => file.once('close', () => resolve()))
    }
  }

  /** The line in which the last row ends that can be read. */
  async #lastLine(): Promise<number> {
    let last = 0
    try {
      for await (const { info } of this.#records<{ info: Info }>({ info: true })) last = info.lines
    } catch {
      // It is the error that is being told of.
    }
    return last
  }

  #damage(error: unknown, lastLine: number): DataError {
    if (error instanceof CharsetProblem) {
      const others = charsets
        .filter((name) => name !== error.charset)
        .map((name) => `{ charset: '${String(name)}' }`)
      return this.#error(
        error.message,
        `${error.charset}. Say how the file's characters are written: ${others.join(' or ')}`,
        { line: error.line },
        error,
      )
    }
    const { code } = error as Partial<CsvError>
    const line = { line: lastLine + 1 }
    const text = String(code)
    if (text === 'CSV_QUOTE_NOT_CLOSED')
      return this.#error('a quote that is not closed', 'one more quote before the end', line, error)
    if (text === 'CSV_MAX_RECORD_SIZE')
      return this.#error(
        `a row of more than ${LONGEST_ROW / 2 ** 20} MiB`,
        'shorter rows. Is a quote not closed?',
        line,
        error,
      )
    if (text === 'CSV_INVALID_CLOSING_QUOTE' || text === 'INVALID_OPENING_QUOTE')
      return this.#error(
        'a quote in the middle of a value',
        'quotes around the whole value, and two for one within',
        line,
        error,
      )
    if (text.startsWith('Z_')) return this.#error(reasonOf(error), 'a whole gzip file', {}, error)
    return this.#error(reasonOf(error), 'a file that can be read', {}, error)
  }
}

import { ValueError } from '../errors.js'
import { Origin } from '../errors/origin.js'
import type { Tensor } from '../tensor.js'
import { shown } from '../tensor/create.js'
import { CellProblem } from './cell.js'
import { charsets } from './charset.js'
import { CsvFile, type CsvFormat } from './csv-file.js'
import type { DataError } from './data-error.js'
import type { Preprocessing } from './preprocessing.js'
import { Pipeline } from './stream.js'
import { type Table, TableWriter } from './table.js'
import {
  isDropped,
  type Plan,
  planOf,
  requireTableOptions,
  type TableOptions,
  TableScan,
} from './table-plan.js'

export interface CsvOptions<T extends string | readonly string[] = string | readonly string[]>
  extends TableOptions<T>, CsvFormat {}

/** A row of a table as it streams by, in plain arrays. */
export interface TableSample {
  /** The inputs, one number per column. */
  readonly x: Float32Array
  /** A class index for one column of categories, an array for columns of numbers, a record of both for several. */
  readonly y: number | Float32Array | Readonly<Record<string, number | Float32Array>>
}

/** A row of a table with one target. */
export interface SingleTargetSample extends TableSample {
  readonly y: number | Float32Array
}

/**
 * A CSV file as a table of tensors in memory.
 *
 * The file is read twice, in pieces: for what its columns hold, then for the values. A column is one of numbers, of
 * booleans (`true`, `false`), of dates (ISO 8601, as days since 1970) if all its values are, or else one of categories,
 * whose indices follow the sorted texts. Empty values, `NA`, `NaN`, `null` and the like are missing, which is an error
 * unless `missing` says otherwise; so is a text among ten or more values of which nine in ten are numbers. Lines end in any way, blank lines are
 * skipped, a byte order mark is too, and files that end in `.gz` are decompressed.
 *
 * @param path - the file
 * @param options - `target`: the column to predict, or several; `columns`: inputs (all others); `types`: `'number'`,
 * `'boolean'`, `'date'` or `'category'` by column; `missing`: `'error'` (default), `'drop'`, `'mean'`, `'median'`,
 * `'mode'`, a number, or one of them or `{ value }` by column; `missingValues`: more texts for it; `categories`: those of
 * a column in their order; `encoding`: `'index'` (default) or `'oneHot'` for categories among inputs; `unknown`;
 * `preprocessing`: that of another table; `header`: `true` (default), `false` or the names; `separator`: `','`;
 * `charset`: `'utf8'` (default), `'latin1'` or `'utf16le'`
 * @returns `{ x, y, columns, classes, preprocessing, length }`, a data set for `fit`
 * @throws DataError with file, line and column, for a file that is missing, empty or damaged and a value that does not fit
 * @throws ValueError for options that do not fit the columns
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs'
 * import { data } from 'neuroxide'
 * writeFileSync('plants.csv', 'height,color,kind\n1.5,red,rose\n0.5,blue,iris\n1.2,red,rose\n')
 * const table = await data.csv('plants.csv', { target: 'kind' })
 * console.log(table.columns, table.classes) // [ 'height', 'color' ] [ 'iris', 'rose' ]
 * console.log(table.x.shape, table.y.toArray()) // [ 3, 2 ] [ 1, 0, 1 ]
 * ```
 */
export function csv(
  path: string,
  options: CsvOptions<string> & { readonly target: string },
): Promise<Table<Tensor>>
export function csv(path: string, options?: CsvOptions): Promise<Table>
export async function csv(path: string, options: CsvOptions = {}): Promise<Table> {
  return await new Origin().during(async () => {
    const { file, plan, preprocessing } = await opened('data.csv', path, options)
    const known = preprocessing ?? (await scanned(file, plan)).preprocessing
    const writer = new TableWriter(plan, known)
    await eachRow(file, (values) => writer.add(values))
    if (writer.rows === 0) throw withoutRows(file)
    return writer.finish()
  })
}

/**
 * A CSV file whose rows stream by, for files that do not fit into memory: a pipeline of `{ x, y }`, read anew each epoch.
 *
 * What columns hold is found out in a pass over the whole file before, unless `preprocessing` says it; memory stays
 * bounded but for `'median'` and `'mode'`, which count the different values of their column. Everything else is as in
 * {@link csv}.
 *
 * @param path - the file
 * @param options - those of {@link csv}
 * @returns a pipeline with `columns`, `classes`, `preprocessing` and, after that pass, `rows`
 * @throws DataError and ValueError as {@link csv} does
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs'
 * import { data } from 'neuroxide'
 * writeFileSync('stream.csv', 'height,color,kind\n1.5,red,rose\n0.5,blue,iris\n1.2,red,rose\n')
 * const rows = await data.csvStream('stream.csv', { target: 'kind' })
 * console.log(rows.rows, rows.classes) // 3 [ 'iris', 'rose' ]
 * for await (const { x, y } of rows.shuffle(1000, { seed: 1 }).batch(2)) console.log(x.shape, y.dtype) // [ 2, 2 ] i32 [ 1, 2 ] i32
 * ```
 */
export function csvStream(
  path: string,
  options: CsvOptions<string> & { readonly target: string },
): Promise<TableStream<SingleTargetSample>>
export function csvStream(path: string, options?: CsvOptions): Promise<TableStream>
export async function csvStream(path: string, options: CsvOptions = {}): Promise<TableStream> {
  return await new Origin().during(async () => {
    const { file, plan, preprocessing } = await opened('data.csvStream', path, options)
    if (preprocessing !== undefined) return new TableStream(file, plan, preprocessing, null)
    const scan = await scanned(file, plan)
    if (scan.rows === 0) throw withoutRows(file)
    return new TableStream(file, plan, scan.preprocessing, scan.rows)
  })
}

/** Rows of a CSV file as a pipeline, with what is known of its columns; `data.csvStream` makes one. */
export class TableStream<S extends TableSample = TableSample> extends Pipeline<S> {
  /** How raw records become inputs of the same kind; `model.preprocessing = …` saves it with a model. */
  readonly preprocessing: Preprocessing
  /** How many rows there are; null where no pass has counted them. */
  readonly rows: number | null

  /** @internal */
  constructor(file: CsvFile, plan: Plan, preprocessing: Preprocessing, rows: number | null) {
    const { targets } = preprocessing.schema
    const classes = targets.filter(({ type }) => type === 'category')
    const types = classes.map(({ name }) => [targets.length === 1 ? 'y' : `y.${name}`, 'i32'] as const)
    const samples = sampler(plan, preprocessing)
    super(() => streamed<S>(file, plan, samples as (values: readonly unknown[]) => S), {
      types: Object.fromEntries(types),
      reordered: false,
    })
    this.preprocessing = preprocessing
    this.rows = rows
  }

  /** The names of the columns of `x`. */
  get columns(): readonly string[] {
    return this.preprocessing.columns
  }

  /** The names of the classes in the order of their indices, where `y` is one column of categories; else null. */
  get classes(): readonly string[] | null {
    return this.preprocessing.classes
  }
}

interface Opened {
  readonly file: CsvFile
  readonly plan: Plan
  readonly preprocessing: Preprocessing | undefined
}

async function opened(op: string, path: string, options: CsvOptions): Promise<Opened> {
  if (typeof path !== 'string') throw new ValueError(`${op}: ${shown(path)} as path; expected a text.`)
  requireTableOptions(op, options, ['header', 'separator', 'charset'])
  const { header, separator, charset, preprocessing } = options
  const named = Array.isArray(header) && header.every((name) => typeof name === 'string')
  if (header !== undefined && typeof header !== 'boolean' && !named)
    throw new ValueError(`${op}: ${shown(header)} as header; expected true, false or an array of names.`)
  if (separator !== undefined && (typeof separator !== 'string' || separator === ''))
    throw new ValueError(`${op}: ${shown(separator)} as separator; expected a text such as ';'.`)
  if (charset !== undefined && !charsets.includes(charset))
    throw new ValueError(`${op}: ${shown(charset)} as charset; expected 'utf8', 'latin1' or 'utf16le'.`)
  const file = await CsvFile.open(op, path, options)
  return { file, plan: planOf(op, file.names, options), preprocessing }
}

/** Goes through all rows; a problem in one becomes an error with its line. */
async function eachRow(
  file: CsvFile,
  body: (values: readonly unknown[], row: number) => void,
): Promise<void> {
  let row = 0
  for await (const values of file.rows()) {
    try {
      body(values, row)
    } catch (error) {
      throw error instanceof CellProblem ? await file.problem(row, error) : error
    }
    row++
  }
}

async function scanned(
  file: CsvFile,
  plan: Plan,
): Promise<{ readonly preprocessing: Preprocessing; readonly rows: number }> {
  let scan = new TableScan(plan)
  for (;;) {
    const pass = scan
    await eachRow(file, (values, row) => pass.add(values, row))
    const mistake = pass.mistake()
    if (mistake !== null) throw await file.problem(mistake.row, mistake.problem)
    const next = pass.again()
    if (next === null) break
    scan = next
  }
  if (scan.rows === 0) throw withoutRows(file)
  try {
    return { preprocessing: scan.finish(), rows: scan.rows }
  } catch (error) {
    throw error instanceof CellProblem ? await file.problem(null, error) : error
  }
}

function withoutRows(file: CsvFile): DataError {
  return file.failure('no row of values, or a missing value in each', 'at least one row')
}

/** What makes samples of raw rows. */
function sampler(plan: Plan, preprocessing: Preprocessing): (values: readonly unknown[]) => TableSample {
  const { targets } = preprocessing.schema
  const one = (values: readonly unknown[], i: number): number =>
    preprocessing.targetNumber(i, values[plan.targets[i] as number])
  const mixed = targets.length > 1 && targets.some(({ type }) => type === 'category')
  const target = (values: readonly unknown[], x: Float32Array): TableSample['y'] => {
    if (targets.length === 0) return x
    if (targets.length === 1 && targets[0]?.type === 'category') return one(values, 0)
    if (!mixed) return Float32Array.from(targets, (_, i) => one(values, i))
    const entries = targets.map(({ name, type }, i) => {
      const value = one(values, i)
      return [name, type === 'category' ? value : Float32Array.of(value)] as const
    })
    return Object.fromEntries(entries)
  }
  return (values) => {
    const x = new Float32Array(preprocessing.columns.length)
    preprocessing.writeInputs((i) => values[plan.inputs[i] as number], x, 0)
    return { x, y: target(values, x) }
  }
}

async function* streamed<S>(
  file: CsvFile,
  plan: Plan,
  sample: (values: readonly unknown[]) => S,
): AsyncGenerator<S, void, undefined> {
  let row = 0
  for await (const values of file.rows()) {
    if (!isDropped(plan, values)) {
      let made: S
      try {
        made = sample(values)
      } catch (error) {
        throw error instanceof CellProblem ? await file.problem(row, error) : error
      }
      yield made
    }
    row++
  }
}

import { ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { shown } from '../tensor/create.js'
import { CellProblem, isRecord, strangeRecord } from './cell.js'
import { DataError } from './data-error.js'
import type { Tensors } from './dataset.js'
import type { Preprocessing, RawRecord } from './preprocessing.js'
import { type Table, TableWriter } from './table.js'
import { type Plan, planOf, requireTableOptions, type TableOptions, TableScan } from './table-plan.js'

/**
 * Records in memory, such as the rows of a database, as a table of tensors.
 *
 * What a column holds is found out over all records, as `data.csv` does: numbers (also as texts), booleans, dates
 * (`Date` objects and ISO 8601 texts, as days since 1970), or else categories, whose indices follow the sorted texts.
 * `undefined`, `null`, `NaN`, `''`, `'NA'` and the like are missing values, which are an error unless `missing` says
 * otherwise.
 *
 * @param records - objects with a value for each column: their own properties are read, of whatever class they are
 * @param options - `target`, `columns`, `types`, `missing`, `missingValues`, `categories`, `encoding`, `unknown`,
 * `preprocessing`
 * @returns `{ x, y, columns, classes, preprocessing, length }`, a data set for `fit`
 * @throws DataError with the record and the column, for a value that does not fit
 * @throws ValueError for options that do not fit the columns
 * @example
 * ```ts
 * import { data } from 'neuroxide'
 * const rows = [
 *   { age: 31, city: 'Rome', buys: true },
 *   { age: null, city: 'Oslo', buys: false },
 *   { age: 45, city: 'Rome', buys: true },
 * ]
 * const table = data.records(rows, { target: 'buys', missing: { age: 'mean' } })
 * console.log(table.x.toArray(), table.y.shape) // [ [ 31, 1 ], [ 38, 0 ], [ 45, 1 ] ] [ 3, 1 ]
 * ```
 */
export function records(
  records: readonly RawRecord[],
  options: TableOptions<string> & { readonly target: string },
): Table<Tensor>
export function records(records: readonly RawRecord[], options?: TableOptions): Table
export function records(list: readonly RawRecord[], options: TableOptions = {}): Table<Tensors> {
  const op = 'data.records'
  if (!Array.isArray(list)) throw new ValueError(`${op}: ${shown(list)}; expected an array of objects.`)
  requireTableOptions(op, options, [])
  const names = new Set<string>()
  for (const [row, record] of (list as readonly unknown[]).entries()) {
    if (!isRecord(record))
      throw new DataError(
        `${op}: record ${row}: ${strangeRecord(record)}; expected an object with a property for each column, such as { age: 31 }.`,
        { row },
      )
    for (const name of Object.keys(record)) names.add(name)
  }
  if (list.length === 0) throw new DataError(`${op}: no records; expected at least one.`)
  const plan = planOf(op, [...names], options)
  const values = (record: RawRecord): unknown[] =>
    plan.names.map((name) => (Object.hasOwn(record, name) ? record[name] : undefined))
  const each = (add: (values: readonly unknown[], row: number) => void): void => {
    for (const [row, record] of list.entries()) told(op, row, () => add(values(record), row))
  }
  const preprocessing = options.preprocessing ?? scanned(op, plan, each)
  const writer = new TableWriter(plan, preprocessing)
  each((row) => writer.add(row))
  if (writer.rows === 0)
    throw new DataError(`${op}: a missing value in each of ${list.length} records; expected some without.`)
  return writer.finish()
}

type Each = (add: (values: readonly unknown[], row: number) => void) => void

function scanned(op: string, plan: Plan, each: Each): Preprocessing {
  let scan = new TableScan(plan)
  for (;;) {
    each((values, row) => scan.add(values, row))
    const mistake = scan.mistake()
    if (mistake !== null) throw problemAt(op, mistake.row, mistake.problem)
    const next = scan.again()
    if (next === null) break
    scan = next
  }
  const last = scan
  return told(op, null, () => last.finish())
}

/** Runs what may meet a problem in a record. */
function told<T>(op: string, row: number | null, body: () => T): T {
  try {
    return body()
  } catch (error) {
    throw error instanceof CellProblem ? problemAt(op, row, error) : error
  }
}

function problemAt(op: string, row: number | null, { column, given, expected }: CellProblem): DataError {
  const where = row === null ? '' : `record ${row}, `
  return new DataError(`${op}: ${where}column ${shown(column)}: ${given}; expected ${expected}.`, {
    column,
    row: row ?? undefined,
  })
}

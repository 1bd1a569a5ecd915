import { TensorError } from '../errors.js'

/** Where the data is wrong, as far as it is known. */
export interface DataPlace {
  /** The file, as its path was given or found. */
  readonly file?: string | undefined
  /** The line of the file, counted from 1; the last one of a row that has several. */
  readonly line?: number | undefined
  /** The name of the column. */
  readonly column?: string | undefined
  /** The row, record or sample, counted from 0. */
  readonly row?: number | undefined
}

/**
 * Data that cannot be used as it is: a file that is missing or damaged, a cell that is no number, a row that a function
 * of a pipeline threw at. `file`, `line`, `column` and `row` say where, and `cause` what was thrown.
 *
 * @example
 * ```ts
 * import { data } from 'neuroxide'
 * try {
 *   data.records([{ age: 31, label: 'yes' }, { age: null, label: 'no' }], { target: 'label' })
 * } catch (error) {
 *   if (error instanceof data.DataError) console.log(error.code, error.row, error.column) // ERR_DATA 1 age
 * }
 * ```
 */
export class DataError extends TensorError {
  override readonly code = 'ERR_DATA'
  readonly file: string | undefined
  readonly line: number | undefined
  readonly column: string | undefined
  readonly row: number | undefined

  constructor(message: string, place: DataPlace = {}, options?: ErrorOptions) {
    super(message, options)
    this.file = place.file
    this.line = place.line
    this.column = place.column
    this.row = place.row
  }
}

/** What an error says, or what was thrown in its place. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

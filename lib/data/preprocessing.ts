import { ShapeError, ValueError } from '../errors.js'
import { isPlainRecord } from '../jit/arguments.js'
import type { Tensor } from '../tensor.js'
import { internal } from '../tensor/base.js'
import { requireTensor } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { fromTypedArray } from '../tensor/factories.js'
import type { JsonObject, JsonValue } from '../types/json.js'
import { categoryOf, CellProblem, isMissing, isRecord, strangeRecord } from './cell.js'
import { type Column, encoded } from './column.js'
import { DataError } from './data-error.js'
import type { Tensors } from './dataset.js'

/** How categories of inputs become numbers: an index each, or a column of zeros and ones for each category. */
export type Encoding = 'index' | 'oneHot'

/** What is done with a category that was not there before: an error, or zeros in all columns of a `'oneHot'` encoding. */
export type UnknownCategory = 'error' | 'zeros'

/** What a table knows of its columns. */
export interface Schema {
  readonly inputs: readonly Column[]
  readonly targets: readonly Column[]
  readonly encoding: Encoding
  readonly unknown: UnknownCategory
  /** Texts that stand for a missing value, beside those that always do. */
  readonly missingValues: readonly string[]
}

/** A record of raw values by the names of columns, as a CSV file, a form or a database gives them. */
export type RawRecord = Readonly<Record<string, unknown>>

const VERSION = 1

/**
 * How raw records become the inputs of a model, and its predictions names: what a table has learnt of its columns, to be
 * kept with the model that was trained on it. It is `preprocessing` of a table; `model.preprocessing = …` puts it into
 * the file that `model.save` writes.
 *
 * @example
 * ```ts
 * import { data } from 'neuroxide'
 * const table = data.records(
 *   [{ height: 1.9, color: 'red', kind: 'a' }, { height: 1.1, color: 'blue', kind: 'b' }],
 *   { target: 'kind' },
 * )
 * const { preprocessing } = table
 * console.log(preprocessing.inputs({ height: 1.5, color: 'red' }).toArray()) // [ [ 1.5, 1 ] ]
 * console.log(preprocessing.classes, preprocessing.labels([[0.1, 0.9]])) // [ 'a', 'b' ] [ 'b' ]
 * const again = data.Preprocessing.fromJSON(JSON.parse(JSON.stringify(preprocessing)))
 * console.log(again.columns) // [ 'height', 'color' ]
 * ```
 */
export class Preprocessing {
  /** @internal */
  readonly schema: Schema
  readonly #missing: ReadonlySet<string>
  readonly #indices: ReadonlyMap<Column, ReadonlyMap<string, number>>
  /** The names of the columns of inputs, as many as the inputs have numbers: `color=red` for one of `'oneHot'`. */
  readonly columns: readonly string[]

  /** @internal Tables make them; {@link Preprocessing.fromJSON} brings them back. */
  constructor(key: typeof internal, schema: Schema) {
    if (key !== internal)
      throw new ValueError(
        'data.Preprocessing: its own constructor was called; expected table.preprocessing or fromJSON.',
      )
    this.schema = schema
    this.#missing = new Set(schema.missingValues)
    const all = [...schema.inputs, ...schema.targets]
    this.#indices = new Map(
      all.map((column) => [column, new Map(column.categories?.map((text, index) => [text, index]))]),
    )
    this.columns = schema.inputs.flatMap((column) =>
      schema.encoding === 'oneHot' && column.categories !== undefined
        ? column.categories.map((category) => `${column.name}=${category}`)
        : [column.name],
    )
  }

  /** The names of the raw columns that inputs are made of. */
  get names(): readonly string[] {
    return this.schema.inputs.map(({ name }) => name)
  }

  /** The names of the columns that are predicted. */
  get targets(): readonly string[] {
    return this.schema.targets.map(({ name }) => name)
  }

  /** The names of the classes in the order of their indices, where one column of categories is predicted; else null. */
  get classes(): readonly string[] | null {
    const [target, ...others] = this.schema.targets
    return others.length === 0 ? (target?.categories ?? null) : null
  }

  /** The categories of a column in the order of their indices; null where it holds something else. */
  categories(column: string): readonly string[] | null {
    const found = [...this.schema.inputs, ...this.schema.targets].find(({ name }) => name === column)
    if (found === undefined)
      throw new ValueError(
        `Preprocessing.categories: there is no column ${shown(column)}; expected ${[...this.names, ...this.targets].join(', ')}.`,
      )
    return found.categories ?? null
  }

  /**
   * Raw records as inputs. Missing values are filled as those of the table were.
   *
   * @param records - one record or several, with a value for each input column; others are not looked at
   * @returns f32 `[n, columns]`, one row per record
   * @throws DataError with the record and the column, for a missing value that nothing fills, a category that the table
   * did not have, and a value of another kind
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * const { preprocessing } = data.records([{ a: 1, b: 2 }, { a: 3, b: 4 }], { target: 'b' })
   * console.log(preprocessing.inputs([{ a: '7' }, { a: 8 }]).toArray()) // [ [ 7 ], [ 8 ] ]
   * ```
   */
  inputs(records: RawRecord | readonly RawRecord[]): Tensor<[number, number], 'f32'> {
    const op = 'Preprocessing.inputs'
    const rows = requireRecords(op, records)
    const { inputs } = this.schema
    const values = new Float32Array(rows.length * this.columns.length)
    for (const [row, record] of rows.entries())
      at(op, row, () => this.writeInputs((i) => own(record, inputs[i] as Column), values, row))
    return fromTypedArray(values, [rows.length, this.columns.length] as [number, number])
  }

  /** @internal Writes the inputs of one row; `value` gives the raw value of the column of an index. */
  writeInputs(value: (column: number) => unknown, into: Float32Array, row: number): void {
    const { inputs, encoding } = this.schema
    let place = row * this.columns.length
    for (const [i, column] of inputs.entries()) {
      const number = this.#number(column, value(i))
      if (encoding === 'index' || column.categories === undefined) into[place++] = number
      else {
        if (number >= 0) into[place + number] = 1
        place += column.categories.length
      }
    }
  }

  /** @internal The number that stands for a raw value of a target. */
  targetNumber(target: number, value: unknown): number {
    return this.#number(this.schema.targets[target] as Column, value)
  }

  /**
   * The targets of raw records, as those of the table.
   *
   * @param records - one record or several, with a value for each target column
   * @returns i32 `[n]` of class indices for one column of categories, f32 `[n, targets]` for columns of numbers, and a
   * record of both by name for several of which one is of categories
   * @throws DataError as {@link Preprocessing.inputs} does
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * const { preprocessing } = data.records([{ a: 1, kind: 'x' }, { a: 3, kind: 'y' }], { target: 'kind' })
   * console.log(preprocessing.outputs({ kind: 'y' })) // tensor([1], i32[1])
   * ```
   */
  outputs(records: RawRecord | readonly RawRecord[]): Tensors {
    const op = 'Preprocessing.outputs'
    const rows = requireRecords(op, records)
    const { targets } = this.schema
    if (targets.length === 0) throw new ValueError(`${op}: a table without a target; expected one with.`)
    const numbers = targets.map((column, target) =>
      rows.map((record, row) => at(op, row, () => this.targetNumber(target, own(record, column)))),
    )
    return targetsOf(targets, numbers, rows.length)
  }

  /**
   * The names of the classes that a model predicts.
   *
   * @param prediction - scores `[n, classes]` of which the largest counts, `[n]` or `[n, 1]` of probabilities of the
   * second of two classes, or i32 indices `[n]`; the scores of one sample may be `[classes]`
   * @returns one name for each sample
   * @throws ValueError where the target has no classes
   * @throws ShapeError for scores of another number of classes
   * @example
   * ```ts
   * import { data, tensor } from 'neuroxide'
   * const { preprocessing } = data.records([{ a: 1, kind: 'x' }, { a: 3, kind: 'y' }], { target: 'kind' })
   * console.log(preprocessing.labels(tensor([[0.2, 0.8], [0.7, 0.3]]))) // [ 'y', 'x' ]
   * ```
   */
  labels(prediction: Tensor | readonly (readonly number[])[]): string[] {
    const op = 'Preprocessing.labels'
    const { classes } = this
    if (classes === null)
      throw new ValueError(`${op}: a target without classes; expected one column of categories.`)
    const scores = Array.isArray(prediction)
      ? fromTypedArray(Float32Array.from(prediction.flat() as number[]), [
          prediction.length,
          (prediction[0] as readonly number[] | undefined)?.length ?? 0,
        ])
      : prediction
    requireTensor(op, 'prediction', scores)
    return indicesOf(op, scores, classes.length).map(
      (index) =>
        classes[index] ??
        raise(
          new ShapeError(`${op}: class ${index} of ${classes.length}; expected 0 to ${classes.length - 1}.`),
        ),
    )
  }

  #number(column: Column, value: unknown): number {
    if (isMissing(value, this.#missing)) {
      if (column.fill === undefined)
        throw new CellProblem(
          column.name,
          'a missing value',
          column.categories === undefined ? `a ${column.type}` : `one of ${few(column.categories)}`,
        )
      return typeof column.fill === 'string' ? this.#index(column, column.fill) : column.fill
    }
    if (column.categories === undefined) return encoded(column.name, column.type, value)
    return this.#index(column, categoryOf(value))
  }

  #index(column: Column, text: string | null): number {
    const index = text === null ? undefined : this.#indices.get(column)?.get(text)
    if (index !== undefined) return index
    if (this.schema.unknown === 'zeros' && this.schema.inputs.includes(column)) return -1
    throw new CellProblem(
      column.name,
      `${shown(text)}, which the table did not have`,
      `one of ${few(column.categories ?? [])}`,
    )
  }

  /** What {@link Preprocessing.fromJSON} takes; `JSON.stringify` calls it. */
  toJSON(): JsonObject {
    const { inputs, targets, encoding, unknown, missingValues } = this.schema
    const plain = ({ name, type, categories, fill }: Column): JsonObject => ({
      name,
      type,
      ...(categories === undefined ? {} : { categories }),
      // JSON has no infinities.
      ...(fill === undefined ? {} : { fill: Math.abs(Number(fill)) === Infinity ? String(fill) : fill }),
    })
    return {
      version: VERSION,
      inputs: inputs.map(plain),
      targets: targets.map(plain),
      encoding,
      unknown,
      missingValues,
    }
  }

  /**
   * Brings back what {@link Preprocessing.toJSON} gave.
   *
   * @param json - the object, not its text
   * @throws DataError for anything else
   * @example
   * ```ts
   * import { data } from 'neuroxide'
   * const { preprocessing } = data.records([{ a: 1, b: 2 }], { target: 'b' })
   * console.log(data.Preprocessing.fromJSON(preprocessing.toJSON()).names) // [ 'a' ]
   * ```
   */
  static fromJSON(json: unknown): Preprocessing {
    return new Preprocessing(internal, readSchema(json))
  }
}

function raise(error: Error): never {
  throw error
}

/** Some of the categories, for a message. */
function few(categories: readonly string[]): string {
  const names = categories.slice(0, 8).map((category) => shown(category))
  return names.join(', ') + (categories.length > names.length ? `, … (${categories.length} in all)` : '')
}

function own(record: RawRecord, { name }: Column): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

function requireRecords(op: string, records: unknown): readonly RawRecord[] {
  const list: readonly unknown[] = Array.isArray(records) ? records : [records]
  const stranger = list.findIndex((record) => !isRecord(record))
  if (stranger >= 0)
    throw new ValueError(
      `${op}: ${strangeRecord(list[stranger])} as record ${stranger}; expected an object with a property for each column, such as { age: 31, city: 'Rome' }.`,
    )
  return list as readonly RawRecord[]
}

/** Runs what may meet a problem in a record. */
function at<T>(op: string, row: number, body: () => T): T {
  try {
    return body()
  } catch (error) {
    if (!(error instanceof CellProblem)) throw error
    const { column, given, expected } = error
    throw new DataError(`${op}: record ${row}, column ${shown(column)}: ${given}; expected ${expected}.`, {
      row,
      column,
    })
  }
}

/** Columns of numbers side by side, of categories by themselves. */
export function targetsOf(
  targets: readonly Column[],
  numbers: readonly ArrayLike<number>[],
  rows: number,
): Tensors {
  const [only] = targets
  const classes = ({ type }: Column): boolean => type === 'category'
  const one = (column: Column, values: ArrayLike<number>): Tensor =>
    classes(column)
      ? fromTypedArray(Int32Array.from(values))
      : fromTypedArray(Float32Array.from(values), [rows, 1])
  if (targets.length === 1) return one(only as Column, numbers[0] as ArrayLike<number>)
  if (targets.some(classes))
    return Object.fromEntries(
      targets.map((column, i) => [column.name, one(column, numbers[i] as ArrayLike<number>)]),
    )
  const joined = new Float32Array(rows * targets.length)
  for (const [i, values] of numbers.entries())
    for (let row = 0; row < rows; row++) joined[row * targets.length + i] = values[row] as number
  return fromTypedArray(joined, [rows, targets.length])
}

/** The class of each sample. */
function indicesOf(op: string, scores: Tensor, classes: number): number[] {
  const { shape, dtype } = scores
  const integers = dtype !== 'f32' && dtype !== 'f64'
  if (integers && shape.length === 1) return Array.from(scores.toTypedArray())
  const single = shape.length === 1 && shape[0] === classes
  const binary = classes === 2 && !single && (shape.length === 1 || (shape.length === 2 && shape[1] === 1))
  if (binary) return Array.from(scores.toTypedArray(), (probability) => (probability > 0.5 ? 1 : 0))
  const rows = single ? scores.unsqueeze(0) : scores
  if (rows.shape.length !== 2 || rows.shape[1] !== classes)
    throw new ShapeError(
      `${op}: a prediction [${shape.join(', ')}] for ${classes} classes; expected [n, ${classes}].`,
    )
  return Array.from(rows.argmax(1).toTypedArray())
}

const encodings: readonly unknown[] = ['index', 'oneHot']
const answers: readonly unknown[] = ['error', 'zeros']
const columnTypes: readonly unknown[] = ['number', 'boolean', 'date', 'category']

/** What a file says of a table; it may say anything. */
function readSchema(json: unknown): Schema {
  const fail = (what: string, expected: string): never => {
    throw new DataError(`Preprocessing.fromJSON: ${what}; expected ${expected}.`)
  }
  if (!isPlainRecord(json)) return fail(shown(json), 'the object that toJSON gave')
  const { version, inputs, targets, encoding, unknown, missingValues } = json
  if (version !== VERSION)
    fail(`version ${shown(version)}`, `${VERSION}: another version of the package wrote it`)
  if (!encodings.includes(encoding)) fail(`${shown(encoding)} as encoding`, encodings.join(' or '))
  if (!answers.includes(unknown)) fail(`${shown(unknown)} as unknown`, answers.join(' or '))
  if (!isTexts(missingValues)) return fail(`${shown(missingValues)} as missingValues`, 'texts')
  const columns = (list: unknown, what: string): Column[] => {
    if (!Array.isArray(list)) return fail(`${shown(list)} as ${what}`, 'a list of columns')
    return list.map((column: JsonValue) => {
      if (!isPlainRecord(column)) return fail(`${shown(column)} among ${what}`, 'a column')
      const { name, type, categories, fill } = column
      if (typeof name !== 'string') return fail(`${shown(name)} as name of a column`, 'a text')
      if (!columnTypes.includes(type))
        return fail(`${shown(type)} as type of ${shown(name)}`, columnTypes.join(', '))
      const named = type === 'category'
      if (named ? !isTexts(categories) : categories !== undefined)
        return fail(`${shown(categories)} as categories of ${shown(name)}`, named ? 'texts' : 'none')
      const number = fill === 'Infinity' || fill === '-Infinity' ? Number(fill) : fill
      if (fill !== undefined && typeof (named ? fill : number) !== (named ? 'string' : 'number'))
        return fail(`${shown(fill)} as fill of ${shown(name)}`, named ? 'a text' : 'a number')
      if (named && fill !== undefined && !(categories as readonly unknown[]).includes(fill))
        return fail(`${shown(fill)} as fill of ${shown(name)}`, 'one of its categories')
      return {
        name,
        type,
        ...(named ? { categories: categories as string[] } : {}),
        ...(fill === undefined ? {} : { fill: named ? fill : number }),
      } as Column
    })
  }
  return {
    inputs: columns(inputs, 'inputs'),
    targets: columns(targets, 'targets'),
    encoding: encoding as Encoding,
    unknown: unknown as UnknownCategory,
    missingValues: missingValues as string[],
  }
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

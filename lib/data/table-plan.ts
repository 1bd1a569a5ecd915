import { ValueError } from '../errors.js'
import { isPlainRecord } from '../jit/arguments.js'
import { internal } from '../tensor/base.js'
import { requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { type CellProblem, type ColumnType, isMissing } from './cell.js'
import { ColumnScan, type Missing } from './column.js'
import { type Encoding, Preprocessing, type UnknownCategory } from './preprocessing.js'

/** How the columns of a table become inputs and targets. */
export interface TableOptions<T extends string | readonly string[] = string | readonly string[]> {
  /** The column that is to be predicted, or several; without one, a table has its inputs as targets. */
  readonly target?: T | undefined
  /** The columns that become inputs, in this order; all but the target by default. */
  readonly columns?: readonly string[] | undefined
  /** What columns hold, where it is not to be found out. */
  readonly types?: Readonly<Record<string, ColumnType>> | undefined
  /** What happens with missing values, in all columns or by name; `'error'` by default, and for columns not named. */
  readonly missing?: Exclude<Missing, object> | Readonly<Record<string, Missing>> | undefined
  /** Texts that stand for a missing value, such as `'?'`, beside the usual ones. */
  readonly missingValues?: readonly string[] | undefined
  /** The categories of columns in the order of their indices; otherwise they are found, and sorted. */
  readonly categories?: Readonly<Record<string, readonly string[]>> | undefined
  /** How categories of inputs become numbers: `'index'` (default), or `'oneHot'`, a column for each. */
  readonly encoding?: Encoding | undefined
  /** What is done with unknown categories, of `categories` or later in `preprocessing.inputs`: `'error'` by default. */
  readonly unknown?: UnknownCategory | undefined
  /** That of another table, whose columns, categories and fillings are taken over: for test data. */
  readonly preprocessing?: Preprocessing | undefined
}

/** The names of {@link TableOptions}. */
export const tableOptions = [
  'target',
  'columns',
  'types',
  'missing',
  'missingValues',
  'categories',
  'encoding',
  'unknown',
  'preprocessing',
] as const

const types: readonly unknown[] = ['number', 'boolean', 'date', 'category']
const words: ReadonlySet<unknown> = new Set(['error', 'drop', 'mean', 'median', 'mode'])

/** What is done with which column of a table, by its place. */
export interface Plan {
  readonly names: readonly string[]
  readonly inputs: readonly number[]
  readonly targets: readonly number[]
  readonly absent: ReadonlySet<string>
  /** Columns in which a missing value leaves the row out. */
  readonly drops: readonly number[]
  readonly options: TableOptions
}

/** Refuses what cannot be meant, before anything is read. */
export function requireTableOptions(op: string, options: TableOptions, more: readonly string[]): void {
  requireOptions(op, options, [...tableOptions, ...more])
  const given: TableOptions = options ?? {}
  const fail = (value: unknown, what: string, expected: string): never => {
    throw new ValueError(`${op}: ${shown(value)} as ${what}; expected ${expected}.`)
  }
  const { target, columns, missing, missingValues, encoding, unknown, preprocessing } = given
  if (target !== undefined && typeof target !== 'string' && !areTexts(target))
    fail(target, 'target', 'the name of a column, or an array of names')
  if (columns !== undefined && (!areTexts(columns) || columns.length === 0))
    fail(columns, 'columns', 'an array of names')
  if (missingValues !== undefined && !areTexts(missingValues))
    fail(missingValues, 'missingValues', "an array of texts such as ['?']")
  if (encoding !== undefined && encoding !== 'index' && encoding !== 'oneHot')
    fail(encoding, 'encoding', "'index' or 'oneHot'")
  if (unknown !== undefined && unknown !== 'error' && unknown !== 'zeros')
    fail(unknown, 'unknown', "'error' or 'zeros'")
  if (unknown === 'zeros' && encoding !== 'oneHot')
    fail(unknown, 'unknown', "{ encoding: 'oneHot' } beside it: an index has no zeros")
  for (const name of ['types', 'categories'] as const) {
    const value: unknown = given[name]
    if (value !== undefined && !isPlainRecord(value)) fail(value, name, 'a record by the names of columns')
  }
  for (const [name, type] of Object.entries(given.types ?? {}))
    if (!types.includes(type))
      fail(type, `type of ${shown(name)}`, types.map((t) => `'${String(t)}'`).join(', '))
  for (const [name, list] of Object.entries(given.categories ?? {}))
    if (!areTexts(list) || new Set(list).size !== list.length)
      fail(list, `categories of ${shown(name)}`, 'an array of different texts')
  const policies = isPlainRecord(missing) ? Object.entries(missing) : [['all', missing] as const]
  for (const [name, policy] of policies)
    if (!isPolicy(policy, isPlainRecord(missing)))
      fail(
        policy,
        `missing of ${name}`,
        "'error', 'drop', 'mean', 'median', 'mode', a number or, by column, { value }",
      )
  if (preprocessing !== undefined) {
    if (!(preprocessing instanceof Preprocessing))
      fail(preprocessing, 'preprocessing', 'that of another table: table.preprocessing')
    const other = (['target', 'columns', 'types', 'categories', 'encoding', 'unknown'] as const).find(
      (name) => given[name] !== undefined,
    )
    if (other !== undefined)
      throw new ValueError(`${op}: preprocessing and ${other}; expected one of the two: it has its own.`)
  }
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

function isPolicy(policy: unknown, byColumn: boolean): boolean {
  if (policy === undefined || words.has(policy)) return true
  if (typeof policy === 'number') return !Number.isNaN(policy)
  if (!byColumn || !isPlainRecord(policy)) return false
  const { value, ...rest } = policy
  return Object.keys(rest).length === 0 && ['number', 'string', 'boolean'].includes(typeof value)
}

/** What is done with missing values of a column. A target is never made up unless its own name says so. */
function policyOf({ missing }: TableOptions, name: string, isTarget: boolean): Missing {
  if (isPlainRecord(missing)) return (Object.hasOwn(missing, name) ? missing[name] : undefined) ?? 'error'
  if (isTarget && missing !== 'drop') return 'error'
  return (missing as Missing | undefined) ?? 'error'
}

/** The plan for a table of columns of these names. */
export function planOf(op: string, names: readonly string[], options: TableOptions): Plan {
  const { preprocessing } = options
  const place = (name: string, what: string): number => {
    const at = names.indexOf(name)
    if (at < 0) throw noColumn(op, name, what, names)
    return at
  }
  const target = options.target ?? []
  const targetNames = preprocessing?.targets ?? (typeof target === 'string' ? [target] : target)
  const targets = targetNames.map((name) => place(name, 'target'))
  const wanted =
    preprocessing?.names ?? options.columns ?? names.filter((name) => !targetNames.includes(name))
  const inputs = wanted.map((name) => place(name, 'columns'))
  const both = wanted.find((name) => targetNames.includes(name))
  if (both !== undefined)
    throw new ValueError(`${op}: ${shown(both)} among columns and target; expected it in one of them.`)
  for (const list of [wanted, targetNames]) {
    const twice = list.find((name, i) => list.indexOf(name) !== i)
    if (twice !== undefined) throw new ValueError(`${op}: ${shown(twice)} twice; expected each column once.`)
  }
  if (inputs.length === 0) throw new ValueError(`${op}: no column beside the target; expected at least one.`)
  for (const option of ['types', 'categories', 'missing'] as const) {
    const value = options[option]
    if (isPlainRecord(value)) for (const name of Object.keys(value)) place(name, option)
  }
  const used = [...inputs, ...targets]
  const drops = used.filter(
    (column) => policyOf(options, names[column] as string, targets.includes(column)) === 'drop',
  )
  const absent = new Set([...(options.missingValues ?? []), ...(preprocessing?.schema.missingValues ?? [])])
  return { names, inputs, targets, absent, drops, options }
}

function noColumn(op: string, name: string, what: string, names: readonly string[]): ValueError {
  const [only = ''] = names
  const other = names.length === 1 ? /[;\t|]/.exec(only)?.[0] : undefined
  const hint =
    other === undefined
      ? ''
      : ` All of the first line is one column: say { separator: ${JSON.stringify(other)} }.`
  const some = names.slice(0, 20).map((column) => shown(column))
  const list = some.join(', ') + (names.length > some.length ? `, … (${names.length} in all)` : '')
  return new ValueError(
    `${op}: there is no column ${shown(name)}, asked for in ${what}; expected ${list}.${hint}`,
  )
}

/** Whether a row is left out for what is missing in it. */
export function isDropped({ drops, absent }: Plan, values: readonly unknown[]): boolean {
  return drops.some((column) => isMissing(values[column], absent))
}

/** Looks through all rows for what columns hold. */
export class TableScan {
  readonly #plan: Plan
  /** Each with its place in a row. */
  readonly #columns: (readonly [place: number, scan: ColumnScan])[]
  #rows = 0

  constructor(plan: Plan, columns?: (readonly [place: number, scan: ColumnScan])[]) {
    this.#plan = plan
    this.#columns = columns ?? [...plan.inputs, ...plan.targets].map((place) => [place, scanOf(plan, place)])
  }

  /** Rows that were not left out. */
  get rows(): number {
    return this.#rows
  }

  /** One more row; throws a {@link CellProblem} where it cannot be used. */
  add(values: readonly unknown[], row: number): void {
    if (isDropped(this.#plan, values)) return
    for (const [place, column] of this.#columns) {
      const value = values[place]
      if (isMissing(value, this.#plan.absent)) column.addMissing()
      else column.add(value, row)
    }
    this.#rows++
  }

  /** The first row that looks like a mistake in a column of numbers. */
  mistake(): { readonly row: number; readonly problem: CellProblem } | null {
    for (const [, column] of this.#columns) {
      const mistake = column.mistake()
      if (mistake !== null) return mistake
    }
    return null
  }

  /** Another scan, where columns turned out to be of categories after their first ones had gone by. */
  again(): TableScan | null {
    const next = this.#columns.map(([place, column]) => [place, column.again()] as const)
    if (next.every(([, column]) => column === null)) return null
    return new TableScan(
      this.#plan,
      this.#columns.map(([place, column], i) => [
        place,
        next[i]?.[1] ?? scanOf(this.#plan, place, column.typeFound()),
      ]),
    )
  }

  /** What is known in the end. */
  finish(): Preprocessing {
    const columns = this.#columns.map(([, column]) => column.finish())
    const { inputs, options } = this.#plan
    return new Preprocessing(internal, {
      inputs: columns.slice(0, inputs.length),
      targets: columns.slice(inputs.length),
      encoding: options.encoding ?? 'index',
      unknown: options.unknown ?? 'error',
      missingValues: options.missingValues ?? [],
    })
  }
}

function scanOf({ names, options, targets }: Plan, place: number, found?: ColumnType): ColumnScan {
  const name = names[place] as string
  const own = <T>(record: Readonly<Record<string, T>> | undefined): T | undefined =>
    record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined
  return new ColumnScan(
    name,
    found ?? own(options.types),
    own(options.categories),
    policyOf(options, name, targets.includes(place)),
  )
}

import { shown } from '../tensor/create.js'
import { categoryOf, CellProblem, type ColumnType, daysOf, isInfinite, numberOf, truthOf } from './cell.js'

/** A column as it was found or said to be. */
export interface Column {
  readonly name: string
  readonly type: ColumnType
  /** The categories in the order of their indices; only of columns of that type. */
  readonly categories?: readonly string[] | undefined
  /** What takes the place of a missing value; a missing value is an error where there is none. */
  readonly fill?: number | string | undefined
}

/** How the places of missing values are filled, beside a value of one's own. */
export type Filling = 'mean' | 'median' | 'mode'

/** What happens with missing values of a column: an error, a row that is left out, or a value in their place. */
export type Missing = 'error' | 'drop' | Filling | number | { readonly value: number | string | boolean }

/** So many different texts are hardly categories, and would grow without end in a long file. */
const MOST_CATEGORIES = 100_000

/** From so many values on, a column of numbers but for a few is taken for one with mistakes in it. */
const ENOUGH = 10
const MOSTLY = 0.9

/** What a column has been seen to hold so far. */
export class ColumnScan {
  readonly name: string
  readonly #type: ColumnType | undefined
  readonly #known: readonly string[] | undefined
  readonly #missing: Exclude<Missing, number>
  #values = 0
  #absent = 0
  #numbers = 0
  #truths = 0
  #dates = 0
  #sum = 0
  /** The first value that was no number, with its row. */
  #odd: { readonly value: unknown; readonly row: number } | null = null
  /** Categories by how often they came; begun with the first value that can be nothing else. */
  readonly #texts = new Map<string, number>()
  #collecting: boolean
  /** Values by how often they came, where one of them is to fill in. */
  readonly #counts: Map<number, number> | null

  constructor(
    name: string,
    type: ColumnType | undefined,
    known: readonly string[] | undefined,
    missing: Missing,
  ) {
    this.name = name
    this.#type = known === undefined ? type : 'category'
    this.#known = known
    this.#missing = typeof missing === 'number' ? { value: missing } : missing
    this.#collecting = this.#type === 'category'
    this.#counts = missing === 'median' || missing === 'mode' ? new Map() : null
  }

  /** One more value, which is not missing. */
  add(value: unknown, row: number): void {
    this.#values++
    if (this.#type !== undefined) {
      this.#note(this.#type === 'category' ? this.#category(value) : encoded(this.name, this.#type, value))
      return
    }
    const kinds = kindsOf(value)
    if (kinds.number) this.#numbers++
    else this.#odd ??= { value, row }
    if (kinds.boolean) this.#truths++
    if (kinds.date) this.#dates++
    // Once a value is neither number, truth nor date as all before, the column is one of categories.
    this.#collecting ||= Math.max(this.#numbers, this.#truths, this.#dates) < this.#values
    if (this.#collecting) this.#category(value)
    else this.#note(kinds.value)
  }

  /** One more value that is missing. */
  addMissing(): void {
    if (this.#missing === 'error')
      throw new CellProblem(
        this.name,
        'a missing value',
        `a value in every row. Say what is to be done with { missing: 'drop' }, 'mean', 'median', 'mode' or { value }`,
      )
    this.#absent++
  }

  /** Begins anew with the type that was found, where its categories were not collected from the first row on. */
  again(): ColumnScan | null {
    if (this.#type !== undefined || this.typeFound() !== 'category') return null
    let counted = 0
    for (const count of this.#texts.values()) counted += count
    return counted === this.#values ? null : new ColumnScan(this.name, 'category', undefined, this.#missing)
  }

  /** The type that fits every value. */
  typeFound(): ColumnType {
    if (this.#type !== undefined) return this.#type
    if (this.#numbers === this.#values) return 'number'
    if (this.#truths === this.#values) return 'boolean'
    if (this.#dates === this.#values) return 'date'
    return 'category'
  }

  /** The row and value of what looks like a mistake in a column of numbers; null where there is none. */
  mistake(): { readonly row: number; readonly problem: CellProblem } | null {
    const odd = this.#odd
    if (odd === null || this.#values < ENOUGH || this.#numbers < MOSTLY * this.#values) return null
    const others = this.#values - this.#numbers
    const problem = new CellProblem(
      this.name,
      `${shown(odd.value)}${others > 1 ? ` and ${others - 1} other texts` : ''} among ${this.#numbers} numbers`,
      `numbers only. If all of them are names, say { types: { ${JSON.stringify(this.name)}: 'category' } }; if texts stand for missing values, { missingValues: [${shown(odd.value)}] }`,
    )
    return { row: odd.row, problem }
  }

  /** What is known of the column in the end. */
  finish(): Column {
    const type = this.typeFound()
    if (type !== 'category') {
      const fill = this.#filled(type)
      return { name: this.name, type, ...(fill === undefined ? {} : { fill }) }
    }
    const categories = this.#known ?? sorted([...this.#texts.keys()])
    const fill = this.#filledText(categories)
    return { name: this.name, type, categories, ...(fill === undefined ? {} : { fill }) }
  }

  #note(value: number): void {
    this.#sum += value
    this.#counts?.set(value, (this.#counts.get(value) ?? 0) + 1)
  }

  #category(value: unknown): number {
    const text = categoryOf(value)
    if (text === null) throw new CellProblem(this.name, shown(value), 'a text, a number, true or false')
    this.#texts.set(text, (this.#texts.get(text) ?? 0) + 1)
    if (this.#texts.size > MOST_CATEGORIES)
      throw new CellProblem(
        this.name,
        `more than ${MOST_CATEGORIES} different texts`,
        'categories, of which there are fewer. Leave the column out with { columns: […] }',
      )
    return 0
  }

  #filled(type: ColumnType): number | undefined {
    const missing = this.#missing
    if (missing === 'error' || missing === 'drop') return undefined
    if (typeof missing === 'object') return encoded(this.name, type, missing.value)
    if (this.#values === 0)
      throw new CellProblem(this.name, 'no value at all', `some to take the ${missing} of`)
    if (missing === 'mean') return this.#sum / this.#values
    const counts = [...(this.#counts ?? [])]
    return missing === 'mode' ? modeOf(counts) : medianOf(counts, this.#values)
  }

  #filledText(categories: readonly string[]): string | undefined {
    const missing = this.#missing
    if (missing === 'error' || missing === 'drop') return undefined
    if (typeof missing === 'object') {
      const text = String(missing.value)
      if (this.#absent > 0 && !categories.includes(text) && this.#known !== undefined)
        throw unknown(this, text)
      if (!categories.includes(text) && this.#absent > 0) (categories as string[]).push(text)
      return categories.includes(text) ? text : undefined
    }
    if (missing === 'mode') {
      const counts = [...this.#texts]
      return counts.reduce<[string, number] | undefined>(
        (most, entry) =>
          most === undefined || entry[1] > most[1] || (entry[1] === most[1] && entry[0] < most[0])
            ? entry
            : most,
        undefined,
      )?.[0]
    }
    if (this.#absent === 0) return undefined
    throw new CellProblem(
      this.name,
      `the ${missing} of texts for ${this.#absent} missing values`,
      `'mode', 'drop' or { value } for a column of categories: { missing: { ${JSON.stringify(this.name)}: 'mode' } }`,
    )
  }
}

function unknown({ name }: { readonly name: string }, text: string): CellProblem {
  return new CellProblem(name, `${shown(text)} for missing values`, 'one of the categories')
}

/** What a value can be; a number is what it counts as until the type is known. */
function kindsOf(value: unknown): {
  readonly number: boolean
  readonly boolean: boolean
  readonly date: boolean
  readonly value: number
} {
  const number = numberOf(value)
  if (!Number.isNaN(number)) return { number: true, boolean: false, date: false, value: number }
  const truth = truthOf(value, false)
  if (!Number.isNaN(truth)) return { number: false, boolean: true, date: false, value: truth }
  const days = daysOf(value)
  return { number: false, boolean: false, date: !Number.isNaN(days), value: days }
}

/** Categories in the order of their indices: numbers by size where all are some, otherwise texts by their characters. */
function sorted(texts: readonly string[]): string[] {
  const numbers = texts.every((text) => !Number.isNaN(numberOf(text)))
  const order = texts.toSorted()
  return numbers ? order.toSorted((a, b) => numberOf(a) - numberOf(b)) : order
}

/** The value that came most often; the smallest of several. */
function modeOf(counts: readonly (readonly [number, number])[]): number {
  let best: readonly [number, number] = [Number.NaN, 0]
  for (const entry of counts)
    if (entry[1] > best[1] || (entry[1] === best[1] && entry[0] < best[0])) best = entry
  return best[0]
}

function medianOf(counts: readonly (readonly [number, number])[], total: number): number {
  const order = counts.toSorted(([a], [b]) => a - b)
  const at = (place: number): number => {
    let seen = 0
    for (const [value, count] of order) {
      seen += count
      if (seen > place) return value
    }
    return Number.NaN
  }
  return (at(Math.floor((total - 1) / 2)) + at(Math.floor(total / 2))) / 2
}

const wanted: Readonly<Record<Exclude<ColumnType, 'category'>, string>> = {
  number: 'a number',
  boolean: 'true or false',
  date: 'a date such as 2024-02-29 or 2024-02-29T12:30:00Z',
}

/** A value as the number that stands for it in a column of numbers, truths or dates. */
export function encoded(name: string, type: ColumnType, value: unknown): number {
  const number =
    type === 'number' ? numberOf(value) : type === 'boolean' ? truthOf(value, true) : daysOf(value)
  if (Number.isNaN(number))
    throw new CellProblem(name, shown(value), wanted[type as Exclude<ColumnType, 'category'>])
  // Infinity is a value only where it was meant.
  if (!Number.isFinite(Math.fround(number)) && !isInfinite(value))
    throw new CellProblem(name, shown(value), 'a number of at most 3.4e38 in size, the largest of f32')
  return number
}

import { isPlainRecord } from '../jit/arguments.js'
import { isTensor } from '../tensor/base.js'
import { shown } from '../tensor/create.js'

/** What a column holds: numbers, true and false, dates and times of ISO 8601, or texts of which each names a category. */
export type ColumnType = 'number' | 'boolean' | 'date' | 'category'

/** A value of a column that cannot be used; whoever knows the row and the file makes an error of it. */
export class CellProblem {
  readonly column: string
  readonly given: string
  readonly expected: string

  constructor(column: string, given: string, expected: string) {
    this.column = column
    this.given = given
    this.expected = expected
  }
}

/** Texts that stand for no value, those of pandas. */
const absent: ReadonlySet<string> = new Set([
  '',
  '#N/A',
  '#N/A N/A',
  '#NA',
  '-1.#IND',
  '-1.#QNAN',
  '-NaN',
  '-nan',
  '1.#IND',
  '1.#QNAN',
  '<NA>',
  'N/A',
  'NA',
  'NULL',
  'NaN',
  'None',
  'n/a',
  'nan',
  'null',
])

/** Whether a value is missing; `more` are texts that stand for that too. */
export function isMissing(value: unknown, more: ReadonlySet<string>): boolean {
  if (value === undefined || value === null) return true
  if (typeof value === 'number') return Number.isNaN(value)
  if (typeof value !== 'string') return false
  const text = value.trim()
  return absent.has(text) || more.has(text)
}

/**
 * Whether an object is a record: what stands in its own properties, of whatever class it is. Those of the language that
 * keep what they hold elsewhere are none, nor is what has such properties only in its prototype.
 */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (isPlainRecord(value)) return true
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    return false
  return !isTensor(value) && Object.keys(value).length > 0
}

/** A value that is no record, for a message. */
export function strangeRecord(value: unknown): string {
  const empty =
    typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
  if (!empty || isTensor(value)) return shown(value)
  const { constructor } = value as { readonly constructor?: { readonly name?: string } }
  return `an object of ${constructor?.name ?? 'no class'} without properties of its own`
}

/** A number, or NaN where a text is none. Other bases than ten are texts, as they are to pandas. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return Number.NaN
  const number = Number(value)
  if (!Number.isNaN(number)) return /^\s*(?:0[xob]|$)/i.test(value) ? Number.NaN : number
  const infinite = /^\s*([+-]?)inf(?:inity)?\s*$/i.exec(value)
  if (infinite === null) return Number.NaN
  return infinite[1] === '-' ? -Infinity : Infinity
}

/** Whether a value is meant to be infinite, and not a number that is only too large. */
export function isInfinite(value: unknown): boolean {
  return value === Infinity || value === -Infinity || (typeof value === 'string' && /inf/i.test(value))
}

const yes: ReadonlySet<string> = new Set(['true', 'yes', 'y', 't', '1'])
const no: ReadonlySet<string> = new Set(['false', 'no', 'n', 'f', '0'])

/** 1 or 0, or NaN where a value is neither. Unless it was said that they are meant, only true and false are. */
export function truthOf(value: unknown, meant: boolean): number {
  if (typeof value === 'boolean') return Number(value)
  if (meant && (value === 0 || value === 1)) return value
  if (typeof value !== 'string') return Number.NaN
  const text = value.trim().toLowerCase()
  if (meant ? yes.has(text) : text === 'true') return 1
  if (meant ? no.has(text) : text === 'false') return 0
  return Number.NaN
}

const iso =
  /^\s*(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?\s*$/

const DAY = 86_400_000

/** Days since the beginning of 1970, with fractions, or NaN where a value is no date. Without a zone, it is UTC. */
export function daysOf(value: unknown): number {
  if (value instanceof Date) return value.getTime() / DAY
  if (typeof value !== 'string') return Number.NaN
  const match = iso.exec(value)
  if (match === null) return Number.NaN
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '0', zone = 'Z'] = match
  const [y, m, d, h, min, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const date = new Date(Date.UTC(y, m - 1, d))
  // The 30th of February would silently be a day of March.
  if (date.getUTCMonth() !== m - 1 || date.getUTCDate() !== d || h > 23 || min > 59 || s > 59)
    return Number.NaN
  const time = date.setUTCFullYear(y) + ((h * 60 + min) * 60 + s + Number(fraction)) * 1000
  return (time - zoneOf(zone)) / DAY
}

function zoneOf(zone: string): number {
  if (zone === 'Z') return 0
  const sign = zone.startsWith('-') ? -1 : 1
  return sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2))) * 60_000
}

/** A value as the text that names a category, or null where it names none. */
export function categoryOf(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return null
}

import { ValueError } from '../../errors.js'
import { shown } from '../../tensor/create.js'
import { camelCase } from './monitor.js'

const field = /\{(\w+)(?::([^{}]*))?\}/g
const format = /^(0?)(\d*)(?:\.(\d+))?([dfeg]?)$/

/** A path with the places of numbers in it: `weights-{epoch:02d}-{valLoss:.3f}.safetensors`. */
export class PathTemplate {
  readonly #op: string
  readonly #template: string

  constructor(op: string, template: unknown) {
    if (typeof template !== 'string' || template === '')
      throw new ValueError(
        `${op}: ${shown(template)} as path; expected a text, such as 'weights-{epoch:02d}.safetensors'.`,
      )
    this.#op = op
    this.#template = template
    for (const [whole, , spec = ''] of template.matchAll(field))
      if (!format.test(spec))
        throw new ValueError(
          `${op}: ${shown(whole)} in the path; expected a name and at most a width and digits, such as {epoch:02d} or {valLoss:.3f}.`,
        )
  }

  /**
   * The path with numbers in their places.
   *
   * @throws ValueError for a name that has no number
   */
  pathFor(numbers: Readonly<Record<string, number>>): string {
    return this.#template.replaceAll(field, (whole, name: string, spec: string | undefined) => {
      const value = numbers[name] ?? numbers[camelCase(name)]
      if (value === undefined)
        throw new ValueError(
          `${this.#op}: ${shown(whole)} in the path; expected one of ${Object.keys(numbers).join(', ')}.`,
        )
      return formatted(value, spec ?? '')
    })
  }
}

/** A number as Python's `format` writes it, for the widths and digits that paths need. */
function formatted(value: number, spec: string): string {
  const [, zero = '', width = '', digits, kind = ''] = format.exec(spec) ?? []
  const text = body(value, kind, digits === undefined ? undefined : Number(digits))
  const [sign, rest] = text.startsWith('-') ? ['-', text.slice(1)] : ['', text]
  const room = Number(width || 0)
  return zero === '0' ? sign + rest.padStart(room - sign.length, '0') : text.padStart(room)
}

function body(value: number, kind: string, digits: number | undefined): string {
  if (kind === 'd') return String(Math.round(value))
  if (kind === 'f') return value.toFixed(digits ?? 6)
  if (kind === 'e') return value.toExponential(digits ?? 6)
  return digits === undefined ? String(value) : String(Number(value.toPrecision(Math.max(digits, 1))))
}

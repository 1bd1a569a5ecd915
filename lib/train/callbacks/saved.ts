import { ValueError } from '../../errors.js'
import { shown } from '../../tensor/create.js'

/** What a field of a saved state may be. */
export type FieldKind = 'number' | 'number?' | 'numbers' | 'boolean' | 'object?'

const fits: Readonly<Record<FieldKind, (value: unknown) => boolean>> = {
  number: (value) => typeof value === 'number',
  'number?': (value) => value === null || typeof value === 'number',
  numbers: (value) => Array.isArray(value) && value.every((x) => typeof x === 'number'),
  boolean: (value) => typeof value === 'boolean',
  'object?': (value) => typeof value === 'object',
}

/** Refuses what `state()` of the same callback has not returned: it comes out of a file. */
export function requireSaved<T extends object>(
  op: string,
  state: unknown,
  fields: Readonly<Record<keyof T & string, FieldKind>>,
): T {
  const held = (typeof state === 'object' && state !== null ? state : {}) as Readonly<Record<string, unknown>>
  for (const [name, kind] of Object.entries<FieldKind>(fields))
    if (!fits[kind](held[name]))
      throw new ValueError(
        `${op}: ${shown(held[name])} as ${name} of a saved state; expected what state() returned.`,
      )
  return held as T
}

import { TensorError } from 'neuroxide'
import { describe, expect, test } from 'vitest'
import { callables } from './callables.js'
import * as creation from './creation.js'
import { excepted, isDescription } from './free.js'
import * as functions from './functions.js'
import * as layers from './layers.js'
import * as losses from './losses.js'
import * as methods from './methods.js'
import { placeOf, type Row } from './row.js'
import * as training from './training.js'

const rows = [creation, functions, layers, losses, methods, training].flatMap((area) =>
  Object.values(area).flat(),
)
const names = callables()
const covered = new Set(rows.map(({ name }) => name))

/** Callables that are no exports but what exports return or carry themselves. */
const results = ['valueAndGrad()', 'jit()', 'jit().explain', /^optim\.\w+#lr=$/]

/** A call stands on the line of its row or on one of the next few. */
const rowLines = 6

async function errorOf(call: Row['call']): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  return null
}

describe('bad input', () => {
  test('is tried on every callable that is exported', () => {
    const missing = names.filter(
      (name) => !covered.has(name) && !excepted.includes(name) && !isDescription(name),
    )
    expect(missing).toEqual([])
  })

  test('no row and no exception is of something that does not exist', () => {
    const known = new Set(names)
    const stale = [...covered, ...excepted].filter(
      (name) =>
        !known.has(name) &&
        !results.some((result) => name === result || (result instanceof RegExp && result.test(name))),
    )
    expect(stale).toEqual([])
    expect(excepted.filter((name) => covered.has(name))).toEqual([])
  })

  test('the counts are what they were', () => {
    expect({
      callables: names.length,
      covered: covered.size,
      excepted: excepted.length,
      rows: rows.length,
    }).toEqual({
      callables: 470,
      covered: 402,
      excepted: 65,
      rows: 897,
    })
  })

  test.each(rows.map((row) => [row.name, row] as const))(
    'of %s',
    async (_, { Class, message, call, file, line }) => {
      const error = await errorOf(call)
      expect(error).toBeInstanceOf(TensorError)
      const { name, code, message: text, stack = '' } = error as TensorError
      expect({ name, code }).toEqual({ name: Class.name, code: new Class('').code })
      expect(text).toMatch(message)
      // What was given, what was expected or does not fit, and hints.
      expect(text).toMatch(/^[\w.]+: .+; (expected .+|.+ (≠|differ) .+)/s)
      const first = placeOf(stack, 0)
      expect(first.file).toBe(file)
      expect(first.line - line).toBeGreaterThanOrEqual(0)
      expect(first.line - line).toBeLessThan(rowLines)
    },
  )
})

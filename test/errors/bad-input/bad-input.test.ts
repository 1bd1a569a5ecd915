import { TensorError } from 'neuroxide'
import { describe, expect, test } from 'vitest'
import { callables } from './callables.js'
import * as callbacks from './callbacks.js'
import * as creation from './creation.js'
import * as sets from './data.js'
import { excepted, isDescription, isOwnCall } from './free.js'
import * as files from './files.js'
import * as functions from './functions.js'
import * as layers from './layers.js'
import * as loop from './loop.js'
import * as losses from './losses.js'
import * as measuring from './measuring.js'
import * as methods from './methods.js'
import * as plots from './plots.js'
import { placeOf, type Row } from './row.js'
import * as schedules from './schedules.js'
import * as training from './training.js'

/** One a line. */
const areas = [
  callbacks,
  creation,
  files,
  functions,
  layers,
  loop,
  losses,
  measuring,
  methods,
  plots,
  schedules,
  sets,
  training,
]
const rows = areas.flatMap((area) => Object.values(area).flat())
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
      (name) => !covered.has(name) && !excepted.includes(name) && !isDescription(name) && !isOwnCall(name),
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

  test('covers what it did: more callables bring more rows, and no more exceptions', () => {
    // Floors, since each row of the op table adds a method, a function and their bad input by itself.
    expect(names.length).toBeGreaterThanOrEqual(470)
    expect(covered.size).toBeGreaterThanOrEqual(402)
    expect(rows.length).toBeGreaterThanOrEqual(897)
    expect(excepted).toHaveLength(90)
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

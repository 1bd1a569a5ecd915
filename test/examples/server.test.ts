import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { rowsOf } from '../../bench/server.js'
import { numberOf, patience, printedBy, workplace } from './program.js'

test('a server answers while fit keeps the cores busy', { timeout: patience }, async () => {
  const folder = workplace()
  const output = await printedBy('train-in-a-server', folder)
  // It trained meanwhile, and what it serves has learnt.
  expect(Number(/while training \((\d+) epochs\)/.exec(output)?.[1])).toBeGreaterThanOrEqual(1)
  // `npm run bench -- --server` reads the table.
  const [idle, busy] = rowsOf(output)
  expect([idle?.what, busy?.what]).toEqual(['without training', 'while training'])
  expect(busy?.loop_p99).toBe(numberOf(output, 'p99 of the event loop while training'))
  expect(busy?.requests_p99).toBe(numberOf(output, 'p99 of requests while training'))
  expect(numberOf(output, 'accuracy of the model that is served')).toBeGreaterThan(0.93)
  // The target, 20 ms, is for a machine of its own; other tests run on this one. A loop that training blocked would
  // stand still for the seconds of an epoch.
  expect(numberOf(output, 'p99 of the event loop while training')).toBeLessThan(100)
  expect(numberOf(output, 'p99 of requests while training')).toBeLessThan(400)
  // The program tells honestly which it was; the numbers that it prints are rounded.
  const worst = Math.max(busy?.requests_p99 ?? 0, busy?.loop_p99 ?? 0)
  const verdict = /^target p99 < 20 ms: (met|missed)$/m.exec(output)?.[1]
  expect(verdict).toMatch(/^(met|missed)$/)
  if (Math.abs(worst - 20) > 0.01) expect(verdict).toBe(worst < 20 ? 'met' : 'missed')
  expect(
    readFileSync(join(folder, 'out', 'train-in-a-server.png'))
      .subarray(1, 4)
      .toString(),
  ).toBe('PNG')
})

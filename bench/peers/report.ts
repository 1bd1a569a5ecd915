// The comparison as a table for people.
import { median, quantile } from '../timing.js'
import type { Workload } from '../workloads.js'
import type { Calibration, Limit } from './calibration.js'

export interface Row {
  readonly impl: string
  readonly version: string
  readonly threads: number
  readonly losses: Readonly<Record<string, number>>
  /** Microseconds of a step in each round. */
  readonly rounds: readonly number[]
}

/** A workload: the limit, then a row for each program, the fastest first. */
export function table(workload: Workload, limit: Limit, rows: readonly Row[]): string {
  const base = rows[0] === undefined ? Number.NaN : median(rows[0].rounds)
  const update = workload.streamed
    ? `reading and writing ${short((28 * workload.parameters) / 1e6)} MB for Adam`
    : `Adam of ${workload.parameters.toLocaleString('en')} numbers`
  const [count, unit] =
    workload.flops < 1e9 ? [workload.flops / 1e6, 'MFLOP'] : [workload.flops / 1e9, 'GFLOP']
  const work = `${short(count)} ${unit} at ${short(limit.peak)} GFLOP/s, ${limit.isa}`
  const on = `${limit.threads} thread${limit.threads > 1 ? 's' : ''}`
  const sum = `${short(limit.arithmeticUs)} (${work}) + ${short(limit.updateUs)} (${update})`
  const lines = [
    `${workload.name}: at least ${short(limit.us)} µs on ${on} = ${sum}`,
    columns('', 'µs a step', 'fastest', 'spread', '× ours', 'of limit', 'threads', 'version'),
  ]
  for (const row of rows.toSorted((a, b) => median(a.rounds) - median(b.rounds))) {
    const us = median(row.rounds)
    const spread = (quantile(row.rounds, 0.75) - quantile(row.rounds, 0.25)) / us
    const cells = [short(us), short(Math.min(...row.rounds)), percent(spread), short(us / base)]
    lines.push(columns(row.impl, ...cells, percent(limit.us / us), `${row.threads}`, row.version))
  }
  return lines.join('\n')
}

function columns(name: string, ...cells: readonly string[]): string {
  const version = cells.at(-1) ?? ''
  const numbers = cells.slice(0, -1).map((cell) => cell.padStart(9))
  return `  ${name.padEnd(25)}${numbers.join(' ')}   ${version}`.trimEnd()
}

/** What the machine did between the rounds. */
export function machine({
  fma,
  fma_one: one,
  memory_gbs: memory,
  cache_gbs: cache,
  ...rest
}: Calibration): string {
  const peaks = Object.entries(fma).map(
    ([isa, peak]) =>
      `${isa} ${short(one[isa] ?? Number.NaN)} on one thread and ${short(peak)} on ${rest.threads}`,
  )
  return [
    `multiply-adds in GFLOP/s: ${peaks.join(', ') || 'not measured on this architecture'}`,
    `Adam of ${rest.adam_parameters.toLocaleString('en')} numbers in the caches: ${short(rest.adam_one_us)} µs on one thread, ${short(rest.adam_us)} on ${rest.threads}`,
    `triad on ${rest.threads}: ${short(cache)} GB/s in the caches, ${short(memory)} from memory`,
  ].join('\n')
}

/** Three significant digits, more where the number has them before the point. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  return value.toFixed(digits)
}

function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %` : '-'
}

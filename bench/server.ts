// Runs the example that trains inside of an HTTP server some times over; its figures as medians over the rounds.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { median } from './timing.js'

const example = fileURLToPath(new URL('../examples/train-in-a-server.ts', import.meta.url))

/** Milliseconds at two percentiles, of the answers' times and of the event loop's delays. */
export interface ServerRow {
  readonly what: 'without training' | 'while training'
  readonly requests_p50: number
  readonly requests_p99: number
  readonly loop_p50: number
  readonly loop_p99: number
}

export async function serverRows(rounds: number): Promise<ServerRow[]> {
  const all: ServerRow[] = []
  const folder = mkdtempSync(join(tmpdir(), 'neuroxide-bench-'))
  try {
    for (let round = 0; round < rounds; round++) {
      // The same flags, so that TypeScript runs there as it does here.
      const args = [...process.execArgv, example]
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder })
      all.push(...rowsOf(stdout))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return (['without training', 'while training'] as const).map((what) => {
    const rows = all.filter((row) => row.what === what)
    const over = (read: (row: ServerRow) => number): number => Number(median(rows.map(read)).toPrecision(3))
    return {
      what,
      requests_p50: over((row) => row.requests_p50),
      requests_p99: over((row) => row.requests_p99),
      loop_p50: over((row) => row.loop_p50),
      loop_p99: over((row) => row.loop_p99),
    }
  })
}

/** The two rows of the table that the example prints. */
export function rowsOf(printed: string): ServerRow[] {
  const found = [...printed.matchAll(/^(without training|while training)\b.*?((?:\s+[\d.]+){4})$/gm)]
  if (found.length !== 2) throw new Error(`the example printed no table of two rows:\n${printed}`)
  return found.map(([, what, numbers = '']) => {
    const [a = Number.NaN, b = Number.NaN, c = Number.NaN, d = Number.NaN] = numbers
      .trim()
      .split(/\s+/)
      .map(Number)
    return { what: what as ServerRow['what'], requests_p50: a, requests_p99: b, loop_p50: c, loop_p99: d }
  })
}

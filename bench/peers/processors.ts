// The machine under the benchmark: its name, its load, and the cores that every program is bound to.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, type as systemName } from 'node:os'

export interface Processors {
  readonly name: string
  readonly cores: number
  /** A command, bound to the first of the cores that this process may use. */
  bound(command: readonly string[], threads: number): readonly string[]
}

export function processors(): Processors {
  const allowed = allowedCores()
  const taskset = allowed.length > 0 && spawnSync('taskset', ['--version']).status === 0
  return {
    name: cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: availableParallelism(),
    bound(command, threads) {
      if (!taskset || threads >= allowed.length) return command
      return ['taskset', '-c', allowed.slice(0, threads).join(','), ...command]
    },
  }
}

/** What figures are published with. */
export function surroundings(): string {
  return `${systemName()} ${release()}, Node ${process.version}`
}

/** How many programs want a core at present, on average over a minute. */
export function load(): number {
  return loadavg()[0] ?? 0
}

/** Ticks of all processors since the machine began: stolen by the host, and all together; none where nobody counts. */
export function ticks(): { stolen: number; all: number } | null {
  const fields = fileOrNothing('/proc/stat').split('\n')[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? []
  if (fields.length < 8) return null
  return { stolen: fields[7]!, all: fields.reduce((sum, value) => sum + value, 0) }
}

function allowedCores(): number[] {
  const list = /Cpus_allowed_list:\s*(\S+)/.exec(fileOrNothing('/proc/self/status'))?.[1] ?? ''
  return list.split(',').flatMap((range) => {
    if (range === '') return []
    const [from = 0, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}

function fileOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

// Options of the programs in this folder: what is wrong with them is said in one line, with what there is.
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { modes, workloadOf, workloads, type Mode, type Workload } from './workloads.js'

type Flags = NonNullable<ParseArgsConfig['options']>

/** What stands behind a program's name, or the end of the process with what is wrong and the usage. */
export function parsed<T>(usage: string, flags: Flags, read: (values: Values) => T): T {
  try {
    const { values } = parseArgs({
      options: { ...flags, help: { type: 'boolean', short: 'h' } },
      // npm hands on what the user typed behind `--`.
      args: process.argv.slice(2),
      allowPositionals: false,
    })
    if (values['help'] === true) {
      process.stdout.write(`${usage}\n`)
      process.exit(0)
    }
    return read(new Values(values))
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${message.split('\n')[0]}\n\n${usage}\n`)
    process.exit(2)
  }
}

/** Options as they were typed, read as what they have to be. */
export class Values {
  constructor(readonly typed: Readonly<Record<string, unknown>>) {}

  flag(name: string): boolean {
    return this.typed[name] === true
  }

  text(name: string): string | undefined {
    const value = this.typed[name]
    return typeof value === 'string' ? value : undefined
  }

  number(name: string, otherwise: number, [least, most]: readonly [number, number]): number {
    const text = this.text(name)
    const value = text === undefined ? otherwise : Number(text)
    if (text?.trim() === '' || !(value >= least && value <= most))
      throw new RangeError(`--${name} is ${text}; expected a number from ${least} to ${most}`)
    return value
  }

  integer(name: string, otherwise: number, range: readonly [number, number]): number {
    const value = this.number(name, otherwise, range)
    if (!Number.isInteger(value))
      throw new RangeError(`--${name} is ${value}; expected an integer from ${range[0]} to ${range[1]}`)
    return value
  }

  /** The workloads named, or all. */
  workloads(): readonly Workload[] {
    return this.#named('workload')?.map(workloadOf) ?? workloads
  }

  /** The forms of driving named, or all. */
  modes(): readonly Mode[] {
    const named = this.#named('mode') ?? modes
    const unknown = named.filter((name) => !modes.some((mode) => mode === name))
    if (unknown.length > 0)
      throw new RangeError(`no mode ${unknown.join(', ')}; there are ${modes.join(', ')}`)
    return modes.filter((mode) => named.includes(mode))
  }

  /** What a repeated option was given, separated by commas too. */
  #named(option: string): string[] | undefined {
    const given = this.typed[option]
    return Array.isArray(given) ? given.flatMap((names) => String(names).split(',')) : undefined
  }
}

/** Hands `--threads` to the library, which reads the environment when it is loaded. */
export function useThreads(values: Values): void {
  if (values.text('threads') !== undefined)
    process.env['NEUROXIDE_THREADS'] = String(values.integer('threads', 1, [1, 128]))
}

import { execFileSync } from 'node:child_process'

/** Packages that tests use, by the names under which Python imports them. */
const packages = ['numpy', 'torch', 'safetensors', 'tensorboard', 'pandas', 'keras'] as const
export type Package = (typeof packages)[number]

export interface Python {
  /** Why tests are skipped, for their titles; empty where they run. */
  readonly skipped: string
  /** Runs a program with these arguments; what it prints is JSON. */
  run(program: string, ...args: readonly string[]): unknown
}

interface Interpreter {
  readonly path: string
  /** Whether `NEUROXIDE_PYTHON` named it. */
  readonly named: boolean
  /** Packages that it has not; null where it does not run at all. */
  readonly missing: readonly Package[] | null
}

/** Looks for packages without importing them, which takes seconds. */
const probe = `
import importlib.util, json, sys
print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]))`

function missingOf(path: string): readonly Package[] | null {
  try {
    const said = execFileSync(path, ['-c', probe, ...packages], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return JSON.parse(said) as Package[]
  } catch {
    return null
  }
}

let found: Interpreter | undefined

/** The Python that `NEUROXIDE_PYTHON` names, else `python3`: it is decided once. */
function interpreter(): Interpreter {
  const given = process.env['NEUROXIDE_PYTHON'] ?? ''
  const path = given === '' ? 'python3' : given
  found ??= { path, named: given !== '', missing: missingOf(path) }
  return found
}

/** Why packages cannot be used; empty where they can. */
export function reasonAgainst({ path, named, missing }: Interpreter, wanted: readonly Package[]): string {
  const title = named ? `NEUROXIDE_PYTHON=${path}` : path
  const hint = named ? '' : `; set NEUROXIDE_PYTHON to a Python with ${wanted.join(', ')}`
  if (missing === null) return `${title} does not run${hint}`
  const lacking = wanted.filter((name) => missing.includes(name))
  return lacking.length === 0 ? '' : `${title} has no ${lacking.join(', ')}${hint}`
}

/** Python with packages, or the reason why tests that ask it are skipped, which is told on the console too. */
export function pythonWith(...wanted: readonly Package[]): Python {
  const chosen = interpreter()
  const reason = reasonAgainst(chosen, wanted)
  if (reason !== '') console.warn(`SKIPPED: tests that ask Python. ${reason}`)
  return {
    skipped: reason === '' ? '' : ` [SKIPPED: ${reason}]`,
    run: (program, ...args) =>
      JSON.parse(execFileSync(chosen.path, ['-c', program, ...args], { encoding: 'utf8' })) as unknown,
  }
}

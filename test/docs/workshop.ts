import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { execute, root, type Ended } from '../pack/project.js'
import { annotated, printed, type Program } from './snippets.js'

/** An empty folder inside the clone, so that `neuroxide` means what was built. */
export function emptyFolder(name: string): string {
  const folder = join(root, '.cache', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

export function write(folder: string, file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(join(folder, file), text)
}

/** Checks the types of all programs in a folder under the strict rules of this repository. */
export function checkTypes(folder: string): Promise<Ended> {
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ['.'],
    exclude: [],
  }
  write(folder, 'tsconfig.json', JSON.stringify(config))
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  return execute(process.execPath, [compiler, '-p', folder], root)
}

/** What a program of the documents has to print and what it printed, by line; null where it did not throw. */
export interface Outcome {
  readonly name: string
  readonly threw: string | null
  readonly printed: ReadonlyMap<number, string>
}

/** Runs modules one after the other; what one throws is told with its name, and the others still run. */
const RUNNER = `for (const module of process.argv.slice(2)) {
  console.log('module ' + module)
  try {
    await import(module)
  } catch (error) {
    console.log('threw ' + (error instanceof Error ? error.stack : String(error)))
  }
}
`

/** Programs as modules in a folder of their own, which is where they run: what they write stays in there. */
export class Runnable {
  readonly #folder: string
  readonly #programs: readonly Program[]
  readonly #modules: readonly string[]

  constructor(folder: string, programs: readonly Program[]) {
    this.#folder = folder
    this.#programs = programs
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
    write(folder, 'run.mjs', RUNNER)
    this.#modules = programs.map(({ name, source }) => {
      const file = `${name.replace(/\W+/g, '-')}.mjs`
      write(folder, file, ts.transpileModule(annotated(source).source, { compilerOptions }).outputText)
      return pathToFileURL(join(folder, file)).href
    })
  }

  /** What the programs say that they print. */
  expected(): Outcome[] {
    return this.#programs.map(({ name, source }) => ({
      name,
      threw: null,
      printed: annotated(source).expected,
    }))
  }

  /** Runs all in one process. */
  async run(): Promise<{ readonly code: number; readonly stderr: string; readonly outcomes: Outcome[] }> {
    const args = [join(this.#folder, 'run.mjs'), ...this.#modules]
    const { code, stdout, stderr } = await execute(process.execPath, args, this.#folder)
    const parts = stdout.split(/^module .*\n/m).slice(1)
    const outcomes = this.#programs.map(({ name }, at) => ({
      name,
      threw: /^threw [\s\S]*/m.exec(parts[at] ?? '')?.[0] ?? null,
      printed: printed(parts[at] ?? ''),
    }))
    return { code, stderr, outcomes }
  }
}

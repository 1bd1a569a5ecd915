import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'
import { execute, root } from '../pack/project.js'
import { annotated, examplesOf, printed, type Program } from './snippets.js'
import { checkTypes, emptyFolder, write } from './workshop.js'

interface Source {
  readonly path: string
  readonly examples: readonly Program[]
}

const sources: Source[] = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => join('lib', path))
  .map((path) => ({ path, examples: examplesOf(path, readFileSync(join(root, path), 'utf8')) }))
  .filter(({ examples }) => examples.length > 0)

/** A name for a file without folders, the same for both folders. */
function fileOf({ name }: Program): string {
  return name.replace(/\W+/g, '-')
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

let typed: string
let runnable: string

beforeAll(() => {
  typed = emptyFolder('examples')
  runnable = emptyFolder('examples-run')
  write(runnable, 'run.mjs', RUNNER)
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
  for (const example of sources.flatMap(({ examples }) => examples)) {
    write(typed, `${fileOf(example)}.ts`, `${example.source}\nexport {}\n`)
    const { outputText } = ts.transpileModule(annotated(example.source).source, { compilerOptions })
    write(runnable, `${fileOf(example)}.mjs`, outputText)
  }
})

function moduleOf(example: Program): string {
  return pathToFileURL(join(runnable, `${fileOf(example)}.mjs`)).href
}

describe('the examples in the documentation comments of the library', () => {
  it('stand by all public functions that make, change or train something', () => {
    // A floor: a comment that is reworded so that its example is not found any more must not go unnoticed.
    expect(sources.flatMap(({ examples }) => examples).length).toBeGreaterThan(180)
  })

  it('have right types', async () => {
    const { code, stdout } = await checkTypes(typed)
    expect(code, stdout).toBe(0)
  })

  it.each(sources)('run and print what they say: $path', async ({ examples }) => {
    const { code, stdout, stderr } = await execute(
      process.execPath,
      [join(runnable, 'run.mjs'), ...examples.map(moduleOf)],
      root,
    )
    expect(code, stderr).toBe(0)
    const parts = stdout.split(/^module .*\n/m).slice(1)
    const found = examples.map(({ name }, at) => ({
      name,
      threw: /^threw [\s\S]*/m.exec(parts[at] ?? '')?.[0] ?? null,
      printed: printed(parts[at] ?? ''),
    }))
    expect(found).toEqual(
      examples.map(({ name, source }) => ({ name, threw: null, printed: annotated(source).expected })),
    )
  })
})

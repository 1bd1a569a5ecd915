import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { root } from '../pack/project.js'
import { examplesOf, type Program } from './snippets.js'
import { checkTypes, emptyFolder, Runnable, write } from './workshop.js'

interface Source {
  readonly path: string
  readonly examples: readonly Program[]
}

const sources: Source[] = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => join('lib', path))
  .map((path) => ({ path, examples: examplesOf(path, readFileSync(join(root, path), 'utf8')) }))
  .filter(({ examples }) => examples.length > 0)

let typed: string
let runnable: string

beforeAll(() => {
  typed = emptyFolder('examples')
  runnable = emptyFolder('examples-run')
  for (const { name, source } of sources.flatMap(({ examples }) => examples))
    write(typed, `${name.replace(/\W+/g, '-')}.ts`, `${source}\nexport {}\n`)
})

describe('the examples in the documentation comments of the library', () => {
  it('stand by all public functions that make, change or train something', () => {
    // A floor: a comment that is reworded so that its example is not found any more must not go unnoticed.
    expect(sources.flatMap(({ examples }) => examples).length).toBeGreaterThan(180)
  })

  it('have right types', async () => {
    const { code, stdout } = await checkTypes(typed)
    expect(code, stdout).toBe(0)
  })

  it.each(sources)('run and print what they say: $path', async ({ path, examples }) => {
    const programs = new Runnable(join(runnable, path.replace(/\W+/g, '-')), examples)
    const { code, stderr, outcomes } = await programs.run()
    expect(code, stderr).toBe(0)
    expect(outcomes).toEqual(programs.expected())
  })
})

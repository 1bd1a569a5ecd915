import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { execute, root, tsx } from '../pack/project.js'
import { annotated, printed, programsOf } from './snippets.js'
import { checkTypes, emptyFolder, write } from './workshop.js'

/** The README and the pages of docs, without the generated reference. */
function pages(): string[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  return [
    'README.md',
    ...docs
      .filter((path) => path.endsWith('.md') && !/^api[/\\]/.test(path))
      .map((path) => join('docs', path)),
  ]
}

const programs = pages()
  .flatMap((page) => programsOf(page, readFileSync(join(root, page), 'utf8')))
  .map((program) => ({ ...program, file: `${program.name.replace(/\W+/g, '-').toLowerCase()}.ts` }))

let typed: string
let runnable: string

beforeAll(() => {
  typed = emptyFolder('snippets')
  runnable = emptyFolder('snippets-run')
  for (const { file, source } of programs) {
    write(typed, file, `${source}\nexport {}\n`)
    write(runnable, file, annotated(source).source)
  }
})

describe('the snippets of README and docs', () => {
  it('are found', () => {
    expect(programs.some(({ name }) => name.startsWith('README.md:'))).toBe(true)
    expect(programs.some(({ name }) => name.startsWith(join('docs', 'jit.md')))).toBe(true)
  })

  it('have right types', async () => {
    const { code, stdout } = await checkTypes(typed)
    expect(code, stdout).toBe(0)
  })

  it.each(programs)('run and print what they say: $name', async ({ file, source }) => {
    const { code, stdout, stderr } = await execute(
      process.execPath,
      ['--import', tsx, join(runnable, file)],
      root,
    )
    expect(code, stderr).toBe(0)
    expect(printed(stdout)).toEqual(annotated(source).expected)
  })
})

describe('reading snippets', () => {
  it('joins a block to the program that it continues', () => {
    const block = (code: string, language = 'ts'): string => `text\n\n\`\`\`${language}\n${code}\n\`\`\`\n`
    const page = [block("import 'a'"), block('next()'), block('npm start', 'sh'), block("import 'b'")].join(
      '\n',
    )
    expect(programsOf('page.md', page)).toEqual([
      { name: 'page.md:3', source: "import 'a'\n\nnext()\n" },
      { name: 'page.md:21', source: "import 'b'\n" },
    ])
  })

  it('compares what a line prints with what stands behind it', async () => {
    const program = "console.log([1, 2]) // [ 1, 2 ]\nfor (const x of ['a', 'b']) console.log(x) // a b\n"
    const { source, expected } = annotated(program)
    const { stdout } = await execute(process.execPath, ['--input-type=module', '--eval', source], root)
    expect(expected).toEqual(
      new Map([
        [1, '[ 1, 2 ]'],
        [2, 'a b'],
      ]),
    )
    expect(printed(stdout)).toEqual(expected)
  })
})

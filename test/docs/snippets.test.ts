import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { execute, root } from '../pack/project.js'
import { annotated, printed, programsOf, type Program } from './snippets.js'
import { checkTypes, emptyFolder, Runnable, write } from './workshop.js'

interface Page {
  readonly page: string
  readonly programs: readonly Program[]
}

/** The README and the pages of docs that have programs, without the generated reference. */
function pages(): Page[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && !/^api[/\\]/.test(path))
    .map((path) => join('docs', path))
  return ['README.md', 'README.zh-CN.md', ...docs]
    .map((page) => ({ page, programs: programsOf(page, readFileSync(join(root, page), 'utf8')) }))
    .filter(({ programs }) => programs.length > 0)
}

const all = pages()

let typed: string
let runnable: string

beforeAll(() => {
  typed = emptyFolder('snippets')
  runnable = emptyFolder('snippets-run')
  for (const { name, source } of all.flatMap(({ programs }) => programs))
    write(typed, `${name.replace(/\W+/g, '-').toLowerCase()}.ts`, `${source}\nexport {}\n`)
})

describe('the snippets of README and docs', () => {
  it('are found', () => {
    const found = all.map(({ page }) => page)
    expect(found).toEqual(expect.arrayContaining(['README.md', join('docs', 'jit.md')]))
  })

  it('have right types', async () => {
    const { code, stdout } = await checkTypes(typed)
    expect(code, stdout).toBe(0)
  })

  it.each(all)('run and print what they say: $page', async ({ page, programs }) => {
    const runs = new Runnable(join(runnable, page.replace(/\W+/g, '-')), programs)
    const { code, stderr, outcomes } = await runs.run()
    expect(code, stderr).toBe(0)
    expect(outcomes).toEqual(runs.expected())
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

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { execute, root, tsx } from '../pack/project.js'
import { programsOf } from './snippets.js'

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

// Inside the clone, so that `neuroxide` means what was built.
const folder = join(root, '.cache', 'snippets')

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const { file, source } of programs) writeFileSync(join(folder, file), `${source}\nexport {}\n`)
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ['.'],
    exclude: [],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
})

describe('the snippets of README and docs', () => {
  it('are found', () => {
    expect(programs.some(({ name }) => name.startsWith('README.md:'))).toBe(true)
  })

  it('have right types', async () => {
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { code, stdout } = await execute(process.execPath, [compiler, '-p', folder], root)
    expect(code, stdout).toBe(0)
  })

  it.each(programs)('run: $name', async ({ file }) => {
    const { code, stderr } = await execute(process.execPath, ['--import', tsx, join(folder, file)], folder)
    expect(code, stderr).toBe(0)
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
})

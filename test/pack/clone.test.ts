import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { execute, root, temporaryFolder } from './project.js'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const program = `import { tensor } from 'neuroxide'
console.log(import.meta.resolve('neuroxide'), tensor([1, 2, 3]).sum().item())`

/** Writes the program into a folder, runs it there and says which file it got the library from. */
async function runIn(where: string): Promise<string> {
  const path = join(where, 'program.mjs')
  writeFileSync(path, program)
  const { code, stdout, stderr } = await execute(process.execPath, [path], where)
  expect(code, stderr).toBe(0)
  return stdout.trim()
}

describe('a clone that is set up', () => {
  it('finds nothing to do and says so in one line', async () => {
    const { code, stdout, stderr } = await execute(process.execPath, ['scripts/setup.mjs'], root)
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: '',
      stderr: 'neuroxide is set up already\n',
    })
  })

  it("resolves 'neuroxide' to what was built, from inside", async () => {
    const inside = join(root, '.cache', 'self-reference')
    mkdirSync(inside, { recursive: true })
    expect(await runIn(inside)).toMatch(/\/dist\/index\.js 6$/)
  })

  it("resolves 'neuroxide' to what was built, from a folder that links to it", async () => {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules', 'neuroxide'), 'junction')
    expect(await runIn(folder)).toMatch(/\/dist\/index\.js 6$/)
  })
})

describe('a machine without cargo', () => {
  it.each(['start', 'test', 'golden', 'setup'])(
    'is told what to install by %s, in two lines',
    async (name) => {
      const { code, stdout, stderr } = await execute(process.execPath, [`scripts/${name}.mjs`], root, {
        PATH: folder,
        Path: folder,
      })
      expect(code).toBe(1)
      expect(stdout).toBe('')
      const lines = stderr.trimEnd().split('\n')
      expect(lines).toHaveLength(2)
      expect(lines[0]).toContain('`cargo` was not found')
      expect(lines[1]).toContain('https://rustup.rs')
    },
  )
})

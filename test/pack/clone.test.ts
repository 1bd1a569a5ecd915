import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { clean, execute, root, temporaryFolder } from './project.js'

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

describe('npm start', () => {
  it('sets nothing up again, trains on all of MNIST and prints what came of it', async () => {
    const { code, stdout, stderr } = await execute(process.execPath, ['scripts/start.mjs'], root)
    expect(code, stderr).toBe(0)
    const accuracy = /^test loss 0\.\d{4}\ntest accuracy (\d\d\.\d\d) %\ntime \d+\.\d s\n$/.exec(stdout)?.[1]
    expect(Number(accuracy), stdout).toBeGreaterThanOrEqual(97.5)
    const [first, ...lines] = stderr.trimEnd().split('\n')
    expect(first).toBe('neuroxide is set up already')
    // Not on a terminal: whole lines, without a carriage return.
    expect(lines.join('\n')).toMatch(/^Epoch 5\/5\b.*\bloss\b.*\baccuracy\b/m)
    expect(stderr).not.toContain('\r')
  })

  // Windows has no signal that one process could send to the group of another.
  it.skipIf(process.platform === 'win32')('ends cleanly at Ctrl-C', async () => {
    // A group of its own, which gets the signal as a whole, as from a terminal.
    const child = spawn(process.execPath, ['scripts/start.mjs'], {
      cwd: root,
      env: clean,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let stderr = ''
    child.stderr.setEncoding('utf8')
    const closed = once(child, 'close')
    child.stderr.on('data', (text: string) => {
      if (!stderr.includes('Epoch') && text.includes('Epoch')) process.kill(-(child.pid ?? 0), 'SIGINT')
      stderr += text
    })
    expect(await closed, stderr).toEqual([130, null])
    expect(stderr.trimEnd().split('\n').at(-1)).toBe('stopped by Ctrl-C')
    expect(stderr).not.toContain('Epoch 5/5')
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

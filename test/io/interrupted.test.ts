import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { io, ones } from 'neuroxide'
import { expect, test } from 'vitest'
import { leftovers, scratch } from './scratch.js'

const loop = fileURLToPath(new URL('saving-loop.mjs', import.meta.url))
/** Programs start slowly, so 200 more of the crate's own are killed in crates/files/tests/killed.rs. */
const KILLS = 16
/** Programs that are brought up while others run, since most of the time goes there. */
const AHEAD = 3
/** Milliseconds within which a program is killed: some saves take place in them. */
const LONGEST = 30

/** A program that has loaded the library and waits for the word. */
async function started(file: string): Promise<ChildProcessWithoutNullStreams> {
  const child = spawn(process.execPath, [loop, file, 'endlessly'])
  await once(child.stdout, 'data')
  return child
}

/** The number that all tensors of a file are full of, which the file says too; throws unless it is whole. */
async function numberIn(file: string): Promise<number> {
  const { tensors, metadata } = await io.loadTensors(file)
  const number = Number(metadata.get('i'))
  for (const [name, size] of [
    ['a', 20_000],
    ['b', 10],
  ] as const) {
    const values = tensors.get(name)?.toTypedArray() ?? []
    expect(values).toHaveLength(size)
    expect(values.every((value) => value === number)).toBe(true)
  }
  return number
}

test(`of ${KILLS} programs killed while they save, each leaves the old file or the new one, whole`, async () => {
  const folder = scratch()
  const numbers: number[] = []
  let [cut, begun] = [0, 0]
  const one = async (): Promise<void> => {
    while (begun < KILLS) {
      const own = join(folder, String(begun))
      begun += 1
      mkdirSync(own)
      const file = join(own, 'model.safetensors')
      await io.saveTensors(
        file,
        { a: ones([20_000]).mul(-1), b: ones([10]).mul(-1) },
        { metadata: { i: '-1' } },
      )
      const child = await started(file)
      child.stdin.write('go\n')
      await once(child.stdout, 'data')
      await wait(Math.random() * LONGEST)
      child.kill('SIGKILL')
      await once(child, 'exit')
      expect(child.signalCode).toBe('SIGKILL')
      numbers.push(await numberIn(file))
      const left = leftovers(own)
      expect(left.length).toBeLessThanOrEqual(1)
      expect(readdirSync(own)).toHaveLength(1 + left.length)
      cut += left.length
    }
  }
  await Promise.all(Array.from({ length: AHEAD }, one))
  expect(numbers).toHaveLength(KILLS)
  // Proof that the moments were worth something: some programs were killed in the middle of a file, and some had
  // replaced it before.
  expect(cut).toBeGreaterThan(0)
  expect(numbers.filter((number) => number > 0).length).toBeGreaterThan(0)
})

test.skipIf(process.platform === 'win32')(
  'a file that may not grow as large gives the error of the system, and the old one stays',
  async () => {
    const folder = scratch()
    const file = join(folder, 'model.safetensors')
    await io.saveTensors(file, { old: ones([3]) })
    const before = readFileSync(file)
    // 32 blocks of at most a kilobyte, where the model has 80.
    const script = 'ulimit -f 32 && exec "$0" "$@"'
    const { stdout, stderr } = spawnSync('sh', ['-c', script, process.execPath, loop, file, 'once'], {
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    const error = JSON.parse(stdout) as { name: string; code: string; message: string }
    expect(error).toMatchObject({ name: 'FileError', code: 'ERR_FILE' })
    expect(error.message).toContain(file)
    expect(error.message).toMatch(/File too large/)
    expect(readFileSync(file)).toEqual(before)
    expect(leftovers(folder)).toEqual([])
  },
)

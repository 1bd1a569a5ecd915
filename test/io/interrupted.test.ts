import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { io, ones } from 'neuroxide'
import { expect, test } from 'vitest'
import { leftovers, scratch } from './scratch.js'

const loop = fileURLToPath(new URL('saving-loop.mjs', import.meta.url))
/** Beside 200 of the crate's own, which is killed in crates/files/tests/killed.rs. */
const KILLS = 200
/** Programs at a time: most of the time goes into bringing them up. */
const LANES = 3
/** Milliseconds within which a program is killed: some saves take place in them. */
const LONGEST = 25

/** Numbers from 0 to 1, the same in every run: Weyl's sequence, mixed. */
function* moments(): Generator<number, never> {
  for (let state = 1; ; state += 1) {
    let mixed = Math.imul(state, 0x9e37_79b1)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85eb_ca6b)
    yield ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32
  }
}

/** Kills one program while it saves over this file. */
async function killed(file: string, after: number): Promise<void> {
  const child = spawn(process.execPath, [loop, file, 'endlessly'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  await once(child.stdout, 'data')
  await wait(after)
  child.kill('SIGKILL')
  await exit
  expect(child.signalCode).toBe('SIGKILL')
}

/** Which of the files this is, byte for byte; our reader, which takes nothing but whole files, has to say so too. */
async function numberIn(file: string, whole: readonly Buffer[]): Promise<number> {
  const bytes = readFileSync(file)
  const number = whole.findIndex((other) => other.equals(bytes))
  const { tensors, metadata } = await io.loadTensors(file)
  expect(metadata.get('number')).toBe(String(number))
  expect(tensors.get('0.weight')?.shape).toEqual([100, 200])
  for (const tensor of tensors.values()) expect(tensor.eq(number).all().item()).toBe(true)
  return number
}

test(
  `of ${KILLS} programs killed while they save a model, each leaves the old file or the new one, whole`,
  {
    timeout: 300_000,
  },
  async () => {
    const folder = scratch()
    execFileSync(process.execPath, [loop, folder, 'beside'])
    const whole = [0, 1, 2].map((number) => readFileSync(join(folder, String(number))))
    const numbers: number[] = []
    const moment = moments()
    let [cut, begun] = [0, 0]
    const lane = async (name: number): Promise<void> => {
      const own = join(folder, `lane ${name}`)
      const file = join(own, 'model.safetensors')
      while (begun < KILLS) {
        begun += 1
        mkdirSync(own)
        writeFileSync(file, whole[0] ?? '')
        await killed(file, moment.next().value * LONGEST)
        numbers.push(await numberIn(file, whole))
        const left = leftovers(own)
        expect(left.length).toBeLessThanOrEqual(1)
        expect(readdirSync(own)).toHaveLength(1 + left.length)
        cut += left.length
        rmSync(own, { recursive: true })
      }
    }
    await Promise.all(Array.from({ length: LANES }, async (_, i) => await lane(i)))
    expect(numbers).toHaveLength(KILLS)
    // Proof that the moments were worth something: of these many, some cut off a file, and some came behind one.
    expect(cut).toBeGreaterThan(5)
    expect(numbers.filter((number) => number > 0).length).toBeGreaterThan(5)
  },
)

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

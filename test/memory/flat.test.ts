import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { otherRuntimes } from '../runtimes/index.js'

const program = fileURLToPath(new URL('loops.mjs', import.meta.url))

/** The growth of the resident set over the second half that is allowed, in MiB. */
const ALLOWED = 64

interface Measured {
  readonly name: string
  readonly growth: number
  /** The most that it grew by on the way. */
  readonly peak: number
}

function parsed(output: string): Measured[] {
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Measured)
}

function run(node: string, names: string, heap: number): Promise<Measured[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, [program, names, String(heap)], {
      env: { ...process.env, NEUROXIDE_VERIFY: '0' },
    })
    let [output, errors] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code !== 0) reject(new Error(`ended with ${code}: ${errors}`))
      else resolve(parsed(output))
    })
  })
}

function expectFlat(results: readonly Measured[], names: readonly string[]): void {
  expect(results.map((result) => result.name)).toEqual(names)
  for (const result of results)
    expect(Math.max(result.growth, result.peak), JSON.stringify(result)).toBeLessThanOrEqual(ALLOWED)
}

describe.each([0, 500_000])('beside %i live objects of the user, memory stays flat over', (heap) => {
  test.each([
    ['10,000 jitted training steps', 'jitted'],
    ['10,000 eager training steps', 'eager'],
    ['a million tensors of two elements', 'tiny'],
    ['a thousand temporaries of 16 MB', 'large'],
  ])('%s', async (_, name) => {
    expectFlat(await run(process.execPath, name, heap), [name])
  })
})

const all = ['jitted', 'eager', 'tiny', 'large']

test.each(otherRuntimes)('and over all of them on $name', async ({ path }) => {
  expectFlat(await run(path, all.join(','), 500_000), all)
})

test('and in a worker thread', async () => {
  const worker = new Worker(program, { workerData: [all.join(','), 0], stdout: true })
  let output = ''
  worker.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  await new Promise<void>((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', () => resolve())
  })
  expectFlat(parsed(output), all)
})

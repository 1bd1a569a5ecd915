import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const script = fileURLToPath(new URL('./child.mjs', import.meta.url))

/** Runs a child to its end, sending it a signal once it says that it is training. */
async function run(mode: string, signal?: NodeJS.Signals) {
  const child = spawn(process.execPath, [script, mode], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  if (signal !== undefined) {
    await Promise.race([once(child.stdout, 'data'), closed])
    child.kill(signal)
  } else {
    child.stdout.resume()
  }
  const [code, by] = await closed
  return { code, by, stderr }
}

describe('the process ends in the middle of training', () => {
  test.each(['exit in a loop', 'exit in a jitted loop', 'exit during fit'])('%s', async (mode) => {
    expect(await run(mode)).toEqual({ code: 7, by: null, stderr: '' })
  })

  test('an uncaught error during fit', async () => {
    const { code, by, stderr } = await run('throw during fit')
    expect({ code, by }).toEqual({ code: 1, by: null })
    expect(stderr).toContain('Error: on purpose')
    expect(stderr).not.toMatch(/panicked|fatal/i)
  })

  test.each(['wait in a loop', 'wait in a jitted loop', 'wait during fit'])('Ctrl-C: %s', async (mode) => {
    expect(await run(mode, 'SIGINT')).toEqual({ code: null, by: 'SIGINT', stderr: '' })
  })
})

test('after a fit nothing keeps the process alive', async () => {
  expect(await run('fit to the end')).toMatchObject({ code: 0, by: null })
})

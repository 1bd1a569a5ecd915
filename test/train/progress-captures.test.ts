import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const built = new URL('../../dist/index.js', import.meta.url).href

/** Two epochs of three batches; each takes so long that the line is drawn meanwhile. */
function program(verbose: number, ms = 250): string {
  return `
    import { setTimeout } from 'node:timers/promises'
    import { data, nn, zeros } from '${built}'
    const model = new nn.Sequential(new nn.Linear(4, 2)).compile({
      optimizer: 'sgd', loss: 'crossEntropy', metrics: ['accuracy'],
    })
    for (const p of model.parameters()) p.copyFrom(0)
    const [x, y] = [zeros([4]), zeros([], { dtype: 'i32' })]
    // The first sample of a batch keeps it waiting.
    const get = async (i) => {
      if (i % 8 === 0) await setTimeout(${ms})
      return { x, y }
    }
    const loader = new data.DataLoader({ length: 24, get }, { batchSize: 8, prefetch: 0 })
    await model.fit(loader, { epochs: 2, verbose: ${verbose} })
    console.log('done')
  `
}

/** Without what differs from run to run. */
function normalised(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(/[\d.]+k? steps\/s/g, 'N steps/s')
    .replaceAll(/ETA (?:\d+:)?\d+:\d\d/g, 'ETA M:SS')
    .replaceAll(/\d+\.\d s$/gm, 'T s')
    .replaceAll(/[━─]{6,}/g, '━━━')
}

/** What a terminal shows in the end: text, carriage returns, cursor columns and erased lines. */
function screen(text: string): string {
  const rows: string[] = ['']
  let column = 0
  // oxlint-disable-next-line no-control-regex
  for (const [token] of text.matchAll(/\u001B\[[\d;?]*[A-Za-z]|[^]/gu)) {
    const row = rows.length - 1
    const now = rows[row] ?? ''
    if (token === '\n') rows.push('')
    else if (token === '\r') column = 0
    else if (token.endsWith('G') && token.length > 1) column = 0
    else if (token.endsWith('[2K')) rows[row] = ''
    else if (token.endsWith('[0K') || token.endsWith('[0J') || token.endsWith('[J'))
      rows[row] = now.slice(0, column)
    else if (token.length > 2) throw new Error(`an unexpected control: ${JSON.stringify(token)}`)
    else {
      rows[row] = now.padEnd(column).slice(0, column) + token + now.slice(column + 1)
      column += 1
    }
    if (token === '\n') column = 0
  }
  return rows.join('\n')
}

/** The states of the changing line, each once. */
function states(text: string): string[] {
  const drawn = normalised(text)
    // oxlint-disable-next-line no-control-regex
    .split(/\u001B\[[\d;?]*[A-Za-z]|\n/)
    .filter((part) => part.includes('Epoch'))
  return drawn.filter((part, i) => part !== drawn[i - 1])
}

function source(verbose: number, ms?: number): string {
  const path = join(mkdtempSync(join(tmpdir(), 'progress-')), 'program.mjs')
  writeFileSync(path, program(verbose, ms))
  return path
}

const withScript = spawnSync('script', ['--version']).status === 0
const skipped = withScript ? '' : ' (SKIPPED: there is no `script` of util-linux here)'

/** What a program writes to a terminal of 100 columns. */
async function terminal(verbose: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'progress-'))
  const log = join(folder, 'typescript')
  const command = `stty cols 100 rows 30; exec ${process.execPath} ${source(verbose)}`
  const child = spawn('script', ['-q', '-e', '-c', command, log], { stdio: 'ignore' })
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code).toBe(0)
  return readFileSync(log, 'utf8')
    .replace(/^Script started.*\n/, '')
    .replace(/\n?Script done.*\n?$/, '')
}

describe('progress on a real terminal', () => {
  test.skipIf(!withScript)(`verbose 1${skipped}`, async () => {
    const text = await terminal(1)
    expect(normalised(screen(text))).toMatchSnapshot('screen')
    expect(states(text)).toMatchSnapshot('states')
    // Nothing that a program which is interrupted would have to take back.
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/\u001B\[\?/)
  })

  test.skipIf(!withScript)(`verbose 2${skipped}`, async () => {
    expect(normalised(screen(await terminal(2)))).toMatchSnapshot()
  })

  test.skipIf(!withScript)(`verbose 0${skipped}`, async () => {
    expect(normalised(screen(await terminal(0)))).toMatchSnapshot()
  })
})

/** What a program writes to pipes, and the signal that ended it. */
function piped(
  verbose: number,
  interruptAfter?: number,
): Promise<{ out: string; err: string; signal: unknown }> {
  const child = spawn(process.execPath, [source(verbose, interruptAfter === undefined ? 1 : 250)], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
    if (interruptAfter !== undefined && err.length >= interruptAfter) child.kill('SIGINT')
  })
  return new Promise((resolve) => child.once('close', (_, signal) => resolve({ out, err, signal })))
}

describe('a bar that nobody closes', () => {
  test('keeps no process alive', async () => {
    const progress = new URL('../../dist/train/progress.js', import.meta.url).href
    const path = join(mkdtempSync(join(tmpdir(), 'progress-')), 'program.mjs')
    writeFileSync(
      path,
      `import { ProgressBar } from '${progress}'
       const stream = { isTTY: true, columns: 80, write: (text) => process.stdout.write(text) }
       const bar = new ProgressBar({ verbose: 1, stream })
       bar.begin('Epoch 1/1', 9)
       bar.update(1, [])
       setTimeout(() => bar.update(2, []), 250)`,
    )
    const child = spawnSync(process.execPath, [path], { encoding: 'utf8', timeout: 20_000 })
    expect([child.status, child.signal]).toEqual([0, null])
    expect(child.stdout).toContain('1/9')
  })
})

describe('progress in a pipe', () => {
  test.each([0, 1, 2])('verbose %i', async (verbose) => {
    const { out, err } = await piped(verbose)
    expect(out).toBe('done\n')
    expect(normalised(err)).toMatchSnapshot()
  })

  test('an interrupt ends the program', async () => {
    const { signal, err } = await piped(1, 1)
    expect(signal).toBe('SIGINT')
    expect(err).toMatch(/^Epoch 1\/2 .*\n$/)
  })
})

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { disagreement } from '../../bench/peers/agreement.js'
import { type Calibration, limitOf, typical } from '../../bench/peers/calibration.js'
import { missing, rivals } from '../../bench/peers/catalog.js'
import { Contestant } from '../../bench/peers/contestant.js'
import { table } from '../../bench/peers/report.js'
import { workloadOf } from '../../bench/workloads.js'
import { execute, root, tsx } from '../pack/project.js'

const folder = mkdtempSync(join(tmpdir(), 'neuroxide-peers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const seed = workloadOf('mlp-seed-b32')
const calibration: Calibration = {
  threads: 2,
  fma_one: { avx2: 100, avx512: 200 },
  fma: { avx2: 200, avx512: 400 },
  adam_one_us: 20,
  adam_us: 10,
  adam_parameters: 101_770,
  cache_gbs: 100,
  memory_gbs: 50,
}

describe('npm run bench:peers', () => {
  const program = join(root, 'bench', 'peers', 'main.ts')
  const run = (...args: string[]) => execute(process.execPath, ['--import', tsx, program, ...args], root)

  it('skips loudly what a folder lacks, says how to install it, and measures the rest', async () => {
    const file = join(folder, 'figures.json')
    const once = ['--workload', 'mlp-seed-b32', '--threads', '1', '--rounds', '2', '--seconds', '0.02']
    const { code, stdout, stderr } = await run('--peers', folder, ...once, '--json', file)
    for (const part of ['py', 'tf', 'js', 'rs'])
      expect(stderr).toContain(`bench/peers/setup.sh ${folder} ${part}\n`)
    expect(stderr).toMatch(/SKIPPED, as not installed: torch-eager, torch-compile, jax-jit, jax-scan\n/)
    expect(code, stderr).toBe(0)
    for (const mode of ['epoch', 'epoch-shuffled', 'jit', 'eager'])
      expect(stdout).toMatch(new RegExp(`^ {2}neuroxide-${mode} +[\\d.]+ `, 'm'))
    const { results, skipped } = JSON.parse(readFileSync(file, 'utf8')) as {
      results: { calibrations: unknown[]; rows: { rounds: number[]; losses: object }[] }[]
      skipped: string[]
    }
    expect(skipped).toHaveLength(rivals(folder).length)
    expect(results[0]!.calibrations).toHaveLength(3)
    expect(results[0]!.rows).toHaveLength(4)
    for (const { rounds, losses } of results[0]!.rows) {
      expect(rounds).toHaveLength(2)
      expect(Object.keys(losses)).toEqual(['1', '10', '100'])
    }
    // Compiles the calibration where no run before has.
  }, 600_000)

  it.each([
    [[], '--peers is missing: a folder that bench/peers/setup.sh DIR has filled'],
    [['--peers', program], 'is no folder'],
    [['--peers', folder, '--rounds', '0'], '--rounds is 0; expected'],
    [['--peers', folder, '--workload', 'mlp'], 'no workload mlp; there are'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(...args)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})

describe('peers', () => {
  it('are missing part by part', () => {
    expect([...missing(rivals(folder)).keys()]).toEqual(['py', 'tf', 'js', 'rs'])
  })

  it('are installed by parts that the installer has', () => {
    const installer = readFileSync(join(root, 'bench', 'peers', 'setup.sh'), 'utf8')
    for (const part of missing(rivals(folder)).keys()) expect(installer).toContain(`part_${String(part)}() {`)
  })

  // The installer is for systems with bash.
  it.skipIf(process.platform === 'win32')(
    'have an installer that touches nothing when it is misused',
    async () => {
      const installer = join(root, 'bench', 'peers', 'setup.sh')
      const nowhere = join(folder, 'nowhere')
      const wrong = await execute('bash', [installer, nowhere, 'rust'], root)
      expect([wrong.code, wrong.stderr]).toEqual([2, 'setup.sh: no part rust; there are py, tf, js and rs\n'])
      const none = await execute('bash', [installer], root)
      expect([none.code, existsSync(nowhere)]).toEqual([2, false])
      expect(none.stderr).toContain('setup.sh DIR [py] [tf] [js] [rs]')
    },
  )

  it('answer round after round, and say with what words they end', async () => {
    const script = join(folder, 'answering.mjs')
    writeFileSync(
      script,
      `import { createInterface } from 'node:readline'
      console.log('a notice of a library')
      console.log(JSON.stringify({ version: '1', threads: 1, losses: { 1: 0.5 }, weights: 2 }))
      let us = 0
      for await (const line of createInterface({ input: process.stdin })) {
        if (line === '3') throw new Error('enough of this')
        console.log(JSON.stringify({ us_per_step: (us += Number(line)) }))
      }`,
    )
    const peer = {
      impl: 'answering',
      part: null,
      command: [process.execPath, script],
      needs: script,
    } as const
    const machine = { name: '', cores: 1, bound: (command: readonly string[]) => command }
    const contestant = await Contestant.start(peer, seed, join(folder, 'none'), 1, machine)
    expect(contestant.introduction.losses).toEqual({ 1: 0.5 })
    await contestant.race(1)
    await contestant.race(2)
    expect(contestant.rounds).toEqual([1, 3])
    await expect(contestant.race(3)).rejects.toThrow(/ended with 1\n[^]*enough of this/)
    contestant.stop()
    const absent = { ...peer, command: [join(folder, 'absent')] }
    await expect(Contestant.start(absent, seed, '', 1, machine)).rejects.toThrow('ENOENT')
  })

  it('agree when weights and losses do', () => {
    const one = { version: '', threads: 1, losses: { '1': 2, '100': 0.1 }, weights: 10 }
    const other = (change: object) => disagreement(one, { ...one, ...change })
    expect(other({ losses: { '1': 2.000_001, '100': 0.1001 } })).toBeNull()
    expect(other({ weights: 10.001 })).toContain('other weights: 10.001 instead of 10')
    expect(other({ losses: { '1': 2.0001, '100': 0.1 } })).toContain('step 1: 2.0001 instead of 2')
    expect(other({ losses: { '1': 2, '100': 0.11 } })).toContain('step 100')
    expect(other({ losses: { '1': Number.NaN, '100': 0.1 } })).toContain('step 1')
    expect(other({ losses: {} })).toContain('step 1')
  })
})

describe('the limit of a step', () => {
  it('is its arithmetic at the peak, and the update from caches or memory', () => {
    const mnist = limitOf(workloadOf('mlp-mnist-b32'), calibration)
    expect(mnist).toMatchObject({ threads: 2, isa: 'avx512', peak: 400, updateUs: 10 })
    expect(mnist.us).toBeCloseTo(13.090816 / 0.4 + 10)
    const alone = limitOf(seed, calibration)
    expect(alone).toMatchObject({ threads: 1, peak: 200 })
    expect(alone.us).toBeCloseTo(0.094208 / 0.2 + (20 * 769) / 101_770)
    const wide = limitOf(workloadOf('mlp-wide-b1024'), calibration)
    expect(wide.us).toBeCloseTo(9793.69984 / 0.4 + (28 * 1.86369) / 0.05)
  })

  it('comes from the medians of calibrations', () => {
    const busy = { ...calibration, fma: { avx2: 1, avx512: 1 }, adam_us: 1000 }
    const { fma, adam_us: adam } = typical([busy, calibration, { ...calibration, adam_us: 11 }])
    expect([fma['avx512'], adam]).toEqual([400, 11])
  })

  it('stands in the table, beside which the rows are', () => {
    const row = { version: '1.2', threads: 2, losses: {} }
    const limit = limitOf(workloadOf('mlp-mnist-b32'), calibration)
    const text = table(workloadOf('mlp-mnist-b32'), limit, [
      { impl: 'neuroxide-epoch', ...row, rounds: [50, 60, 55] },
      { impl: 'slow', ...row, rounds: [110] },
    ])
    expect(text).toContain(
      'at least 42.7 µs on 2 threads = 32.7 (13.1 MFLOP at 400 GFLOP/s, avx512) + 10.0 (Adam',
    )
    expect(text).toMatch(/neuroxide-epoch +55\.0 +50\.0 +9\.1 % +1\.00 +78 % +2 +1\.2/)
    expect(text).toMatch(/slow +110 +110 +0\.0 % +2\.00 +39 %/)
  })
})

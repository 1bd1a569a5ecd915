import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { driven } from '../../bench/driving.js'
import { median, quantile, timed } from '../../bench/timing.js'
import { modes, workloadOf, workloads } from '../../bench/workloads.js'
import { execute, root, tsx, type Ended } from '../pack/project.js'

function bench(...args: string[]): Promise<Ended> {
  const program = join(root, 'bench', 'main.ts')
  return execute(process.execPath, ['--import', tsx, program, ...args], root)
}

function lines({ stdout }: Ended): Record<string, unknown>[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('npm run bench', () => {
  it('prints a line of JSON for each workload and form of driving', async () => {
    const names = ['mlp-seed-b32', 'mlp-mnist-b32']
    const args = names.flatMap((name) => ['--workload', name])
    const ended = await bench(...args, '--threads', '3', '--seconds', '0.01', '--json')
    expect(ended.stderr).toBe('')
    const rows = lines(ended)
    expect(rows.map(({ workload, mode }) => `${String(workload)} ${String(mode)}`)).toEqual(
      names.flatMap((name) => ['epoch', 'jit', 'eager'].map((mode) => `${name} ${mode}`)),
    )
    for (const row of rows) {
      expect(row).toMatchObject({ impl: 'neuroxide', threads: 3 })
      expect(row['us_per_step']).toBeGreaterThan(0)
    }
    expect(rows.map(({ shuffle }) => shuffle).slice(0, 2)).toEqual([false, undefined])
  })

  it('prints a table without --json, and only the modes that are asked for', async () => {
    const { stdout } = await bench(
      '--workload',
      'mlp-seed-b32',
      '--mode',
      'epoch',
      '--shuffle',
      '--seconds',
      '0.01',
    )
    expect(stdout).toMatch(/^neuroxide on \w+, \d+ threads?\n\nmlp-seed-b32 +epoch, shuffled +[\d.]+ µs\n$/)
  })

  it('reports percentiles beside a busy process', async () => {
    const rows = lines(await bench('--neighbour', '--seconds', '0.05', '--json'))
    expect(rows.map(({ neighbours }) => neighbours)).toEqual([0, 1])
    for (const { us_p50, us_p95 } of rows) expect(Number(us_p50)).toBeLessThanOrEqual(Number(us_p95))
  })

  it.each([
    [
      ['--workload', 'mlp-seed'],
      'no workload mlp-seed; there are mlp-seed-b32, mlp-mnist-b32, mlp-wide-b1024',
    ],
    [['--mode', 'lazy'], 'no mode lazy; there are epoch, jit, eager'],
    [['--threads', '0'], '--threads is 0; expected a number from 1 to 128'],
    [['--threads', '1.5'], '--threads is 1.5; expected an integer'],
    [['--seconds', 'long'], '--seconds is long; expected a number'],
    [['--faster'], "Unknown option '--faster'"],
  ])('refuses %j and says what there is', async (args, message) => {
    const { code, stdout, stderr } = await bench(...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(stderr).toContain('npm run')
  })
})

describe('workloads', () => {
  it('count what a step computes', () => {
    expect(workloads.map(({ flops, parameters }) => [flops, parameters])).toEqual([
      [94_208, 769],
      [13_090_816, 101_770],
      [9_793_699_840, 1_863_690],
    ])
  })

  it('are the same however they are driven, to the bit', async () => {
    for (const name of ['mlp-seed-b32', 'mlp-mnist-b32']) {
      const all = await Promise.all(modes.map((mode) => driven(workloadOf(name), mode).losses(3)))
      expect(all[0], name).toHaveLength(3)
      expect(all[1], name).toEqual(all[2])
      // The mean over an epoch of one batch is kept in double precision, from the same sums.
      for (const [i, loss] of all[0]!.entries()) expect(loss).toBeCloseTo(all[1]![i]!, 5)
    }
  })
})

describe('timing', () => {
  it('takes the median of repeats of equal length', async () => {
    let steps = 0
    // A step takes a fifth of a millisecond, or more where something else has the core.
    const run = (count: number): number => {
      steps += count
      const end = performance.now() + count / 5
      while (performance.now() < end) continue
      return count
    }
    const timing = await timed(run, 0.07)
    expect(timing.fastest).toBeGreaterThan(199)
    expect(timing.usPerStep).toBeGreaterThanOrEqual(timing.fastest)
    expect(timing.steps).toBeLessThan(steps)
  })

  it('finds what lies between', () => {
    expect(median([5, 1, 3])).toBe(3)
    expect(quantile([0, 1, 2, 3], 0.5)).toBe(1.5)
    expect(quantile([7], 0.95)).toBe(7)
  })
})

// What a busy process on the same cores does to a jitted step: half of the steps show it hardly at all, and one in
// twenty shows how long the pool waits for a thread that the system has taken away.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { driven } from './driving.js'
import { quantile } from './timing.js'
import { workloadOf } from './workloads.js'

export interface NeighbourRow extends Record<string, string | number> {
  readonly impl: string
  readonly threads: number
  readonly workload: string
  readonly mode: string
  readonly neighbours: number
  readonly us_p50: number
  readonly us_p95: number
}

/** Times single steps, first alone, then beside a process that computes all the time and is bound to no core. */
export async function besideNeighbour(threads: number, seconds: number): Promise<NeighbourRow[]> {
  const { name: workload } = workloadOf('mlp-mnist-b32')
  const { run } = driven(workloadOf(workload), 'jit')
  await run(2000)
  const rows: NeighbourRow[] = []
  for (const neighbours of [0, 1]) {
    const busy = neighbours > 0 ? await spinning() : null
    try {
      const times = await single(run, seconds)
      const row = { impl: 'neuroxide', threads, workload, mode: 'jit', neighbours }
      rows.push({ ...row, us_p50: rounded(quantile(times, 0.5)), us_p95: rounded(quantile(times, 0.95)) })
    } finally {
      busy?.kill('SIGKILL')
    }
  }
  return rows
}

async function single(run: (steps: number) => unknown, seconds: number): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + 1000 * seconds
  for (let now = performance.now(); now < end;) {
    run(1)
    const then = performance.now()
    times.push(1000 * (then - now))
    now = then
  }
  return times
}

/** A process that spins; it has begun when this resolves. */
async function spinning(): Promise<{ kill(signal: 'SIGKILL'): boolean }> {
  const program = `process.stdout.write('!', () => { for (;;); })`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

function rounded(us: number): number {
  return Number(us.toPrecision(5))
}

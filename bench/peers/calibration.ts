// What the machine can do at the time of the comparison, and what that allows a step.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { median } from '../timing.js'
import type { Workload } from '../workloads.js'
import type { Processors } from './processors.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const execute = promisify(execFile)

/** Figures of one calibration; GFLOP/s by instruction set, on one thread and on all that are compared. */
export interface Calibration {
  readonly threads: number
  readonly fma_one: Readonly<Record<string, number>>
  readonly fma: Readonly<Record<string, number>>
  readonly adam_one_us: number
  readonly adam_us: number
  readonly adam_parameters: number
  readonly cache_gbs: number
  readonly memory_gbs: number
}

/** Measures anew at each call; builds the program first. */
export async function calibrator(
  processors: Processors,
  threads: number,
): Promise<() => Promise<Calibration>> {
  const build = ['build', '--release', '--package', 'xtask']
  const flags = ['--message-format', 'json-render-diagnostics']
  const { stdout } = await execute('cargo', [...build, ...flags], { cwd: root, maxBuffer: 1 << 26 })
  const program = /"executable":"((?:[^"\\]|\\.)+)"/.exec(stdout)?.[1]
  if (program === undefined) throw new Error('cargo made no program of crates/xtask')
  const [first, ...args] = processors.bound(
    [JSON.parse(`"${program}"`) as string, 'calibrate', `${threads}`],
    threads,
  )
  return async () => JSON.parse((await execute(first!, args)).stdout) as Calibration
}

/** The median of every figure. */
export function typical(calibrations: readonly Calibration[]): Calibration {
  const of = (figure: (calibration: Calibration) => number): number => median(calibrations.map(figure))
  const peaks = (key: 'fma' | 'fma_one'): Record<string, number> =>
    Object.fromEntries(
      Object.keys(calibrations[0]?.[key] ?? {}).map((isa) => [isa, of((one) => one[key][isa] ?? Number.NaN)]),
    )
  return {
    threads: of((one) => one.threads),
    fma_one: peaks('fma_one'),
    fma: peaks('fma'),
    adam_one_us: of((one) => one.adam_one_us),
    adam_us: of((one) => one.adam_us),
    adam_parameters: of((one) => one.adam_parameters),
    cache_gbs: of((one) => one.cache_gbs),
    memory_gbs: of((one) => one.memory_gbs),
  }
}

/** The least that a step can take: its arithmetic at the peak, and then the update. */
export interface Limit {
  readonly threads: number
  /** The instruction set of the peak, and its GFLOP/s; none where nothing measures it. */
  readonly isa: string
  readonly peak: number
  readonly arithmeticUs: number
  readonly updateUs: number
  readonly us: number
}

/** `NEUROXIDE_ISA` chooses the peak as it chooses the kernels; otherwise the highest counts. */
export function limitOf(workload: Workload, calibration: Calibration): Limit {
  const threads = Math.min(workload.widest, calibration.threads)
  const peaks = Object.entries(threads === 1 ? calibration.fma_one : calibration.fma)
  const forced = process.env['NEUROXIDE_ISA']
  const [isa, peak] = peaks
    .filter(([isa]) => forced === undefined || isa === forced)
    .toSorted(([, a], [, b]) => b - a)[0] ?? ['none', Number.NaN]
  const arithmeticUs = workload.flops / peak / 1000
  // An update reads weight, gradient and two moments, and writes all but the gradient: seven numbers of four bytes.
  const streamedUs = (28 * workload.parameters) / calibration.memory_gbs / 1000
  const sweepUs = threads === 1 ? calibration.adam_one_us : calibration.adam_us
  const cachedUs = (workload.parameters / calibration.adam_parameters) * sweepUs
  const updateUs = workload.streamed ? streamedUs : cachedUs
  return { threads, isa, peak, arithmeticUs, updateUs, us: arithmeticUs + updateUs }
}

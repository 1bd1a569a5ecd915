import { readFileSync } from 'node:fs'
import { arch, cpus, platform, release } from 'node:os'
import { posix } from 'node:path'
import type { Report } from './report.js'

/** Reads a file of the system; null where there is none. */
export type ReadText = (path: string) => string | null

const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** More threads than these are never used. */
const MOST_THREADS = 128

/** What keeps threads from being as many as there are processors. */
export interface ThreadLimits {
  readonly processors: number
  /** Processors that the process may run on; null where the system does not say. */
  readonly affinity: number | null
  /** Processors' worth of time that the container may use; null where there is no quota. */
  readonly quota: number | null
}

/** Reads affinity and the quota of the control group, on Linux; `processors` is what the system has. */
export function threadLimits(processors: number = cpus().length, read: ReadText = readText): ThreadLimits {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(read('/proc/self/status') ?? '')?.[1]
  return {
    processors,
    affinity: allowed === undefined ? null : sizeOf(allowed),
    quota: quota(read),
  }
}

/** How many numbers a list such as `0-3,8` has. */
function sizeOf(list: string): number {
  let count = 0
  for (const part of list.split(',')) {
    const [first = 0, last = first] = part.split('-').map(Number)
    count += last - first + 1
  }
  return count
}

/** The smallest quota of the control group and of those around it, in processors. */
function quota(read: ReadText): number | null {
  const quotas: number[] = []
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    if (controllers === '') {
      for (const group of ancestors(path)) {
        const [limit, period = '100000'] = (read(`/sys/fs/cgroup${group}/cpu.max`) ?? '').trim().split(/\s+/)
        if (limit !== undefined && /^\d+$/.test(limit)) quotas.push(Number(limit) / Number(period))
      }
    } else if (controllers.split(',').includes('cpu')) {
      for (const group of ancestors(path)) {
        const folder = `/sys/fs/cgroup/${controllers}${group}`
        const limit = Number(read(`${folder}/cpu.cfs_quota_us`) ?? '-1')
        const period = Number(read(`${folder}/cpu.cfs_period_us`) ?? '100000')
        if (limit > 0) quotas.push(limit / period)
      }
    }
  }
  return quotas.length === 0 ? null : Math.min(...quotas)
}

/** A path of a control group and those above it, as what follows the mount: the top is empty. */
function ancestors(path: string): string[] {
  const found: string[] = []
  for (let at = path; at !== '/'; at = posix.dirname(at)) found.push(at)
  return [...found, '']
}

/** Why the addon uses as many threads as it does. */
export function whyThreads(used: number, limits: ThreadLimits, env: NodeJS.ProcessEnv): string {
  if (env['NEUROXIDE_THREADS']) return `NEUROXIDE_THREADS is ${env['NEUROXIDE_THREADS']}`
  const { processors, affinity, quota: share } = limits
  if (share !== null && Math.max(1, Math.floor(share)) === used && share < (affinity ?? processors))
    return `the container's quota is ${Number(share.toFixed(2))} of ${processors} processors`
  if (affinity !== null && affinity === used && affinity < processors)
    return `the process may run on ${affinity} of ${processors} processors (affinity)`
  if (used === processors) return processors === 1 ? 'the only processor' : `all ${processors} processors`
  if (used === MOST_THREADS) return `the most there can be, of ${processors} processors`
  return `what the system leaves of ${processors} processors`
}

/** The instruction sets that the kernels know and the processor says it has, widest first; null where it is not told. */
function offered(read: ReadText): string[] | null {
  const flags = /^flags\s*:\s*(.+)$/m.exec(read('/proc/cpuinfo') ?? '')?.[1]?.split(' ')
  if (flags === undefined) return null
  const has = (...names: string[]): boolean => names.every((name) => flags.includes(name))
  const avx2 = has('avx2', 'fma')
  const avx512 = avx2 && has('avx512f', 'avx512dq', 'avx512bw', 'avx512vl')
  return [...(avx512 ? ['avx512'] : []), ...(avx2 ? ['avx2'] : []), 'portable']
}

/** Why the addon uses the instruction set that it does, and a note where it could be faster. */
export function whyInstructionSet(
  used: string,
  env: NodeJS.ProcessEnv,
  machine: { readonly arch: string; readonly read?: ReadText } = { arch: arch() },
): { readonly why: string; readonly note: string | null } {
  const widest = offered(machine.read ?? readText)?.[0]
  const chosen = env['NEUROXIDE_ISA']
  if (chosen) {
    const slower = widest !== undefined && widest !== used
    return {
      why: `NEUROXIDE_ISA is ${chosen}`,
      note: slower ? `The processor has ${widest}: unset NEUROXIDE_ISA for its full speed.` : null,
    }
  }
  if (used !== 'portable') return { why: 'the widest that the processor and the kernels have', note: null }
  return machine.arch === 'x64'
    ? {
        why: 'the processor has no AVX2 with FMA',
        note: 'Without FMA each multiply-add is computed in software, for the same bits: training is slow here.',
      }
    : { why: `the kernels for ${machine.arch} are the portable ones`, note: null }
}

/** The system that this Node was built for, with the C library on Linux. */
export function systemOf(): Report['system'] {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  const glibc = header?.glibcVersionRuntime
  const libc = platform() === 'linux' ? (glibc === undefined ? 'musl' : `glibc ${glibc}`) : null
  return { platform: platform(), arch: arch(), libc, release: release() }
}

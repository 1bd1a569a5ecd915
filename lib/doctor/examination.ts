import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { entryOf } from '../errors/codes.js'
import { systemOf, threadLimits, whyInstructionSet, whyThreads } from './machine.js'
import { peersOf } from './peers.js'
import type { Finding } from './probe.js'
import type { Problem, Rate, Report } from './report.js'

/** How long the probe may take before it is ended, in milliseconds. */
const PATIENCE = 60_000

/** What each stage of the probe is called, in the order in which they come. */
const stages = ['addon', 'products', 'training'] as const

/** The manifest of this package. */
interface Manifest {
  readonly version: string
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const manifestPath = fileURLToPath(new URL('../../package.json', import.meta.url))

/** The manifest of this package. */
export function manifest(): Manifest {
  return JSON.parse(readFileSync(manifestPath, 'utf8')) as Manifest
}

/** What a probe told, and how it ended where it did not end well. */
interface Probed {
  readonly findings: readonly Finding[]
  readonly death: string | null
}

function probe(what: 'everything' | 'products', env: NodeJS.ProcessEnv): Promise<Probed> {
  const program = fileURLToPath(new URL('probe.js', import.meta.url))
  return new Promise((resolve) => {
    // Verification runs every step twice, which is not what is measured here.
    const child = spawn(process.execPath, [program, what], {
      env: { ...env, NEUROXIDE_VERIFY: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PATIENCE,
      killSignal: 'SIGKILL',
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk) => (stdout += String(chunk)))
    child.stderr.on('data', (chunk) => (stderr += String(chunk)))
    const end = (death: string | null): void => resolve({ findings: parsed(stdout), death })
    child.on('error', (error) => end(error.message))
    child.on('close', (code, signal) => {
      if (code === 0) return end(null)
      const last = stderr.trim().split('\n').at(-1)
      end(`${signal ?? `exit code ${code}`}${last ? `: ${last}` : ''}`)
    })
  })
}

/** Whole lines only: a process that is killed may leave half of one. */
function parsed(stdout: string): Finding[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Finding)
}

const REPORT = 'Please report it, with this page.'

/** What is most often wrong in a clone: the library was built after a change of the addon that was not. */
const OLD_ADDON =
  'The addon of this clone may be older than its library: run `npm run setup`. If that changes nothing, please report it, with this page.'

function isClone(probed: Probed): boolean {
  return stageOf(probed, 'addon')?.addon.foundBy === 'clone'
}

/** What went wrong in a probe, if anything did. */
function problemOf(probed: Probed): Problem | null {
  const { findings, death } = probed
  const done = findings.filter(({ stage }) => stage !== 'failed').length
  const part = stages[Math.min(done, stages.length - 1)] ?? 'addon'
  const failed = findings.find((finding) => finding.stage === 'failed')
  if (failed !== undefined) {
    const [message = '', remedy] = failed.message.split(/\n?Fix: /)
    return {
      part,
      message: message.trimEnd(),
      remedy: remedy ?? (isClone(probed) ? OLD_ADDON : (entryOf(failed.code ?? '')?.remedy ?? REPORT)),
    }
  }
  if (death === null) return null
  const doing = { addon: 'loading the addon', products: 'multiplying matrices', training: 'training' }[part]
  return {
    part,
    message: `The process ended while ${doing}: ${death}.`,
    remedy:
      part === 'addon'
        ? 'Install the package again; in a clone run `npm run build:native`.'
        : 'Try `NEUROXIDE_ISA=portable npx neuroxide doctor`, and please report it, with both pages.',
  }
}

/** A training that ran and did not learn. */
function trainingProblem(training: Report['training']): Problem | null {
  if (training === null) return null
  const { firstLoss, lastLoss } = training
  if (Number.isFinite(lastLoss) && lastLoss < firstLoss) return null
  return {
    part: 'training',
    message: `The loss of a small training went from ${firstLoss} to ${lastLoss}; it has to fall.`,
    remedy: REPORT,
  }
}

function stageOf<S extends Finding['stage']>(
  { findings }: Probed,
  stage: S,
): Extract<Finding, { stage: S }> | undefined {
  return findings.find((finding): finding is Extract<Finding, { stage: S }> => finding.stage === stage)
}

/** Looks at everything that neuroxide needs here; takes about a second. */
export async function examine(env: NodeJS.ProcessEnv = process.env): Promise<Report> {
  const probed = await probe('everything', env)
  const problems: Problem[] = []
  const first = problemOf(probed)
  const addon = stageOf(probed, 'addon')
  const all = stageOf(probed, 'products')?.rate
  const products: Rate[] = all === undefined ? [] : [all]
  if (all !== undefined && all.threads > 1) {
    const alone = await probe('products', { ...env, NEUROXIDE_THREADS: '1' })
    const problem = problemOf(alone)
    if (problem !== null) problems.push(problem)
    const rate = stageOf(alone, 'products')?.rate
    if (rate !== undefined) products.unshift(rate)
  }
  const training = stageOf(probed, 'training')?.training ?? null
  problems.unshift(...[first, trainingProblem(training)].filter((problem) => problem !== null))
  const instructions = addon === undefined ? null : whyInstructionSet(addon.isa, env)
  const { version, peerDependencies = {} } = manifest()
  return {
    ok: problems.length === 0,
    problems,
    notes: [instructions?.note ?? null, threadNote(addon?.threads)].filter((note) => note !== null),
    package: { version, path: dirname(manifestPath) },
    node: { version: process.version, napi: process.versions.napi ?? '?', v8: process.versions.v8 },
    system: systemOf(),
    processor: {
      model: cpus()[0]?.model.trim() ?? 'unknown',
      count: cpus().length,
      memoryBytes: totalmem(),
    },
    addon: addon?.addon ?? null,
    instructionSet:
      addon === undefined || instructions === null ? null : { used: addon.isa, why: instructions.why },
    threads:
      addon === undefined
        ? null
        : { used: addon.threads, why: whyThreads(addon.threads, threadLimits(), env) },
    products,
    training,
    peers: peersOf({ peerDependencies }, [dirname(manifestPath), process.cwd()]),
  }
}

function threadNote(threads: number | undefined): string | null {
  const count = cpus().length
  return threads !== undefined && threads > count
    ? `${threads} threads share ${count} processors, which is slower than ${count} threads.`
    : null
}

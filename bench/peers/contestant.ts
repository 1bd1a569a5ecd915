// A program under comparison while it runs: started once, warmed, then asked in every round.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import type { Workload } from '../workloads.js'
import type { Peer } from './catalog.js'
import type { Processors } from './processors.js'

/** What a program says of itself first. */
export interface Introduction {
  readonly version: string
  readonly threads: number
  /** The losses of some of its first steps. */
  readonly losses: Readonly<Record<string, number>>
  /** The sum of absolute values of the weights that it started from. */
  readonly weights: number
}

/** Compiling a step may take minutes; what takes longer hangs. */
const PATIENCE = 600_000

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class Contestant {
  readonly impl: string
  readonly introduction: Introduction
  /** Microseconds of a step, one number a round. */
  readonly rounds: number[] = []
  readonly #child: ChildProcess
  readonly #answers: Answers

  private constructor(impl: string, introduction: Introduction, child: ChildProcess, answers: Answers) {
    this.impl = impl
    this.introduction = introduction
    this.#child = child
    this.#answers = answers
  }

  /** Starts a program and waits until it has taken its first steps. */
  static async start(
    peer: Peer,
    workload: Workload,
    values: string,
    threads: number,
    processors: Processors,
  ): Promise<Contestant> {
    const flags = ['--impl', peer.impl, '--workload', workload.name, ...workload.flags, '--values', values]
    const more = ['--checked', workload.checked.join(','), '--threads', `${threads}`, '--serve']
    const [program, ...args] = processors.bound([...peer.command, ...flags, ...more], threads)
    const env = { ...process.env, ...threadVariables(threads), ...peer.env }
    const child = spawn(program!, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    running.add(child)
    child.once('close', () => running.delete(child))
    const answers = new Answers(child)
    const introduction = (await answers.next()) as unknown as Introduction
    return new Contestant(peer.impl, introduction, child, answers)
  }

  /** Lets the program run for that long, and keeps what it measured. */
  async race(seconds: number): Promise<void> {
    this.#child.stdin?.write(`${seconds}\n`)
    this.rounds.push(Number((await this.#answers.next())['us_per_step']))
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

/** The lines of JSON that a program prints, one by one; its end or its silence is an error with its last words. */
class Answers {
  readonly #child: ChildProcess
  readonly #lines: Interface
  #words = ''

  constructor(child: ChildProcess) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout! })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#words = (this.#words + text).slice(-2000)
    })
    // A program that has ended cannot be asked; that it ended is said below.
    child.stdin!.on('error', () => {})
  }

  next(): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => {
        done()
        reject(new Error(`${what}\n${this.#words.trim().split('\n').slice(-8).join('\n')}`.trim()))
      }
      const ended = (code: number | null, signal: string | null): void => fail(`ended with ${code ?? signal}`)
      const failed = (error: Error): void => fail(error.message)
      const line = (text: string): void => {
        // Libraries print notices of their own.
        if (!text.startsWith('{')) return
        done()
        resolve(JSON.parse(text) as Record<string, unknown>)
      }
      const timer = setTimeout(() => fail(`said nothing for ${PATIENCE / 60_000} minutes`), PATIENCE)
      const done = (): void => {
        clearTimeout(timer)
        this.#lines.off('line', line)
        this.#child.off('close', ended).off('error', failed)
      }
      this.#lines.on('line', line)
      this.#child.on('close', ended).on('error', failed)
    })
  }
}

/** Every library has a variable of its own; those that have none count the processors that they are bound to. */
function threadVariables(threads: number): Record<string, string> {
  const names = ['OMP', 'MKL', 'OPENBLAS', 'RAYON']
  return {
    ...Object.fromEntries(names.map((name) => [`${name}_NUM_THREADS`, `${threads}`])),
    NEUROXIDE_THREADS: `${threads}`,
    TF_CPP_MIN_LOG_LEVEL: '3',
  }
}

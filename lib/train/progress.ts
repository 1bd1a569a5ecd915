/** Where progress is written; `process.stderr` satisfies it. */
export interface ProgressStream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** `0` prints nothing, `1` a bar (plain lines where the stream is no terminal), `2` one line per epoch. */
export type Verbosity = 0 | 1 | 2

export interface ProgressOptions {
  readonly verbose: Verbosity
  readonly stream?: ProgressStream
  /** Milliseconds; a clock of one's own makes output testable. */
  readonly now?: () => number
}

/** One named number of a line of progress. */
export type Reading = readonly [name: string, value: number]

/** At most ten writes a second: what a person can read, and what a slow terminal or a log can bear. */
const interval = 100
/** Where there is no terminal, a long epoch still says that it lives. */
const plainInterval = 10_000
const barWidth = 24
/** A bar with fewer characters says nothing that the counter does not. */
const narrowBar = 6

/**
 * One line of progress per epoch: step, loss, metrics, steps per second, time left.
 *
 * It writes to stderr by default, so that a program's own output stays clean, and at most ten times a second whatever
 * the number of steps and epochs; what comes too early is kept and written with the next line.
 */
export class ProgressBar {
  readonly #verbose: Verbosity
  readonly #stream: ProgressStream
  readonly #now: () => number
  readonly #terminal: boolean
  #label = ''
  #steps = 0
  #start = 0
  #wrote = -Infinity
  #drawn = false
  #waiting = ''

  constructor(options: ProgressOptions) {
    this.#verbose = options.verbose
    this.#stream = options.stream ?? process.stderr
    this.#now = options.now ?? (() => performance.now())
    this.#terminal = this.#stream.isTTY === true && options.verbose === 1
  }

  /** Starts a phase, such as one epoch; `steps` is 0 where their number is not known. */
  begin(label: string, steps: number): void {
    this.#label = label
    this.#steps = steps
    this.#start = this.#now()
    if (!this.#terminal) this.#wrote = this.#start
  }

  /** Shows the state after `step` steps, unless the last writing was less than 100 ms ago. */
  update(step: number, readings: readonly Reading[]): void {
    if (this.#verbose !== 1) return
    const now = this.#now()
    if (now - this.#wrote < (this.#terminal ? interval : plainInterval)) return
    const parts = [this.#counter(step), ...described(readings), this.#speed(step, now), this.#left(step, now)]
    this.#write(`${this.#label} ${this.#withBar(step, parts)}`, !this.#terminal, now)
  }

  /** Ends the phase with a line that stays. */
  end(step: number, readings: readonly Reading[]): void {
    if (this.#verbose === 0) return
    const now = this.#now()
    const time = `${((now - this.#start) / 1000).toFixed(1)} s`
    const parts = [this.#counter(step), ...described(readings), this.#speed(step, now), time]
    this.#write(`${this.#label} ${parts.join(' · ')}`, true, now)
  }

  /** Writes what still waits and leaves the cursor on a line of its own; safe to call twice. */
  close(): void {
    const rest = this.#waiting + (this.#drawn ? '\n' : '')
    this.#waiting = ''
    this.#drawn = false
    if (rest !== '') this.#stream.write(rest)
  }

  #write(line: string, lasting: boolean, now: number): void {
    const clear = this.#terminal && this.#drawn ? '\r\u001B[2K' : ''
    // A line that is drawn over must not wrap; one that stays may.
    const text = this.#waiting + clear + (lasting ? `${line}\n` : line.slice(0, this.#room))
    this.#drawn = this.#terminal && !lasting
    // A lasting line that comes too early waits for the next one, or for the end.
    if (now - this.#wrote < interval && lasting) {
      this.#waiting = text
      return
    }
    this.#waiting = ''
    this.#wrote = now
    this.#stream.write(text)
  }

  #counter(step: number): string {
    return this.#steps > 0 ? `${step}/${this.#steps}` : `${step} steps`
  }

  get #room(): number {
    return Math.max((this.#stream.columns ?? 80) - 1, 20)
  }

  /** The numbers behind a bar; where a terminal is narrow, first the bar gives way, then the dots between. */
  #withBar(step: number, parts: readonly string[]): string {
    if (!this.#terminal || this.#steps === 0) return parts.join(' · ')
    for (const separator of [' · ', ' ']) {
      const numbers = parts.join(separator)
      const width = Math.min(barWidth, this.#room - this.#label.length - numbers.length - 2)
      if (width < narrowBar) continue
      const done = Math.min(Math.floor((step / this.#steps) * width), width)
      return `${'━'.repeat(done)}${'─'.repeat(width - done)} ${numbers}`
    }
    return parts.join(' ')
  }

  #speed(step: number, now: number): string {
    const seconds = (now - this.#start) / 1000
    const rate = seconds > 0 ? step / seconds : 0
    // Five characters at most, so that a line of 80 columns has room for a bar however small the model.
    if (rate >= 99_999.5) return `${Math.round(rate / 1000)}k steps/s`
    return `${rate >= 100 ? Math.round(rate) : rate.toFixed(1)} steps/s`
  }

  #left(step: number, now: number): string {
    if (this.#steps === 0 || step === 0) return 'ETA –'
    const seconds = Math.ceil((((now - this.#start) / step) * (this.#steps - step)) / 1000)
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
    const clock = `${String(minutes).padStart(hours > 0 ? 2 : 1, '0')}:${String(seconds % 60).padStart(2, '0')}`
    return `ETA ${hours > 0 ? `${hours}:` : ''}${clock}`
  }
}

function described(readings: readonly Reading[]): string[] {
  return readings.map(([name, value]) => `${name} ${formatReading(value)}`)
}

/** Four digits after the point, or scientific notation where they would show nothing. */
export function formatReading(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(3)
  return Number.isFinite(value) && Math.abs(value) < 1e9 ? value.toFixed(4) : String(value)
}

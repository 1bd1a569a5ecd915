import cliProgress, { type MultiBar, type Options, type Params, type SingleBar } from 'cli-progress'

/** Where progress is written; what `process.stderr` has of it is enough. */
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

/** Bars that are shown now, the newest last: what is announced goes through it. */
const shown: ProgressBar[] = []

/** Tells something on a line of its own: above the bar that is shown, or on stderr where there is none. */
export function announce(text: string): void {
  const bar = shown.at(-1)
  if (bar === undefined) process.stderr.write(`${text}\n`)
  else bar.tell(text)
}

/** Lines that stay, and one that changes. */
interface Display {
  /** A line that stays. */
  tell(line: string): void
  begin(steps: number): void
  update(step: number): void
  /** The changing line has no more to say. */
  end(): void
  close(): void
}

/**
 * One line of progress per epoch: step, loss, metrics, steps per second, time left.
 *
 * It writes to stderr by default, so that a program's own output stays clean, and at most ten times a second whatever
 * the number of steps and epochs; what comes too early is kept and written with the next line.
 */
export class ProgressBar {
  readonly #display: Display | null
  #label = ''
  #steps = 0
  #start = 0
  #readings: readonly Reading[] = []

  constructor(options: ProgressOptions) {
    const { verbose, stream = process.stderr } = options
    const line = (step: number, view: View | null): string => this.#line(step, view)
    if (verbose === 0) this.#display = null
    else if (verbose === 1 && stream.isTTY === true) this.#display = new Terminal(stream, line)
    else this.#display = new Lines(stream, verbose === 1 ? line : null)
    if (this.#display !== null) shown.push(this)
  }

  /** Starts a phase, such as one epoch; `steps` is 0 where their number is not known. */
  begin(label: string, steps: number): void {
    this.#label = label
    this.#steps = steps
    this.#start = performance.now()
    this.#readings = []
    this.#display?.begin(steps)
  }

  /** Tells the state after `step` steps; it is shown when it is time to. */
  update(step: number, readings: readonly Reading[]): void {
    this.#readings = readings
    this.#display?.update(step)
  }

  /** Ends the phase with a line that stays. */
  end(step: number, readings: readonly Reading[]): void {
    const time = `${((performance.now() - this.#start) / 1000).toFixed(1)} s`
    const parts = [this.#counter(step), ...described(readings), this.#speed(step), time]
    this.#display?.end()
    this.#display?.tell(`${this.#label} ${parts.join(' · ')}`)
  }

  /** A line between those of progress. */
  tell(line: string): void {
    this.#display?.tell(line)
  }

  /** Writes what still waits and leaves the cursor on a line of its own; safe to call twice. */
  close(): void {
    this.#display?.close()
    const at = shown.indexOf(this)
    if (at >= 0) shown.splice(at, 1)
  }

  /** The changing line, with a bar where there is a terminal. */
  #line(step: number, view: View | null): string {
    const parts = [
      this.#counter(step),
      ...described(this.#readings),
      this.#speed(step),
      this.#left(step, view),
    ]
    if (view === null) return `${this.#label} ${parts.join(' · ')}`
    // One column is left free: a line that fills all of them may wrap.
    const room = Math.max(view.columns - 1, 20)
    return `${this.#label} ${this.#withBar(room, parts, view)}`.slice(0, room)
  }

  /** The numbers behind a bar; where a terminal is narrow, first the bar gives way, then the dots between. */
  #withBar(room: number, parts: readonly string[], view: View): string {
    if (this.#steps === 0) return parts.join(' · ')
    for (const separator of [' · ', ' ']) {
      const numbers = parts.join(separator)
      const width = Math.min(barWidth, room - this.#label.length - numbers.length - 2)
      if (width >= narrowBar) return `${view.bar(width)} ${numbers}`
    }
    return parts.join(' ')
  }

  #counter(step: number): string {
    return this.#steps > 0 ? `${step}/${this.#steps}` : `${step} steps`
  }

  #speed(step: number): string {
    const seconds = (performance.now() - this.#start) / 1000
    const rate = seconds > 0 ? step / seconds : 0
    // Five characters at most, so that a line of 80 columns has room for a bar however small the model.
    if (rate >= 99_999.5) return `${Math.round(rate / 1000)}k steps/s`
    return `${rate >= 100 ? Math.round(rate) : rate.toFixed(1)} steps/s`
  }

  #left(step: number, view: View | null): string {
    if (this.#steps === 0 || step === 0) return 'ETA –'
    const left = (performance.now() - this.#start) * (this.#steps / step - 1)
    const seconds = Math.ceil(view?.eta ?? left / 1000)
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
    const clock = `${String(minutes).padStart(hours > 0 ? 2 : 1, '0')}:${String(seconds % 60).padStart(2, '0')}`
    return `ETA ${hours > 0 ? `${hours}:` : ''}${clock}`
  }
}

/** What the library knows of the changing line. */
interface View {
  readonly columns: number
  /** Seconds that are left, where it can tell. */
  readonly eta: number | null
  bar(width: number): string
}

type LineOf = (step: number, view: View | null) => string

/**
 * A terminal: cli-progress draws the changing line ten times a second, below the lines that stay. Cursor and wrapping of
 * the terminal stay as they are, so there is nothing to restore where the program is interrupted.
 */
class Terminal implements Display {
  readonly #bars: MultiBar
  readonly #line: LineOf
  readonly #stream: ProgressStream
  #bar: SingleBar | null = null
  #running = false
  /** What the library has written since the last write to the stream. */
  #drawn = ''
  #changed = false
  #closing = false

  constructor(stream: ProgressStream, line: LineOf) {
    this.#line = line
    this.#stream = stream
    const collected = {
      isTTY: true,
      get columns(): number {
        return stream.columns ?? 80
      },
      write: (text: string): boolean => {
        this.#drawn += text
        return true
      },
    }
    this.#bars = new cliProgress.MultiBar({
      // The library asks for no more than these of a stream.
      stream: collected as unknown as NodeJS.WritableStream,
      format: (options, params) => this.#text(options, params),
      fps: 1000 / interval,
      barCompleteChar: '━',
      barIncompleteChar: '─',
      barsize: barWidth,
      etaBuffer: 100,
      linewrap: true,
      hideCursor: false,
      clearOnComplete: true,
      forceRedraw: true,
    })
    this.#bars.on('update-post', () => this.#flush())
  }

  begin(steps: number): void {
    this.#running = true
    this.#changed = true
    if (this.#bar === null) this.#bar = this.#bars.create(steps, 0)
    else this.#bar.start(steps, 0)
    this.#detach()
  }

  update(step: number): void {
    this.#changed = true
    this.#bar?.update(step)
  }

  end(): void {
    this.#running = false
    this.#changed = true
  }

  tell(line: string): void {
    this.#changed = true
    this.#bars.log(`${line}\n`)
  }

  close(): void {
    this.#running = false
    if (this.#bar === null && !this.#changed) return
    this.#closing = true
    // Lines that wait are drawn with the next update only.
    this.#bars.update()
    this.#bars.stop()
    this.#closing = false
    this.#bar = null
    this.#changed = true
    this.#flush()
  }

  #text(options: Options, { eta, maxWidth, progress, value }: Params): string {
    if (!this.#running) return ''
    return this.#line(value, {
      columns: maxWidth,
      eta: Number.isFinite(eta) ? eta : null,
      bar: (width) => cliProgress.Format.BarFormat(progress, { ...options, barsize: width }),
    })
  }

  /** One write for everything; none where only the cursor would move. */
  #flush(): void {
    if (this.#closing) return
    const text = this.#drawn
    this.#drawn = ''
    if (this.#changed && text !== '') this.#stream.write(text)
    this.#changed = false
    this.#detach()
  }

  /** The library's timer is no reason for a process to go on. */
  #detach(): void {
    const { timer } = this.#bars as unknown as { readonly timer: NodeJS.Timeout | null }
    timer?.unref()
  }
}

/** No terminal, or a line per epoch: lines that stay, and now and then one that says how far an epoch is. */
class Lines implements Display {
  readonly #stream: ProgressStream
  readonly #line: LineOf | null
  #wrote = -Infinity
  #waiting = ''

  /** @param line - what a long epoch says now and then; null where it says nothing */
  constructor(stream: ProgressStream, line: LineOf | null) {
    this.#stream = stream
    this.#line = line
  }

  begin(): void {
    this.#wrote = Math.max(this.#wrote, performance.now() - interval)
  }

  update(step: number): void {
    if (this.#line === null || performance.now() - this.#wrote < plainInterval) return
    this.tell(this.#line(step, null))
  }

  end(): void {}

  tell(line: string): void {
    this.#waiting += `${line}\n`
    // What comes too early waits for the next line, or for the end.
    if (performance.now() - this.#wrote >= interval) this.close()
  }

  close(): void {
    if (this.#waiting === '') return
    this.#stream.write(this.#waiting)
    this.#waiting = ''
    this.#wrote = performance.now()
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

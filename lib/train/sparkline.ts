const LEVELS = [...'▁▂▃▄▅▆▇█']
/** A number that is not finite, which has no height. */
const NONE = '×'
/** More epochs than this share a character. */
const WIDEST = 40

/** The number of an epoch, undefined where none was measured. */
type Entry = number | undefined

/** Numbers as a line of small bars: the least is the lowest, the greatest the highest; a gap where there is none. */
export function sparkline(values: readonly Entry[]): string {
  const shown = narrowed(values)
  const finite = given(shown).filter(Number.isFinite)
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  return shown
    .map((value) => {
      if (value === undefined) return ' '
      if (!Number.isFinite(value)) return NONE
      // A curve that is flat has no lowest bar that would mean anything: it runs in the middle.
      const share = high > low ? (value - low) / (high - low) : 0.5
      return LEVELS[Math.min(LEVELS.length - 1, Math.floor(share * LEVELS.length))]
    })
    .join('')
}

function given(values: readonly Entry[]): number[] {
  return values.filter((value) => value !== undefined)
}

/** At most {@link WIDEST} means of neighbours. */
function narrowed(values: readonly Entry[]): readonly Entry[] {
  if (values.length <= WIDEST) return values
  return Array.from({ length: WIDEST }, (_, i) => {
    const from = Math.floor((i * values.length) / WIDEST)
    const part = given(values.slice(from, Math.floor(((i + 1) * values.length) / WIDEST)))
    return part.length === 0 ? undefined : part.reduce((sum, value) => sum + value, 0) / part.length
  })
}

/** A number in few characters, four digits of it. */
function short(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  const size = Math.abs(value)
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toPrecision(4)
}

const HEADS = ['first', 'last', 'lowest', 'highest'] as const

/** A row for each curve: its first and last number, its extremes, and its course over all epochs. */
export function table(
  epoch: readonly number[],
  history: Readonly<Record<string, readonly Entry[]>>,
  styled: (text: string) => string,
): string {
  const title = `History of ${epoch.length} ${epoch.length === 1 ? 'epoch' : 'epochs'}`
  const curves = Object.entries(history)
  if (curves.length === 0) return title
  const rows = curves.map(([name, entries]) => {
    const values = given(entries)
    const finite = values.filter(Number.isFinite)
    // Of no numbers, the least would be Infinity.
    const extremes = finite.length === 0 ? [] : [Math.min(...finite), Math.max(...finite)]
    const numbers = [values[0], values.at(-1), extremes[0], extremes[1]]
    return { name, cells: numbers.map((value) => short(value ?? Number.NaN)), line: sparkline(entries) }
  })
  const left = Math.max(...rows.map(({ name }) => name.length))
  const widths = HEADS.map((head, i) =>
    Math.max(head.length, ...rows.map(({ cells }) => cells[i]?.length ?? 0)),
  )
  const line = (name: string, cells: readonly string[], rest: string): string =>
    `  ${name.padEnd(left)}  ${cells.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  ')}  ${rest}`.trimEnd()
  return [
    title,
    line('', HEADS, ''),
    ...rows.map(({ name, cells, line: course }) => line(name, cells, styled(course))),
  ].join('\n')
}

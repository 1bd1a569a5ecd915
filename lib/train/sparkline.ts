const LEVELS = [...'▁▂▃▄▅▆▇█']
/** A number that is not finite, which has no height. */
const NONE = '×'
/** More epochs than this share a character. */
const WIDEST = 40

/** Numbers as a line of small bars: the least is the lowest, the greatest the highest. */
export function sparkline(values: readonly number[]): string {
  const shown = narrowed(values)
  const finite = shown.filter(Number.isFinite)
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  return shown
    .map((value) => {
      if (!Number.isFinite(value)) return NONE
      // A curve that is flat has no lowest bar that would mean anything: it runs in the middle.
      const share = high > low ? (value - low) / (high - low) : 0.5
      return LEVELS[Math.min(LEVELS.length - 1, Math.floor(share * LEVELS.length))]
    })
    .join('')
}

/** At most {@link WIDEST} means of neighbours. */
function narrowed(values: readonly number[]): readonly number[] {
  if (values.length <= WIDEST) return values
  return Array.from({ length: WIDEST }, (_, i) => {
    const from = Math.floor((i * values.length) / WIDEST)
    const part = values.slice(from, Math.floor(((i + 1) * values.length) / WIDEST))
    return part.reduce((sum, value) => sum + value, 0) / part.length
  })
}

/** A number in few characters, four digits of it. */
function short(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  const size = Math.abs(value)
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toPrecision(4)
}

const HEADS = ['first', 'last', 'lowest', 'highest'] as const

/** A row for each curve: its first and last number, its extremes, and its course. */
export function table(
  epoch: readonly number[],
  history: Readonly<Record<string, readonly number[]>>,
  styled: (text: string) => string,
): string {
  const title = `History of ${epoch.length} ${epoch.length === 1 ? 'epoch' : 'epochs'}`
  const curves = Object.entries(history)
  if (curves.length === 0) return title
  const rows = curves.map(([name, values]) => {
    const finite = values.filter(Number.isFinite)
    const numbers = [values[0], values.at(-1), Math.min(...finite), Math.max(...finite)]
    return { name, cells: numbers.map((value) => short(value ?? Number.NaN)), line: sparkline(values) }
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

interface Step {
  readonly kernel: string
  readonly ops: string
  readonly shapes: string
  readonly bytes: number
  readonly offset: number | null
  readonly path: string
}

interface Explained {
  readonly steps: readonly Step[]
  readonly arena: number
  readonly inputs: number
  readonly states: number
  readonly outputs: number
}

const heads = ['kernel', 'ops', 'shapes', 'bytes', 'offset', 'module']

/** The steps of a program as the lines of a table, from what the core says of it. */
export function table(name: string, text: string): string {
  const program = JSON.parse(text) as Explained
  const rows = program.steps.map((step) => [
    step.kernel,
    step.ops,
    step.shapes,
    String(step.bytes),
    step.offset === null ? '-' : String(step.offset),
    step.path,
  ])
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => (row[column] as string).length)),
  )
  const isNumber = (column: number): boolean => column === 3 || column === 4
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        isNumber(column) ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number),
      )
      .join('  ')
      .trimEnd()
  return [
    `${name}: ${count(rows.length, 'kernel')}, arena of ${program.arena} bytes, ${count(program.inputs, 'input')}, ${count(program.states, 'state')}, ${count(program.outputs, 'output')}`,
    line(heads),
    line(widths.map((width) => '─'.repeat(width))),
    ...rows.map(line),
  ].join('\n')
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

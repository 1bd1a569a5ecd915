/** A program of the documents: a block that imports something, and the blocks after it that go on with it. */
export interface Program {
  readonly name: string
  readonly source: string
}

/**
 * The TypeScript programs of a Markdown text. A block without an import continues the program before it, as a reader
 * would read it; one that begins with an import begins a new program.
 */
export function programsOf(file: string, markdown: string): Program[] {
  const programs: { name: string; source: string }[] = []
  const fence = /^```(?:ts|typescript)\b.*\n([\s\S]*?)^```/gm
  for (const match of markdown.matchAll(fence)) {
    const [, code = ''] = match
    const line = markdown.slice(0, match.index).split('\n').length
    const current = programs.at(-1)
    if (current === undefined || /^import /m.test(code))
      programs.push({ name: `${file}:${line}`, source: code })
    else current.source += `\n${code}`
  }
  return programs
}

/** The examples in the documentation comments of a TypeScript source; each block is a program of its own. */
export function examplesOf(file: string, source: string): Program[] {
  // Everything outside of these comments becomes empty lines, so that the lines keep their numbers.
  let end = 0
  let text = ''
  const lines = (part: string): string => part.replaceAll(/[^\n]/g, '')
  for (const match of source.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    text += lines(source.slice(end, match.index)) + match[0].replaceAll(/^[ \t]*\* ?/gm, '')
    end = match.index + match[0].length
  }
  const fence = /^```ts\b.*\n([\s\S]*?)^```/gm
  return [...text.matchAll(fence)].map((match) => ({
    name: `${file}:${text.slice(0, match.index).split('\n').length}`,
    source: match[1] ?? '',
  }))
}

/** A program that tells what its annotated lines print. */
export interface Annotated {
  readonly source: string
  /** What each line that prints says that it prints, by number. */
  readonly expected: ReadonlyMap<number, string>
}

/** What stands before a told line on stdout. */
const MARK = 'printed-by-line'

/** Turns every `console.log(…) // text` at the end of a line into one that can be compared with its text. */
export function annotated(source: string): Annotated {
  const expected = new Map<number, string>()
  const lines = source.split('\n').map((line, at) => {
    const match = /^(.*?\b)console\.log\((.*\)) \/\/ (.+)$/.exec(` ${line}`)
    if (match === null) return line
    const [, before = '', rest = '', text = ''] = match
    expected.set(at + 1, spaced(text))
    return `${before}__print(${at + 1}, ${rest}`
  })
  // Imports and functions are hoisted, so the lines before keep their numbers.
  const teller = [
    "import { format as __format } from 'node:util'",
    'function __print(line, ...values) {',
    `  console.log('${MARK} ' + JSON.stringify([line, __format(...values)]))`,
    '}',
  ]
  return { source: [...lines, ...teller].join('\n'), expected }
}

/** What the annotated lines of a program printed, by number; a line that ran several times has it all. */
export function printed(stdout: string): Map<number, string> {
  const told = new Map<number, string>()
  for (const row of stdout.split('\n')) {
    if (!row.startsWith(MARK)) continue
    const [line, text] = JSON.parse(row.slice(MARK.length)) as [number, string]
    told.set(line, [told.get(line), spaced(text)].filter((part) => part !== undefined).join(' '))
  }
  return told
}

/** A text on one line, as comments are: arrays print on several when they are long. */
function spaced(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ')
}

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

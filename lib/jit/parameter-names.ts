/** Names of a function's parameters as its source has them; destructured ones are named by their place. */
export function parameterNames(fn: (...args: never[]) => unknown): string[] {
  const list = parameterList(Function.prototype.toString.call(fn))
  return list.map(
    (parameter, index) =>
      /^(?:\.\.\.)?\s*([\p{L}_$][\p{L}\p{N}_$]*)/u.exec(parameter)?.[1] ?? `argument ${index}`,
  )
}

function parameterList(source: string): string[] {
  const text = source.replace(/^async\s+(?=[\p{L}_$(])/u, '')
  // An arrow function of one parameter needs no parentheses.
  const bare = /^([\p{L}_$][\p{L}\p{N}_$]*)\s*=>/u.exec(text)
  if (bare) return [bare[1] as string]
  const open = text.indexOf('(')
  return open < 0 ? [] : splitAtCommas(text, open + 1)
}

/** The pieces between top-level commas from `start` up to the closing parenthesis, comments left out. */
function splitAtCommas(text: string, start: number): string[] {
  const pieces: string[] = []
  let depth = 0
  let piece = ''
  for (let at = start; at < text.length; at += 1) {
    const comment = /^(?:\/\*[\s\S]*?\*\/|\/\/[^\n]*)/.exec(
      text.slice(at, at + 2) === '/*' || text.slice(at, at + 2) === '//' ? text.slice(at) : '',
    )
    if (comment) {
      at += comment[0].length - 1
      continue
    }
    const char = text[at] as string
    const quoted = char === '"' || char === "'" || char === '`' ? stringAt(text, at) : null
    if (quoted !== null) {
      piece += quoted
      at += quoted.length - 1
      continue
    }
    if (depth === 0 && (char === ',' || char === ')')) {
      if (piece.trim() !== '') pieces.push(piece.trim())
      piece = ''
      if (char === ')') return pieces
      continue
    }
    if ('([{'.includes(char)) depth += 1
    if (')]}'.includes(char)) depth -= 1
    piece += char
  }
  return pieces
}

function stringAt(text: string, start: number): string {
  const quote = text[start]
  let end = start + 1
  while (end < text.length && text[end] !== quote) end += text[end] === '\\' ? 2 : 1
  return text.slice(start, end + 1)
}

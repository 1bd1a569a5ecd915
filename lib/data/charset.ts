/** How the characters of a text file are written as bytes. */
export type Charset = 'utf8' | 'latin1' | 'utf16le'

/** The charsets that can be named. */
export const charsets: readonly unknown[] = ['utf8', 'latin1', 'utf16le'] satisfies Charset[]

/** Bytes that are no text of the charset, with the line in which they stand. */
export class CharsetProblem extends Error {
  constructor(
    readonly charset: Charset,
    readonly line: number,
  ) {
    super(`bytes that are not ${charset}`)
  }
}

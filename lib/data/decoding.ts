import { isUtf8 } from 'node:buffer'
import { Transform, type TransformCallback } from 'node:stream'
import { TextDecoder } from 'node:util'
import { type Charset, CharsetProblem } from './charset.js'

const LF = 10
const CR = 13

/**
 * Bytes of a file as UTF-8. Wrong ones are refused: replaced, different texts would become the same. A file that begins
 * with the byte order mark of UTF-16 is read as that.
 */
export class Decoding extends Transform {
  #charset: Charset
  #decoder: TextDecoder | null = null
  #held: Buffer = Buffer.alloc(0)
  #begun = false
  /** Ends of lines that have gone by, and whether the last byte was a carriage return, which may be half of one. */
  #lines = 0
  #return = false

  constructor(charset: Charset) {
    super()
    this.#charset = charset
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    if (!this.#begun && bytes.length < 2) {
      this.#held = bytes
      done()
      return
    }
    this.#told(done, () => this.#decoded(bytes, false))
  }

  override _flush(done: TransformCallback): void {
    this.#told(done, () => this.#decoded(this.#held, true))
  }

  #told(done: TransformCallback, body: () => Buffer): void {
    let out: Buffer
    try {
      out = body()
    } catch (error) {
      done(error as Error)
      return
    }
    done(null, out)
  }

  #decoded(bytes: Buffer, last: boolean): Buffer {
    if (!this.#begun && bytes[0] === 0xff && bytes[1] === 0xfe && this.#charset === 'utf8')
      this.#charset = 'utf16le'
    this.#begun = true
    this.#held = Buffer.alloc(0)
    if (this.#charset === 'latin1') return Buffer.from(bytes.toString('latin1'), 'utf8')
    return this.#charset === 'utf8' ? this.#utf8(bytes, last) : this.#utf16(bytes, last)
  }

  #utf8(bytes: Buffer, last: boolean): Buffer {
    const end = last ? bytes.length : wholeCharacters(bytes)
    const whole = bytes.subarray(0, end)
    this.#held = bytes.subarray(end)
    if (!isUtf8(whole)) {
      // No character but itself has the byte of a line's end in it, so lines can be looked at one by one.
      let start = 0
      for (let i = 0; i < whole.length; i += 1) {
        if (whole[i] !== LF && whole[i] !== CR) continue
        if (!isUtf8(whole.subarray(start, i))) break
        start = i + 1
      }
      this.#count(whole.subarray(0, start))
      throw new CharsetProblem('utf8', this.#lines + 1)
    }
    this.#count(whole)
    return whole
  }

  #utf16(bytes: Buffer, last: boolean): Buffer {
    this.#decoder ??= new TextDecoder('utf-16le', { fatal: true })
    let text: string
    try {
      text = this.#decoder.decode(bytes, { stream: !last })
    } catch {
      throw new CharsetProblem('utf16le', this.#lines + 1)
    }
    const out = Buffer.from(text, 'utf8')
    this.#count(out)
    return out
  }

  #count(bytes: Buffer): void {
    // Each byte of the file comes by here, and an iterator takes ten times as long.
    for (let i = 0; i < bytes.length; i += 1) {
      const byte = bytes[i]
      if (byte === CR || (byte === LF && !this.#return)) this.#lines += 1
      this.#return = byte === CR
    }
  }
}

/** Where the last character begins that may go on in the next piece; the length where none does. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] as number
    if (byte < 0x80) break
    if (byte < 0xc0) continue
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return size > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

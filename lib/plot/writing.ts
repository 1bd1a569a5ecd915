import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { FileError, ValueError } from '../errors.js'
import { located } from '../tensor/base.js'
import { shown } from '../tensor/create.js'

/** The ending of a file's name without its dot; refuses any other than those that are `known`. */
export function endingOf<K extends string>(op: string, path: unknown, known: readonly K[]): K {
  const ending = typeof path === 'string' ? extname(path).slice(1).toLowerCase() : ''
  const found = known.find((entry) => entry === ending)
  if (found === undefined) {
    const endings = known.map((entry) => `.${entry}`).join(', ')
    throw located(
      ValueError,
      `${op}: ${shown(path)} as path; expected a file's name that ends with ${endings}.`,
    )
  }
  return found
}

/**
 * Writes beside the file and renames, so that a reader finds the old picture or the new one and never half of one. The
 * folder is made where it is missing.
 */
export async function writeWhole(op: string, path: string, content: string | Uint8Array): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(beside, 'wx')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, path)
  } catch (error) {
    // Where the folder is none, nothing lies beside the file.
    await rm(beside, { force: true }).catch(() => {})
    const { code = 'unknown', message } = error as NodeJS.ErrnoException
    throw new FileError(
      `${op}: ${path} cannot be written (${code}); expected a folder with room to write. ${message}`,
      { cause: error },
    )
  }
}

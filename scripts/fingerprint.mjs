// What a build was made from, so that an unchanged clone builds nothing twice.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { root } from './command.mjs'

/**
 * A hash over the names and the content of files.
 * @param {string[]} paths files and folders, relative to the clone; what does not exist counts as empty
 * @param {(path: string) => boolean} [keep] which files of the folders count
 * @returns {string}
 */
export function fingerprint(paths, keep = () => true) {
  const hash = createHash('sha256')
  for (const path of paths.flatMap((entry) => filesOf(join(root, entry))).toSorted()) {
    const name = relative(root, path).split(sep).join('/')
    if (keep(name)) hash.update(`${name}\0`).update(readFileSync(path)).update('\0')
  }
  return hash.digest('hex')
}

function filesOf(path) {
  if (!existsSync(path)) return []
  try {
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  } catch (error) {
    if (error.code === 'ENOTDIR') return [path]
    throw error
  }
}

/** A remembered fingerprint. It lies beside what it describes, so that deleting the one forgets the other. */
export class Stamp {
  #path

  /** @param {string} path relative to the clone */
  constructor(path) {
    this.#path = join(root, path)
  }

  /** Whether the last build was made from what `value` describes. */
  matches(value) {
    return existsSync(this.#path) && readFileSync(this.#path, 'utf8') === value
  }

  write(value) {
    mkdirSync(dirname(this.#path), { recursive: true })
    writeFileSync(this.#path, value)
  }

  forget() {
    rmSync(this.#path, { force: true })
  }
}

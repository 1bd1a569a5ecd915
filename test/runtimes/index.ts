import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A Node that the tests run programs on. */
export interface Runtime {
  readonly name: string
  readonly path: string
}

const installed = (major: number): string =>
  fileURLToPath(new URL(`node_modules/node${major}/bin/node`, import.meta.url))

/** The Node versions beside the running one, from npm; published for Linux x64, so elsewhere there are none. */
export const otherRuntimes: readonly Runtime[] = [22, 24]
  .map((major) => ({ name: `Node ${major}`, path: installed(major) }))
  .filter(({ path }) => existsSync(path))

/** The running Node first, then the others. */
export const runtimes: readonly Runtime[] = [
  { name: `Node ${process.versions.node.split('.', 1)[0]}`, path: process.execPath },
  ...otherRuntimes,
]

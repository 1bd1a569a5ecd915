import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)

/** The systems that prebuilt addons are made for, as in the names of their packages. */
const published = new Set([
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-arm64',
  'win32-x64-msvc',
])

/** Thrown on import when no native addon can be loaded; the message says what was tried and how to fix it. */
export class NativeBindingError extends Error {
  override readonly name = 'NativeBindingError'
  readonly code = 'ERR_NATIVE_BINDING'
}

interface Attempt {
  readonly place: string
  readonly missing: boolean
  readonly reason: string
  readonly error: unknown
}

/** How an addon was found. */
export type FoundBy = 'NEUROXIDE_NATIVE_PATH' | 'clone' | 'package'

/** The addon with where it came from. */
export interface LoadedAddon {
  readonly addon: unknown
  readonly path: string
  readonly foundBy: FoundBy
}

/**
 * Loads the native addon: the file that `NEUROXIDE_NATIVE_PATH` names and nothing else where that is set; otherwise the
 * one built in this clone, else the one of the platform package that npm installed beside this one.
 */
export function loadNative(): LoadedAddon {
  const override = process.env['NEUROXIDE_NATIVE_PATH']
  const libc = process.platform === 'linux' ? detectLibc() : null
  const tuple = tupleOf(libc)
  const built = fileURLToPath(new URL(`../native/neuroxide.${tuple}.node`, import.meta.url))
  const places = override ? [override] : [built, `neuroxide-${tuple}`]
  const attempts: Attempt[] = []
  for (const place of places) {
    try {
      const addon: unknown = require(place)
      if (place === `neuroxide-${tuple}`) requireSameVersion(place)
      const foundBy = override ? 'NEUROXIDE_NATIVE_PATH' : place === built ? 'clone' : 'package'
      return { addon, path: require.resolve(place), foundBy }
    } catch (error) {
      if (error instanceof NativeBindingError) throw error
      attempts.push(failed(place, error))
    }
  }
  throw new NativeBindingError(explain(tuple, libc, attempts, Boolean(override)), {
    cause: attempts.find((attempt) => !attempt.missing)?.error ?? attempts.at(-1)?.error,
  })
}

type Libc = 'glibc' | 'musl'

/** Alpine and its like have musl; an addon built for the other C library cannot be loaded there. */
function detectLibc(): Libc {
  try {
    // A shell script on both: it names the library it belongs to. Reading it is far cheaper than a report.
    const ldd = readFileSync('/usr/bin/ldd', 'latin1')
    if (ldd.includes('musl')) return 'musl'
    if (/GNU C Library|GLIBC/i.test(ldd)) return 'glibc'
  } catch {
    // A slim image may have no ldd; the report knows as well.
  }
  return glibcVersion() === null ? 'musl' : 'glibc'
}

function glibcVersion(): string | null {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime ?? null
}

function tupleOf(libc: Libc | null): string {
  const { platform, arch } = process
  const base = `${platform}-${arch}`
  if (libc !== null) return libc === 'musl' ? `${base}-musl` : `${base}-gnu`
  return platform === 'win32' ? `${base}-msvc` : base
}

function failed(place: string, error: unknown): Attempt {
  const reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  // Only the place itself being absent counts as missing, not something that it requires in turn.
  const missing = code === 'MODULE_NOT_FOUND' && reason.includes(place)
  return { place, missing, reason: missing ? 'not there' : reason, error }
}

/** A lockfile can hold the two packages at different versions; they only fit each other at the same. */
function requireSameVersion(packageName: string): void {
  const own = versionIn(fileURLToPath(new URL('../package.json', import.meta.url)))
  const theirs = versionIn(require.resolve(`${packageName}/package.json`))
  if (own !== theirs)
    throw new NativeBindingError(
      `neuroxide ${own} found ${packageName} ${theirs}, and the two must have the same version. ` +
        `Fix: npm install neuroxide@${own} ${packageName}@${own}`,
    )
}

function versionIn(path: string): string {
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

function explain(
  tuple: string,
  libc: Libc | null,
  attempts: readonly Attempt[],
  overridden: boolean,
): string {
  const system = [`platform ${process.platform}`, `arch ${process.arch}`]
  if (libc !== null) system.push(`libc ${libc === 'glibc' ? `glibc ${glibcVersion() ?? 'unknown'}` : libc}`)
  system.push(`Node ${process.version}`)
  return [
    `neuroxide: no native addon could be loaded (${system.join(', ')}).`,
    'Tried:',
    ...attempts.map(({ place, reason }) => `  ${place}: ${reason}`),
    `Fix: ${remedy(tuple, attempts, overridden)}`,
  ].join('\n')
}

function remedy(tuple: string, attempts: readonly Attempt[], overridden: boolean): string {
  const refused = attempts.find(({ reason }) => /^NEUROXIDE_(ISA|THREADS): /.test(reason))
  if (refused) return `correct ${refused.reason.split(':', 1)[0]}, or unset it.`
  if (overridden)
    return 'NEUROXIDE_NATIVE_PATH must be the absolute path of an addon built for this system, or unset.'
  const broken = attempts.find((attempt) => !attempt.missing)
  if (broken && /GLIBC_\d/.test(broken.reason))
    return 'the addon needs a newer C library than this system has: use a newer distribution, or build from source in a clone with `npm run setup`.'
  if (broken)
    return `${broken.place} exists but cannot be loaded; install it again (in a clone: \`npm run build:native\`).`
  if (!published.has(tuple))
    return `there is no prebuilt addon for ${tuple}; build one in a clone with \`npm run setup\` (needs Rust) and set NEUROXIDE_NATIVE_PATH to it.`
  const version = versionIn(fileURLToPath(new URL('../package.json', import.meta.url)))
  return (
    `npm left the optional dependency out, as it does with --omit=optional or a lockfile made on another system: ` +
    `run \`npm install neuroxide-${tuple}@${version}\`, or delete node_modules and package-lock.json and install again. ` +
    `In a clone run \`npm run setup\`.`
  )
}

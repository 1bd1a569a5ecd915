import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as neuroxide from 'neuroxide'
import { describe, expect, it } from 'vitest'
import { root } from '../pack/project.js'

interface Codes {
  readonly errorCodes: Readonly<Record<string, { class: string; meaning: string; remedy: string }>>
  readonly warningCodes: Readonly<Record<string, { meaning: string; remedy: string }>>
}

const load = async <T>(...path: string[]): Promise<T> =>
  (await import(pathToFileURL(join(root, ...path)).href)) as T

const codes = await load<Codes>('dist', 'errors', 'codes.js')
const { withTables } = await load<{ withTables: (page: string, codes: Codes) => string }>(
  'scripts',
  'errors-page.mjs',
)
const page = readFileSync(join(root, 'docs', 'errors.md'), 'utf8')

function sources(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(root, folder, path))
    .filter((path) => path.endsWith(ending))
}

/** Every code that is written anywhere in the library or the addon. */
function writtenCodes(): Set<string> {
  const crates = readdirSync(join(root, 'crates')).flatMap((crate) =>
    sources(join('crates', crate, 'src'), '.rs'),
  )
  const all = [...crates, ...sources('lib', '.ts')]
    .filter((path) => !path.endsWith(join('errors', 'codes.ts')))
    .flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/['"]((?:ERR|NEUROXIDE)_[A-Z_]+)['"]/g)])
    .map(([, code = '']) => code)
  return new Set(all)
}

/** The classes of errors that the package exports, with their names as programs write them. */
function exportedClasses(): Map<string, neuroxide.TensorError> {
  const spaces = Object.entries(neuroxide).filter(
    ([, value]) => Object.prototype.toString.call(value) === '[object Module]',
  )
  const found = new Map<string, neuroxide.TensorError>()
  for (const [prefix, space] of [
    ['', neuroxide] as const,
    ...spaces.map(([name, value]) => [`${name}.`, value] as const),
  ])
    for (const [name, value] of Object.entries(space))
      if (typeof value === 'function' && value.prototype instanceof neuroxide.TensorError)
        found.set(`${prefix}${name}`, new (value as typeof neuroxide.TensorError)('made to be looked at'))
  return found
}

describe('docs/errors.md', () => {
  it('is what `npm run generate` writes from the codes', () => {
    expect(page).toBe(withTables(page, codes))
  })

  it('would not be if a remedy changed', () => {
    const { ERR_SHAPE: row } = codes.errorCodes
    const changed = { ...codes.errorCodes, ERR_SHAPE: { ...row!, remedy: 'costs $1 | or $&' } }
    expect(withTables(page, { ...codes, errorCodes: changed })).toContain('| costs $1 \\| or $& |')
  })

  it('has each code that is thrown or warned of, and README each variable of the environment', () => {
    // The first never reaches a user, the second is that of the base class.
    const elsewhere = new Set(['ERR_GUARD_MISS', 'ERR_TENSOR'])
    const known = `${page}${readFileSync(join(root, 'README.md'), 'utf8')}`
    const written = [...writtenCodes()].filter((code) => !elsewhere.has(code))
    for (const code of written) expect(known, code).toContain(`\`${code}\``)
    expect(written.length).toBeGreaterThan(15)
  })

  it('has no code that nothing throws', () => {
    const written = writtenCodes()
    const stale = [...Object.keys(codes.errorCodes), ...Object.keys(codes.warningCodes)].filter(
      (code) => !written.has(code),
    )
    expect(stale).toEqual([])
  })
})

describe('the table of codes', () => {
  it('names the class that carries each, as programs write it', () => {
    const classes = exportedClasses()
    expect(classes.size).toBeGreaterThan(12)
    for (const [name, { code }] of classes) expect(codes.errorCodes[code]?.class, name).toBe(name)
    const reached = new Set([...classes.values()].map(({ code }) => code as string))
    // Nothing of the package is loaded where this one is thrown.
    expect(Object.keys(codes.errorCodes).filter((code) => !reached.has(code))).toEqual(['ERR_NATIVE_BINDING'])
  })

  it('says a sentence and a remedy of each', () => {
    for (const [code, { meaning, remedy }] of [
      ...Object.entries(codes.errorCodes),
      ...Object.entries(codes.warningCodes),
    ]) {
      expect(meaning, code).toMatch(/^\S.{15,}\.$/)
      expect(remedy, code).toMatch(/^\S.{3,}\.$/)
    }
  })
})

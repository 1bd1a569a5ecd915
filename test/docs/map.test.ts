import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../pack/project.js'

function sources(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path).replaceAll('\\', '/'))
    .filter((path) => path.endsWith(ending))
}

const crates = readdirSync(join(root, 'crates')).flatMap((crate) => sources(`crates/${crate}/src`, '.rs'))

describe('the map in docs/architecture.md', () => {
  const text = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')
  const rows = [...text.matchAll(/^\| `((?:crates|lib)\/[^`]+)` \| (.+) \|$/gm)]

  it('has one row for every source file, and none for another', () => {
    expect(rows.map(([, path]) => path).toSorted()).toEqual([...crates, ...sources('lib', '.ts')].toSorted())
  })

  it('says one sentence of each', () => {
    for (const [, path, sentence] of rows) expect(sentence, path).toMatch(/^\S.*\.$/)
  })
})

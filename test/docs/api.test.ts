import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as neuroxide from 'neuroxide'
import { describe, expect, it } from 'vitest'
import { root } from '../pack/project.js'

const read = (page: string): string => readFileSync(join(root, 'docs', page), 'utf8')

/** The names of a namespace and of those in it; `F` has the functions again. */
function namesOf(space: object): string[] {
  return Object.entries(space).flatMap(([name, value]) => {
    const isSpace = Object.prototype.toString.call(value) === '[object Module]'
    return isSpace ? (name === 'F' ? [] : namesOf(value as object)) : [name]
  })
}

describe('docs/api-at-a-glance.md', () => {
  // Classes of errors are on the page of errors, under the names that programs use.
  const pages = read('api-at-a-glance.md') + read('errors.md').replaceAll(/`\w+\.(\w+Error)`/g, '`$1`')
  const names = [...new Set(namesOf(neuroxide))]

  it('names everything that the package exports', () => {
    expect(names.filter((name) => !pages.includes(`\`${name}\``))).toEqual([])
  })

  it('would notice a name that is missing', () => {
    expect(names.length).toBeGreaterThan(250)
    expect(pages).not.toContain('`namesOf`')
  })
})

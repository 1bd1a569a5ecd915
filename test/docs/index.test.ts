import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../pack/project.js'

const documents = readdirSync(join(root, 'docs')).filter(
  (name) => name.endsWith('.md') && name !== 'README.md',
)
const pages = [
  'README.md',
  'README.zh-CN.md',
  'CONTRIBUTING.md',
  ...['README.md', ...documents].map((name) => join('docs', name)),
].filter((page) => existsSync(join(root, page)))

describe('the index of documents', () => {
  it('names each page once', () => {
    const text = readFileSync(join(root, 'docs', 'README.md'), 'utf8')
    const named = [...text.matchAll(/^\| \[[\w-]+\]\(([\w-]+\.md)\)/gm)].map(([, name]) => name)
    expect(named.toSorted()).toEqual(documents.toSorted())
  })
})

/** What GitHub calls the place of a heading. */
function anchor(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}

describe('links between the documents', () => {
  it.each(pages)('of %s lead to files and headings that exist', (page) => {
    const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '')
    const broken = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
      .map(([, file = '', place]) => ({ file, place }))
      .filter(({ file, place }) => {
        const target = file === '' ? join(root, page) : join(root, dirname(page), file)
        if (!existsSync(target)) return true
        if (place === undefined) return false
        const headings = [...readFileSync(target, 'utf8').matchAll(/^#{1,6} (.+)$/gm)].map(
          ([, heading = '']) => anchor(heading),
        )
        return !headings.includes(place)
      })
    expect(broken).toEqual([])
  })
})

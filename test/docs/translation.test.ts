import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../pack/project.js'

/** What a translation has to keep. */
interface Skeleton {
  /** The levels of the headings, in their order. */
  readonly headings: readonly number[]
  /** The blocks of code, without what is said in comments; what a line prints is no comment. */
  readonly blocks: readonly string[]
  /** The numbers in each row of each table, and in the prose of each section. */
  readonly numbers: readonly (readonly string[])[]
  /** Where links lead, by section; those within the page and to the other language are apart. */
  readonly links: readonly (readonly string[])[]
  /** How many items the lists have, by section. */
  readonly items: readonly number[]
}

const CODE = /^```(\w*)\n([\s\S]*?)^```/gm

function skeletonOf(markdown: string): Skeleton {
  const blocks = [...markdown.matchAll(CODE)].map(
    ([, language = '', code = '']) => `${language}\n${withoutComments(code)}`,
  )
  const text = markdown.replaceAll(CODE, '')
  const sections = text.split(/^(?=#{1,6} )/m)
  return {
    headings: [...text.matchAll(/^(#{1,6}) /gm)].map(([, marks = '']) => marks.length),
    blocks,
    numbers: sections.map(numbersOf),
    links: sections.map((section) =>
      [...section.matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !target.startsWith('#') && !/^README(\.[\w-]+)?\.md$/.test(target)),
    ),
    items: sections.map((section) => [...section.matchAll(/^- /gm)].length),
  }
}

function withoutComments(code: string): string {
  return code
    .split('\n')
    .map((line) =>
      /^\s*console\.log\(.*\) \/\/ /.test(line) ? line : line.replace(/\s*(\/\/ .*|# .*)$/, ''),
    )
    .join('\n')
}

/** Figures of the text; what a language writes as a word in one place and as a figure in another is small. */
function numbersOf(section: string): string[] {
  return [...section.matchAll(/\d[\d.,]*\d|\d/g)]
    .map(([number]) => number.replaceAll(',', ''))
    .filter((number) => number.length > 1)
    .toSorted()
}

const english = readFileSync(join(root, 'README.md'), 'utf8')
const chinese = readFileSync(join(root, 'README.zh-CN.md'), 'utf8')

describe('README.zh-CN.md', () => {
  const [original, translation] = [skeletonOf(english), skeletonOf(chinese)]

  it.each(['headings', 'blocks', 'numbers', 'links', 'items'] as const)('has the %s of README.md', (part) => {
    expect(translation[part]).toEqual(original[part])
  })

  it('leads to the English page, and that one here', () => {
    expect(english).toContain('[中文](README.zh-CN.md)')
    expect(chinese).toContain('[English](README.md)')
  })

  it('is Chinese: no paragraph was left as it is', () => {
    const lines = (text: string): string[] =>
      text
        .replaceAll(CODE, '')
        .split('\n')
        .filter((line) => line.length > 60 && !line.startsWith('<!--'))
    const kept = new Set(lines(english))
    expect(lines(chinese).filter((line) => kept.has(line))).toEqual([])
  })
})

describe('the skeleton of a page', () => {
  it('sees what a translation could lose', () => {
    const page = '# a\n\n- 12 of [b](c.md)\n\n```ts\nf() // why\nconsole.log(1) // 1\n```\n'
    expect(skeletonOf(page)).toEqual({
      headings: [1],
      blocks: ['ts\nf()\nconsole.log(1) // 1\n'],
      numbers: [['12']],
      links: [['c.md']],
      items: [1],
    })
  })
})

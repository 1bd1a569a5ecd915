// `npm run generate` writes the tables of docs/errors.md from the codes in lib/errors/codes.ts; a test compares them.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './command.mjs'
import { bringUpToDate, phases } from './setup.mjs'

const path = join(root, 'docs', 'errors.md')

/** What the codes become, by the name of their place in the page. */
const tables = {
  errors: ({ errorCodes }) => [
    '| class | code | cause | remedy |',
    '| --- | --- | --- | --- |',
    ...Object.entries(errorCodes).map(
      ([code, entry]) =>
        `| \`${entry.class}\` | \`${code}\` | ${cell(entry.meaning)} | ${cell(entry.remedy)} |`,
    ),
  ],
  warnings: ({ warningCodes }) => [
    '| code | cause | remedy |',
    '| --- | --- | --- |',
    ...Object.entries(warningCodes).map(
      ([code, { meaning, remedy }]) => `| \`${code}\` | ${cell(meaning)} | ${cell(remedy)} |`,
    ),
  ],
}

const cell = (text) => text.replaceAll('|', '\\|')

/**
 * The page with its tables made anew.
 * @param {string} page
 * @param {{ errorCodes: Record<string, object>, warningCodes: Record<string, object> }} codes
 * @returns {string}
 */
export function withTables(page, codes) {
  for (const [name, rows] of Object.entries(tables)) {
    const place = new RegExp(`(<!-- ${name}: generated[^\n]*-->\n)[\\s\\S]*?(\n<!-- end of ${name} -->)`)
    if (!place.test(page)) throw new Error(`docs/errors.md has no place for the table of ${name}`)
    // A function, as a replacement text would give `$` a meaning.
    page = page.replace(place, (_, begin, end) => `${begin}\n${rows(codes).join('\n')}\n${end}`)
  }
  return page
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { failure } = await bringUpToDate([phases.typescript])
  if (failure) {
    process.stderr.write(`${failure}\n`)
    process.exit(1)
  }
  const codes = await import(pathToFileURL(join(root, 'dist', 'errors', 'codes.js')).href)
  writeFileSync(path, withTables(readFileSync(path, 'utf8'), codes))
}

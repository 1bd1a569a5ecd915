#!/usr/bin/env node
// What `npx neuroxide` runs. It imports nothing before it knows that this Node can load the rest.
import { readFileSync } from 'node:fs'

const usage = `usage: neuroxide doctor [--json]   versions, processor, threads, addon, speed; exit code 1 when something is broken
       neuroxide explain CODE      what the code of an error or a warning means, and what to do
       neuroxide --version, -v
       neuroxide --help, -h
`

interface Manifest {
  readonly version: string
  readonly engines: { readonly node: string }
}

function manifest(): Manifest {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Manifest
}

/** The oldest Node that the package supports, when this one is older. */
function newerNodeNeeded(): string | null {
  const oldest = manifest().engines.node.replace(/^\D+/, '')
  const [a = [], b = []] = [process.versions.node, oldest].map((version) => version.split('.').map(Number))
  const at = a.findIndex((part, place) => part !== b[place])
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0) ? oldest : null
}

async function doctor(json: boolean): Promise<number> {
  const { examine } = await import('../doctor/examination.js')
  const report = await examine()
  const { pageOf } = await import('../doctor/page.js')
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : pageOf(report))
  return report.ok ? 0 : 1
}

async function explain(code: string): Promise<number> {
  const { entryOf, errorCodes, warningCodes } = await import('../errors/codes.js')
  const entry = entryOf(code)
  if (entry === undefined) {
    const all = [...Object.keys(errorCodes), ...Object.keys(warningCodes)]
    process.stderr.write(`neuroxide explain: there is no code ${code}; there are ${all.join(', ')}\n`)
    return 2
  }
  const title = entry.class === undefined ? code : `${code} (${entry.class})`
  process.stdout.write(`${title}\n  ${entry.meaning}\n  Remedy: ${entry.remedy}\n`)
  return 0
}

async function main(words: readonly string[]): Promise<number> {
  const [command, ...rest] = words
  if ((command === '--version' || command === '-v') && rest.length === 0) {
    process.stdout.write(`${manifest().version}\n`)
    return 0
  }
  const asked = command === 'doctor' || command === 'explain' ? rest : words
  if (asked.length === 1 && ['--help', '-h'].includes(asked[0] ?? '')) {
    process.stdout.write(usage)
    return 0
  }
  const oldest = newerNodeNeeded()
  if (oldest !== null) {
    process.stderr.write(
      `neuroxide needs Node ${oldest} or newer, and this is ${process.version}.\n` +
        'Fix: install a current Node from https://nodejs.org and run the same command again.\n',
    )
    return 1
  }
  if (command === 'doctor' && rest.every((word) => word === '--json')) return await doctor(rest.length > 0)
  if (command === 'explain' && rest.length === 1) return await explain(rest[0] ?? '')
  process.stderr.write(usage)
  return 2
}

process.exitCode = await main(process.argv.slice(2))

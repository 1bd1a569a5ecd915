// `npm test`: set the clone up and run everything. `npm test -- --only rust,vitest` runs some parts.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { npm, option, root, run, script, secondsSince } from './command.mjs'
import { bringUpToDate, phases, requireTools } from './setup.mjs'

/** @typedef {{ passed: number, failed: number, skipped: number, output: string }} Result */

const started = performance.now()
const only = option('only')?.split(',')
const wanted = (name) => !only || only.includes(name)
const table = []
// What fails is often read from a log, where colours are noise.
if (!process.stdout.isTTY) Object.assign(process.env, { NO_COLOR: '1', CARGO_TERM_COLOR: 'never' })

/** The parts that check something without running tests: each counts as one. */
const cargoChecks = {
  rustfmt: () => run('cargo', ['fmt', '--all', '--check']),
  clippy: () => run('cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']),
}
const nodeChecks = {
  types: () => node('typescript', 'tsc', '--noEmit'),
  'types-nodenext': () => node('typescript', 'tsc', '--noEmit', '-p', 'test/types/tsconfig.nodenext.json'),
  'types-bundler': () => node('typescript', 'tsc', '--noEmit', '-p', 'test/types/tsconfig.bundler.json'),
  oxlint: () => node('oxlint', 'oxlint', '--deny-warnings'),
  oxfmt: () => node('oxfmt', 'oxfmt', '--check'),
  typedoc: () => node('typedoc', 'typedoc'),
  publint: () => node('publint', 'publint', 'run', '--strict', '.'),
  attw: checkTypesOfTarball,
}
/** Checks that run a program of ours, compiled in the profile of the tests, which are compiled by then. */
const xtaskChecks = {
  generated: () =>
    run('cargo', ['run', '--quiet', '--profile', 'test', '-p', 'xtask', '--', 'gen', '--check']),
  walls: () => run('cargo', ['run', '--quiet', '--profile', 'test', '-p', 'xtask', '--', 'check']),
}
/** The parts that count tests. They use all cores or measure time, so one runs at a time. */
const suites = {
  rust: cargoTests,
  vitest: () => vitest('vitest', ['unit', 'counted', 'memory']),
  pack: () => vitest('pack', ['pack']),
}
const parts = { ...cargoChecks, ...nodeChecks, ...xtaskChecks, ...suites }

function node(packageName, command, ...args) {
  return run(process.execPath, [script(packageName, command), ...args])
}

/** attw wants a tarball; as the package is ESM only, resolution from CommonJS gives ESM, which is meant. */
async function checkTypesOfTarball() {
  const folder = join(root, '.cache', 'attw')
  mkdirSync(folder, { recursive: true })
  const { program, args } = npm()
  const packed = await run(program, [
    ...args,
    'pack',
    '--json',
    '--ignore-scripts',
    '--pack-destination',
    folder,
  ])
  if (packed.code !== 0) return packed
  const [{ filename }] = JSON.parse(packed.stdout)
  return node('@arethetypeswrong/cli', 'attw', join(folder, filename), '--profile', 'esm-only', '--no-color')
}

/** @returns {Promise<Result>} */
async function cargoTests() {
  const { code, output } = await run('cargo', ['test', '--workspace', '--no-fail-fast'])
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const [, passed, failed, ignored] of output.matchAll(
    /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  )) {
    sum.passed += Number(passed)
    sum.failed += Number(failed)
    sum.skipped += Number(ignored)
  }
  // What did not compile, and a run that ended before it counted, fail too.
  if (sum.failed === 0 && (code !== 0 || sum.passed === 0)) sum.failed = 1
  return { ...sum, output }
}

/** @returns {Promise<Result>} */
async function vitest(name, projects) {
  const report = join(root, '.cache', `${name}.json`)
  rmSync(report, { force: true })
  const { code, output } = await node(
    'vitest',
    'vitest',
    'run',
    ...projects.flatMap((project) => ['--project', project]),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  )
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0, output }
  const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  )
  // A file that fails before its first test has no test to count, so it counts itself.
  const broken = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  )
  let failed = numFailedTests + broken.length
  // Errors outside tests and an empty run fail too.
  if (failed === 0 && (code !== 0 || numPassedTests === 0)) failed = 1
  return { passed: numPassedTests, failed, skipped: numPendingTests, output }
}

/** Runs one part, puts it in the table and shows all that it printed when it failed. */
async function perform(name) {
  const start = performance.now()
  const answer = await parts[name]()
  const { passed, failed, skipped, output } =
    'code' in answer
      ? { passed: Number(answer.code === 0), failed: Number(answer.code !== 0), skipped: 0, ...answer }
      : answer
  const seconds = secondsSince(start)
  table.push({ name, passed, failed, skipped, seconds })
  process.stdout.write(`${failed > 0 ? '✗' : '✓'} ${name} (${seconds} s)\n`)
  if (failed > 0) process.stdout.write(`${output.trimEnd()}\n`)
}

async function performAll(names) {
  for (const name of names) if (wanted(name)) await perform(name)
}

/** A phase of the set-up that fails counts as one failed check, and what needs it is not tried. */
async function prepare(...steps) {
  const { failure } = await bringUpToDate(steps)
  if (failure === null) return true
  table.push({ name: 'set-up', passed: 0, failed: 1, skipped: 0, seconds: secondsSince(started) })
  process.stdout.write(`✗ set-up\n${failure}\n`)
  return false
}

function finish() {
  const width = Math.max(...table.map((row) => row.name.length), 0)
  const sum = (key) => table.reduce((total, row) => total + row[key], 0)
  process.stdout.write('\n')
  for (const { name, passed, failed, skipped, seconds } of table) {
    const columns = [
      name.padEnd(width),
      `${passed} passed`.padStart(12),
      `${failed} failed`.padStart(10),
      skipped > 0 ? `${skipped} skipped`.padStart(12) : ''.padStart(12),
      `${seconds} s`.padStart(9),
    ]
    process.stdout.write(`${columns.join(' ')}\n`)
  }
  process.stdout.write(`\n${secondsSince(started)} s in all\n`)
  if (table.length === 0) table.push({ passed: 0, failed: 1 })
  process.stdout.write(`${sum('passed')} passed, ${sum('failed')} failed\n`)
  process.exitCode = sum('failed') > 0 ? 1 : 0
}

const unknown = only?.filter((name) => !(name in parts)) ?? []
if (unknown.length > 0) {
  process.stderr.write(`no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}\n`)
  process.exit(2)
}
await requireTools()
if (await prepare(phases.dependencies)) {
  // The release build links on one core for much of its time, which leaves one to the checks of the Rust side.
  const rustSide = (async () => {
    await performAll(Object.keys(cargoChecks))
    if (wanted('rust')) await run('cargo', ['test', '--workspace', '--no-run'])
  })()
  const builtSide = (async () => {
    const built = await prepare(phases.native, phases.typescript, phases.runtimes)
    if (built) await performAll(Object.keys(nodeChecks))
    return built
  })()
  const [, built] = await Promise.all([rustSide, builtSide])
  await performAll([...Object.keys(xtaskChecks), 'rust'])
  if (built) await performAll(['vitest', 'pack'])
}
finish()

// Everything a clone needs before it runs: npm packages, the addon, the built TypeScript. A second run finds nothing to do.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npm, option, root, run, script, secondsSince } from './command.mjs'
import { Stamp, fingerprint } from './fingerprint.mjs'

const oldestNode = [20, 19]
const oldestRust = [1, 89]

/** Ends the process with two lines when Node or cargo is missing or too old. */
export async function requireTools() {
  if (older(process.versions.node, oldestNode))
    fail(
      `neuroxide needs Node ${oldestNode.join('.')} or newer, and this is ${process.version}.`,
      'Install a current Node from https://nodejs.org and run the same command again.',
    )
  const cargo = await run('cargo', ['--version'])
  if (cargo.code !== 0)
    fail(
      'neuroxide is built from source here, which needs Rust, and `cargo` was not found on the PATH.',
      'Install Rust from https://rustup.rs, open a new terminal and run the same command again.',
    )
  const version = /cargo (\S+)/.exec(cargo.stdout)?.[1] ?? '0.0'
  if (older(version, oldestRust))
    fail(
      `neuroxide needs Rust ${oldestRust.join('.')} or newer, and this cargo is ${version}.`,
      'Run `rustup update stable`, or install Rust from https://rustup.rs, and run the same command again.',
    )
}

function older(version, [major, minor]) {
  const [a = 0, b = 0] = version.split('.').map(Number)
  return a < major || (a === major && b < minor)
}

function fail(...lines) {
  process.stderr.write(`${lines.join('\n')}\n`)
  process.exit(1)
}

/** A phase knows whether there is work, and does it; `perform` returns what failed, or null. */
const dependencies = {
  name: 'dependencies',
  detail: 'npm ci',
  stamp: new Stamp('node_modules/.neuroxide-lock'),
  state: () => fingerprint(['package-lock.json']),
  present: () => existsSync(join(root, 'node_modules')),
  perform: () => installPackages(root),
}

const native = {
  name: 'addon',
  detail: 'release build with cargo, some minutes',
  stamp: new Stamp('native/.stamp'),
  state: () =>
    fingerprint(
      ['crates', 'Cargo.toml', 'Cargo.lock', '.cargo/config.toml'],
      (path) => !/^crates\/(xtask|[^/]+\/(tests|benches|examples))\//.test(path),
    ),
  present: () => existsSync(join(root, 'native', addonName())),
  perform: () =>
    command(process.execPath, [
      script('@napi-rs/cli', 'napi'),
      'build',
      '--manifest-path=crates/node/Cargo.toml',
      '--package-json-path=package.json',
      '--output-dir=native',
      '--platform',
      '--release',
      '--no-js',
    ]),
}

const typescript = {
  name: 'library',
  detail: 'TypeScript',
  stamp: new Stamp('dist/.stamp'),
  state: () => fingerprint(['lib', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']),
  present: () => existsSync(join(root, 'dist', 'index.js')),
  async perform() {
    const next = join(root, '.cache', `dist-${process.pid}`)
    rmSync(next, { recursive: true, force: true })
    const failure = await command(process.execPath, [
      script('typescript', 'tsc'),
      '--project',
      'tsconfig.build.json',
      '--outDir',
      next,
    ])
    if (failure) return failure
    // Swapped in whole, so that no file of a removed module stays behind.
    rmSync(join(root, 'dist'), { recursive: true, force: true })
    renameSync(next, join(root, 'dist'))
    return null
  },
}

/** The other Node versions that the tests run on; they are published for this one platform. */
const runtimes = {
  name: 'other Nodes',
  detail: 'npm ci in test/runtimes',
  stamp: new Stamp('test/runtimes/node_modules/.neuroxide-lock'),
  state: () => fingerprint(['test/runtimes/package.json', 'test/runtimes/package-lock.json']),
  present: () =>
    process.platform !== 'linux' ||
    process.arch !== 'x64' ||
    existsSync(join(root, 'test', 'runtimes', 'node_modules')),
  perform: () => installPackages(join(root, 'test', 'runtimes')),
}

export const phases = { dependencies, native, typescript, runtimes }

async function installPackages(cwd) {
  const { program, args } = npm()
  // None of our dependencies needs its install script, so none runs.
  return command(
    program,
    [...args, 'ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'],
    cwd,
  )
}

async function command(program, args, cwd = root) {
  const { code, output } = await run(program, args, { cwd })
  return code === 0 ? null : output || `${program} ended with code ${code}`
}

/** The file name of the addon that `napi build --platform` makes here. */
export function addonName() {
  const { platform, arch } = process
  const glibc = process.report.getReport().header.glibcVersionRuntime
  const abi = platform === 'linux' ? (glibc ? '-gnu' : '-musl') : platform === 'win32' ? '-msvc' : ''
  return `neuroxide.${platform}-${arch}${abi}.node`
}

/**
 * Brings phases up to date, one after the other, and shows each on stderr.
 * @param {(typeof phases)[keyof typeof phases][]} wanted
 * @param {{ force?: boolean }} [options]
 * @returns {Promise<{ done: number, failure: string | null }>} how many had work, and what failed
 */
export async function bringUpToDate(wanted, { force = false } = {}) {
  const needsWork = (phase) => force || !phase.present() || !phase.stamp.matches(phase.state())
  if (!wanted.some(needsWork)) return { done: 0, failure: null }
  const release = await lock()
  try {
    // Asked again: another process may have done it while this one waited for the lock.
    const pending = wanted.filter(needsWork)
    for (const [index, phase] of pending.entries()) {
      const label = `[${index + 1}/${pending.length}] ${phase.name} (${phase.detail})`
      const finish = show(label)
      phase.stamp.forget()
      const failure = await phase.perform()
      finish(failure ? 'failed' : 'done')
      if (failure) return { done: index, failure: `${phase.name}: ${phase.detail} failed\n${failure}` }
      // Read after the work: cargo may have completed Cargo.lock.
      phase.stamp.write(phase.state())
    }
    return { done: pending.length, failure: null }
  } finally {
    release()
  }
}

function show(label) {
  const start = performance.now()
  const { stderr } = process
  if (!stderr.isTTY) {
    stderr.write(`${label} …\n`)
    return (word) => stderr.write(`${label} ${word} in ${secondsSince(start)} s\n`)
  }
  const paint = (end) => stderr.write(`\r\u001b[K${label} … ${end}`)
  const timer = setInterval(() => paint(`${Math.round((performance.now() - start) / 1000)} s`), 500)
  paint('')
  return (word) => {
    clearInterval(timer)
    paint(`${word} in ${secondsSince(start)} s\n`)
  }
}

/** Two set-ups in one clone would delete each other's files, so the second waits for the first. */
async function lock() {
  const path = join(root, '.cache', 'setup.lock')
  mkdirSync(join(root, '.cache'), { recursive: true })
  for (let told = false; ;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      return () => rmSync(path, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (!holderIsAlive(path)) {
      rmSync(path, { force: true })
      continue
    }
    if (!told)
      process.stderr.write('waiting for another set-up (if there is none, delete .cache/setup.lock)\n')
    told = true
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}

function holderIsAlive(path) {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    // Created but not yet written to: its owner is between the two, if it lives.
    if (pid === 0) return Date.now() - statSync(path).mtimeMs < 5000
    process.kill(pid, 0)
    return pid !== process.pid
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** The whole set-up, as `npm start` and `npm run golden` do it; ends the process when it fails. */
export async function setUp() {
  const start = performance.now()
  await requireTools()
  const { done, failure } = await bringUpToDate([dependencies, native, typescript])
  if (failure) fail(failure)
  process.stderr.write(
    done > 0 ? `neuroxide is set up (${secondsSince(start)} s)\n` : 'neuroxide is set up already\n',
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const forced = { native, types: typescript }[option('force') ?? '']
  if (forced) {
    await requireTools()
    const { failure } = await bringUpToDate([dependencies])
    const { failure: second } = failure ? { failure } : await bringUpToDate([forced], { force: true })
    if (second) fail(second)
  } else {
    await setUp()
  }
}

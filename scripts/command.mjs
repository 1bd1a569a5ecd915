// Running other programs with nothing but Node: these files work before anything is installed.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the clone. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Runs a program and gathers what it prints.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, inherit?: boolean }} [options]
 *   `inherit` hands this process's streams to the program instead of gathering.
 * @returns {Promise<{ code: number, output: string, stdout: string }>} code 127 when there is no such program.
 */
export function run(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: options.inherit ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    })
    const stdout = []
    const both = []
    child.stdout?.on('data', (chunk) => {
      stdout.push(chunk)
      both.push(chunk)
    })
    child.stderr?.on('data', (chunk) => both.push(chunk))
    // Ctrl-C reaches the whole group by itself; a plain kill reaches this process alone.
    const pass = () => child.kill('SIGTERM')
    if (options.inherit) process.once('SIGTERM', pass)
    child.on('error', (error) => {
      both.push(Buffer.from(`${program}: ${error.message}\n`))
      const code = 'code' in error && error.code === 'ENOENT' ? 127 : 126
      resolve({ code, output: String(Buffer.concat(both)), stdout: '' })
    })
    child.on('close', (code, signal) => {
      process.off('SIGTERM', pass)
      if (signal) both.push(Buffer.from(`${program} was ended by ${signal}\n`))
      resolve({
        code: code ?? 128 + constants.signals[signal],
        output: String(Buffer.concat(both)),
        stdout: String(Buffer.concat(stdout)),
      })
    })
  })
}

/**
 * The program and first arguments that run npm: the one that started us, or the one beside this Node.
 * @returns {{ program: string, args: string[] }}
 */
export function npm() {
  const besideNode = join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js')
  const started = process.env['npm_execpath']
  for (const script of [started, besideNode])
    if (script && script.endsWith('npm-cli.js') && existsSync(script))
      return { program: process.execPath, args: [script] }
  return { program: 'npm', args: [] }
}

/**
 * The script behind a command of an installed package, to be run by Node itself on every system.
 * @param {string} packageName
 * @param {string} [command] the name of the command where it is not that of the package
 * @returns {string}
 */
export function script(packageName, command = packageName) {
  const folder = join(root, 'node_modules', packageName)
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(folder, typeof bin === 'string' ? bin : bin[command])
}

/** Seconds with one decimal since a `performance.now()` reading. */
export const secondsSince = (start) => ((performance.now() - start) / 1000).toFixed(1)

/** The value of `--name value` on the command line, or undefined. */
export function option(name) {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? undefined : process.argv[at + 1]
}

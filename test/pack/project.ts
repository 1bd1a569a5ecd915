import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The folder of the clone. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** How Node runs TypeScript: the loader of the clone's tsx, since the projects under test have no packages but ours. */
export const tsx = pathToFileURL(join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What a program could inherit from this clone and its test runner, and would not have at a user's. */
export const clean: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|NEUROXIDE_|VITEST|INIT_CWD)/i.test(name)),
)

/** Runs a program to its end, whatever its exit code. */
export function execute(
  program: string,
  args: readonly string[],
  cwd: string,
  extra: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const env = { ...clean, ...extra }
  return new Promise((resolve) => {
    execFile(program, [...args], { cwd, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, stdout, stderr: error !== null && code === -1 ? `${stderr}${error.message}` : stderr })
    })
  })
}

const npmScript = process.env['npm_execpath']
const [npmProgram, npmArguments]: [string, string[]] = npmScript?.endsWith('npm-cli.js')
  ? [process.execPath, [npmScript]]
  : ['npm', []]

/** Runs npm and fails with its words when it fails. */
export async function npm(args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await execute(npmProgram, [...npmArguments, ...args], cwd)
  if (code !== 0) throw new Error(`npm ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`)
  return stdout
}

/** A folder of the system's own for temporary files, far from this clone's node_modules. */
export function temporaryFolder(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), 'neuroxide-pack-')))
}

/** An empty project as a user makes it, with packages installed from tarballs alone. */
export async function project(parent: string, name: string, tarballs: readonly string[]): Promise<string> {
  const folder = join(parent, name)
  mkdirSync(folder)
  await npm(['init', '-y'], folder)
  await npm(['pkg', 'set', 'type=module'], folder)
  await npm(['install', '--offline', '--no-audit', '--no-fund', ...tarballs], folder)
  return folder
}

/** The first TypeScript block below a heading of a Markdown text. */
export function programUnder(heading: string, markdown: string): string {
  const lines = markdown.split('\n')
  const start = lines.findIndex(
    (line) => /^#{1,6} /.test(line) && line.replace(/^#+ /, '').trim() === heading,
  )
  if (start < 0) throw new Error(`there is no heading "${heading}"`)
  const open = lines.findIndex((line, at) => at > start && /^```(ts|typescript)\b/.test(line))
  const next = lines.findIndex((line, at) => at > start && /^#{1,6} /.test(line))
  if (open < 0 || (next >= 0 && next < open)) throw new Error(`"${heading}" has no TypeScript block`)
  const close = lines.findIndex((line, at) => at > open && line.startsWith('```'))
  return `${lines.slice(open + 1, close).join('\n')}\n`
}

/**
 * Tarballs of what the library depends on, packed from the clone's own packages: a registry cannot be asked here, and
 * npm takes whatever fits the ranges.
 */
export async function dependencyTarballs(destination: string): Promise<string[]> {
  mkdirSync(destination, { recursive: true })
  const wanted = Object.keys(dependenciesOf(root))
  const packed = new Map<string, string>()
  for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
    if (packed.has(name)) continue
    const folder = join(root, 'node_modules', name)
    const answer = await npm(
      ['pack', folder, '--json', '--ignore-scripts', '--pack-destination', destination],
      root,
    )
    const [{ filename }] = JSON.parse(answer) as [{ filename: string }]
    packed.set(name, join(destination, filename))
    wanted.push(...Object.keys(dependenciesOf(folder)))
  }
  return [...packed.values()]
}

function dependenciesOf(folder: string): Readonly<Record<string, string>> {
  const text = readFileSync(join(folder, 'package.json'), 'utf8')
  return (JSON.parse(text) as { dependencies?: Record<string, string> }).dependencies ?? {}
}

// Lays out and packs what is published: the library, and one package for each built addon.
//   node scripts/stage-package.mjs [--out DIR] [--addons DIR] [--complete yes]
// Prints one JSON line: {"main":"….tgz","platforms":["….tgz"]}. `--complete yes` fails unless every target has its addon.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { npm, option, root, run } from './command.mjs'

/** What npm compares with the system that it installs on, per target of cargo. */
const systems = {
  'x86_64-unknown-linux-gnu': { tuple: 'linux-x64-gnu', os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
  'aarch64-unknown-linux-gnu': { tuple: 'linux-arm64-gnu', os: ['linux'], cpu: ['arm64'], libc: ['glibc'] },
  'x86_64-unknown-linux-musl': { tuple: 'linux-x64-musl', os: ['linux'], cpu: ['x64'], libc: ['musl'] },
  'aarch64-unknown-linux-musl': { tuple: 'linux-arm64-musl', os: ['linux'], cpu: ['arm64'], libc: ['musl'] },
  'aarch64-apple-darwin': { tuple: 'darwin-arm64', os: ['darwin'], cpu: ['arm64'] },
  'x86_64-pc-windows-msvc': { tuple: 'win32-x64-msvc', os: ['win32'], cpu: ['x64'] },
}

const source = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const out = resolve(option('out') ?? join(root, '.cache', 'stage'))
const addons = resolve(option('addons') ?? join(root, 'native'))
const targets = source.napi.targets.map((target) => systems[target])
const licenses = ['LICENSE-APACHE', 'LICENSE-MIT']

function freshFolder(name) {
  const folder = join(out, name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

function writeManifest(folder, manifest) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

/** The library without what only a clone needs, and with the platform packages, which the repository never names. */
function stageMain() {
  const folder = freshFolder('neuroxide')
  const {
    private: _private,
    scripts: _scripts,
    devDependencies: _development,
    napi: _napi,
    ...manifest
  } = source
  const platforms = targets.map(({ tuple }) => [`${source.name}-${tuple}`, source.version])
  writeManifest(folder, { ...manifest, optionalDependencies: Object.fromEntries(platforms) })
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true })
  for (const file of ['README.md', 'README.zh-CN.md', 'CHANGELOG.md', ...licenses])
    copyFileSync(join(root, file), join(folder, file))
  return folder
}

function stagePlatform({ tuple, ...system }) {
  const name = `${source.name}-${tuple}`
  const file = `neuroxide.${tuple}.node`
  const folder = freshFolder(name)
  const { version, license, engines } = source
  const description = `The native part of ${source.name} for ${tuple}`
  writeManifest(folder, {
    name,
    version,
    description,
    license,
    engines,
    ...system,
    main: file,
    files: [file, ...licenses],
  })
  writeFileSync(
    join(folder, 'README.md'),
    `# ${name}\n\n${description}. Install \`${source.name}\` instead.\n`,
  )
  for (const text of [file, ...licenses])
    copyFileSync(text === file ? join(addons, file) : join(root, text), join(folder, text))
  return folder
}

async function pack(folder) {
  const { program, args } = npm()
  const { code, output, stdout } = await run(
    program,
    [...args, 'pack', '--json', '--ignore-scripts', '--pack-destination', out],
    { cwd: folder },
  )
  if (code !== 0) throw new Error(`npm pack failed in ${folder}\n${output}`)
  return join(out, JSON.parse(stdout)[0].filename)
}

const present = new Set(existsSync(addons) ? readdirSync(addons) : [])
const [found, absent] = [true, false].map((wanted) =>
  targets.filter(({ tuple }) => present.has(`neuroxide.${tuple}.node`) === wanted),
)
if (option('complete') && absent.length > 0) {
  process.stderr.write(`no addon in ${addons} for ${absent.map(({ tuple }) => tuple).join(', ')}\n`)
  process.exit(1)
}
const main = await pack(stageMain())
const platforms = []
for (const system of found) platforms.push(await pack(stagePlatform(system)))
process.stdout.write(`${JSON.stringify({ main, platforms })}\n`)

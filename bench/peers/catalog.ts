// Which programs are compared, how each is started, and how one sees that it is installed.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))

export interface Peer {
  /** The name in the table. */
  readonly impl: string
  /** The part of `setup.sh` that installs it; none for this project itself. */
  readonly part: 'py' | 'tf' | 'js' | 'rs' | null
  readonly command: readonly string[]
  /** The file without which it is not there. */
  readonly needs: string
  readonly env?: Readonly<Record<string, string>>
}

/** glibc keeps the pages that a program frees instead of giving them back and faulting them in again at every step. */
const keepPages = {
  MALLOC_TRIM_THRESHOLD_: '2000000000',
  // The most that it takes: larger blocks come from the system each time, whatever is set.
  MALLOC_MMAP_THRESHOLD_: '33554432',
  MALLOC_TOP_PAD_: '67108864',
}

/** This project in its forms of driving; the first is what the others are compared with. */
export function ours(): Peer[] {
  const program = join(here, 'own.ts')
  return ['epoch', 'epoch-shuffled', 'jit', 'eager'].map((mode) => ({
    impl: `neuroxide-${mode}`,
    part: null,
    // The loader of TypeScript by which this program itself runs.
    command: [process.execPath, ...process.execArgv, program],
    needs: program,
  }))
}

/** Every peer that the installer knows, in a folder of its making. */
export function rivals(folder: string): Peer[] {
  const python = (part: 'py' | 'tf', script: string, impls: readonly string[]): Peer[] => {
    const needs = join(folder, part, 'bin', 'python')
    const env = { PYTHONDONTWRITEBYTECODE: '1', TORCHINDUCTOR_CACHE_DIR: join(folder, part, 'inductor') }
    return impls.map((impl) => ({
      impl,
      part,
      needs,
      env,
      command: [needs, '-W', 'ignore', join(here, 'py', script)],
    }))
  }
  const script = (impl: string, name: string, packageName: string): Peer => ({
    impl,
    part: 'js',
    command: [process.execPath, join(folder, 'js', name)],
    needs: join(folder, 'js', 'node_modules', packageName, 'package.json'),
  })
  const compiled = (impl: string, program = impl): Peer[] => {
    const needs = join(folder, 'rs', 'bin', program)
    const peer = { part: 'rs', command: [needs], needs } as const
    return [
      { impl, ...peer },
      { impl: `${impl}+malloc`, env: keepPages, ...peer },
    ]
  }
  return [
    ...python('py', 'torch_mlp.py', ['torch-eager', 'torch-compile']),
    ...python('py', 'jax_mlp.py', ['jax-jit', 'jax-scan']),
    ...python('tf', 'keras_mlp.py', ['keras-fit']),
    script('tfjs-wasm', 'tfjs.mjs', '@tensorflow/tfjs-backend-wasm'),
    script('jax-js-wasm', 'jax-js.mjs', '@jax-js/jax'),
    ...compiled('candle'),
    ...compiled('candle-avx512'),
    ...compiled('burn-flex', 'burn'),
  ]
}

/** Parts whose peers are missing, with what is missing of each. */
export function missing(peers: readonly Peer[]): ReadonlyMap<string, string[]> {
  const parts = new Map<string, string[]>()
  for (const { impl, part, needs } of peers)
    if (part !== null && !existsSync(needs)) parts.set(part, [...(parts.get(part) ?? []), impl])
  return parts
}

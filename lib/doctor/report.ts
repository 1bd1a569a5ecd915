import type { FoundBy } from '../native.js'

/** Something that keeps neuroxide from working, with what to do about it. */
export interface Problem {
  readonly part: 'node' | 'addon' | 'products' | 'training'
  readonly message: string
  readonly remedy: string
}

/** The rate of a matrix product of f32, `size × size` by `size × size`. */
export interface Rate {
  readonly threads: number
  readonly size: number
  /** Thousand millions of multiplications and additions a second, in the fastest of the runs. */
  readonly gflops: number
}

/** An optional package. */
export interface Peer {
  readonly name: string
  /** The installed version, or null. */
  readonly version: string | null
  /** What needs it. */
  readonly use: string
  /** The command that installs it. */
  readonly install: string
}

/** What `npx neuroxide doctor --json` prints. */
export interface Report {
  /** Whether nothing is broken; the exit code is 0 then, else 1. */
  readonly ok: boolean
  readonly problems: readonly Problem[]
  /** What works, but not as well as it could. */
  readonly notes: readonly string[]
  readonly package: { readonly version: string; readonly path: string }
  readonly node: { readonly version: string; readonly napi: string; readonly v8: string }
  readonly system: {
    readonly platform: string
    readonly arch: string
    readonly libc: string | null
    readonly release: string
  }
  readonly processor: {
    readonly model: string
    readonly count: number
    readonly memoryBytes: number
  }
  readonly addon: { readonly path: string; readonly foundBy: FoundBy } | null
  readonly instructionSet: { readonly used: string; readonly why: string } | null
  readonly threads: { readonly used: number; readonly why: string } | null
  readonly products: readonly Rate[]
  readonly training: {
    readonly firstLoss: number
    readonly lastLoss: number
    readonly milliseconds: number
  } | null
  readonly peers: readonly Peer[]
}

import { loadNative, type LoadedAddon } from './loader.js'
import { callerSite, translated } from './errors.js'
import type { DType } from './types.js'

export type { FoundBy } from './loader.js'

/** A number that stands for something in the core: slot and generation in one; never negative. */
export type Handle = number

/** Stands where a handle could be and none is. */
export const NONE = -1

/** Places in {@link io}, the numbers that both sides share; the addon documents the same table. */
export const Io = {
  pressure: 0,
  path: 1,
  site: 2,
  tracing: 3,
  rank: 4,
  dtype: 5,
  flags: 6,
  described: 7,
  sizes: 8,
  environment: 41,
  attributes: 64,
  list: 512,
  outputs: 600,
} as const

/** What the addon says of a tensor beside its sizes. */
export const Flag = { requiresGrad: 1, leaf: 2, traced: 4, weak: 8, lent: 16 } as const

export const LIST_CAPACITY = 16_384

/** Element types in the order of their codes. */
export const dtypes: readonly DType[] = ['bool', 'u8', 'i32', 'f32', 'f64']

/** Files of tensors that the addon reads and writes. */
export type FileFormat = 'safetensors' | 'npy' | 'npz'

/** The exports of the addon. They are a constant set: ops are numbers, not functions. */
export interface Native {
  init(io: Float64Array): Float64Array
  intern(text: string): number
  apply(out: object, code: number, a: Handle, b: Handle, c: Handle, attributes: number): Handle
  applyList(out: object, code: number, count: number, attributes: number): Handle
  create(out: object, dtype: number, rank: number, bytes: ArrayBufferView): Handle
  number(out: object, value: number): Handle
  parameter(out: object, source: Handle, rank: number): Handle
  meta(handle: Handle): void
  read(handle: Handle, bytes: ArrayBufferView): void
  readAsync(handle: Handle): Promise<Uint8Array>
  release(handle: Handle): void
  releaseMany(count: number): void
  alive(handle: Handle): boolean
  sweep(): number
  pressure(threshold: number): number
  setRequiresGrad(handle: Handle, on: boolean): void
  backward(y: Handle, gradient: Handle, retain: boolean): void
  gradients(outs: object[], y: Handle, gradient: Handle, count: number, retain: boolean): void
  gradOf(out: object, handle: Handle): Handle
  setGrad(handle: Handle, gradient: Handle): void
  zeroGrad(count: number): void
  assign(target: Handle, value: Handle): void
  gradEnabled(on: boolean): boolean
  seed(seed: number): void
  rngState(): void
  setRngState(seed: number, offset: number, forks: number): void
  producer(out: object, handle: Handle, axis: number): Handle
  pathName(id: number): string
  traceBegin(outs: object[], count: number): void
  traceEnd(count: number, keepGrads: boolean): number
  traceAbort(): void
  run(program: number, outs: object[], count: number): number
  runAsync(program: number, outs: object[], count: number): Promise<Float64Array>
  programFree(program: number): void
  explain(program: number): string
  optimizerCreate(kind: string, hypers: Float64Array, count: number, groupOf: Int32Array): number
  optimizerHyper(id: number, group: number, index: number, value: number): number
  optimizerStep(id: number): void
  optimizerSteps(id: number, parameter: number, value: number): number
  optimizerState(out: object, id: number, parameter: number, name: string): Handle
  optimizerFree(id: number): void
  optimizerInfo(kind: string): string
  saveFile(
    op: string,
    format: FileFormat,
    path: string,
    names: readonly string[],
    count: number,
    metadata: readonly string[],
    words: number,
  ): Promise<void>
  loadFile(op: string, format: FileFormat, path: string): Promise<string>
  loadedTensor(out: object | null, id: number, index: number): Handle
  fitStart(spec: object, callback: (event: never) => void): number
  fitResume(run: number, stop: boolean): void
  fitAbort(run: number): void
  setMode(which: 'anomaly', on: boolean): void
  verifyBegin(program: number): void
  verifyReplay(): void
  verifyEnd(count: number): void
  verifyAbort(): void
  memory(): string
  counters(): string
  device(): string
}

/** Wraps a function of the addon so that its errors arrive as classes whose stack begins at the user's line. */
function translating(call: (...args: any[]) => any): (...args: any[]) => any {
  return (...args) => {
    try {
      return call(...args)
    } catch (error) {
      throw translated(error)
    }
  }
}

const loaded = loadNative()
const addon = loaded.addon as Native

/** The file that the addon was loaded from, and how it was found. */
export const addonOrigin: Omit<LoadedAddon, 'addon'> = { path: loaded.path, foundBy: loaded.foundBy }

/** The numbers shared with the addon: results' shapes, arguments beyond the scalar ones, flags. */
export const io: Float64Array = addon.init(new Float64Array(Io.list + LIST_CAPACITY))

if (io[Io.environment] === 0) io[Io.environment] = 1 + Math.floor(Math.random() * 2 ** 50)

/** Tells the tensors of this environment from those of another. */
export const environment: number = io[Io.environment] ?? 0

/** Every export of the addon, with errors translated. */
export const native: Native = wrapped(addon)

function wrapped(exports: Native): Native {
  const all: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(exports))
    if (typeof value === 'function') all[name] = translating(value as (...args: any[]) => any)
  // The two that run once an op: no rest arguments, so nothing is allocated.
  all['apply'] = (out: object, code: number, a: Handle, b: Handle, c: Handle, attributes: number): Handle => {
    if (recording > 0) markSite()
    try {
      return addon.apply(out, code, a, b, c, attributes)
    } catch (error) {
      throw translated(error)
    }
  }
  all['applyList'] = (out: object, code: number, count: number, attributes: number): Handle => {
    if (recording > 0) markSite()
    try {
      return addon.applyList(out, code, count, attributes)
    } catch (error) {
      throw translated(error)
    }
  }
  all['run'] = (program: number, outs: object[], count: number): number => {
    try {
      return addon.run(program, outs, count)
    } catch (error) {
      throw translated(error)
    }
  }
  return all as unknown as Native
}

/** Whether a function is being traced. */
export function isTracing(): boolean {
  return io[Io.tracing] !== 0
}

const ids = new Map<string, number>()

/** The id of a text that the addon keeps: module paths and lines of the user's source. */
export function interned(text: string): number {
  let id = ids.get(text)
  if (id === undefined) {
    id = native.intern(text)
    ids.set(text, id)
  }
  return id
}

let recording = 0

/** Runs `body` with the user's line noted for each op, so that errors found later can name it. */
export function recordingSites<T>(body: () => T): T {
  recording += 1
  try {
    return body()
  } finally {
    recording -= 1
    if (recording === 0) io[Io.site] = 0
  }
}

/** Switches the noting of lines for all ops from now on; calls nest. */
export function setRecording(on: boolean): void {
  recording += on ? 1 : -1
  if (recording === 0) io[Io.site] = 0
}

function markSite(): void {
  const site = callerSite()
  io[Io.site] = site === '' ? 0 : interned(site)
}

/** The path of the module that is running forward, as a prefix for messages. */
export function pathPrefix(): string {
  const id = io[Io.path] ?? 0
  return id === 0 ? '' : `${native.pathName(id)}: `
}

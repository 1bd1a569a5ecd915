import { beforeAll, describe, expect, test } from 'vitest'
import { type Addon, Io, loadAddon, thrownBy } from './addon.js'

const F32 = 3

let addon: Addon
let io: Float64Array

beforeAll(() => {
  addon = loadAddon()
  io = addon['init']!(new Float64Array(Io.list + 1024)) as Float64Array
})

function create(values: number[], owner: object = {}): number {
  io[Io.attributes] = values.length
  return addon['create']!(owner, F32, 1, Float32Array.from(values)) as number
}

function read(handle: number, length: number): number[] {
  const out = new Float32Array(length)
  addon['read']!(handle, out)
  return [...out]
}

describe('handles', () => {
  test('a result is described in the shared array', () => {
    const handle = create([1, 2, 3])
    io.fill(-7, Io.rank, Io.sizes + 1)
    addon['meta']!(handle)
    expect([io[Io.rank], io[Io.dtype], io[Io.sizes]]).toEqual([1, F32, 3])
    expect(read(handle, 3)).toEqual([1, 2, 3])
    addon['release']!(handle)
  })

  test('a stale handle throws and never reads the tensor that took its slot', () => {
    const stale = create([1, 2])
    addon['release']!(stale)
    const others = Array.from({ length: 100 }, (_, i) => create([i, i]))
    expect(addon['alive']!(stale)).toBe(false)
    for (const call of [
      () => addon['meta']!(stale),
      () => read(stale, 2),
      () => addon['backward']!(stale, -1, false),
    ])
      expect(thrownBy(call).code).toBe('ERR_DISPOSED')
    others.forEach((handle, i) => expect(read(handle, 2)).toEqual([i, i]))
    others.forEach((handle, i) => (io[Io.list + i] = handle))
    addon['releaseMany']!(others.length)
    expect(others.map((handle) => addon['alive']!(handle))).toEqual(others.map(() => false))
  })

  test('what was never a handle throws', () => {
    for (const handle of [-1, 0.5, Number.NaN, Infinity, 2 ** 52])
      expect(thrownBy(() => addon['meta']!(handle)).code).toBe('ERR_DISPOSED')
  })

  test('releasing twice does nothing to the tensor that took the slot', () => {
    const first = create([1])
    addon['release']!(first)
    addon['release']!(first)
    const second = create([2])
    addon['release']!(first)
    expect(read(second, 1)).toEqual([2])
    addon['release']!(second)
  })
})

describe('arguments', () => {
  test('the wrong type is an error, not a crash', () => {
    expect(thrownBy(() => addon['meta']!('x'))).toEqual({
      code: 'ERR_VALUE',
      message: 'argument 1 of the native call; expected a number',
    })
    expect(thrownBy(() => addon['create']!({}, F32, 1, [1, 2, 3])).code).toBe('ERR_VALUE')
    expect(thrownBy(() => addon['create']!(7, F32, 1, new Float32Array(1))).code).toBe('ERR_VALUE')
    expect(thrownBy(() => addon['create']!({}, 99, 0, new Float32Array(1))).code).toBe('ERR_VALUE')
    expect(thrownBy(() => addon['create']!({}, F32, 1e9, new Float32Array(1))).code).toBe('ERR_VALUE')
    expect(thrownBy(() => addon['apply']!()).code).toBe('ERR_VALUE')
    expect(thrownBy(() => addon['apply']!({}, 1e6, -1, -1, -1, 0)).code).toBe('ERR_INTERNAL')
    expect(thrownBy(() => addon['releaseMany']!(1e9)).code).toBe('ERR_VALUE')
  })

  test('bytes that do not make up the shape are refused', () => {
    io[Io.attributes] = 3
    expect(thrownBy(() => addon['create']!({}, F32, 1, new Float32Array(4))).code).toBe('ERR_SHAPE')
    const handle = create([1, 2, 3])
    expect(thrownBy(() => read(handle, 2)).code).toBe('ERR_SHAPE')
    addon['release']!(handle)
  })

  test('memory shared between threads is copied', () => {
    const shared = new Float32Array(new SharedArrayBuffer(8))
    shared.set([4, 5])
    io[Io.attributes] = 2
    const handle = addon['create']!({}, F32, 1, shared) as number
    shared.fill(0)
    expect(read(handle, 2)).toEqual([4, 5])
    addon['release']!(handle)
  })

  test('a second copy of the library is given the array of the first', () => {
    expect(addon['init']!(new Float64Array(4096))).toBe(io)
  })
})

test('a panic becomes an error, and everything goes on', () => {
  for (let round = 0; round < 3; round++) {
    const { code, message } = thrownBy(() => addon['debugPanic']!())
    expect(code).toBe('ERR_INTERNAL')
    expect(message).toMatch(/^a defect of neuroxide, please report it: .+ \(.+\.rs:\d+\)$/)
  }
  const handle = create([1])
  expect(read(handle, 1)).toEqual([1])
  addon['release']!(handle)
})

test('the sweep frees what nothing refers to any more, and only that', async () => {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  addon['sweep']!()
  const kept = {}
  const held = create([1], kept)
  const lost = Array.from({ length: 500 }, () => create([2]))
  const before = addon['pressure']!(Number.NaN) as number
  collect()
  const freed = addon['sweep']!() as number
  expect(freed).toBeGreaterThanOrEqual(490)
  expect(before - (addon['pressure']!(Number.NaN) as number)).toBeGreaterThanOrEqual(490 * (512 + 4))
  expect(lost.filter((handle) => addon['alive']!(handle)).length).toBeLessThanOrEqual(10)
  expect(addon['alive']!(held)).toBe(true)
  expect(kept).toEqual({})
})

test('a creating call raises the flag when the load passes the threshold', () => {
  const load = addon['pressure']!(Number.NaN) as number
  io[Io.pressure] = 0
  addon['pressure']!(load + 3 * 516)
  const handles = [create([1]), create([1])]
  expect(io[Io.pressure]).toBe(0)
  handles.push(create([1]), create([1]))
  expect(io[Io.pressure]).toBe(1)
  addon['pressure']!(2 ** 40)
  expect(io[Io.pressure]).toBe(0)
  for (const handle of handles) addon['release']!(handle)
})

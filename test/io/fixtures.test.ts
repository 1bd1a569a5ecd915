import { fileURLToPath } from 'node:url'
import { FormatError, io, nn, type Tensor } from 'neuroxide'
import { describe, expect, test } from 'vitest'

/** Files that Python has written, made by test/golden/make/files.py. */
const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

const told = (x: Tensor | undefined): unknown => [x?.dtype, x?.shape, x?.toArray()]
const grid = [
  [0, 1, 2],
  [3, 4, 5],
]

describe('files of PyTorch', () => {
  test('a model of theirs computes here what it does there', async () => {
    const model = new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 2))
    expect(await model.loadWeights(fixture('torch-model.safetensors'))).toEqual({
      missing: [],
      unexpected: [],
    })
    const { tensors } = await io.loadTensors(fixture('torch-outputs.safetensors'))
    const [x, y] = [tensors.get('x') as Tensor, tensors.get('y') as Tensor]
    expect(model.forward(x).sub(y).abs().max().item()).toBeLessThan(1e-6)
  })

  test('every type comes as the next larger one of ours', async () => {
    const { tensors } = await io.loadTensors(fixture('torch-types.safetensors'))
    const type = (name: string): unknown => told(tensors.get(name))
    expect(type('f16')).toEqual(['f32', [5], [0, -1.5, 65_504, 2 ** -24, Infinity]])
    // bf16 keeps eight bits of the fraction.
    expect(type('bf16')).toEqual(['f32', [5], [0, -1.5, 65_536, 2 ** -24, Infinity]])
    expect(type('f64')).toEqual(['f64', [5], [0, -1.5, 65_504, 2 ** -24, Infinity]])
    expect(type('i64')).toEqual(['i32', [2], [-(2 ** 31), 2 ** 31 - 1]])
    expect(type('i16')).toEqual(['i32', [2], [-32_768, 32_767]])
    expect(type('i8')).toEqual(['i32', [2], [-128, 127]])
    expect(type('u8')).toEqual(['u8', [2], [0, 255]])
    expect(type('bool')).toEqual(['bool', [2], [true, false]])
    expect(type('scalar')).toEqual(['f32', [], 2.5])
    expect(type('none')).toEqual(['f32', [0, 3], []])
    expect(type('__proto__')).toEqual(['f32', [1], [1]])
  })

  test('what tensors here cannot hold is refused with its name', async () => {
    await expect(io.loadTensors(fixture('torch-large.safetensors'))).rejects.toThrow(
      /"large" is i64 and its element 0 is 1099511627776; expected/,
    )
    await expect(io.loadTensors(fixture('torch-f8.safetensors'))).rejects.toThrow(
      /"f8" has elements of type F8_E4M3; expected/,
    )
  })
})

describe('files of NumPy', () => {
  test.each(['numpy.npz', 'numpy-packed.npz'])('%s', async (name) => {
    const arrays = await io.loadNpz(fixture(name))
    const type = (key: string): unknown => told(arrays.get(key))
    expect(type('columns')).toEqual(['f32', [2, 3], grid])
    expect(type('swapped')).toEqual(['f64', [2, 3], grid])
    expect(type('f16')).toEqual(['f32', [2, 3], grid])
    expect(type('i64')).toEqual(['i32', [2, 3], grid])
    expect(type('u16')).toEqual(['i32', [2, 3], grid])
    expect(type('bool')).toEqual(['bool', [2, 3], grid.map((row) => row.map((value) => value % 2 === 0))])
    expect(type('scalar')).toEqual(['f32', [], 2.5])
    expect(type('none')).toEqual(['f32', [0, 3], []])
  })

  test.each(['numpy.npy', 'numpy-2.npy', 'numpy-3.npy'])('%s', async (name) => {
    expect(told(await io.loadNpy(fixture(name)))).toEqual(['f32', [2, 3], grid])
  })

  test('objects are never read, and what unpacks to far more than it is neither', async () => {
    await expect(io.loadNpy(fixture('numpy-objects.npy'))).rejects.toThrow(FormatError)
    await expect(io.loadNpy(fixture('numpy-objects.npy'))).rejects.toThrow(/type '\|O'; expected/)
    await expect(io.loadNpz(fixture('numpy-bomb.npz'))).rejects.toThrow(/at most 100 bytes for each/)
  })
})

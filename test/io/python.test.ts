import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io, manualSeed, nn, ones, randn, tensor, zeros, type Tensor } from 'neuroxide'
import { describe, expect, test } from 'vitest'
import { pythonWith } from '../python.js'
import { scratch } from './scratch.js'

const { skipped, run } = pythonWith('numpy', 'torch', 'safetensors')

const everything = (): Map<string, Tensor> =>
  new Map<string, Tensor>([
    ['f32', tensor([[1.5, -2]])],
    ['f64', tensor([0.1], { dtype: 'f64' })],
    ['i32', tensor([-7], { dtype: 'i32' })],
    ['u8', tensor([255], { dtype: 'u8' })],
    ['bool', tensor([true, false])],
    ['none', zeros([0, 2])],
    ['scalar', tensor(3)],
    ['turned', tensor([[1, 2, 3]]).transpose(0, 1)],
  ])

const expected = {
  f32: ['float32', [1, 2], [[1.5, -2]]],
  f64: ['float64', [1], [0.1]],
  i32: ['int32', [1], [-7]],
  u8: ['uint8', [1], [255]],
  bool: ['bool', [2], [true, false]],
  none: ['float32', [0, 2], []],
  scalar: ['float32', [], 3],
  turned: ['float32', [3, 1], [[1], [2], [3]]],
}

describe.skipIf(skipped !== '')(`with Python${skipped}`, () => {
  test('PyTorch reads our model and computes the same', async () => {
    const folder = scratch()
    manualSeed(3)
    const model = new nn.Sequential(new nn.Linear(3, 5), new nn.ReLU(), new nn.Linear(5, 2))
    model.compile({ optimizer: 'adam', loss: 'mse' })
    const x = randn([7, 3])
    await model.fit(x, randn([7, 2]), { verbose: 0 })
    await model.save(join(folder, 'model.safetensors'))
    await io.saveTensors(join(folder, 'x.safetensors'), { x })
    const program = `
import json, sys, torch
from safetensors import safe_open
from safetensors.torch import load_file
net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
net.load_state_dict(load_file(sys.argv[1] + '/model.safetensors'))
with safe_open(sys.argv[1] + '/model.safetensors', 'pt') as file:
    metadata = file.metadata()
print(json.dumps([net(load_file(sys.argv[1] + '/x.safetensors')['x']).tolist(), sorted(metadata)]))
`
    const [outputs, keys] = run(program, folder) as [number[][], string[]]
    expect(model.forward(x).sub(tensor(outputs)).abs().max().item()).toBeLessThan(1e-6)
    expect(keys).toEqual(['format', 'neuroxide'])
  })

  test('the program of docs/saving.md reads a model', async () => {
    const page = readFileSync(new URL('../../docs/saving.md', import.meta.url), 'utf8')
    const programs = [...page.matchAll(/^```python\n(.*?)^```$/gms)].map(([, program]) => program ?? '')
    expect(programs).toHaveLength(1)
    const folder = scratch()
    const model = new nn.Sequential(new nn.Linear(4, 16), new nn.ReLU(), new nn.Linear(16, 3))
    await model.save(join(folder, 'model.safetensors'))
    // It reads a file of the folder that it runs in.
    const program = `
import json, os, sys
os.chdir(sys.argv[1])
${programs.join('\n')}
print(json.dumps(net(torch.ones(1, 4)).tolist()))
`
    const outputs = run(program, folder) as number[][]
    const ours = model.forward(ones([1, 4]))
    expect(ours.sub(tensor(outputs)).abs().max().item()).toBeLessThan(1e-6)
  })

  test('PyTorch reads a layer that stands in two places, under both its names', async () => {
    const file = join(scratch(), 'tied.safetensors')
    const shared = new nn.Linear(2, 2)
    await new nn.Sequential(shared, new nn.Tanh(), shared).save(file)
    const program = `
import json, sys, torch
from safetensors.torch import load_file
shared = torch.nn.Linear(2, 2)
net = torch.nn.Sequential(shared, torch.nn.Tanh(), shared)
net.load_state_dict(load_file(sys.argv[1]))
print(json.dumps(shared.weight.tolist()))
`
    expect(run(program, file)).toEqual(shared.weight.toArray())
  })

  test('we read what PyTorch saves, a shared weight that it leaves out included', async () => {
    const folder = scratch()
    const program = `
import json, sys, torch
from safetensors.torch import save_model
torch.manual_seed(1)
shared = torch.nn.Linear(3, 3)
net = torch.nn.Sequential(shared, torch.nn.Sigmoid(), shared)
save_model(net, sys.argv[1] + '/theirs.safetensors')
x = torch.ones(1, 3)
print(json.dumps(net(x).tolist()))
`
    const outputs = run(program, folder) as number[][]
    const shared = new nn.Linear(3, 3)
    const model = new nn.Sequential(shared, new nn.Sigmoid(), shared)
    await model.loadWeights(join(folder, 'theirs.safetensors'))
    expect(
      model
        .forward(tensor([[1, 1, 1]]))
        .sub(tensor(outputs))
        .abs()
        .max()
        .item(),
    ).toBeLessThan(1e-6)
  })

  test('the package safetensors reads all our types, and writes our bytes again', async () => {
    const folder = scratch()
    await io.saveTensors(join(folder, 'ours'), everything(), { metadata: { format: 'pt' } })
    const program = `
import json, sys
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
tensors = load_file(sys.argv[1] + '/ours')
save_file(tensors, sys.argv[1] + '/theirs', metadata={'format': 'pt'})
print(json.dumps({name: [str(x.dtype), list(x.shape), x.tolist()] for name, x in tensors.items()}))
`
    expect(run(program, folder)).toEqual(expected)
    expect(readFileSync(join(folder, 'theirs'))).toEqual(readFileSync(join(folder, 'ours')))
  })

  test('NumPy reads our npy and npz files', async () => {
    const folder = scratch()
    await io.saveNpz(join(folder, 'ours.npz'), everything())
    await io.saveNpy(join(folder, 'ours.npy'), tensor([[1, 2]]))
    const program = `
import json, sys
import numpy as np
arrays = np.load(sys.argv[1] + '/ours.npz', allow_pickle=False)
told = {name: [str(arrays[name].dtype), list(arrays[name].shape), arrays[name].tolist()] for name in arrays.files}
print(json.dumps([told, np.load(sys.argv[1] + '/ours.npy', allow_pickle=False).tolist()]))
`
    expect(run(program, folder)).toEqual([expected, [[1, 2]]])
  })

  test('hostile files are decided as the package decides, but for keys that stand twice', async () => {
    const folder = scratch()
    const one = (more: string): string => `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]${more}}}`
    const headers = [
      one(''),
      `  ${one('')}`,
      `${one('')}  `,
      one(',"x":1'),
      one(',"x":NaN'),
      one(',"dtype":"I32"'),
      one('').replace('F32', 'f32'),
      one('').replace('[2]', '[-2]'),
      one('').replace('[2]', '[2.0]'),
      one('').replace('[2]', '[3]'),
      one('').replace('[0,8]', '[8,0]'),
      one('').replace('[0,8]', '[0,8,8]'),
      one('').replace('"a"', '"__proto__"'),
      one('').replace('"a"', '""'),
      `\u{feff}${one('')}`,
      `${one('')}\0`,
      '[]',
      '{}',
      one(`,"x":${'['.repeat(100)}${']'.repeat(100)}`),
      one(`,"x":${'['.repeat(200)}${']'.repeat(200)}`),
    ]
    const files = headers.map((header, i) => {
      const text = Buffer.from(header)
      const length = Buffer.alloc(8)
      length.writeBigUInt64LE(BigInt(text.length))
      const file = join(folder, String(i))
      writeFileSync(file, Buffer.concat([length, text, Buffer.alloc(8)]))
      return file
    })
    const program = `
import json, sys
from safetensors.numpy import load_file
def reads(path):
    try:
        load_file(path)
        return True
    except Exception:
        return False
print(json.dumps([reads(path) for path in sys.argv[1:]]))
`
    const theirs = run(program, ...files)
    const reads = (file: string): Promise<boolean> =>
      io.loadTensors(file).then(
        () => true,
        () => false,
      )
    expect(await Promise.all(files.map(reads))).toEqual(theirs)
    expect((theirs as boolean[]).filter(Boolean).length).toBeGreaterThan(4)
  })
})

// Data sets, loaders and splits say what their batches are.
import { data, datasets, zeros, type Tensor } from 'neuroxide'
import { holds, type Same } from './same.js'

const x = zeros([100, 28, 28], { dtype: 'u8' })
const y = zeros([100], { dtype: 'i32' })
const set = new data.TensorDataset(x, y)
holds<Same<typeof set.x, Tensor<[100, 28, 28], 'u8'>>>()

// Parts of a set have the sizes of a sample; how many samples there are is not known.
const sample = set.get(3)
holds<Same<typeof sample.x, Tensor<[28, 28], 'u8'>>>()
holds<Same<typeof sample.y, Tensor<[], 'i32'>>>()
const picked = set.gather(y)
holds<Same<typeof picked.x, Tensor<[number, 28, 28], 'u8'>>>()
const part = set.slice(10)
holds<Same<typeof part.x, Tensor<[number, 28, 28], 'u8'>>>()
for (const batch of new data.DataLoader(set, { batchSize: 32 })) {
  holds<Same<typeof batch.x, Tensor<[number, 28, 28], 'u8'>>>()
  holds<Same<typeof batch.y, Tensor<[number], 'i32'>>>()
}
for (const { x: rows } of new data.DataLoader({ x, y }))
  holds<Same<typeof rows, Tensor<[number, 28, 28], 'u8'>>>()
const { train, test } = data.trainTestSplit({ x, y }, { testSize: 0.2, seed: 1 })
holds<Same<typeof train.x, Tensor<[number, 28, 28], 'u8'>>>()
holds<Same<typeof test.y, Tensor<[number], 'i32'>>>()

// Tensors of which nothing is known.
declare const anything: Tensor
for (const batch of new data.DataLoader({ x: anything, y: anything })) holds<Same<typeof batch.x, Tensor>>()

// Several inputs.
for (const {
  x: [left, right],
} of new data.DataLoader(new data.TensorDataset([x, y] as const, y))) {
  holds<Same<typeof left, Tensor<[number, 28, 28], 'u8'>>>()
  holds<Same<typeof right, Tensor<[number], 'i32'>>>()
}

// A data set of one's own gives one sample after the other.
const own: data.Dataset = { length: 10, get: (index) => ({ x: zeros([index]), y }) }
const loader = new data.DataLoader(own, { shuffle: true, dropLast: true, seed: 3 })
for (const batch of loader) holds<Same<typeof batch.x, Tensor>>()
const batches: number = loader.length
// @ts-expect-error a set has a length
const endless = new data.DataLoader({ get: () => ({ x, y }) })
// @ts-expect-error that is no option
const misspelt = new data.DataLoader(set, { batch: 3 })

const mnist = datasets.mnist({ dir: 'mnist' })
holds<Same<typeof mnist.train.x, Tensor<[number, number, number], 'u8'>>>()
holds<Same<typeof mnist.test.y, Tensor<[number], 'u8'>>>()

export const used = [batches, endless, misspelt]

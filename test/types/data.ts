// Data sets, loaders and splits say what their batches are.
import { data, datasets, nn, zeros, type Tensor } from 'neuroxide'
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

// Samples that are promises; only `for await` goes over them.
const later: data.AsyncDataset = { length: 3, get: async () => ({ x, y }) }
for await (const batch of new data.DataLoader(later, { prefetch: 2 })) holds<Same<typeof batch.x, Tensor>>()
for await (const batch of new data.DataLoader(set))
  holds<Same<typeof batch.x, Tensor<[number, 28, 28], 'u8'>>>()

// Pipelines know their rows, and what becomes of them.
const rows = new data.Pipeline([1, 2, 3]).map((n) => ({ x: [n, n], y: n, tag: { at: new Float32Array(2) } }))
for await (const batch of rows.shuffle(3).batch(2)) {
  holds<Same<typeof batch.x, Tensor>>()
  holds<Same<typeof batch.tag.at, Tensor>>()
}
for await (const [left, right] of new data.Pipeline([1]).map((n) => [[n], n]).batch(2)) {
  holds<Same<typeof left, Tensor>>()
  holds<Same<typeof right, Tensor>>()
}
for await (const batch of new data.Pipeline([[1, 2]]).batch(2)) holds<Same<typeof batch, Tensor>>()
for await (const row of new data.Pipeline(async () => ['a']).filter(Boolean))
  holds<Same<typeof row, string>>()
const [first, second] = rows.split(0.5)
holds<Same<typeof first, typeof second>>()
const taught = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
export const fits = [
  () => taught.fit(rows.map(({ x: input, y: output }) => ({ x: input, y: [output] })).batch(2)),
  () => taught.fit(later),
  () => taught.evaluate(new data.DataLoader(later)),
  // @ts-expect-error texts are no batches
  () => taught.fit(new data.Pipeline(['a'])),
]

// Tables say how many targets there are.
const one = await data.csv('a.csv', { target: 'kind' })
holds<Same<typeof one.x, Tensor<[number, number], 'f32'>>>()
holds<Same<typeof one.y, Tensor>>()
const several = data.records([{ a: 1, b: 2 }], { target: ['a', 'b'] })
holds<Same<typeof several.y, data.Tensors>>()
const streamed = await data.csvStream('a.csv', { target: 'kind' })
for await (const batch of streamed.batch(3)) holds<Same<typeof batch.y, Tensor>>()
// @ts-expect-error that is no type of a column
export const mistyped = data.csv('a.csv', { types: { a: 'int' } })
const normalize = new nn.Normalization().adapt(one)
holds<Same<typeof normalize, nn.Normalization>>()
const adapted = await new nn.Normalization().adapt(streamed.batch(3))
holds<Same<typeof adapted, nn.Normalization>>()
const folder = await data.images('pets', { size: [32, 32] })
const picture = (await folder.get(0)).x
holds<Same<typeof picture, Tensor<[number, number, number], 'u8'>>>()

const mnist = datasets.mnist({ dir: 'mnist' })
holds<Same<typeof mnist.train.x, Tensor<[number, number, number], 'u8'>>>()
holds<Same<typeof mnist.test.y, Tensor<[number], 'u8'>>>()

export const used = [batches, endless, misspelt]

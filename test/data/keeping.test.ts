import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Model, type Tensor, data, io, nn } from 'neuroxide'
import { execute, root } from '../pack/project.js'

const folder = mkdtempSync(join(tmpdir(), 'neuroxide-keeping-'))
afterAll(() => rmSync(folder, { recursive: true }))

const csv = join(folder, 'plants.csv')
const rows = Array.from({ length: 120 }, (_, i) => {
  const [height, width] = [100 + 40 * Math.sin(i), 20 + 8 * Math.cos(i * 3)]
  const color = i % 2 === 0 ? 'red' : 'blue'
  return `${i === 7 ? '' : height},${width},${color},${height > 100 && color === 'red' ? 'rose' : 'other'}`
})
writeFileSync(csv, `height,width,color,kind\n${rows.join('\n')}\n`)

const load = (): Promise<data.Table<Tensor>> =>
  data.csv(csv, { target: 'kind', missing: { height: 'mean' }, encoding: 'oneHot' })

const layers = (normalize: nn.Normalization, classes: number): nn.Sequential =>
  new nn.Sequential(
    normalize,
    new nn.Linear(4, 16),
    new nn.ReLU(),
    new nn.Linear(16, classes),
    new nn.Softmax(),
  )

describe('what a model needs to take raw records', () => {
  test('is in its file: a new process predicts from what people write', async () => {
    const table = await load()
    const { train, test: unseen } = data.trainTestSplit(table, { testSize: 0.25, stratify: true, seed: 2 })
    const model = layers(new nn.Normalization().adapt(train), 2).compile({
      optimizer: 'adam',
      loss: 'sparseCategoricalCrossentropy',
      metrics: ['accuracy'],
    })
    await model.fit(train, { epochs: 150, batchSize: 16, verbose: 0, seed: 1 })
    expect((await model.evaluate(unseen)).accuracy).toBeGreaterThan(0.9)
    model.preprocessing = table.preprocessing
    const path = join(folder, 'plants.safetensors')
    await model.save(path)
    const program = `
      import { nn } from 'neuroxide'
      const model = await nn.Sequential.load(${JSON.stringify(path)})
      const { preprocessing } = model
      const x = preprocessing.inputs([{ height: 139, width: '20', color: 'red' }, { height: null, width: 20, color: 'blue' }])
      console.log(JSON.stringify([preprocessing.labels(await model.predict(x)), preprocessing.classes, x.toArray()]))
    `
    const { stdout, stderr } = await execute(
      process.execPath,
      ['--input-type=module', '--eval', program],
      root,
    )
    expect(stderr).toBe('')
    const [labels, classes, x] = JSON.parse(stdout) as [string[], string[], number[][]]
    expect([labels, classes]).toEqual([
      ['rose', 'other'],
      ['other', 'rose'],
    ])
    expect(x).toEqual(
      table.preprocessing
        .inputs([
          { height: 139, width: 20, color: 'red' },
          { height: undefined, width: 20, color: 'blue' },
        ])
        .toArray(),
    )
    expect(Object.keys(model.stateDict()).slice(0, 2)).toEqual(['0.mean', '0.variance'])
  })

  test('comes with the weights of a class of one’s own', async () => {
    class Net extends Model {
      readonly normalize: nn.Normalization
      readonly out = new nn.Linear(4, 2)
      constructor(normalize: nn.Normalization) {
        super()
        this.normalize = normalize
      }
      override forward(x: Tensor): Tensor {
        return this.out.forward(this.normalize.forward(x))
      }
    }
    const table = await load()
    const model = new Net(new nn.Normalization().adapt(table))
    model.preprocessing = table.preprocessing
    const path = join(folder, 'own.safetensors')
    await model.save(path)
    const other = new Net(new nn.Normalization({ shape: [4] }))
    await other.loadWeights(path)
    expect(JSON.stringify(other.preprocessing)).toBe(JSON.stringify(table.preprocessing))
    expect(other.normalize.mean?.toArray()).toEqual(model.normalize.mean?.toArray())
  })

  test('is left out where there is none, and refused where it is no such thing', async () => {
    const path = join(folder, 'plain.safetensors')
    const model = new nn.Sequential(
      new nn.CategoryEncoding({ numTokens: 4, outputMode: 'count' }),
      new nn.Linear(4, 1),
    )
    await model.save(path)
    const again = await nn.Sequential.load(path)
    expect([again.preprocessing, (again.at(0) as nn.CategoryEncoding).outputMode]).toEqual([null, 'count'])
    const { tensors, metadata } = await io.loadTensors(path)
    for (const text of ['{}', '3', '{"version":1,"inputs":[]}']) {
      await io.saveTensors(path, tensors, {
        metadata: { ...Object.fromEntries(metadata), preprocessing: text },
      })
      await expect(nn.Sequential.load(path)).rejects.toMatchObject({ code: 'ERR_FORMAT' })
    }
    await expect(model.save(path, { metadata: { preprocessing: 'mine' } })).rejects.toMatchObject({
      code: 'ERR_VALUE',
    })
  })
})

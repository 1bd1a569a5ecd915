import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ValueError, callbacks, io, nn } from 'neuroxide'
import { PathTemplate } from '../../../dist/train/callbacks/path-template.js'
import { emptyFolder, played, small, x, y } from './stage.js'
import { read, skipped, withTensorBoard } from './tensorboard.js'

const options = { verbose: 0, shuffle: false, batchSize: 2 } as const

describe('paths with numbers', () => {
  // What Python's str.format makes of the same.
  test.each([
    ['w-{epoch}', 'w-7'],
    ['w-{epoch:02d}', 'w-07'],
    ['w-{epoch:3d}', 'w-  7'],
    ['{valLoss:.3f}', '0.123'],
    ['{val_loss:.2f}', '0.12'],
    ['{valLoss:08.3f}', '0000.123'],
    ['{loss:.2e}', '-1.50e+3'],
    ['{loss:09.1f}', '-001500.0'],
    ['{loss:.2g}', '-1500'],
    ['{epoch}/{epoch:02d}-{loss:.0f}.safetensors', '7/07--1500.safetensors'],
    ['no numbers', 'no numbers'],
  ])('%s is %s', (template, path) => {
    const numbers = { epoch: 7, loss: -1500, valLoss: 0.1234 }
    expect(new PathTemplate('p', template).pathFor(numbers)).toBe(path)
  })

  test('refuse names that have no number', () => {
    expect(() => new PathTemplate('p', 'w-{step}').pathFor({ epoch: 1, loss: 2 })).toThrow(
      /^p: "\{step\}" in the path; expected one of epoch, loss\.$/,
    )
  })
})

describe('ModelCheckpoint', () => {
  test('saves after each epoch, into folders that it makes', async () => {
    const folder = emptyFolder()
    const model = small(0.001)
    const saving = new callbacks.ModelCheckpoint(join(folder, 'a', 'w-{epoch:02d}-{loss:.3f}.safetensors'))
    const { loss } = await model.fit(x, y, { ...options, epochs: 3, callbacks: [saving] })
    expect(readdirSync(join(folder, 'a'))).toEqual(
      loss.map((value, epoch) => `w-0${epoch + 1}-${value.toFixed(3)}.safetensors`),
    )
    const last = await nn.Sequential.load(join(folder, 'a', `w-03-${loss[2]!.toFixed(3)}.safetensors`))
    expect(last.parameters().map((p) => p.toArray())).toEqual(model.parameters().map((p) => p.toArray()))
  })

  test('saves only what is better, over one file', async () => {
    const path = join(emptyFolder(), 'best.safetensors')
    const saving = new callbacks.ModelCheckpoint(path, {
      monitor: 'x',
      mode: 'max',
      saveBestOnly: true,
      saveWeightsOnly: true,
    })
    const model = small()
    const weight = model.parameters()[0]!
    const numbers = [2, 1, 5, 3].map((x) => ({ x }))
    await played(saving, model, numbers, (epoch) => void weight.copyFrom(epoch))
    expect(saving.best).toBe(5)
    const { tensors } = await io.loadTensors(path)
    expect(tensors.get('0.weight')?.toArray()).toEqual([[2]])
    await expect(nn.Sequential.load(path)).rejects.toThrow()
  })

  test('keeps what is there below a threshold', async () => {
    const path = join(emptyFolder(), 'best.safetensors')
    const saving = new callbacks.ModelCheckpoint(path, {
      monitor: 'x',
      mode: 'min',
      saveBestOnly: true,
      initialValueThreshold: 1,
    })
    await played(saving, small(), [{ x: 2 }, { x: 1 }])
    expect(existsSync(path)).toBe(false)
    await played(saving, small(), [{ x: 0.5 }])
    expect(existsSync(path)).toBe(true)
  })

  test('saves after so many batches, whatever the epochs', async () => {
    const folder = emptyFolder()
    const path = join(folder, 'w-{epoch}-{batch}.safetensors')
    const saving = new callbacks.ModelCheckpoint(path, { saveFreq: 3, saveWeightsOnly: true })
    await small(0.001).fit(x, y, { ...options, epochs: 3, callbacks: [saving] })
    expect(readdirSync(folder)).toEqual([
      'w-1-3.safetensors',
      'w-2-2.safetensors',
      'w-3-1.safetensors',
      'w-3-4.safetensors',
    ])
  })

  test.each([
    ['epoch', ['w-2-0', 'w-3-0']],
    [3, ['w-2-2', 'w-3-1', 'w-3-4']],
  ] as const)(
    'saves per %s under the same names where a training goes on within an epoch',
    async (saveFreq, names) => {
      const [folder, backup] = [emptyFolder(), join(emptyFolder(), 'backup.safetensors')]
      const program = async (kill: number): Promise<void> => {
        let batches = 0
        const killer = {
          onTrainBatchEnd: () => {
            batches += 1
            if (batches > kill) throw new Error('killed')
          },
        }
        const path = join(folder, saveFreq === 'epoch' ? 'w-{epoch}-0' : 'w-{epoch}-{batch}')
        const list = [
          killer,
          new callbacks.ModelCheckpoint(path, { saveFreq, saveWeightsOnly: true }),
          new callbacks.BackupAndRestore(backup, { saveFreq: 1 }),
        ]
        await small(0.001).fit(x, y, { ...options, epochs: 3, callbacks: list })
      }
      await expect(program(5)).rejects.toThrow('killed')
      for (const name of readdirSync(folder)) rmSync(join(folder, name))
      await program(Infinity)
      expect(readdirSync(folder)).toEqual(names)
    },
  )

  test('saves what going on needs, where it is asked to', async () => {
    const path = join(emptyFolder(), 'all.safetensors')
    const saving = new callbacks.ModelCheckpoint(path, { optimizer: true })
    await small(0.001).fit(x, y, { ...options, epochs: 1, callbacks: [saving] })
    const { metadata } = await io.loadTensors(path)
    expect(metadata.has('training')).toBe(true)
  })

  test('a name without a number ends the training, and so does a path that is a folder', async () => {
    const folder = emptyFolder()
    const nameless = new callbacks.ModelCheckpoint(join(folder, '{accuracy}.safetensors'))
    await expect(small().fit(x, y, { ...options, callbacks: [nameless] })).rejects.toThrow(
      /"\{accuracy\}" in the path; expected one of epoch, loss/,
    )
    const misplaced = new callbacks.ModelCheckpoint(folder)
    await expect(small().fit(x, y, { ...options, callbacks: [misplaced] })).rejects.toThrow()
  })
})

describe('CSVLogger', () => {
  test('writes Keras’s columns: sorted, with those of a validation that may come', async () => {
    const path = join(emptyFolder(), 'a', 'log.csv')
    const logger = new callbacks.CSVLogger(path)
    const model = new nn.Sequential(new nn.Linear(1, 1)).compile({
      optimizer: 'sgd',
      loss: 'mse',
      metrics: ['mae'],
    })
    const { loss, mae } = await model.fit(x, y, { ...options, epochs: 2, callbacks: [logger] })
    expect(readFileSync(path, 'utf8')).toBe(
      [
        'epoch,loss,mae,valLoss,valMae\n',
        `0,${loss[0]},${mae[0]},NA,NA\n`,
        `1,${loss[1]},${mae[1]},NA,NA\n`,
      ].join(''),
    )
  })

  test('writes numbers of validations', async () => {
    const path = join(emptyFolder(), 'log.csv')
    const logger = new callbacks.CSVLogger(path, { separator: '\t' })
    const more = { ...options, epochs: 1, validationSplit: 0.5 }
    const { loss, valLoss } = await small(0.001).fit(x, y, { ...more, callbacks: [logger] })
    expect(readFileSync(path, 'utf8')).toBe(`epoch\tloss\tvalLoss\n0\t${loss[0]}\t${valLoss[0]}\n`)
  })

  test('overwrites, or appends to the columns that are there', async () => {
    const path = join(emptyFolder(), 'log.csv')
    await played(new callbacks.CSVLogger(path), small(), [{ loss: 1 }])
    await played(new callbacks.CSVLogger(path), small(), [{ loss: 2 }])
    expect(readFileSync(path, 'utf8')).toBe('epoch,loss,valLoss\n0,2,NA\n')
    const appending = (): callbacks.CSVLogger => new callbacks.CSVLogger(path, { append: true })
    await played(appending(), small(), [{ valLoss: 4, loss: 3 }])
    expect(readFileSync(path, 'utf8')).toBe('epoch,loss,valLoss\n0,2,NA\n0,3,4\n')
    await expect(played(appending(), small(), [{ mae: 4 }])).rejects.toThrow(
      /has no column "mae"; expected a file of a training that measures the same/,
    )
    writeFileSync(path, '')
    await played(appending(), small(), [{ loss: 5 }])
    expect(readFileSync(path, 'utf8')).toBe('epoch,loss,valLoss\n0,5,NA\n')
  })

  test('quotes what needs it', async () => {
    const path = join(emptyFolder(), 'log.csv')
    const names = { 'a,b': 1, 'say "c"': 2, valLoss: 3 }
    await played(new callbacks.CSVLogger(path), small(), [names])
    await played(new callbacks.CSVLogger(path, { append: true }), small(), [names])
    expect(readFileSync(path, 'utf8')).toBe('epoch,"a,b","say ""c""",valLoss\n0,1,2,3\n0,1,2,3\n')
  })

  test('goes on in the file of a training that is resumed, in place of what is repeated', async () => {
    const path = join(emptyFolder(), 'log.csv')
    const logger = new callbacks.CSVLogger(path)
    await played(logger, small(), [{ loss: 1 }, { loss: 2 }, { loss: 3 }])
    const resumed = new callbacks.CSVLogger(path)
    resumed.onTrainBegin()
    resumed.loadState(JSON.parse(JSON.stringify(logger.state())))
    resumed.onEpochEnd(1, { loss: 20 })
    resumed.onEpochEnd(2, { loss: 30 })
    expect(readFileSync(path, 'utf8')).toBe('epoch,loss,valLoss\n0,1,NA\n1,20,NA\n2,30,NA\n')
  })

  // Without permissions, which are none for root.
  test('a folder that cannot be is said', async () => {
    const file = join(emptyFolder(), 'file')
    writeFileSync(file, '')
    const fit = played(new callbacks.CSVLogger(join(file, 'log.csv')), small(), [{ loss: 1 }])
    await expect(fit).rejects.toThrow(ValueError)
    await expect(fit).rejects.toThrow(/(ENOTDIR|EEXIST).*; expected a file that can be written/)
  })

  test('a path that is a folder is said', async () => {
    const folder = join(emptyFolder(), 'log.csv')
    mkdirSync(folder)
    const fit = played(new callbacks.CSVLogger(folder), small(), [{ loss: 1 }])
    await expect(fit).rejects.toThrow(ValueError)
    await expect(fit).rejects.toThrow(/EISDIR.*; expected a file that can be written/)
  })
})

describe('TensorBoard', () => {
  test('writes the runs train and validation', async () => {
    const folder = emptyFolder()
    const board = new callbacks.TensorBoard(folder)
    await small(0.001).fit(x, y, { ...options, epochs: 2, validationSplit: 0.5, callbacks: [board] })
    expect(readdirSync(folder).toSorted()).toEqual(['train', 'validation'])
    const [file] = readdirSync(join(folder, 'train'))
    const bytes = readFileSync(join(folder, 'train', file!))
    expect(bytes.includes('brain.Event:2')).toBe(true)
    expect(bytes.includes('epoch_loss')).toBe(true)
    expect(bytes.includes('batch_loss')).toBe(false)
  })

  test.skipIf(!withTensorBoard)(`is read by TensorBoard, with Keras’s names${skipped}`, async () => {
    const folder = emptyFolder()
    const model = small(0.001)
    const more = { histogramFreq: 2, updateFreq: 3, writeStepsPerSecond: true } as const
    const board = new callbacks.TensorBoard(folder, more)
    const weights: number[] = []
    const spy = { onEpochEnd: () => void weights.push(Number(model.parameters()[0]!.item())) }
    const { loss, valLoss } = await model.fit(x, y, {
      ...options,
      epochs: 4,
      validationSplit: 0.25,
      callbacks: [board, spy],
    })
    const train = read(join(folder, 'train'))
    const validation = read(join(folder, 'validation'))
    const at = (curve: readonly number[], step: (i: number) => number): [number, number][] =>
      curve.map((value, i) => [step(i), Math.fround(value)])
    const drawn = (rows: [number, number, number][] | undefined): [number, number][] =>
      (rows ?? []).map(([step, value]) => [step, value])
    expect(drawn(train.scalars['epoch_loss'])).toEqual(at(loss, (i) => i))
    expect(drawn(validation.scalars['epoch_loss'])).toEqual(at(valLoss, (i) => i))
    // Three batches an epoch; what is measured after each epoch stands at the batches so far.
    expect(drawn(validation.scalars['evaluation_loss_vs_iterations'])).toEqual(
      at(valLoss, (i) => 3 * (i + 1)),
    )
    expect(drawn(train.scalars['epoch_learning_rate'])).toEqual(at([0.001, 0.001, 0.001, 0.001], (i) => i))
    expect(drawn(train.scalars['batch_loss']).map(([step]) => step)).toEqual([3, 6, 9, 12])
    expect(drawn(train.scalars['batch_loss']).map(([, value]) => value)).toEqual(loss.map(Math.fround))
    expect(Object.keys(train.scalars).toSorted()).toEqual([
      'batch_loss',
      'epoch_learning_rate',
      'epoch_loss',
      'epoch_steps_per_second',
    ])
    expect(Object.keys(train.histograms)).toEqual(['0.weight/histogram', '0.bias/histogram'])
    expect(train.histograms['0.weight/histogram']).toEqual([
      [0, weights[0], weights[0], 1],
      [2, weights[2], weights[2], 1],
    ])
  })
})

import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { FileError, type History, nn, zeros } from 'neuroxide'
import { HistoryRecorder } from '../../dist/train/history.js'
import { execute, root } from '../pack/project.js'

const folder = mkdtempSync(join(tmpdir(), 'neuroxide-history-'))

function recorded(): History {
  const recorder = new HistoryRecorder(['loss', 'accuracy'])
  const losses = [2.4, 1.25, 0.5, 0.125, 0.0625]
  losses.forEach((loss, i) => recorder.add(i, [loss, 0.1 + 0.2 * i], [2 * loss, i === 3 ? Number.NaN : 0.5]))
  return recorder.finish()
}

test('a history keeps its curves as properties', () => {
  const { loss, epoch, history, epochs, ...rest } = recorded()
  expect(epoch).toEqual([0, 1, 2, 3, 4])
  expect(loss).toBe(history['loss'])
  expect(Object.keys(history)).toEqual(['loss', 'accuracy', 'valLoss', 'valAccuracy'])
  expect(epochs).toEqual(Object.fromEntries(Object.keys(history).map((name) => [name, [0, 1, 2, 3, 4]])))
  expect(Object.keys(rest).toSorted()).toEqual(['accuracy', 'valAccuracy', 'valLoss'])
})

test('it prints as a table with sparklines, without escapes', () => {
  expect(inspect(recorded())).toMatchInlineSnapshot(`
    "History of 5 epochs
                    first     last   lowest  highest
      loss          2.400  0.06250  0.06250    2.400  █▅▂▁▁
      accuracy     0.1000   0.9000   0.1000   0.9000  ▁▃▅▇█
      valLoss       4.800   0.1250   0.1250    4.800  █▅▂▁▁
      valAccuracy  0.5000   0.5000   0.5000   0.5000  ▅▅▅×▅"
  `)
  expect(inspect(recorded())).toBe(String(recorded()))
  expect(inspect([[[recorded()]]])).toContain('[History]')
  const one = new HistoryRecorder(['loss'])
  expect(String(one.finish())).toBe('History of 0 epochs')
  one.add(0, [1], null)
  expect(String(one.finish())).toMatchInlineSnapshot(`
    "History of 1 epoch
            first   last  lowest  highest
      loss  1.000  1.000   1.000    1.000  ▅"
  `)
})

test('many epochs share the characters of a sparkline, and its ends stay', () => {
  const recorder = new HistoryRecorder(['loss'])
  for (let i = 0; i < 1000; i++) recorder.add(i, [1000 - i], null)
  const [, , line = ''] = String(recorder.finish()).split('\n')
  expect(line.match(/[▁-█]+/)?.[0]).toMatch(/^█{5}.{30}▁{5}$/)
})

test('colours come only where the console has them', async () => {
  expect(inspect(recorded(), { colors: true })).toContain('\u001B[')
  const program = `
    import { nn, zeros } from 'neuroxide'
    const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
    console.log(await model.fit(zeros([8, 2]), zeros([8, 1]), { epochs: 2, verbose: 0 }))
  `
  const { stdout } = await execute(process.execPath, ['--input-type=module', '-e', program], root)
  expect(stdout).toContain('History of 2 epochs')
  expect(stdout).not.toContain('\u001B')
})

test('it is saved as data: a row per epoch, or JSON', async () => {
  const history = recorded()
  await history.save(join(folder, 'a.csv'))
  expect(readFileSync(join(folder, 'a.csv'), 'utf8').split('\n').slice(0, 2)).toEqual([
    'epoch,loss,accuracy,valLoss,valAccuracy',
    '0,2.4,0.1,4.8,0.5',
  ])
  await history.save(join(folder, 'a.json'))
  const data = JSON.parse(readFileSync(join(folder, 'a.json'), 'utf8')) as Record<string, unknown>
  expect(data['epoch']).toEqual([0, 1, 2, 3, 4])
  expect(data['history']).toMatchObject({ loss: history.loss, valAccuracy: [0.5, 0.5, 0.5, null, 0.5] })
})

test('it is saved as a picture', async () => {
  const model = new nn.Sequential(new nn.Linear(2, 1)).compile({
    optimizer: 'sgd',
    loss: 'mse',
    metrics: ['mae'],
  })
  const history = await model.fit(zeros([8, 2]), zeros([8, 1]), {
    epochs: 3,
    validationSplit: 0.25,
    verbose: 0,
  })
  await history.save(join(folder, 'a.svg'), { title: 'My model' })
  const svg = readFileSync(join(folder, 'a.svg'), 'utf8')
  for (const text of ['My model', 'valLoss', 'valMae', 'epoch']) expect(svg).toContain(`>${text}</text>`)
  await history.save(join(folder, 'a.png'))
  expect(readFileSync(join(folder, 'a.png')).subarray(1, 4).toString()).toBe('PNG')
})

/** Epochs 2 to 7, a validation after the third and the fourth of them. */
function sparse(): History {
  const recorder = new HistoryRecorder(['loss'])
  for (let epoch = 2; epoch < 8; epoch++)
    recorder.add(epoch, [8 - epoch], epoch === 4 || epoch === 5 ? [10 * epoch] : null)
  return recorder.finish()
}

describe('the numbers of a validation that does not follow each epoch', () => {
  test('keep their epochs', async () => {
    const model = new nn.Sequential(new nn.Linear(2, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
    const options = { epochs: 4, validationSplit: 0.25, verbose: 0 } as const
    const early = await model.fit(zeros([8, 2]), zeros([8, 1]), { ...options, validationFreq: [1] })
    expect(early.valLoss).toHaveLength(1)
    expect(early.epochs).toEqual({ loss: [0, 1, 2, 3], valLoss: [0] })
    const second = await model.fit(zeros([8, 2]), zeros([8, 1]), { ...options, validationFreq: 2 })
    expect(second.epochs['valLoss']).toEqual([1, 3])
  })

  test('stand at them in every file and in the table', async () => {
    const history = sparse()
    const read = async (ending: string): Promise<string> => {
      await history.save(join(folder, `sparse.${ending}`))
      return readFileSync(join(folder, `sparse.${ending}`), 'utf8')
    }
    expect(await read('csv')).toBe('epoch,loss,valLoss\n2,6,\n3,5,\n4,4,40\n5,3,50\n6,2,\n7,1,\n')
    expect(JSON.parse(await read('json'))).toEqual({
      epoch: [2, 3, 4, 5, 6, 7],
      history: { loss: [6, 5, 4, 3, 2, 1], valLoss: [40, 50] },
      epochs: { loss: [2, 3, 4, 5, 6, 7], valLoss: [4, 5] },
    })
    expect(String(history)).toMatchInlineSnapshot(`
      "History of 6 epochs
                 first   last  lowest  highest
        loss     6.000  1.000   1.000    6.000  █▇▅▄▂▁
        valLoss  40.00  50.00   40.00    50.00    ▁█"
    `)
    const svg = await read('svg')
    const places = [...svg.matchAll(/aria-label="epoch: (\d+); loss: \d+; curve: (\w+)"/g)]
    // The line is labelled by its first place too.
    const of = (name: string): string[] => [
      ...new Set(places.flatMap(([, epoch = '', curve]) => (curve === name ? [epoch] : []))),
    ]
    expect(of('valLoss')).toEqual(['4', '5'])
    expect(of('loss')).toEqual(['2', '3', '4', '5', '6', '7'])
  })

  test('leave gaps where many epochs share a character', () => {
    const recorder = new HistoryRecorder(['loss'])
    for (let i = 0; i < 400; i++) recorder.add(i, [1], i < 10 || i >= 390 ? [2] : null)
    const line = String(recorder.finish()).split('\n').at(-1) ?? ''
    expect(line.slice(line.indexOf('▅'))).toBe(`▅${' '.repeat(38)}▅`)
  })
})

test('a curve without a finite number has no extremes', () => {
  const recorder = new HistoryRecorder(['loss'])
  recorder.add(0, [Number.NaN], null)
  recorder.add(1, [Number.POSITIVE_INFINITY], null)
  expect(String(recorder.finish())).toMatch(/loss +NaN +Infinity +NaN +NaN +××$/)
})

test('its folder is made, and where it cannot be, that is an error of the file', async () => {
  const history = recorded()
  await history.save(join(folder, 'runs', 'first', 'a.csv'))
  expect(readFileSync(join(folder, 'runs', 'first', 'a.csv'), 'utf8')).toMatch(/^epoch,loss/)
  const within = join(folder, 'runs', 'first', 'a.csv', 'b.json')
  await expect(history.save(within)).rejects.toThrow(FileError)
  await expect(history.save(within)).rejects.toThrow(
    /^history\.save: .*b\.json cannot be written \(E\w+\); expected/,
  )
})

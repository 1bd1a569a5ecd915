import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { type History, nn, zeros } from 'neuroxide'
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
  const { loss, epoch, history, ...rest } = recorded()
  expect(epoch).toEqual([0, 1, 2, 3, 4])
  expect(loss).toBe(history['loss'])
  expect(Object.keys(history)).toEqual(['loss', 'accuracy', 'valLoss', 'valAccuracy'])
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

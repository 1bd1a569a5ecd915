import { describe, expect, test } from 'vitest'
import { nn, tensor, zeros, type Verbosity } from 'neuroxide'

interface Written {
  readonly stream: { write(text: string): void; isTTY: boolean; columns: number }
  readonly texts: string[]
  readonly times: number[]
}

function recorder(isTTY: boolean, columns = 100): Written {
  const [texts, times]: [string[], number[]] = [[], []]
  const write = (text: string): void => {
    texts.push(text)
    times.push(performance.now())
  }
  return { stream: { write, isTTY, columns }, texts, times }
}

async function fitted(
  isTTY: boolean,
  verbose: Verbosity,
  epochs = 3,
  rows = 640,
  columns = 100,
): Promise<Written> {
  const written = recorder(isTTY, columns)
  const model = new nn.Sequential(new nn.Linear(4, 2)).compile({
    optimizer: 'sgd',
    loss: 'crossEntropy',
    metrics: ['accuracy'],
  })
  const y = zeros([rows], { dtype: 'i32' })
  await model.fit(zeros([rows, 4]), y, { epochs, verbose, progressStream: written.stream })
  return written
}

describe('progress', () => {
  test('verbose: 0 writes nothing', async () => {
    expect((await fitted(true, 0)).texts).toEqual([])
  })

  test('without a terminal there are plain lines', async () => {
    const text = (await fitted(false, 1)).texts.join('')
    const lines = text.trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[2]).toMatch(
      /^Epoch 3\/3 20\/20 · loss 0\.\d{4} · accuracy 1\.0000 · [\d.]+k? steps\/s · \d+\.\d s$/,
    )
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\r\u001B]/)
  })

  test('on a terminal the line of each epoch stays', async () => {
    const text = (await fitted(true, 1)).texts.join('')
    // oxlint-disable-next-line no-control-regex
    const screen = text.replaceAll(/\r\u001B\[2K/g, '')
    expect(screen).toContain('Epoch 1/3')
    expect(text.endsWith('\n')).toBe(true)
    expect(text).toMatch(/Epoch 3\/3 20\/20 · loss/)
  })

  test.each([200, 100, 80])(
    'while an epoch runs, a terminal of %i columns shows bar, loss, accuracy, speed and time left',
    async (columns) => {
      const { texts } = await fitted(true, 1, 1, 32 * 90_000, columns)
      const found = texts.find((text) => /[1-9]\d*\/90000/.test(text)) ?? ''
      // oxlint-disable-next-line no-control-regex
      const running = found.replace(/^\r\u001B\[2K/, '')
      expect(running).toMatch(
        /^Epoch 1\/1 ━*─+ \d+\/90000( ·)? loss \d\.\d{4}( ·)? accuracy \d\.\d{4}( ·)? [\d.]+k? steps\/s( ·)? ETA \d+:\d\d$/,
      )
      expect(running.length).toBeLessThan(columns)
    },
  )

  test('there are at most ten writes a second, whatever the number of epochs', async () => {
    const { times } = await fitted(true, 1, 300, 32)
    const [first = 0, last = 0] = [times[0], times.at(-1)]
    expect(times.length).toBeLessThanOrEqual(2 + (last - first) / 95)
  })

  test('a single value of validation is shown too', async () => {
    const written = recorder(false)
    const model = new nn.Sequential(new nn.Linear(1, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
    const x = tensor([[1], [2], [3], [4]])
    await model.fit(x, x, { validationSplit: 0.5, progressStream: written.stream })
    expect(written.texts.join('')).toMatch(/Epoch 1\/1 1\/1 · loss \S+ · valLoss \S+ ·/)
  })
})

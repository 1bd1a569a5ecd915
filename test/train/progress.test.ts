import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { nn, tensor, zeros, type Verbosity } from 'neuroxide'
import { ProgressBar, announce } from '../../dist/train/progress.js'

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

/** What a terminal is told beside text. */
// oxlint-disable-next-line no-control-regex
const controls = /\r|\u001B\[[\d?]*[A-Za-z]/g

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
    expect(text).not.toMatch(controls)
  })

  test('on a terminal the line of each epoch stays', async () => {
    const text = (await fitted(true, 1)).texts.join('')
    const screen = text.replaceAll(controls, '')
    const lines = screen.trimEnd().split('\n').slice(-3)
    expect(lines.map((line) => /^Epoch \d\/3 20\/20 · loss/.test(line))).toEqual([true, true, true])
    expect(screen.endsWith('\n')).toBe(true)
  })

  test.each([200, 100, 80])(
    'while an epoch runs, a terminal of %i columns shows bar, loss, accuracy, speed and time left',
    async (columns) => {
      const { texts } = await fitted(true, 1, 1, 32 * 90_000, columns)
      const found = texts.find((text) => /[1-9]\d*\/90000/.test(text)) ?? ''
      const running = found.replaceAll(controls, '')
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

describe('progress under a clock of its own', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** Epochs of five steps of `ms` milliseconds each. */
  async function shown(bar: ProgressBar, epochs: number, ms: number): Promise<void> {
    for (let epoch = 1; epoch <= epochs; epoch += 1) {
      bar.begin(`Epoch ${epoch}/${epochs}`, 5)
      for (let step = 1; step <= 5; step += 1) {
        await vi.advanceTimersByTimeAsync(ms)
        bar.update(step, [['loss', 1 / (epoch + step)]])
      }
      bar.end(5, [['loss', 1 / epoch]])
    }
    bar.close()
  }

  test.each([
    [true, 1, 1],
    [true, 1, 7],
    [true, 1, 60],
    [true, 1, 450],
    [true, 2, 3],
    [false, 1, 3],
    [false, 1, 60],
    [false, 2, 3],
  ] as const)(
    'terminal %s, verbose %i, steps of %i ms: ten writes a second at most',
    async (isTTY, verbose, ms) => {
      const { stream, texts, times } = recorder(isTTY)
      const epochs = Math.ceil(5000 / (5 * ms))
      await shown(new ProgressBar({ verbose, stream }), epochs, ms)
      // The last write is that of the end, whenever it comes.
      const paced = times.slice(0, -1)
      for (const [i, time] of paced.entries())
        if (i >= 10) expect(time - paced[i - 10]!).toBeGreaterThanOrEqual(1000)
      expect(times.length).toBeGreaterThan(verbose === 1 && isTTY ? 10 : 2)
      const text = texts.join('').replaceAll(controls, '')
      for (let epoch = 1; epoch <= epochs; epoch += 1)
        expect(text).toContain(`Epoch ${epoch}/${epochs} 5/5 · loss`)
      expect(text.match(/ · \d+\.\d s\n/g)).toHaveLength(epochs)
    },
  )

  test('a long epoch says every ten seconds that it lives, where there is no terminal', async () => {
    const { stream, texts } = recorder(false)
    await shown(new ProgressBar({ verbose: 1, stream }), 1, 7000)
    expect(texts.join('')).toBe(
      [
        'Epoch 1/1 2/5 · loss 0.3333 · 0.1 steps/s · ETA 0:21\n',
        'Epoch 1/1 4/5 · loss 0.2000 · 0.1 steps/s · ETA 0:07\n',
        'Epoch 1/1 5/5 · loss 1.0000 · 0.1 steps/s · 35.0 s\n',
      ].join(''),
    )
  })

  test('a terminal has the line, the time that is left, and what is announced above it', async () => {
    const { stream, texts } = recorder(true, 60)
    const bar = new ProgressBar({ verbose: 1, stream })
    bar.begin('Epoch 1/1', 4)
    await vi.advanceTimersByTimeAsync(1000)
    bar.update(1, [['loss', 0.5]])
    announce('the rate is 0.1')
    await vi.advanceTimersByTimeAsync(100)
    expect(texts.at(-1)!.replaceAll(controls, '')).toBe(
      'the rate is 0.1\nEpoch 1/1 ━━──── 1/4 · loss 0.5000 · 0.9 steps/s · ETA 0:03',
    )
    bar.close()
    expect(texts.at(-1)!.replaceAll(controls, '')).toBe('')
  })

  test('leaves the cursor and the wrapping of the terminal alone, and no timer behind', async () => {
    const { stream, texts } = recorder(true)
    const bar = new ProgressBar({ verbose: 1, stream })
    bar.begin('Epoch 1/1', 4)
    await vi.advanceTimersByTimeAsync(500)
    // oxlint-disable-next-line no-control-regex
    expect(texts.join('')).not.toMatch(/\u001B\[\?|\u001B[78]/)
    bar.close()
    bar.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('verbose: 0 writes nothing, whatever comes', async () => {
    const { stream, texts } = recorder(true)
    await shown(new ProgressBar({ verbose: 0, stream }), 3, 100)
    expect(texts).toEqual([])
  })

  test('an announcement without a bar goes to stderr', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    announce('hello')
    expect(write).toHaveBeenCalledWith('hello\n')
    write.mockRestore()
  })
})

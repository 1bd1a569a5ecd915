import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { AnomalyError, callbacks, type FitOptions, nn, ones, optim } from 'neuroxide'
import { emptyFolder, params, small, x, y } from './stage.js'

const options = { verbose: 0, shuffle: false, batchSize: 2 } as const

describe('TerminateOnNaN', () => {
  const huge = x.mul(1e30)

  test('ends the training after the batch', async () => {
    let batches = 0
    const counting = { onTrainBatchEnd: () => void (batches += 1) }
    const history = await small().fit(huge, y, {
      ...options,
      epochs: 9,
      callbacks: [new callbacks.TerminateOnNaN(), counting],
    })
    expect(batches).toBe(1)
    expect(history.epoch.length).toBeLessThanOrEqual(1)
  })

  test('rejects where it is asked to', async () => {
    const terminating = new callbacks.TerminateOnNaN({ raiseError: true })
    const fit = small().fit(huge, y, { ...options, callbacks: [terminating] })
    await expect(fit).rejects.toThrow(AnomalyError)
    await expect(fit).rejects.toThrow(
      /^callbacks\.TerminateOnNaN: a loss of (NaN|Infinity) after batch 0; expected/,
    )
  })

  test('lets other trainings be', async () => {
    const history = await small(0.001).fit(x, y, {
      ...options,
      epochs: 3,
      callbacks: [new callbacks.TerminateOnNaN()],
    })
    expect(history.loss).toHaveLength(3)
  })

  test('says so where progress is shown', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const model = small()
    const terminating = new callbacks.TerminateOnNaN() as callbacks.TerminateOnNaN & {
      attach(...args: unknown[]): void
    }
    terminating.attach(model, params({ verbose: 1 }))
    terminating.onTrainBatchEnd(7, { loss: NaN })
    expect(write).toHaveBeenCalledWith('Batch 7: the loss is NaN, the training ends\n')
    expect(model.stopTraining).toBe(true)
    write.mockRestore()
  })
})

describe('Timer', () => {
  test('takes the time of epochs', async () => {
    const timer = new callbacks.Timer()
    const waiting = { onEpochBegin: () => setTimeout(20) }
    await small(0.001).fit(x, y, { ...options, epochs: 3, callbacks: [timer, waiting] })
    expect(timer.epochTimes).toHaveLength(3)
    for (const seconds of timer.epochTimes) expect(seconds).toBeGreaterThan(0.018)
    expect(timer.elapsed()).toBeGreaterThanOrEqual(timer.epochTimes.reduce((a, b) => a + b))
    expect(timer.remaining()).toBe(Infinity)
    const elapsed = timer.elapsed()
    await setTimeout(10)
    expect(timer.elapsed()).toBe(elapsed)
  })

  test.each(['epoch', 'batch'] as const)('ends the training after an %s', async (interval) => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const timer = new callbacks.Timer({ duration: 0.05, interval, verbose: 1 })
    let batches = 0
    const waiting = {
      onTrainBatchEnd: () => {
        batches += 1
        return setTimeout(20)
      },
    }
    const history = await small(0.001).fit(x, y, { ...options, epochs: 9, callbacks: [waiting, timer] })
    expect(write).toHaveBeenCalledTimes(1)
    expect(write).toHaveBeenCalledWith('The time of 0.05 s is up, the training ends\n')
    write.mockRestore()
    expect(timer.remaining()).toBe(0)
    if (interval === 'epoch') expect([batches, history.loss.length]).toEqual([4, 1])
    else expect(batches).toBeLessThan(4)
  })

  test.each([
    ['00:00:00:05', 5],
    ['01:02:03:04', 93_784],
    [90, 90],
  ])('reads %s', (duration, seconds) => {
    expect(new callbacks.Timer({ duration }).remaining()).toBe(seconds)
  })

  test('a resumed training has the time that was left', () => {
    const timer = new callbacks.Timer({ duration: 10 })
    timer.onTrainBegin()
    timer.loadState({ elapsed: 8, epochTimes: [4, 4], epoch: 0 })
    expect(timer.remaining()).toBeLessThanOrEqual(2)
    expect(timer.remaining()).toBeGreaterThan(1.5)
    expect(timer.epochTimes).toEqual([4, 4])
  })

  test('an epoch that a resumed training goes on with has the time of both parts', () => {
    const timer = new callbacks.Timer()
    timer.attach(small(), params())
    timer.onTrainBegin()
    timer.loadState({ elapsed: 8, epochTimes: [4], epoch: 3 })
    timer.onEpochEnd()
    expect(timer.epochTimes[1]).toBeGreaterThanOrEqual(3)
    expect(timer.epochTimes[1]).toBeLessThan(60)
    expect(timer.state()).toMatchObject({ epochTimes: timer.epochTimes })
  })
})

describe('LambdaCallback', () => {
  test('has the hooks that it is given, and no others', async () => {
    const called: string[] = []
    const lambda = new callbacks.LambdaCallback({
      onTrainBegin: () => void called.push('begin'),
      onEpochEnd: (epoch, { loss }) => void called.push(`${epoch} ${loss !== undefined}`),
      onTrainEnd: () => void called.push('end'),
    })
    expect('onTrainBatchEnd' in lambda).toBe(false)
    await small(0.001).fit(x, y, { ...options, epochs: 2, callbacks: [lambda] })
    expect(called).toEqual(['begin', '0 true', '1 true', 'end'])
  })

  test('what a hook throws is what fit rejects with', async () => {
    const error = new Error('mine')
    const lambda = new callbacks.LambdaCallback({ onEpochEnd: () => Promise.reject(error) })
    await expect(small().fit(ones([4, 1]), ones([4, 1]), { ...options, callbacks: [lambda] })).rejects.toBe(
      error,
    )
  })
})

describe('SwapEMAWeights', () => {
  const averaged = (): ReturnType<typeof small> => {
    const net = new nn.Sequential(new nn.Linear(1, 1))
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.001 })
    return net.compile({ optimizer, loss: 'mse', ema: 0.5 })
  }
  const weight = (model: ReturnType<typeof small>): number => Number(model.parameters()[0]!.item())

  test('measures the averages, and trains the weights', async () => {
    const [plain, model] = [averaged(), averaged()]
    for (const [i, parameter] of model.parameters().entries()) parameter.copyFrom(plain.parameters()[i]!)
    const [a, b] = [plain, model]
    // The averages begin where the weights were when compile was called.
    for (const one of [a, b]) {
      one.ema!.swap()
      for (const parameter of one.parameters()) parameter.copyFrom(0)
      one.ema!.swap()
    }
    const more = { ...options, epochs: 3, validationData: [x, y] as const }
    const without = await plain.fit(x, y, more)
    const swapping = new callbacks.SwapEMAWeights()
    const history = await model.fit(x, y, { ...more, callbacks: [swapping] })
    expect(history.loss).toEqual(without.loss)
    expect(model.parameters().map((p) => p.toArray())).toEqual(plain.parameters().map((p) => p.toArray()))
    expect(history.valLoss).not.toEqual(without.valLoss)
    const { loss } = await model.evaluate(x, y, { callbacks: [swapping] })
    expect(loss).toBeCloseTo(history.valLoss.at(-1)!, 4)
    const own = await model.predict(x)
    const average = await model.predict(x, { callbacks: [swapping] })
    expect(average.toArray()).not.toEqual(own.toArray())
    model.ema!.swap()
    expect((await model.predict(x)).toArray()).toEqual(average.toArray())
  })

  test('leaves the averages in the model for callbacks after it', async () => {
    const model = averaged()
    const seen: number[] = []
    const after = {
      onEpochBegin: () => void seen.push(weight(model)),
      onEpochEnd: () => void seen.push(weight(model)),
    }
    const swapping = new callbacks.SwapEMAWeights({ swapOnEpoch: true })
    const last: number[] = []
    const before = { onEpochEnd: () => void last.push(weight(model)) }
    await model.fit(x, y, { ...options, epochs: 2, callbacks: [before, swapping, after] })
    // Averages at the ends, the weights of before when the next epoch begins.
    expect(seen[2]).toBe(last[0])
    expect(seen[1]).not.toBe(last[0])
    expect(seen[3]).not.toBe(last[1])
  })

  test.each(['abort', 'error'] as const)('leaves the weights after an %s while it measures', async (how) => {
    const inMemory: NonNullable<FitOptions['validationData']> = [x, y]
    for (const validationData of [inMemory, [[x, y] as const]]) {
      const model = averaged()
      const ended = new AbortController()
      const error = new Error('mine')
      let own = NaN
      const before = { onTestBegin: () => void (own = weight(model)) }
      const after = {
        onTestBatchBegin: () => {
          expect(weight(model)).not.toBe(own)
          if (how === 'error') throw error
          ended.abort(error)
        },
        onPredictEnd: () => {
          throw error
        },
      }
      const list = [before, new callbacks.SwapEMAWeights(), after]
      const more = { callbacks: list, signal: ended.signal }
      await expect(model.fit(x, y, { ...options, epochs: 2, validationData, ...more })).rejects.toBe(error)
      expect(weight(model)).toBe(own)
      const again = { callbacks: list, signal: (how === 'error' ? ended : new AbortController()).signal }
      if (how === 'error') await expect(model.evaluate(x, y, again)).rejects.toBe(error)
      await expect(model.predict(x, again)).rejects.toThrow('mine')
      expect(weight(model)).toBe(own)
    }
  })

  test('leaves the weights after an epoch’s end that failed, and averages to a test in one', async () => {
    const model = averaged()
    const swapping = new callbacks.SwapEMAWeights({ swapOnEpoch: true })
    const seen: number[] = []
    const tell = (): void => void seen.push(weight(model))
    const after = {
      onEpochEnd: async () => {
        tell()
        await model.evaluate(x, y, { callbacks: [swapping] })
        tell()
        throw new Error('mine')
      },
    }
    const callbackList = [{ onEpochEnd: tell }, swapping, after]
    await expect(model.fit(x, y, { ...options, callbacks: callbackList })).rejects.toThrow('mine')
    expect(seen[1]).not.toBe(seen[0])
    expect(seen[2]).toBe(seen[1])
    expect(weight(model)).toBe(seen[0])
  })

  test.each([false, true])('goes on from any epoch’s end where swapOnEpoch is %s', async (swapOnEpoch) => {
    const path = join(emptyFolder(), 'swapped.safetensors')
    const init = averaged()
    const program = async (die: number): Promise<readonly unknown[]> => {
      const model = averaged()
      model.loadStateDict(init.stateDict())
      const { averages } = init.ema!.stateDict()
      model.ema!.loadStateDict({ decay: 0.5, averages })
      const list = [
        new callbacks.SwapEMAWeights({ swapOnEpoch }),
        new callbacks.BackupAndRestore(path, { deleteOnEnd: false }),
        {
          onEpochEnd: (epoch: number) => {
            if (epoch === die) throw new Error('killed')
          },
        },
      ]
      const { loss } = await model.fit(x, y, { ...options, epochs: 4, callbacks: list })
      return [loss, weight(model)]
    }
    const wanted = await program(-1)
    rmSync(path)
    await expect(program(1)).rejects.toThrow('killed')
    expect(await program(-1)).toEqual(wanted)
  })

  test('refuses a state that it has not saved', () => {
    expect(() => new callbacks.SwapEMAWeights().loadState({ swapped: 'no' })).toThrow(
      /"no" as swapped of a saved state/,
    )
  })

  test('needs averages', async () => {
    const swapping = new callbacks.SwapEMAWeights()
    await expect(small().evaluate(x, y, { callbacks: [swapping] })).rejects.toThrow(
      /a model without averages; expected one compiled with \{ ema: 0\.99 \}/,
    )
  })
})

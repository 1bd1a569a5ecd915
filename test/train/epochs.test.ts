// The loop over a training, taken by hand, and numbers of epochs out of range.
import { expect, test } from 'vitest'
import { nn, randn, ValueError } from 'neuroxide'

function training(epochs: number, more: object = {}) {
  const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'sgd', loss: 'mse' })
  return model.fit(randn([8, 3]), randn([8, 1]), { epochs, verbose: 0, ...more })
}

test('a training that is awaited in the body of its own loop says so', async () => {
  const fit = training(2)
  const errors: unknown[] = []
  const seen: number[] = []
  for await (const { epoch } of fit) {
    seen.push(epoch)
    await fit.catch((error: unknown) => errors.push(error))
  }
  expect(seen).toEqual([0, 1])
  expect(errors).toHaveLength(2)
  expect(errors[0]).toBeInstanceOf(ValueError)
  expect(String(errors[0])).toContain('the body of the loop')
  expect((await fit).epoch).toEqual([0, 1])
})

test('the error leaves the loop, and the training ends', async () => {
  const fit = training(3)
  const loop = async (): Promise<void> => {
    for await (const _ of fit) await fit
  }
  await expect(loop()).rejects.toThrow('the body of the loop')
  expect((await fit).epoch).toEqual([0])
})

test('several calls of next wait in their order', async () => {
  const fit = training(3)
  const loop = fit[Symbol.asyncIterator]()
  const results = await Promise.all(Array.from({ length: 5 }, async () => await loop.next()))
  expect(results.map(({ value }) => value?.epoch)).toEqual([0, 1, 2, undefined, undefined])
  expect(results.map(({ done }) => done)).toEqual([false, false, false, true, true])
  expect((await fit).epoch).toEqual([0, 1, 2])
})

test('of several calls of next the first is told what went wrong', async () => {
  const fails = {
    onEpochEnd: (epoch: number): void => {
      if (epoch === 1) throw new RangeError('on purpose')
    },
  }
  const loop = training(3, { callbacks: fails })[Symbol.asyncIterator]()
  const results = await Promise.allSettled([loop.next(), loop.next(), loop.next()])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})

test.each([{ epochs: 2 ** 31 + 1 }, { initialEpoch: 2 ** 52 }])('%o is refused', async (more) => {
  await expect(training(1, more)).rejects.toThrow(
    /^fit: (epochs|initialEpoch) is \d+; expected at most 2147483648/,
  )
})

test('more visits of the samples than there are orders are refused', async () => {
  await expect(training(2 ** 31, { initialEpoch: 2 ** 31 - 1, stepsPerEpoch: 3 })).rejects.toThrow(ValueError)
})

test('the last epoch of all trains', async () => {
  expect((await training(2 ** 31, { initialEpoch: 2 ** 31 - 1 })).epoch).toEqual([2 ** 31 - 1])
})

import { AnomalyError, detectAnomaly, F, jit, nn, tensor, type Tensor } from 'neuroxide'
import { describe, expect, test } from 'vitest'

function caught(body: () => unknown): AnomalyError {
  try {
    body()
  } catch (error) {
    if (error instanceof AnomalyError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

class Log extends nn.Module {
  forward(x: Tensor): Tensor {
    return x.log()
  }
}

class Net extends nn.Module {
  readonly log = new Log()
  forward(x: Tensor): Tensor {
    return this.log.forward(x).sum()
  }
}

/** The six planted origins: where each lies, the op that has to be named, and whether it is found backward only. */
const planted: [name: string, op: string, body: (x: Tensor) => Tensor][] = [
  ['the logarithm of zero', 'log', (x) => x.log().sum()],
  ['a division by zero', 'div', (x) => F.div(x, x.sub(x)).sum()],
  ['an overflow', 'exp', (x) => x.add(1000).exp().sum()],
  ['the root of a negative number', 'sqrt', (x) => x.sub(5).sqrt().sum()],
  ['infinity less infinity', 'exp', (x) => x.add(1000).exp().sub(x.add(1000).exp()).sum()],
  ['the slope of a root at zero', 'sqrt', (x) => x.sqrt().sum()],
]

describe('detectAnomaly', () => {
  test.each(planted)('names the op and the line of %s', (_, op, body) => {
    const x = tensor([0, 1], { requiresGrad: true })
    const error = caught(() => detectAnomaly(() => body(x).backward()))
    expect(error.code).toBe('ERR_ANOMALY')
    expect(error.message).toContain(op)
    expect(error.message).toMatch(/anomaly\.test\.ts:\d+/)
  })

  test.each(planted)('and in a jitted function, of %s', (_, op, body) => {
    const w = tensor([0, 1], { requiresGrad: true })
    const step = jit((k: Tensor) => {
      const loss = body(w.mul(k))
      loss.backward()
      return loss
    })
    const error = caught(() => detectAnomaly(() => step(1)))
    expect(error.message).toContain(op)
    expect(error.message).toMatch(/anomaly\.test\.ts:\d+/)
  })

  test('names the path of the module', () => {
    expect(caught(() => detectAnomaly(() => new Net().forward(tensor([0])))).message).toMatch(
      /\blog\b.*anomaly\.test\.ts/s,
    )
  })

  test('gives the same bits as the program, and is off again afterwards', () => {
    const step = jit((x: Tensor, k: Tensor) => x.mul(k).sin().sum())
    const x = tensor([0.1, 0.2, 0.3])
    const plain = step(x, 0.7).item()
    expect(detectAnomaly(() => step(x, 0.7).item())).toBe(plain)
    expect(tensor([0]).log().item()).toBe(-Infinity)
    detectAnomaly(true)
    expect(() => tensor([0]).log()).toThrow(AnomalyError)
    detectAnomaly(false)
    expect(tensor([0]).log().item()).toBe(-Infinity)
  })

  test('lasts until a promise settles', async () => {
    await expect(
      detectAnomaly(async () => {
        await Promise.resolve()
        return tensor([0]).log()
      }),
    ).rejects.toThrow(AnomalyError)
    expect(tensor([0]).log().item()).toBe(-Infinity)
  })
})

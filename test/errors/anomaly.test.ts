import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { AnomalyError, detectAnomaly, F, jit, losses, nn, tensor, type Tensor } from 'neuroxide'
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

/** The six planted origins, and what the message has to call each. */
const planted: [name: string, op: RegExp, body: (x: Tensor) => Tensor][] = [
  ['the logarithm of zero', /^1: log: /, (x) => x.log()],
  ['a division by zero', /^1: div: /, (x) => F.div(x, x.sub(x))],
  ['an overflow', /^1: exp: /, (x) => x.add(1000).exp()],
  ['the root of a negative number', /^1: sqrt: /, (x) => x.sub(5).sqrt()],
  ['infinity less infinity', /^1: exp: /, (x) => x.add(1000).exp().sub(x.add(1000).exp())],
  ['the slope of a root at zero', /^1: the gradient of sqrt\b/, (x) => x.sqrt()],
]

class Planted extends nn.Module {
  readonly #body: (x: Tensor) => Tensor
  constructor(body: (x: Tensor) => Tensor) {
    super()
    this.#body = body
  }
  forward(x: Tensor): Tensor {
    return this.#body(x)
  }
}

/** A model that hands 0 and 1 to its second module, which is where the origin lies. */
function planting(body: (x: Tensor) => Tensor) {
  const linear = new nn.Linear(2, 2, { bias: false })
  linear.weight.copyFrom([
    [1, 0],
    [0, 1],
  ])
  return new nn.Sequential(linear, new Planted(body)).compile({ optimizer: 'sgd', loss: 'mse' })
}

const x = tensor([[0, 1]])
const y = tensor([[0, 0]])
type Planting = ReturnType<typeof planting>

function stepOf(model: Planting): (x: Tensor, y: Tensor) => void {
  return (x, y) => losses.mse(model.forward(x), y).backward()
}

const ways: [name: string, run: (model: Planting) => unknown][] = [
  ['an eager step', (model) => stepOf(model)(x, y)],
  ['a jitted step', (model) => jit(stepOf(model))(x, y)],
  ['fit', (model) => model.fit(x, y, { verbose: 0 })],
  ['fit of a loader', (model) => model.fit([{ x, y }], { verbose: 0 })],
]

describe.each(ways)('in %s, detectAnomaly names op, module and line of', (_, run) => {
  test.each(planted)('%s', async (_, op, body) => {
    const error: unknown = await detectAnomaly(async () => run(planting(body))).catch(
      (error: unknown) => error,
    )
    expect(error).toBeInstanceOf(AnomalyError)
    const { code, message } = error as AnomalyError
    expect(code).toBe('ERR_ANOMALY')
    expect(message).toMatch(op)
    expect(message).toMatch(/anomaly\.test\.ts:\d+/)
    // The line is that of the op in the table above, not one of the model around it.
    expect(Number(/anomaly\.test\.ts:(\d+)/.exec(message)?.[1])).toBe(lineOf(body))
  })
})

const source = readFileSync(fileURLToPath(import.meta.url), 'utf8')

/** The line of this file on which a planted function stands. */
function lineOf(body: (x: Tensor) => Tensor): number {
  const at = planted.findIndex((row) => row[2] === body)
  const first = source.split('\n').findIndex((line) => line.startsWith('const planted')) + 2
  return first + at
}

describe('detectAnomaly', () => {
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

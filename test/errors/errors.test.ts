import {
  AnomalyError,
  DTypeError,
  DisposedError,
  F,
  GradError,
  IndexError,
  ShapeError,
  TensorError,
  TraceError,
  ValueError,
  jit,
  nn,
  tensor,
  zeros,
  type Tensor,
} from 'neuroxide'
import { describe, expect, test } from 'vitest'

function caught(body: () => unknown): TensorError {
  try {
    body()
  } catch (error) {
    if (error instanceof TensorError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const frames = (error: Error): string[] =>
  (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))

const rows: [name: string, Class: new (message: string) => TensorError, code: string, body: () => unknown][] =
  [
    ['shapes', ShapeError, 'ERR_SHAPE', () => zeros([2]).add(zeros([3]) as Tensor)],
    ['element types', DTypeError, 'ERR_DTYPE', () => tensor([1], { dtype: 'i32' }).mean()],
    ['indices', IndexError, 'ERR_INDEX', () => zeros([2]).at(2)],
    ['indices of the core', IndexError, 'ERR_INDEX', () => zeros([2]).sum(1)],
    ['values', ValueError, 'ERR_VALUE', () => tensor('a' as never)],
    ['traces', TraceError, 'ERR_TRACE', () => jit((x: Tensor) => x.item())(tensor([1]))],
    ['gradients', GradError, 'ERR_GRAD', () => tensor([1]).sum().backward()],
    [
      'tensors that are gone',
      DisposedError,
      'ERR_DISPOSED',
      () => {
        const x = tensor([1])
        x.dispose()
        x.add(1)
      },
    ],
  ]

describe('errors', () => {
  test.each(rows)('of %s have a class, a code and the line of the caller first', (_, Class, code, body) => {
    const error = caught(body)
    expect(error).toBeInstanceOf(Class)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ code, name: Class.name })
    expect(error.stack).toMatch(new RegExp(`^${Class.name}: `))
    expect(frames(error)[0]).toContain('errors.test.ts')
    expect(error.message).toMatch(/^[\w.]+: .+; .+/s)
  })

  test('of backward begin at its caller too', () => {
    const error = caught(() => zeros([2], { requiresGrad: true }).mul(2).backward())
    expect(frames(error)[0]).toContain('errors.test.ts')
  })

  test('within a traced function begin at its line', () => {
    const f = jit(function inner(x: Tensor) {
      return x.add(zeros([3]))
    })
    const error = caught(() => f(zeros([2])))
    expect(frames(error)[0]).toMatch(/inner.*errors\.test\.ts/)
  })

  test('of a replay begin at the call', () => {
    const f = jit((x: Tensor, at: Tensor) => F.indexSelect(x, 0, at), { verify: false })
    const index = (i: number): Tensor => tensor([i], { dtype: 'i32' })
    expect(f(tensor([1, 2]), index(1)).toArray()).toEqual([2])
    const error = caught(() => f(tensor([1, 2]), index(5)))
    expect(error).toBeInstanceOf(IndexError)
    expect(frames(error)[0]).toContain('errors.test.ts')
  })

  test('name the module that was running', () => {
    class Block extends nn.Module {
      readonly first = new nn.Linear(2, 3)
      forward(x: Tensor): Tensor {
        return this.first.forward(x)
      }
    }
    class Net extends nn.Module {
      readonly block = new Block()
      forward(x: Tensor): Tensor {
        return this.block.forward(x).at(7)
      }
    }
    const net = new Net()
    expect(caught(() => net.block.forward(zeros([1, 3]))).message).toMatch(/^first: /)
    expect(caught(() => net.forward(zeros([1, 3]))).message).toMatch(/^block\.first: /)
  })

  test('of many own frames above the user still show the user', () => {
    const deep = (n: number): unknown => (n === 0 ? zeros([2]).at(3) : deep(n - 1))
    expect(frames(caught(() => deep(60)))[0]).toContain('errors.test.ts')
  })

  test('Error.stackTraceLimit stays what it was', () => {
    const before = Error.stackTraceLimit
    caught(() => zeros([2]).at(3))
    expect(Error.stackTraceLimit).toBe(before)
  })

  test('the classes can be constructed', () => {
    expect(new AnomalyError('a: b; expected c.')).toMatchObject({
      code: 'ERR_ANOMALY',
      message: 'a: b; expected c.',
    })
  })
})

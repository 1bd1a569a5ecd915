import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { Callback, type CallbackHooks, callbacks, nn, optim, randn, ValueError } from 'neuroxide'
import { root } from '../pack/project.js'

const quiet = { verbose: 0, batchSize: 8 } as const
const x = randn([20, 3])
const y = randn([20, 1])

function regression(): nn.Sequential {
  const net: nn.Sequential = new nn.Sequential(new nn.Linear(3, 1))
  net.compile({ optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }), loss: 'mse' })
  return net
}

const fitted = (given: unknown): Promise<unknown> =>
  regression().fit(x, y, { ...quiet, callbacks: given as CallbackHooks })

describe('Keras’s names of the hooks of a batch', () => {
  const told: string[] = []
  const note =
    (name: string) =>
    (batch: number): void =>
      void told.push(`${name} ${batch}`)
  class Batches extends Callback {
    override onBatchBegin(batch: number): void {
      note('begin')(batch)
    }

    override async onBatchEnd(batch: number): Promise<void> {
      await Promise.resolve()
      note('end')(batch)
      // Heard before the next batch, as with the other name.
      if (batch === 1) this.model.stopTraining = true
    }
  }

  test.each([
    ['a class', () => new Batches(), 2],
    ['a plain object', () => ({ onBatchBegin: note('begin'), onBatchEnd: note('end') }), 3],
    [
      'beside other hooks',
      () => ({ onEpochEnd: () => {}, onBatchBegin: note('begin'), onBatchEnd: note('end') }),
      3,
    ],
    [
      'a LambdaCallback',
      () => new callbacks.LambdaCallback({ onBatchBegin: note('begin'), onBatchEnd: note('end') }),
      3,
    ],
  ])('are called: %s', async (_, made, batches) => {
    told.length = 0
    await fitted([made()])
    expect(told).toEqual(Array.from({ length: batches }, (__, i) => [`begin ${i}`, `end ${i}`]).flat())
  })

  test('are refused where the hook has its other name too, and where they are no function', async () => {
    await expect(fitted({ onBatchEnd: () => {}, onTrainBatchEnd: () => {} })).rejects.toThrow(
      /onTrainBatchEnd and onBatchEnd, which are two names of one hook; expected one of them/,
    )
    await expect(fitted({ onBatchBegin: 3 })).rejects.toThrow(/3 as onBatchBegin .* expected a function/)
  })
})

describe('what is no hook', () => {
  class Late extends Callback {
    onEpochEnds(): void {}
  }
  class Later extends Late {}
  class Own extends Callback {
    override onEpochEnd(): void {
      this.onAir()
    }

    onAir(): void {}
    once(): void {}
  }

  test.each<[string, unknown, RegExp]>([
    ['a letter too much', { onEpochEnds() {} }, /onEpochEnds, which nothing calls.*Nearest: onEpochEnd\./],
    ['beside a hook', { onEpochEnd() {}, onTrainStart() {} }, /onTrainStart, which.*Nearest: onTrain/],
    ['snake case', { on_epoch_end() {} }, /on_epoch_end, .*Nearest: onEpochEnd\./],
    ['lower case', { onepochend() {} }, /onepochend, .*Nearest: onEpochEnd\./],
    ['something else', { onValidationEnd() {}, onTestEnd() {} }, /onValidationEnd, which nothing calls/],
    ['a class', new Late(), /onEpochEnds, .*Nearest: onEpochEnd\./],
    ['a class of a class', new Later(), /onEpochEnds, .*Nearest: onEpochEnd\./],
  ])('is refused: %s', async (_, given, message) => {
    const error: unknown = await fitted([given]).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ValueError)
    expect((error as Error).message).toMatch(message)
  })

  test('but a class may have methods of its own, and an object functions of other names', async () => {
    await fitted([new Own(), { onEpochEnd() {}, once() {}, only: () => 1 }])
  })

  test('the base class has none, so that none is called', () => {
    class Nothing extends Callback {}
    const names = Object.keys(new Nothing()).concat(Object.getOwnPropertyNames(Callback.prototype))
    expect(names.filter((name) => name.startsWith('on'))).toEqual([])
    expect((new Nothing() as CallbackHooks).onTrainBatchEnd).toBeUndefined()
  })
})

describe('hooks of a class in TypeScript', () => {
  const program = (modifier: string): string => `import { Callback, type Logs } from 'neuroxide'
export class Mine extends Callback {
  ${modifier} onEpochEnd(epoch: number, logs: Logs): void {
    console.log(epoch, logs, this.model)
  }
  ${modifier} async onBatchEnd(): Promise<void> {}
  ${modifier} onTestEnd = (logs: Logs): void => console.log(logs)
  ${modifier} state(): unknown {
    return null
  }
}
`
  /** What the compiler says of a module that stands nowhere but here. */
  function complaints(text: string, options: ts.CompilerOptions): string[] {
    const file = join(root, 'test', 'train', 'mine.ts')
    const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as { config: object }
    const all = { ...ts.parseJsonConfigFileContent(config, ts.sys, root).options, ...options }
    const host = ts.createCompilerHost(all)
    const { fileExists, readFile } = host
    host.fileExists = (path) => path === file || fileExists(path)
    host.readFile = (path) => (path === file ? text : readFile(path))
    return ts
      .getPreEmitDiagnostics(ts.createProgram([file], all, host))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
  }

  test('compile with override, and without where it is not asked for', () => {
    expect(complaints(program('override'), { noImplicitOverride: true })).toEqual([])
    expect(complaints(program('override'), { noImplicitOverride: false })).toEqual([])
    expect(complaints(program(''), { noImplicitOverride: false })).toEqual([])
    const asked = complaints(program(''), { noImplicitOverride: true })
    expect(asked).toHaveLength(4)
    expect(asked[0]).toContain("must have an 'override' modifier")
  }, 60_000)

  test('have the arguments of the hook', () => {
    const wrong = program('override').replace('epoch: number', 'epoch: string')
    expect(complaints(wrong, { noImplicitOverride: true }).join()).toContain("'onEpochEnd'")
  }, 60_000)
})

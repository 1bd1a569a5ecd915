import { join } from 'node:path'
import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'
import { execute, root } from '../pack/project.js'
import { emptyFolder, write } from '../docs/workshop.js'
import { right, wrong } from './shapes/programs.js'

const PRELUDE = `import { F, Model, add, bmm, concat, data, dot, jit, linear, losses, matmul, mm, mul, mv, nn, ones, optim, reshape, stack, tensor, transpose, zeros, type FloatDType, type Shape, type Tensor, type TensorLike } from 'neuroxide'
import { holds, type Same } from './same.js'
declare const x: Tensor
declare const batch: Tensor<[number, 784], 'f32'>
class Mine extends nn.Module {
  override forward(x: Tensor): Tensor {
    return x
  }
}
`

const OPEN = '«'
const CLOSE = '»'

/** Compiles modules that stand nowhere but here, all at once, under the strict rules of this repository. */
function compiled(sources: ReadonlyMap<string, string>): ts.Program {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as { config: object }
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  Object.assign(options, { noUnusedLocals: false, noUnusedParameters: false })
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile } = host
  host.fileExists = (file) => sources.has(file) || fileExists(file)
  host.readFile = (file) => sources.get(file) ?? readFile(file)
  return ts.createProgram([...sources.keys()], options, host)
}

const fileOf = (kind: string, index: number): string => join(root, 'test', 'types', `${kind}-${index}.ts`)
const textOf = (code: string): string => `${PRELUDE}${code.replace(OPEN, '').replace(CLOSE, '')}\nexport {}\n`

describe('shapes that are literal', () => {
  let program: ts.Program

  beforeAll(() => {
    program = compiled(
      new Map([
        ...wrong.map(({ code }, i): [string, string] => [fileOf('wrong', i), textOf(code)]),
        ...right.map(({ code }, i): [string, string] => [fileOf('right', i), textOf(code)]),
      ]),
    )
  })

  /** What the compiler says of a program: the texts and what they stand at. */
  function complaints(file: string): { text: string; at: string }[] {
    const source = program.getSourceFile(file)
    if (source === undefined) throw new Error(`${file} was not compiled`)
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText, start = 0, length = 0 }) => ({
        text: ts.flattenDiagnosticMessageText(messageText, '\n'),
        at: source.text.slice(start, start + length),
      }),
    )
  }

  it('are many', () => {
    expect(wrong.length).toBeGreaterThanOrEqual(30)
    expect(right.length).toBeGreaterThanOrEqual(30)
  })

  it.each(wrong.map((program, i) => ({ ...program, i })))('refuse $name', ({ code, message, i }) => {
    const marked = code.slice(code.indexOf(OPEN) + 1, code.indexOf(CLOSE))
    const [complaint, ...others] = complaints(fileOf('wrong', i))
    expect(others).toEqual([])
    expect(complaint?.text).toContain(`ShapeMismatch<"${message}">`)
    expect(complaint?.at).toBe(marked)
  })

  it.each(right.map((program, i) => ({ ...program, i })))('accept $name', ({ i }) => {
    expect(complaints(fileOf('right', i))).toEqual([])
  })
})

/** A model of 30 layers that are all different, and 100 ops on tensors of shapes that are all different. */
function large(): string {
  const layers = Array.from({ length: 15 }, (_, i) => `new nn.Linear(${i + 10}, ${i + 11}), new nn.ReLU()`)
  const ops = Array.from({ length: 25 }, (_, i) => {
    const [m, k, n] = [i + 2, i + 40, i + 80]
    return `const p${i} = zeros([${m}, ${k}]).matmul(zeros([${k}, ${n}])).add(zeros([${n}])).reshape([${n}, ${m}]).sub(1)`
  })
  return [
    "import { nn, zeros } from 'neuroxide'",
    `export const model = new nn.Sequential(${layers.join(', ')})`,
    'export const y = model.forward(zeros([32, 10]))',
    ...ops,
    `export const all = [${ops.map((_, i) => `p${i}`).join(', ')}] as const`,
  ].join('\n')
}

describe('the compiler', () => {
  // Measured: 56,500 instantiations, of which 5,000 are the declarations; 3 s on two slow cores that had other work.
  const MOST_INSTANTIATIONS = 85_000
  const MOST_SECONDS = 12

  it('has little to do for a model of 30 layers and 100 ops', async () => {
    const folder = emptyFolder('instantiations')
    write(folder, 'large.ts', large())
    write(
      folder,
      'tsconfig.json',
      JSON.stringify({ extends: '../../tsconfig.json', include: ['.'], exclude: [] }),
    )
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { code, stdout } = await execute(
      process.execPath,
      [compiler, '-p', folder, '--extendedDiagnostics'],
      root,
    )
    expect(code, stdout).toBe(0)
    const instantiations = Number(/^Instantiations:\s+(\d+)/m.exec(stdout)?.[1])
    const seconds = Number(/^Check time:\s+([\d.]+)s/m.exec(stdout)?.[1])
    expect(instantiations).toBeLessThan(MOST_INSTANTIATIONS)
    expect(seconds).toBeLessThan(MOST_SECONDS)
  })
})

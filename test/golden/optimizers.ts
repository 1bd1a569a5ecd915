import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { F, jit, losses, nn, optim, type Tensor } from 'neuroxide'
import { drift, first, weightDrift } from './compare.js'
import type { Report } from './report.js'
import { Safetensors } from './safetensors.js'

interface OptimizerCase {
  readonly case: string
  readonly optimizer: string
  readonly kwargs: Readonly<Record<string, number | boolean | readonly number[]>>
}

type Hypers = Readonly<Record<string, unknown>>
interface Stepping {
  step(): void
  zeroGrad(): void
}

const table: Readonly<Record<string, (params: Tensor[], hypers: Hypers) => Stepping>> = {
  SGD: (params, hypers) => new optim.SGD(params, hypers),
  RMSprop: (params, hypers) => new optim.RMSprop(params, hypers),
  Adam: (params, hypers) => new optim.Adam(params, hypers),
  AdamW: (params, hypers) => new optim.AdamW(params, hypers),
  Adagrad: (params, hypers) => new optim.Adagrad(params, hypers),
}

const WEIGHTS = ['w0', 'w1', 'w2', 'w3'] as const

/** Runs every case of `optim.json`: twenty steps of a small network, eagerly and jitted. */
export function runOptimizers(dir: string, report: Report): void {
  const cases = JSON.parse(readFileSync(join(dir, 'optim.json'), 'utf8')) as OptimizerCase[]
  const file = new Safetensors(join(dir, 'optim.safetensors'))
  for (const entry of cases) {
    const make = table[entry.optimizer]
    if (make === undefined) report.lacks(entry.optimizer)
    else
      report.run(entry.optimizer, `optim/${entry.case}`, () =>
        first([trained(entry, file, make, false), trained(entry, file, make, true)]),
      )
  }
}

function trained(
  entry: OptimizerCase,
  file: Safetensors,
  make: (params: Tensor[], hypers: Hypers) => Stepping,
  jitted: boolean,
): string | null {
  const [x, y] = [file.tensor('x'), file.tensor('y')]
  const weights = WEIGHTS.map((name) => new nn.Parameter(file.tensor(name) as Tensor<number[], 'f32'>))
  const [w0, w1, w2, w3] = weights as unknown as [Tensor, Tensor, Tensor, Tensor]
  const optimizer = make(weights, renamed(entry.kwargs))
  const step = (x: Tensor, y: Tensor): Tensor => {
    optimizer.zeroGrad()
    const loss = losses.mse(F.linear(F.linear(x, w0, w1).tanh(), w2, w3), y)
    loss.backward()
    optimizer.step()
    return loss
  }
  const run = jitted ? jit(step) : step
  const reference = file.stored(`${entry.case}/loss`).values
  const ours = Array.from(reference, () => run(x, y).item() as number)
  const driver = jitted ? 'jit' : 'eager'
  return first([
    drift(`${driver}: loss`, ours, reference),
    ...WEIGHTS.map((name, i) =>
      weightDrift(`${driver}: ${name}`, weights[i] as Tensor, file.stored(`${entry.case}/${name}`)),
    ),
  ])
}

/** Choices of how PyTorch computes a step, not of what. */
const implementations: ReadonlySet<string> = new Set(['foreach', 'fused', 'capturable', 'differentiable'])

/** Hyperparameters by our names: `weight_decay` is `weightDecay`. */
function renamed(kwargs: Hypers): Hypers {
  return Object.fromEntries(
    Object.entries(kwargs)
      .filter(([name]) => !implementations.has(name))
      .map(([name, value]) => [
        name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
        value,
      ]),
  )
}

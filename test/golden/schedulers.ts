import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nn, optim, zeros } from 'neuroxide'
import type { Report } from './report.js'

interface SchedulerCase {
  readonly base_lr: number
  readonly kwargs: Readonly<Record<string, unknown>>
  /** The rate before the first step, and after each. */
  readonly lr: readonly number[]
}

type Scheduled = optim.lrScheduler.Scheduled
type Options = Readonly<Record<string, unknown>>
type Make = (optimizer: Scheduled, options: never) => optim.lrScheduler.LRScheduler

/** PyTorch's schedulers that JSON can say the arguments of, and that need no metric. */
const table: Readonly<Record<string, Make>> = {
  ConstantLR: (optimizer, options) => new optim.lrScheduler.ConstantLR(optimizer, options),
  CosineAnnealingLR: (optimizer, options) => new optim.lrScheduler.CosineAnnealingLR(optimizer, options),
  CosineAnnealingWarmRestarts: (optimizer, options) =>
    new optim.lrScheduler.CosineAnnealingWarmRestarts(optimizer, options),
  CyclicLR: (optimizer, options) => new optim.lrScheduler.CyclicLR(optimizer, options),
  ExponentialLR: (optimizer, options) => new optim.lrScheduler.ExponentialLR(optimizer, options),
  LinearLR: (optimizer, options) => new optim.lrScheduler.LinearLR(optimizer, options),
  MultiStepLR: (optimizer, options) => new optim.lrScheduler.MultiStepLR(optimizer, options),
  OneCycleLR: (optimizer, options) => new optim.lrScheduler.OneCycleLR(optimizer, options),
  PolynomialLR: (optimizer, options) => new optim.lrScheduler.PolynomialLR(optimizer, options),
  StepLR: (optimizer, options) => new optim.lrScheduler.StepLR(optimizer, options),
}

/** Runs every case of `schedulers.json`: the rate before the first step and after each. */
export function runSchedulers(dir: string, report: Report): void {
  const cases = JSON.parse(readFileSync(join(dir, 'schedulers.json'), 'utf8')) as Record<
    string,
    SchedulerCase
  >
  for (const [name, entry] of Object.entries(cases)) {
    const make = table[name]
    if (make === undefined) report.lacks(name)
    else report.run(name, `schedulers/${name}`, () => followed(make, entry))
  }
}

function followed(make: Make, { base_lr: lr, kwargs, lr: reference }: SchedulerCase): string | null {
  const parameter = new nn.Parameter(zeros([1]))
  // The cycles move momentum too, which needs some.
  const optimizer = new optim.SGD([parameter], { lr, momentum: 0.9 })
  const scheduler = make(optimizer, renamed(kwargs) as never)
  const ours = reference.map((_, step) => {
    if (step > 0) scheduler.step()
    return optimizer.lr
  })
  // Rates are numbers of 64 bits on both sides.
  const off = ours.findIndex(
    (value, i) => !(Math.abs(value - reference[i]!) <= 1e-10 * reference[i]! + 1e-15),
  )
  return off < 0 ? null : `lr[${off}] is ${ours[off]}, expected ${reference[off]}`
}

/** `T_max` is `tMax`, `step_size_up` is `stepSizeUp`. */
function renamed(kwargs: Options): Options {
  return Object.fromEntries(
    Object.entries(kwargs).map(([name, value]) => [
      name
        .replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
        .replace(/^[A-Z]/, (letter) => letter.toLowerCase()),
      value,
    ]),
  )
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isTensor, type Tensor } from 'neuroxide'
import { Arguments, decoded, dtypes, type Written } from './arguments.js'
import { first, mismatch } from './compare.js'
import { callOf, nameOf } from './ops/index.js'
import type { Call } from './ops/table.js'
import { drivers, type Problem, type Solution } from './problem.js'
import type { Report } from './report.js'
import { Safetensors } from './safetensors.js'

interface OpCase {
  readonly case: string
  readonly op: string
  readonly variant: string
  readonly err: number
  readonly outputs: number
  readonly grads: readonly number[]
  readonly args: readonly Written[]
  readonly kwargs: Readonly<Record<string, Written>>
}

/** Runs every case of `ops/manifest.json`, eagerly and jitted. */
export function runOps(dir: string, report: Report): void {
  const { cases } = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as { cases: OpCase[] }
  const files = new Map<string, Safetensors>()
  for (const entry of cases) {
    const name = nameOf(entry.op, entry.variant)
    const call = callOf(entry.op, entry.variant)
    if (call === undefined) {
      report.lacks(name)
      continue
    }
    report.run(name, `ops/${entry.case}`, () => {
      const file = files.get(name) ?? new Safetensors(join(dir, `${name}.safetensors`))
      files.set(name, file)
      return first(
        Object.entries(drivers).map(([driver, solve]) => checked(entry, file, call, driver, solve)),
      )
    })
  }
}

function checked(
  entry: OpCase,
  file: Safetensors,
  call: Call,
  driver: string,
  solve: (problem: Problem) => Solution,
): string | null {
  const tensor = (name: string, requiresGrad = false): Tensor =>
    file.tensor(`${entry.case}/${name}`, { requiresGrad })
  const places = file
    .under(`${entry.case}/in`)
    .map(Number)
    .toSorted((a, b) => a - b)
  const inputs = places.map((place) => tensor(`in${place}`, entry.grads.includes(place)))
  // Read beforehand, as nothing can be read in a trace.
  const numbers = inputs.map((input) =>
    input.rank === 0 && input.dtype === 'i32' ? Number(input.item()) : null,
  )
  const { outputs, gradients } = solve({
    inputs,
    differentiated: entry.grads.map((place) => places.indexOf(place)),
    parameters: [],
    seeds: Array.from({ length: entry.outputs }, (_, i) =>
      entry.grads.length > 0 && file.has(`${entry.case}/gout${i}`) ? tensor(`gout${i}`) : null,
    ),
    compute: (inputs) => called(entry, call, places, inputs, numbers),
  })
  if (outputs.length !== entry.outputs)
    return `${driver}: ${outputs.length} outputs, expected ${entry.outputs}`
  const { dtype: asked } = entry.kwargs
  const wide =
    typeof asked === 'object' && asked !== null && 'dtype' in asked ? dtypes[asked.dtype] : undefined
  const reference = (name: string) => file.stored(`${entry.case}/${name}`)
  return first([
    ...outputs.map((output, i) =>
      mismatch(`${driver}: out${i}`, output, reference(`out${i}`), entry.err, wide),
    ),
    ...gradients.map((gradient, i) => {
      const what = `grad${entry.grads[i]}`
      if (gradient === null) return `${driver}: ${what} is missing`
      return mismatch(`${driver}: ${what}`, gradient, reference(what), entry.err)
    }),
  ])
}

function called(
  entry: OpCase,
  call: Call,
  places: readonly number[],
  inputs: readonly Tensor[],
  numbers: readonly (number | null)[],
): readonly Tensor[] {
  const lookup = (name: string): Tensor => inputs[places.indexOf(Number(name.slice(2)))] as Tensor
  const scalars = inputs.flatMap((input, i) => {
    const value = numbers[i] ?? null
    return value === null ? [] : [[input, value] as const]
  })
  const named = Object.entries(entry.kwargs).map(([name, value]) => [name, decoded(value, lookup)] as const)
  const values = new Arguments(
    entry.args.map((value) => decoded(value, lookup)),
    Object.fromEntries(named),
    new Map(scalars),
  )
  const result = call(values)
  const ignored = values.ignored()
  if (ignored.length > 0) throw new Error(`the table of ops overlooks ${ignored.join(', ')}`)
  return isTensor(result) ? [result] : result
}

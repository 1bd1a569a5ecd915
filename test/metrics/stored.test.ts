import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { jit, metrics, tensor, type Tensor } from 'neuroxide'

// Numbers of scikit-learn and Keras, which `test/golden/make/measures.py` made.

interface Stored {
  readonly source: string
  readonly data: Readonly<Record<string, number[] | number[][]>>
  readonly cases: readonly {
    readonly metric: keyof typeof classes
    readonly options: object
    readonly prediction: string
    readonly target: string
    readonly weighted: boolean
    readonly expected: number | number[][]
  }[]
}

const classes = {
  AUC: metrics.AUC,
  BinaryAccuracy: metrics.BinaryAccuracy,
  CategoricalAccuracy: metrics.CategoricalAccuracy,
  ConfusionMatrix: metrics.ConfusionMatrix,
  F1: metrics.F1,
  MeanAbsoluteError: metrics.MeanAbsoluteError,
  MeanSquaredError: metrics.MeanSquaredError,
  Perplexity: metrics.Perplexity,
  Precision: metrics.Precision,
  R2: metrics.R2,
  Recall: metrics.Recall,
  RootMeanSquaredError: metrics.RootMeanSquaredError,
  SparseCategoricalAccuracy: metrics.SparseCategoricalAccuracy,
  SparseTopKCategoricalAccuracy: metrics.SparseTopKCategoricalAccuracy,
  TopKCategoricalAccuracy: metrics.TopKCategoricalAccuracy,
}

type Any = { update(x: Tensor, y: Tensor, w?: Tensor): void; compute(): number | number[][]; reset(): void }

const count = 61
/** Cuts of the 61 samples: all at once, evenly with a rest, one by one, and unevenly. */
const cuts: readonly number[][] = [
  [61],
  [16, 16, 16, 13],
  Array.from({ length: 61 }, () => 1),
  [1, 40, 3, 0, 17],
]

function stored(name: string): Stored {
  return JSON.parse(
    readFileSync(new URL(`../golden/metrics/${name}.json`, import.meta.url), 'utf8'),
  ) as Stored
}

function flat(value: number | number[][]): number[] {
  return typeof value === 'number' ? [value] : value.flat()
}

describe.each([
  ['sklearn', 'f64', 94, 1e-9],
  ['keras', 'f32', 62, 3e-6],
] as const)('%s', (name, dtype, cases, tolerance) => {
  const { data, cases: all } = stored(name)

  test('has as many cases as were made', () => {
    expect(all).toHaveLength(cases)
  })

  test.each(
    all.map(
      (one, i) =>
        [`${i}: ${one.metric} ${JSON.stringify(one.options)} ${one.target} ${one.weighted}`, one] as const,
    ),
  )('%s', (_, { metric, options, prediction, target, weighted, expected }) => {
    const of = (key: string, whole = false): Tensor =>
      tensor(data[key] as number[], { dtype: whole ? 'i32' : dtype }) as Tensor
    const whole = ['labels', 'onehot', 'binary'].includes(target)
    const [x, y, w] = [of(prediction), of(target, whole), of('weight')]
    const made = new classes[metric](options as never) as Any
    const numbers = cuts.map((sizes) => {
      made.reset()
      let start = 0
      for (const size of sizes) {
        if (size === 0) continue
        const part = (whole: Tensor): Tensor => whole.narrow(0, start, size)
        made.update(part(x), part(y), weighted ? part(w) : undefined)
        start += size
      }
      expect(start).toBe(count)
      return flat(made.compute())
    })
    flat(expected).forEach((value, i) => {
      expect(Math.abs((numbers[0]?.[i] ?? NaN) - value)).toBeLessThanOrEqual(tolerance * Math.abs(value))
      // Counts are exact; sums of fractions may differ in the last of 48 bits.
      for (const other of numbers) {
        const room = (metric === 'R2' ? 1e-9 : 1e-12) * Math.abs(value)
        expect(Math.abs((other[i] ?? NaN) - (numbers[0]?.[i] ?? NaN))).toBeLessThanOrEqual(room)
      }
    })
  })

  test('sums of a traced batch are those of an eager one', () => {
    const seen = new Set<string>()
    for (const { metric, options, prediction, target, weighted } of all) {
      if (metric === 'ConfusionMatrix' || seen.has(`${metric}${target}${weighted}`)) continue
      seen.add(`${metric}${target}${weighted}`)
      const made = new classes[metric](options as never)
      const args = [prediction, target].map((key) => tensor(data[key] as number[]) as Tensor)
      if (weighted) args.push(tensor(data['weight'] as number[]))
      const sums = (...given: Tensor[]): Tensor =>
        made.statistics(given[0] as Tensor, given[1] as Tensor, given[2])
      const eager = sums(...args)
      expect(eager.dtype).toBe('f32')
      const traced = jit(sums as never) as unknown as typeof sums
      expect(made.result(Array.from(traced(...args).toTypedArray() as Float32Array))).toBeCloseTo(
        made.result(Array.from(eager.toTypedArray() as Float32Array)),
        10,
      )
    }
    expect(seen.size).toBeGreaterThan(20)
  })
})

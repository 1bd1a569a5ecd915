import { describe, expect, test } from 'vitest'
import {
  IndexError,
  ShapeError,
  ValueError,
  jit,
  metrics,
  tensor,
  zeros,
  type Tensor,
  type TensorLike,
} from 'neuroxide'

const measured = (
  metric: metrics.Metric,
  prediction: TensorLike,
  target: TensorLike,
  weight?: TensorLike,
): number => {
  metric.update(prediction, target, weight)
  return metric.compute()
}

describe('a metric', () => {
  test('is NaN before its first batch and after reset', () => {
    const metric = new metrics.Precision()
    expect(metric.compute()).toBeNaN()
    expect(measured(metric, [0.9], [1])).toBe(1)
    metric.reset()
    expect(metric.compute()).toBeNaN()
  })

  test('goes by its own name or another one, which types know', () => {
    const own: metrics.Metric<'recall'> = new metrics.Recall()
    const other: metrics.Metric<'hits'> = new metrics.Recall({ name: 'hits', threshold: 0.2 })
    expect([own.name, other.name]).toEqual(['recall', 'hits'])
    expect(metrics.isMetric(own)).toBe(true)
    expect(metrics.isMetric({ name: 'x', compute: () => 1 })).toBe(false)
  })

  test('keeps sums apart from f32: many small numbers beside a large one', () => {
    const metric = new metrics.MeanAbsoluteError()
    metric.update([2 ** 24], [0])
    for (let i = 0; i < 100; i++) metric.update([1], [0])
    expect(metric.compute()).toBe((2 ** 24 + 100) / 101)
    const together = new metrics.MeanAbsoluteError()
    together.update([2 ** 24, ...Array.from({ length: 100 }, () => 1)], zeros([101]))
    expect(together.compute()).toBe(metric.compute())
  })

  test('of one’s own needs its sums and what they make', () => {
    class Mean extends metrics.Metric<'mean'> {
      override statistics(prediction: Tensor): Tensor {
        return this.sums([prediction.to('f64').sum(), tensor(prediction.numel)])
      }
      override result(sums: readonly number[]): number {
        const [sum = NaN, count = NaN] = this.totals(sums)
        return sum / count
      }
    }
    const metric = new Mean('mean')
    expect(measured(metric, [1, 2], [0, 0])).toBe(1.5)
    expect(measured(metric, [9], [0])).toBe(4)
  })

  test('refuses batches of another kind, no vectors, and traces', () => {
    const metric = new metrics.Precision({ average: 'macro' })
    metric.update([[0.1, 0.9]], [1])
    expect(() => metric.update([[0.1, 0.9, 0]], [1])).toThrow(
      /18 sums after 12; expected batches of one kind/,
    )
    class Wrong extends metrics.Metric {
      override statistics(): Tensor {
        return tensor(1)
      }
      override result(): number {
        return 0
      }
    }
    expect(() => new Wrong('wrong').update([1], [1])).toThrow(ValueError)
    expect(() => new Wrong('')).toThrow(/"" as name; expected one/)
    const traced = jit((x: Tensor) => {
      new metrics.BinaryAccuracy().update(x, x)
      return x
    })
    expect(() => traced(tensor([1]))).toThrow(/update inside a jitted function/)
  })
})

describe('weights that add up to 0', () => {
  test('make 0, as in Keras', () => {
    const scores = [
      [0.7, 0.3],
      [0.6, 0.4],
    ]
    const none = [0, 0]
    const ofNumbers = [
      new metrics.BinaryAccuracy(),
      new metrics.MeanSquaredError(),
      new metrics.MeanAbsoluteError(),
      new metrics.RootMeanSquaredError(),
      new metrics.R2(),
      new metrics.Precision(),
      new metrics.AUC(),
      new metrics.AUC({ curve: 'pr' }),
    ]
    for (const metric of ofNumbers) expect(measured(metric, [0.9, 0.1], [1, 0], none), metric.name).toBe(0)
    const ofClasses = [
      new metrics.SparseCategoricalAccuracy(),
      new metrics.SparseTopKCategoricalAccuracy({ k: 1 }),
      new metrics.Perplexity(),
      new metrics.F1(),
    ]
    for (const metric of ofClasses) expect(measured(metric, scores, [0, 1], none), metric.name).toBe(0)
  })
})

describe('predictions that are not finite', () => {
  const none = Number.NaN
  const hit = (scores: number[], label: number, k: number): number =>
    measured(new metrics.SparseTopKCategoricalAccuracy({ k }), [scores], [label])

  test('are no hits among the k largest, however large k is', () => {
    expect(hit([5, 9, none], 2, 1)).toBe(0)
    expect(hit([none, none, none], 0, 5)).toBe(0)
    expect(hit([5, 9, Infinity], 2, 1)).toBe(0)
    expect(measured(new metrics.TopKCategoricalAccuracy({ k: 2 }), [[none, 1, 0]], [[1, 0, 0]])).toBe(0)
  })

  test('push a finite one back as larger ones do', () => {
    expect(hit([5, 4, none], 0, 1)).toBe(0)
    expect(hit([5, 4, none], 0, 2)).toBe(1)
    // Classes that a mask rules out.
    expect(hit([5, 4, -Infinity], 0, 1)).toBe(1)
  })
})

describe('decisions', () => {
  test('are made above the threshold, 0 for logits', () => {
    expect(measured(new metrics.BinaryAccuracy(), [0.5, 0.51], [0, 1])).toBe(1)
    expect(measured(new metrics.BinaryAccuracy({ threshold: 0 }), [-0.1, 0.1], [0, 1])).toBe(1)
    expect(measured(new metrics.Precision({ threshold: 0 }), [[-1], [1], [2]], [0, 1, 0])).toBe(0.5)
  })

  test('that were never asked for make 0', () => {
    expect(measured(new metrics.Precision(), [0.1], [1])).toBe(0)
    expect(measured(new metrics.Recall(), [0.9], [0])).toBe(0)
    expect(measured(new metrics.F1(), [0.1], [0])).toBe(0)
  })

  test('over class indices are averaged over the classes that occur, by default', () => {
    const scores = [
      [0.7, 0.2, 0.1],
      [0.6, 0.3, 0.1],
    ]
    expect(measured(new metrics.Recall(), scores, [0, 1])).toBe(0.5)
    expect(measured(new metrics.Recall(), scores, [[0], [1]])).toBe(0.5)
    expect(measured(new metrics.F1({ average: 'micro' }), scores, [0, 1])).toBe(0.5)
  })

  test('may have their classes on another axis', () => {
    const scores = tensor([
      [
        [0.9, 0.2],
        [0.1, 0.8],
      ],
    ])
    const target = tensor([[0, 1]], { dtype: 'i32' })
    expect(measured(new metrics.SparseCategoricalAccuracy({ dim: 1 }), scores, target)).toBe(1)
    expect(measured(new metrics.Recall({ dim: 1, average: 'macro' }), scores, target)).toBe(1)
    expect(measured(new metrics.Recall({ dim: 1 }), scores.narrow(2, 0, 1), target.narrow(1, 0, 1))).toBe(1)
    expect(measured(new metrics.AUC({ dim: 1 }), scores, target)).toBe(1)
    expect(() => measured(new metrics.SparseCategoricalAccuracy({ dim: 3 }), scores, target)).toThrow(
      ShapeError,
    )
  })

  test('among the k best count ties as hits, as Keras does', () => {
    const top = (k: number): metrics.Metric => new metrics.SparseTopKCategoricalAccuracy({ k })
    expect(measured(top(1), [[0.3, 0.3, 0.4]], [0])).toBe(0)
    expect(measured(top(2), [[0.3, 0.3, 0.4]], [0])).toBe(1)
    expect(measured(top(2), [[0.3, 0.3, 0.4]], [1])).toBe(1)
  })
})

describe('areas under curves', () => {
  test('are 1 for perfect answers and 0.5 for none', () => {
    expect(measured(new metrics.AUC(), [0.1, 0.9], [0, 1])).toBe(1)
    expect(measured(new metrics.AUC(), [0.5, 0.5], [0, 1])).toBe(0.5)
    expect(measured(new metrics.AUC({ curve: 'pr' }), [0.1, 0.9], [0, 1])).toBeCloseTo(1, 12)
  })

  test('take logits, and class indices as the one-hot rows that they stand for', () => {
    const logits = [[2], [-1], [0.5], [-2]]
    const ones = [1, 0, 0, 1]
    const probabilities = tensor(logits).sigmoid()
    expect(measured(new metrics.AUC({ fromLogits: true }), logits, ones)).toBe(
      measured(new metrics.AUC(), probabilities, ones),
    )
    const scores = tensor([
      [1, 0, 0.5],
      [0.2, 0.1, 0.4],
    ])
    const hot = tensor([
      [1, 0, 0],
      [0, 1, 0],
    ])
    expect(measured(new metrics.AUC({ fromLogits: true }), scores, [0, 1])).toBe(
      measured(new metrics.AUC(), scores.softmax(-1), hot),
    )
  })

  test('are 0 where one class is missing, as Keras has it', () => {
    expect(measured(new metrics.AUC(), [0.1, 0.9], [1, 1])).toBe(0)
  })
})

describe('numbers', () => {
  test('R² of constant targets is 1 where predictions are exact, else 0', () => {
    expect(measured(new metrics.R2(), [3, 3], [3, 3])).toBe(1)
    expect(measured(new metrics.R2(), [3, 4], [3, 3])).toBe(0)
  })

  test('R² stands a mean far from zero', () => {
    const y = Array.from({ length: 50 }, (_, i) => 10_000 + i)
    const x = y.map((value, i) => value + (i % 2 === 0 ? 1 : -1))
    const expected = 1 - 50 / y.reduce((sum, value) => sum + (value - 10_024.5) ** 2, 0)
    expect(measured(new metrics.R2(), x, y)).toBeCloseTo(expected, 6)
  })

  test('perplexity leaves out what is padding, and takes logits', () => {
    const rows = [
      [0.25, 0.75],
      [0.5, 0.5],
      [0.9, 0.1],
    ]
    const padded = new metrics.Perplexity({ ignoreIndex: -100 })
    expect(measured(padded, rows, [0, 1, -100])).toBeCloseTo(Math.sqrt(8), 6)
    const logits = tensor(rows).log()
    expect(measured(new metrics.Perplexity({ fromLogits: true }), logits, [0, 1, 1])).toBeCloseTo(
      Math.cbrt(4 * 2 * 10),
      5,
    )
  })

  test('weights that do not belong to the samples are refused', () => {
    expect(() => measured(new metrics.MeanSquaredError(), [1, 2, 3], [1, 2, 3], [1, 2])).toThrow(
      /weights \[2\] for \[3\]; expected one for each of 3 samples/,
    )
    expect(() => measured(new metrics.MeanSquaredError(), zeros([2, 3]), zeros([3, 2]))).toThrow(ShapeError)
  })
})

describe('the confusion matrix', () => {
  test('grows with the classes that are met, unless it was told how many there are', () => {
    const matrix = new metrics.ConfusionMatrix()
    expect(matrix.compute()).toEqual([])
    matrix.update(tensor([0, 1], { dtype: 'i32' }), [0, 0])
    matrix.update(tensor([2], { dtype: 'i32' }), [1])
    expect(matrix.compute()).toEqual([
      [1, 1, 0],
      [0, 0, 1],
      [0, 0, 0],
    ])
    matrix.reset()
    expect(matrix.compute()).toEqual([])
    expect(new metrics.ConfusionMatrix({ numClasses: 2 }).compute()).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  test('refuses classes that do not exist, and then counts nothing of the batch', () => {
    const matrix = new metrics.ConfusionMatrix({ numClasses: 2 })
    expect(() => matrix.update(tensor([0, 2], { dtype: 'i32' }), [0, 0])).toThrow(IndexError)
    expect(() => matrix.update(tensor([0, -1], { dtype: 'i32' }), [0, 0])).toThrow(/class -1; expected/)
    expect(matrix.compute()).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  test('shares of nothing are 0', () => {
    const matrix = new metrics.ConfusionMatrix({ numClasses: 2, normalize: 'true' })
    matrix.update([0.9, 0.2], [1, 1])
    expect(matrix.compute()).toEqual([
      [0, 0],
      [0.5, 0.5],
    ])
  })
})

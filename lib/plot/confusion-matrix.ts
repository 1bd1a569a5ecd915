import type { TopLevelSpec } from 'vega-lite'
import { ShapeError, ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { isTensor, located } from '../tensor/base.js'
import { requireFlag, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { chart } from './libraries.js'
import { Picture } from './picture.js'
import { ink, look } from './theme.js'

export interface ConfusionMatrixOptions {
  /** Names of the classes; 0, 1, 2, … by default. */
  readonly labels?: readonly (string | number)[] | undefined
  /** Above the picture; nothing by default. */
  readonly title?: string | undefined
  /** Whether cells show the share of their row instead of the count; `false` by default. */
  readonly normalize?: boolean | undefined
}

/**
 * Counts of true classes (rows) and predicted classes (columns) as a picture: the darker a cell, the greater its share
 * of the row.
 *
 * @param counts - `[C, C]`: a tensor, or rows of numbers of at least 0
 * @param options - `labels`: names of the classes (their numbers); `title`; `normalize`: shares instead of counts
 * (`false`)
 * @returns the picture: `svg()`, `png()`, `save(path)`; drawn by the optional packages vega, vega-lite and
 * `@resvg/resvg-js`
 * @throws ShapeError for something that is no square, and for labels that are not as many
 * @throws ValueError for counts below 0 or not finite
 * @example
 * ```ts
 * import { plot } from 'neuroxide'
 * const picture = plot.confusionMatrix([[48, 2], [5, 45]], { labels: ['cat', 'dog'] })
 * console.log((await picture.svg()).includes('cat')) // true
 * ```
 */
export function confusionMatrix(
  counts: Tensor | readonly (readonly number[])[],
  options: ConfusionMatrixOptions = {},
): Picture {
  requireOptions('plot.confusionMatrix', options, ['labels', 'title', 'normalize'])
  const { title, normalize = false } = options
  requireFlag('plot.confusionMatrix', 'normalize', normalize)
  if (title !== undefined && typeof title !== 'string')
    throw located(ValueError, `plot.confusionMatrix: ${shown(title)} as title; expected a text.`)
  const rows = squareOf(counts)
  const spec = specOf(rows, labelsOf(options.labels, rows.length), title, normalize)
  return new Picture({ svg: async () => await chart(spec) })
}

function squareOf(counts: unknown): readonly (readonly number[])[] {
  const given = isTensor(counts) && counts.rank === 2 ? (counts.toArray() as unknown) : counts
  if (!Array.isArray(given) || given.length === 0) {
    const text = isTensor(counts) ? `a tensor [${counts.shape.join(', ')}]` : shown(counts)
    throw located(ShapeError, `plot.confusionMatrix: ${text}; expected counts [C, C].`)
  }
  for (const row of given as unknown[]) {
    if (!Array.isArray(row) || row.length !== given.length)
      throw located(
        ShapeError,
        `plot.confusionMatrix: ${shown(row)} as one of ${given.length} rows; expected ${given.length} counts in each.`,
      )
    const stray = row.findIndex((value) => typeof value !== 'number' || !(value >= 0 && value < Infinity))
    if (stray >= 0)
      throw located(
        ValueError,
        `plot.confusionMatrix: ${shown(row[stray])} as a count; expected a number of at least 0.`,
      )
  }
  return given as readonly (readonly number[])[]
}

function labelsOf(labels: unknown, classes: number): readonly string[] {
  if (labels === undefined) return Array.from({ length: classes }, (_, i) => String(i))
  if (!Array.isArray(labels) || labels.length !== classes)
    throw located(
      ShapeError,
      `plot.confusionMatrix: ${shown(labels)} as labels; expected a list of ${classes}, one for each class.`,
    )
  return labels.map(String)
}

function specOf(
  rows: readonly (readonly number[])[],
  labels: readonly string[],
  title: string | undefined,
  normalize: boolean,
): TopLevelSpec {
  const values = rows.flatMap((row, i) => {
    const sum = row.reduce((a, b) => a + b, 0)
    return row.map((count, j) => {
      const share = sum === 0 ? 0 : count / sum
      const text = normalize ? share.toFixed(2) : String(Number(count.toPrecision(6)))
      // Indices, not names, are the places: two classes of one name stay two.
      return { actual: i, predicted: j, share, text }
    })
  })
  const cell = Math.max(26, Math.min(64, 420 / rows.length))
  const size = { step: cell }
  const names = `${JSON.stringify(labels)}[datum.value]`
  const axis = { labelExpr: names, domain: false, ticks: false, labelAngle: 0, labelPadding: 6 }
  const font = Math.max(9, Math.min(15, cell / 3))
  return {
    ...look,
    ...(title === undefined ? {} : { title }),
    data: { values },
    width: size,
    height: size,
    encoding: {
      x: {
        field: 'predicted',
        type: 'ordinal',
        title: 'predicted class',
        axis: { ...axis, orient: 'bottom' },
      },
      y: { field: 'actual', type: 'ordinal', title: 'true class', axis },
    },
    layer: [
      {
        mark: { type: 'rect', stroke: 'white', strokeWidth: 1 },
        encoding: {
          color: {
            field: 'share',
            type: 'quantitative',
            scale: { domain: [0, 1], range: ['#f4f7fb', '#08519c'] },
            legend: {
              title: 'share of row',
              format: '.0%',
              gradientLength: Math.min(200, cell * rows.length),
            },
          },
        },
      },
      {
        mark: { type: 'text', fontSize: font, baseline: 'middle' },
        encoding: {
          text: { field: 'text' },
          color: { condition: { test: 'datum.share > 0.5', value: 'white' }, value: ink },
        },
      },
    ],
  } as TopLevelSpec
}

import type { TopLevelSpec } from 'vega-lite'
import { ShapeError, ValueError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { isTensor, located } from '../tensor/base.js'
import { requireInteger, requireOptions } from '../tensor/checks.js'
import { shown } from '../tensor/create.js'
import { chart } from './libraries.js'
import { Picture } from './picture.js'
import { look, palette } from './theme.js'

/** The numbers of a curve: plain, or a vector of a tensor. */
export type Numbers = readonly number[] | Tensor

/** A curve over 0, 1, 2, … (or over the `x` of all), or one with places of its own. */
export type Curve = Numbers | { readonly x: Numbers; readonly y: Numbers }

/** What a training recorded: what `fit` resolves with. */
export interface Recorded {
  /** The epochs, counted from 0. */
  readonly epoch: readonly number[]
  /** Curves by name; those that begin with `val` are drawn beside those of their training. */
  readonly history: Readonly<Record<string, readonly number[]>>
  /** The epochs of each curve; without them, a curve with fewer numbers than epochs belongs to the last ones. */
  readonly epochs?: Readonly<Record<string, readonly number[]>> | undefined
}

export interface CurvesOptions {
  /** Above the picture; nothing by default. */
  readonly title?: string | undefined
  /**
   * Where the numbers stand: as many as each curve has; 0, 1, 2, … by default. For a history one for each epoch, and by
   * default the epochs as `epoch` counts them, one more on a logarithmic axis, which has no 0.
   */
  readonly x?: Numbers | undefined
  /** Below the horizontal axis; nothing by default, and `'epoch'` for a history. */
  readonly xTitle?: string | undefined
  /** Beside the vertical axis; nothing by default, and for a history what its panel shows. */
  readonly yTitle?: string | undefined
  /** `'linear'` (default), or `'log'` for positive places. */
  readonly xScale?: 'linear' | 'log' | undefined
  /** `'linear'` (default), or `'log'` for positive numbers. */
  readonly yScale?: 'linear' | 'log' | undefined
  /** Whether each number gets a dot; by default where no curve has more than 30. */
  readonly points?: boolean | undefined
  /** Pixels of the area of a panel, at least 50; 460, and 340 for a history. */
  readonly width?: number | undefined
  /** Pixels of the area of a panel, at least 50; 280. */
  readonly height?: number | undefined
}

const known = ['title', 'x', 'xTitle', 'yTitle', 'xScale', 'yScale', 'points', 'width', 'height']

interface Point {
  readonly x: number
  readonly y: number | null
  readonly curve: string
}

interface Panel {
  readonly title: string
  readonly names: readonly string[]
  readonly points: readonly Point[]
}

/**
 * Curves over a common axis, such as losses over epochs, as a picture with a legend.
 *
 * Given what `fit` resolves with, it draws a panel for the loss and one for each metric, the validation dashed beside
 * its training. A number that is not finite leaves a gap.
 *
 * @param curves - named lists of numbers (or vectors, or `{ x, y }` of them), or a history
 * @param options - `title`, `x`, `xTitle`, `yTitle`, `xScale`, `yScale`, `points`, `width`, `height`
 * @returns the picture: `svg()`, `png()`, `save(path)`; drawn by the optional packages vega, vega-lite and
 * `@resvg/resvg-js`
 * @throws ShapeError when x and y have different lengths
 * @throws ValueError for no curves, and for numbers of at most 0 on an axis with a logarithmic scale
 * @example
 * ```ts
 * import { plot } from 'neuroxide'
 * const picture = plot.curves(
 *   { sgd: [1, 0.5, 0.25], adam: [1, 0.1, 0.01] },
 *   { title: 'Two optimizers', xTitle: 'epoch', yTitle: 'loss', yScale: 'log' },
 * )
 * console.log((await picture.svg()).includes('Two optimizers')) // true
 * ```
 */
export function curves(
  curves: Recorded | Readonly<Record<string, Curve>>,
  options: CurvesOptions = {},
): Picture {
  requireOptions('plot.curves', options, known)
  requireLook(options)
  if (typeof curves !== 'object' || curves === null || Array.isArray(curves) || isTensor(curves))
    throw located(
      ValueError,
      `plot.curves: ${shown(curves)}; expected named curves, as in { loss: [1, 0.5] }.`,
    )
  const panels = isRecorded(curves) ? panelsOf(curves, options) : [panelOf(curves, options)]
  const names = panels.flatMap((panel) => panel.names)
  if (names.length === 0)
    throw located(ValueError, 'plot.curves: no curves; expected at least one, as in { loss: [1, 0.5] }.')
  const spec = specOf(panels, options, isRecorded(curves))
  return new Picture({ svg: async () => await chart(spec) })
}

function isRecorded(curves: object): curves is Recorded {
  return (
    'epoch' in curves &&
    'history' in curves &&
    typeof curves.history === 'object' &&
    curves.history !== null &&
    !Array.isArray(curves.history) &&
    !isTensor(curves.history) &&
    !('y' in curves.history)
  )
}

function requireLook({ title, xTitle, yTitle, xScale, yScale, points, width, height }: CurvesOptions): void {
  for (const [name, value] of Object.entries({ title, xTitle, yTitle }))
    if (value !== undefined && typeof value !== 'string')
      throw located(ValueError, `plot.curves: ${shown(value)} as ${name}; expected a text.`)
  for (const [name, value] of Object.entries({ xScale, yScale }))
    if (value !== undefined && value !== 'linear' && value !== 'log')
      throw located(ValueError, `plot.curves: ${shown(value)} as ${name}; expected 'linear' or 'log'.`)
  if (points !== undefined && typeof points !== 'boolean')
    throw located(ValueError, `plot.curves: ${shown(points)} as points; expected true or false.`)
  for (const [name, value] of Object.entries({ width, height }))
    if (value !== undefined) requireInteger('plot.curves', name, value, 50)
}

/** Plain numbers of a list or a vector. */
function numbersOf(what: string, given: unknown): readonly number[] {
  const values = isTensor(given) && given.rank === 1 ? (given.toArray() as unknown[]) : given
  if (!Array.isArray(values) || !values.every((value) => typeof value === 'number')) {
    const text = isTensor(given) ? `a tensor [${given.shape.join(', ')}]` : shown(given)
    throw located(ValueError, `plot.curves: ${text} as ${what}; expected numbers, in a list or a vector.`)
  }
  return values
}

function pointsOf(name: string, curve: unknown, options: CurvesOptions): Point[] {
  const own = typeof curve === 'object' && curve !== null && !isTensor(curve) && 'y' in curve
  const y = numbersOf(`"${name}"`, own ? curve.y : curve)
  const places = own && 'x' in curve ? curve.x : options.x
  const x = places === undefined ? y.map((_, i) => i) : numbersOf('x', places)
  if (x.length !== y.length)
    throw located(
      ShapeError,
      `plot.curves: ${x.length} places for the ${y.length} numbers of "${name}"; expected as many.`,
    )
  const low = (values: readonly number[]): number | undefined => values.find((value) => value <= 0)
  const stray = options.yScale === 'log' ? low(y) : undefined
  const strayPlace = options.xScale === 'log' ? low(x) : undefined
  if (stray !== undefined || strayPlace !== undefined)
    throw located(
      ValueError,
      `plot.curves: ${stray ?? strayPlace} in "${name}" on a logarithmic scale; expected positive numbers.`,
    )
  return y.map((value, i) => ({ x: x[i] ?? i, y: Number.isFinite(value) ? value : null, curve: name }))
}

function panelOf(curves: Readonly<Record<string, Curve>>, options: CurvesOptions): Panel {
  const points = Object.entries(curves).flatMap(([name, curve]) => pointsOf(name, curve, options))
  return { title: options.yTitle ?? '', names: Object.keys(curves), points }
}

/** A panel for the loss and one for each metric. */
function panelsOf({ epoch, history, epochs }: Recorded, options: CurvesOptions): Panel[] {
  const families = new Map<string, string[]>()
  for (const name of Object.keys(history)) {
    const [, rest] = /^val([A-Z].*)$/.exec(name) ?? []
    const plain = rest === undefined ? name : `${rest.charAt(0).toLowerCase()}${rest.slice(1)}`
    const family = rest !== undefined && Object.hasOwn(history, plain) ? plain : name
    families.set(family, [...(families.get(family) ?? []), name])
  }
  const first = options.xScale === 'log' ? 1 : 0
  const all = options.x === undefined ? epoch.map((number) => number + first) : numbersOf('x', options.x)
  if (all.length !== epoch.length)
    throw located(
      ShapeError,
      `plot.curves: ${all.length} places for the ${epoch.length} epochs of a history; expected as many.`,
    )
  const placeOf = new Map(epoch.map((number, i) => [number, all[i] ?? number]))
  return [...families].map(([family, names]) => {
    const chosen = Object.fromEntries(names.map((name) => [name, history[name] ?? []]))
    const points = names.flatMap((name) => {
      const y = chosen[name] ?? []
      const own = epochs?.[name] ?? epoch.slice(epoch.length - y.length)
      return pointsOf(name, { x: own.map((number) => placeOf.get(number) ?? number + first), y }, options)
    })
    return { title: options.yTitle ?? family, names, points }
  })
}

/** Most curves that are shown with a dot for each number. */
const DOTTED = 30

function specOf(panels: readonly Panel[], options: CurvesOptions, ofTraining: boolean): TopLevelSpec {
  const title = options.title === undefined ? {} : { title: options.title }
  const [first] = panels
  const views = panels.map((panel) => viewOf(panel, options, ofTraining))
  if (views.length === 1 && first !== undefined) return { ...look, ...title, ...views[0] } as TopLevelSpec
  return {
    ...look,
    ...title,
    concat: views,
    columns: 2,
    spacing: 36,
    resolve: { scale: { color: 'independent', strokeDash: 'independent' } },
  } as TopLevelSpec
}

function viewOf({ title, names, points }: Panel, options: CurvesOptions, ofTraining: boolean): object {
  const { width = ofTraining ? 340 : 460, height = 280 } = options
  const longest = Math.max(...names.map((name) => points.filter(({ curve }) => curve === name).length))
  const dotted = options.points ?? longest <= DOTTED
  const whole = points.every(({ x }) => Number.isInteger(x))
  const scale = (type: 'linear' | 'log' | undefined, nice: boolean): object =>
    type === 'log' ? { type: 'log', nice: false } : { zero: false, nice }
  // A curve with one number only is a dot, which a line would not show.
  const mark = {
    type: 'line',
    strokeWidth: 2,
    clip: false,
    ...(dotted ? { point: { size: 22, filled: true } } : {}),
  }
  const span = new Set(points.map(({ x }) => x)).size
  // Between two epochs there is no epoch that a tick could name.
  const steps = { tickMinStep: 1, format: '~r', tickCount: Math.min(span, 10) }
  const legend =
    names.length < 2
      ? null
      : {
          title: null,
          symbolType: 'stroke',
          ...(names.length > 4 ? { orient: 'right' } : { orient: 'top', offset: 6 }),
        }
  return {
    width,
    height,
    data: { values: points },
    mark,
    encoding: {
      x: {
        field: 'x',
        type: 'quantitative',
        title: options.xTitle ?? (ofTraining ? 'epoch' : null),
        scale: scale(options.xScale, !whole),
        axis: {
          grid: false,
          labelFlush: false,
          ...(options.xScale === 'log' ? decades(points.map(({ x }) => x)) : whole ? steps : {}),
        },
      },
      y: {
        field: 'y',
        type: 'quantitative',
        title: title === '' ? null : title,
        scale: scale(options.yScale, true),
        axis: {
          // A longer title would make room for itself above and below.
          titleLimit: 1.3 * height,
          ...(options.yScale === 'log' ? decades(points.flatMap(({ y }) => (y === null ? [] : [y]))) : {}),
        },
      },
      color: {
        field: 'curve',
        type: 'nominal',
        scale: { domain: names, range: names.map((_, i) => palette[i % palette.length]) },
        legend,
      },
      strokeDash: {
        field: 'curve',
        type: 'nominal',
        scale: { domain: names, range: names.map((name) => (/^val[A-Z]/.test(name) ? [6, 4] : [1, 0])) },
        legend,
      },
    },
  }
}

/** Ticks of a logarithmic axis: powers of ten where there are several, else 1, 2 and 5 times them. */
function decades(values: readonly number[]): object {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (values.length === 0) return {}
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))]
  const stride = Math.max(1, Math.ceil((last - first) / 8))
  const factors = last - first > 3 ? [1] : last - first > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7]
  const ticks: number[] = []
  for (let power = first; power <= last; power += stride)
    ticks.push(...factors.map((factor) => Number(`${factor}e${power}`)))
  return {
    values: ticks.filter((tick) => tick >= low && tick <= high),
    format: low < 1e-3 || high >= 1e5 ? '~e' : '~r',
  }
}

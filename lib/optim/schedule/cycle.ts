import { ValueError } from '../../errors.js'
import { Options } from '../../options.js'
import {
  LRScheduler,
  type Scheduled,
  type ScheduledGroup,
  momentumOf,
  requireOptimizer,
  setInitialRate,
  setMomentum,
} from './scheduler.js'

/** What both cycles say of momentum. */
export interface MomentumCycle {
  /** Whether momentum (the first of Adam's betas) falls while the rate rises; `true` by default. */
  readonly cycleMomentum?: boolean | undefined
  /** Momentum at the highest rate: one for all groups, or one for each. */
  readonly baseMomentum?: number | readonly number[] | undefined
  /** Momentum at the lowest rate. */
  readonly maxMomentum?: number | readonly number[] | undefined
}

interface Momenta {
  readonly base: readonly number[]
  readonly max: readonly number[]
}

/** The momenta of each group, or null where they are left alone; writes the first ones. */
function momenta(op: string, read: Options, optimizer: Scheduled, base: number, max: number): Momenta | null {
  if (!read.flag('cycleMomentum', true)) return null
  const groups = optimizer.paramGroups
  if (groups.some((group) => momentumOf(group) === null))
    throw new ValueError(
      `optim.lrScheduler.${op}: an optimizer without momentum or betas; expected one with, or cycleMomentum: false. ` +
        'Momentum has to be above 0 when an optimizer is made, so that there is state for it.',
    )
  const found = {
    base: read.perGroup('baseMomentum', groups.length, base),
    max: read.perGroup('maxMomentum', groups.length, max),
  }
  for (const [i, group] of groups.entries()) setMomentum(group, found.max[i] ?? max)
  return found
}

export interface OneCycleLROptions extends MomentumCycle {
  /** The highest rate: one for all groups, or one for each. */
  readonly maxLr: number | readonly number[]
  /** Steps of the whole cycle; or `epochs` and `stepsPerEpoch`. */
  readonly totalSteps?: number | undefined
  readonly epochs?: number | undefined
  readonly stepsPerEpoch?: number | undefined
  /** Share of the steps in which the rate rises, from 0 to 1; `0.3` by default. */
  readonly pctStart?: number | undefined
  /** `'cos'` by default. */
  readonly annealStrategy?: 'cos' | 'linear' | undefined
  /** The first rate is `maxLr / divFactor`; `25` by default. */
  readonly divFactor?: number | undefined
  /** The last rate is the first one divided by this; `1e4` by default. */
  readonly finalDivFactor?: number | undefined
  /** Whether the rate comes back to the first one before it goes to the last; `false` by default. */
  readonly threePhase?: boolean | undefined
}

type Level = 'initial' | 'max' | 'min'

interface Part {
  readonly end: number
  readonly from: Level
  readonly to: Level
  readonly momentum: readonly [from: keyof Momenta, to: keyof Momenta]
}

const oneCycle = [
  'maxLr',
  'totalSteps',
  'epochs',
  'stepsPerEpoch',
  'pctStart',
  'annealStrategy',
  'cycleMomentum',
  'baseMomentum',
  'maxMomentum',
  'divFactor',
  'finalDivFactor',
  'threePhase',
]

/**
 * One rise of the rates to `maxLr` and a long fall to almost 0, stepped after each batch; `baseMomentum` (`0.85`) and
 * `maxMomentum` (`0.95`) go the other way round.
 *
 * @throws ValueError for options out of range, for an optimizer without momentum unless `cycleMomentum: false`, and for
 * more than `totalSteps` steps
 * @see Smith, Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates" (2018)
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.Adam(new nn.Linear(2, 1).parameters())
 * const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, { maxLr: 0.1, epochs: 2, stepsPerEpoch: 50 })
 * const rates = Array.from({ length: 99 }, () => {
 *   scheduler.step()
 *   return optimizer.lr
 * })
 * console.log(Math.max(...rates), optimizer.lr < 1e-6) // 0.1 true
 * ```
 */
export class OneCycleLR extends LRScheduler {
  readonly #totalSteps: number
  readonly #parts: readonly Part[]
  readonly #levels: Readonly<Record<Level, readonly number[]>>
  readonly #momenta: Momenta | null
  readonly #cosine: boolean

  constructor(optimizer: Scheduled, options: OneCycleLROptions) {
    requireOptimizer('OneCycleLR', optimizer)
    const read = new Options('optim.lrScheduler.OneCycleLR', options, oneCycle)
    const total = totalSteps(read)
    const max = read.perGroup('maxLr', optimizer.paramGroups.length)
    const initial = max.map((lr) => lr / read.number('divFactor', 25, Number.MIN_VALUE))
    const min = initial.map((lr) => lr / read.number('finalDivFactor', 1e4, Number.MIN_VALUE))
    super(optimizer, (group, i) => setInitialRate(group, initial[i] ?? group.lr))
    this.#totalSteps = total
    this.#levels = { initial, max, min }
    this.#cosine = read.choice('annealStrategy', ['cos', 'linear'], 'cos') === 'cos'
    this.#parts = parts(total, read.number('pctStart', 0.3, 0, 1), read.flag('threePhase', false))
    this.#momenta = momenta('OneCycleLR', read, optimizer, 0.85, 0.95)
    this.begin()
  }

  protected override rates(): number[] {
    const step = this.lastEpoch
    if (step > this.#totalSteps)
      throw new ValueError(
        `optim.lrScheduler.OneCycleLR: step ${step} of ${this.#totalSteps}; expected no more. ` +
          'Is it stepped after each batch, with as many totalSteps as there are batches?',
      )
    const at = this.#parts.findIndex(({ end }) => step <= end)
    const part = this.#parts.at(at)
    if (part === undefined) return [...this.baseLrs]
    const start = this.#parts[this.#parts.indexOf(part) - 1]?.end ?? 0
    // A phase of no length is one that is over.
    const share = part.end === start ? 1 : (step - start) / (part.end - start)
    for (const [i, group] of this.optimizer.paramGroups.entries()) this.#writeMomentum(group, i, part, share)
    return this.optimizer.paramGroups.map((_, i) =>
      this.#between(this.#levels[part.from][i] ?? 0, this.#levels[part.to][i] ?? 0, share),
    )
  }

  #writeMomentum(group: ScheduledGroup, i: number, { momentum: [from, to] }: Part, share: number): void {
    if (this.#momenta === null) return
    setMomentum(group, this.#between(this.#momenta[from][i] ?? 0, this.#momenta[to][i] ?? 0, share))
  }

  #between(from: number, to: number, share: number): number {
    if (this.#cosine) return to + ((from - to) / 2) * (Math.cos(Math.PI * share) + 1)
    return (to - from) * share + from
  }
}

function totalSteps(read: Options): number {
  if (read.has('totalSteps')) return read.integer('totalSteps', undefined, 1)
  if (!read.has('epochs') || !read.has('stepsPerEpoch'))
    return read.fail('totalSteps', 'an integer of at least 1, or epochs and stepsPerEpoch')
  return read.integer('epochs', undefined, 1) * read.integer('stepsPerEpoch', undefined, 1)
}

function parts(total: number, rise: number, three: boolean): Part[] {
  const up: Part = { end: rise * total - 1, from: 'initial', to: 'max', momentum: ['max', 'base'] }
  if (!three) return [up, { end: total - 1, from: 'max', to: 'min', momentum: ['base', 'max'] }]
  return [
    up,
    { end: 2 * rise * total - 2, from: 'max', to: 'initial', momentum: ['base', 'max'] },
    { end: total - 1, from: 'initial', to: 'min', momentum: ['max', 'max'] },
  ]
}

export interface CyclicLROptions extends MomentumCycle {
  /** The lowest rate: one for all groups, or one for each. */
  readonly baseLr: number | readonly number[]
  /** The highest rate of a cycle. */
  readonly maxLr: number | readonly number[]
  /** Steps in which the rate rises; `2000` by default. */
  readonly stepSizeUp?: number | undefined
  /** Steps in which it falls; as many as it rises by default. */
  readonly stepSizeDown?: number | undefined
  /** `'triangular'` (default), `'triangular2'`: half as high each cycle, `'exp_range'`: `gamma ** steps` as high. */
  readonly mode?: 'triangular' | 'triangular2' | 'exp_range' | undefined
  /** The factor of `'exp_range'`; `1` by default. */
  readonly gamma?: number | undefined
  /** A height of one's own, in place of `mode`. */
  readonly scaleFn?: ((x: number) => number) | undefined
  /** What `scaleFn` is called with: the number of the cycle, from 1, or that of the step; `'cycle'` by default. */
  readonly scaleMode?: 'cycle' | 'iterations' | undefined
}

const cyclic = [
  'baseLr',
  'maxLr',
  'stepSizeUp',
  'stepSizeDown',
  'mode',
  'gamma',
  'scaleFn',
  'scaleMode',
  'cycleMomentum',
  'baseMomentum',
  'maxMomentum',
]

/**
 * The rates rise and fall between two bounds, stepped after each batch; `baseMomentum` (`0.8`) and `maxMomentum` (`0.9`)
 * go the other way round.
 *
 * @throws ValueError for options out of range, and for an optimizer without momentum unless `cycleMomentum: false`
 * @see Smith, "Cyclical Learning Rates for Training Neural Networks" (2017)
 * @example
 * ```ts
 * import { nn, optim } from 'neuroxide'
 * const optimizer = new optim.SGD(new nn.Linear(2, 1).parameters(), { momentum: 0.9 })
 * const scheduler = new optim.lrScheduler.CyclicLR(optimizer, { baseLr: 0.5, maxLr: 1, stepSizeUp: 2 })
 * const rates = [optimizer.lr]
 * for (let step = 0; step < 4; step++) {
 *   scheduler.step()
 *   rates.push(optimizer.lr)
 * }
 * console.log(rates) // [ 0.5, 0.75, 1, 0.75, 0.5 ]
 * ```
 */
export class CyclicLR extends LRScheduler {
  readonly #base: readonly number[]
  readonly #max: readonly number[]
  readonly #total: number
  readonly #ratio: number
  readonly #scale: (x: number) => number
  readonly #perCycle: boolean
  readonly #momenta: Momenta | null

  constructor(optimizer: Scheduled, options: CyclicLROptions) {
    requireOptimizer('CyclicLR', optimizer)
    const read = new Options('optim.lrScheduler.CyclicLR', options, cyclic)
    const groups = optimizer.paramGroups.length
    const base = read.perGroup('baseLr', groups)
    const max = read.perGroup('maxLr', groups)
    const up = read.number('stepSizeUp', 2000, Number.MIN_VALUE)
    const total = up + read.number('stepSizeDown', up, Number.MIN_VALUE)
    const [scale, perCycle] = scaling(read)
    super(optimizer, (group, i) => (group.lr = base[i] ?? group.lr))
    this.#base = base
    this.#max = max
    this.#total = total
    this.#ratio = up / total
    this.#scale = scale
    this.#perCycle = perCycle
    this.#momenta = momenta('CyclicLR', read, optimizer, 0.8, 0.9)
    this.begin()
  }

  protected override rates(): number[] {
    const cycle = Math.floor(1 + this.lastEpoch / this.#total)
    const at = 1 + this.lastEpoch / this.#total - cycle
    const share = at <= this.#ratio ? at / this.#ratio : (at - 1) / (this.#ratio - 1)
    const scale = this.#scale(this.#perCycle ? cycle : this.lastEpoch)
    if (this.#momenta !== null) {
      const { base, max } = this.#momenta
      for (const [i, group] of this.optimizer.paramGroups.entries()) {
        const highest = max[i] ?? 0
        setMomentum(group, highest - (highest - (base[i] ?? 0)) * share * scale)
      }
    }
    return this.#base.map((lr, i) => lr + ((this.#max[i] ?? lr) - lr) * share * scale)
  }
}

function scaling(read: Options): [scale: (x: number) => number, perCycle: boolean] {
  const mode = read.choice('mode', ['triangular', 'triangular2', 'exp_range'], 'triangular')
  const gamma = read.number('gamma', 1, 0)
  const own = read.get('scaleFn')
  const perCycle = read.choice('scaleMode', ['cycle', 'iterations'], 'cycle') === 'cycle'
  if (own !== undefined) {
    if (typeof own !== 'function') return read.fail('scaleFn', 'a function')
    return [own as (x: number) => number, perCycle]
  }
  if (mode === 'triangular') return [() => 1, true]
  if (mode === 'triangular2') return [(cycle) => 1 / 2 ** (cycle - 1), true]
  return [(step) => gamma ** step, false]
}

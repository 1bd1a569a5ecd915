import { ValueError } from '../../errors.js'
import { shown } from '../../tensor/create.js'
import type { Options } from '../../options.js'
import type { CallbackParams, Logs } from '../callback.js'
import { validationName } from '../history.js'

/** Whether a number should fall or rise; `'auto'` takes it from the name. */
export type Mode = 'auto' | 'min' | 'max'

export interface MonitorOptions {
  /** The number that is watched: `'valLoss'` by default, or `'loss'`, a metric, `'val'` and a metric. */
  readonly monitor?: string | undefined
  /** Whether it should fall or rise; by default the name says it, and a name that does not needs it. */
  readonly mode?: Mode | undefined
}

/** Names that Keras writes with underscores: `val_loss` is `valLoss`. */
export function camelCase(name: string): string {
  return name.replaceAll(/_+([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase())
}

const rising = /(accuracy|auc|precision|recall|f1|f1score|r2|r2score|iou|similarity|score)$/i
const falling =
  /(loss|mse|mae|mape|msle|rmse|error|perplexity|crossentropy|crossEntropy|divergence|hinge|huber)$/i

/** Watches one of the numbers that epochs end with. */
export class Monitor {
  /** Its name, as logs have it. */
  readonly name: string
  readonly #op: string
  readonly #rises: boolean
  readonly #minDelta: number

  constructor(read: Options, op: string, minDelta = 0) {
    this.#op = op
    this.name = camelCase(read.text('monitor', 'valLoss'))
    this.#minDelta = Math.abs(minDelta)
    const mode = read.choice<Mode>('mode', ['auto', 'min', 'max'], 'auto')
    this.#rises = mode === 'auto' ? this.#direction() : mode === 'max'
  }

  #direction(): boolean {
    if (rising.test(this.name)) return true
    if (falling.test(this.name)) return false
    throw new ValueError(
      `${this.#op}: mode 'auto' of ${shown(this.name)}; expected 'min' or 'max', as the name does not say whether it should fall or rise.`,
    )
  }

  /**
   * The number of this epoch; null where the epoch has no validation and another one may.
   *
   * @throws ValueError where there is no such number
   */
  value(logs: Logs, params: CallbackParams): number | null {
    const value = logs[this.name]
    if (value !== undefined) return value
    if (mayCome(this.name, params)) return null
    throw missing(this.#op, this.name, logs)
  }

  /** Whether a value is better than another, by more than `minDelta`; NaN never is. */
  isImprovement(value: number, than: number | null): boolean {
    if (than === null) return !Number.isNaN(value)
    return this.#rises ? value - this.#minDelta > than : value + this.#minDelta < than
  }
}

/** Whether it is a number of a validation that not every epoch ends with. */
export function mayCome(name: string, { metrics, validationFreq }: CallbackParams): boolean {
  return validationFreq !== undefined && metrics.some((metric) => validationName(metric) === name)
}

/** The error of a number that does not exist, which names those that do. */
export function missing(op: string, name: string, logs: Logs): ValueError {
  const names = Object.keys(logs)
  const validated = names.some((other) => other.startsWith('val'))
  const hint =
    name.startsWith('val') && !validated
      ? ' Numbers that begin with val need validationData or validationSplit.'
      : ''
  return new ValueError(
    `${op}: monitor is ${shown(name)}, which no epoch ends with; expected one of ${names.join(', ') || 'none'}.${hint}`,
  )
}

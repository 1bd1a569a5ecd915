import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { callbacks } from 'neuroxide'
import { type Hooks, params, played, small } from './stage.js'

interface Decided {
  readonly ended?: number | null
  readonly best?: number | null
  readonly bestEpoch?: number
  readonly stoppedEpoch?: number
  readonly weights?: number
  readonly rates?: readonly number[]
}

interface Case {
  readonly callback: 'EarlyStopping' | 'ReduceLROnPlateau'
  readonly options: Readonly<Record<string, number | boolean | string>>
  readonly sequence: string
  readonly decided: Decided
}

const stored = JSON.parse(
  readFileSync(new URL('../../golden/peers/decisions.json', import.meta.url), 'utf8'),
) as { readonly sequences: Readonly<Record<string, readonly number[]>>; readonly cases: readonly Case[] }

const make = (name: Case['callback'], options: object): Hooks =>
  name === 'EarlyStopping'
    ? new callbacks.EarlyStopping({ monitor: 'x', ...options })
    : new callbacks.ReduceLROnPlateau({ monitor: 'x', ...options })

const title = ({ callback, options, sequence }: Case): string =>
  `${callback} ${JSON.stringify(options)} on ${sequence}`

const cases = stored.cases.map((entry) => [title(entry), entry] as const)

async function decisions(callback: Hooks, values: readonly number[]): Promise<Decided> {
  const model = small()
  const rates: number[] = []
  const logs = values.map((x) => ({ x }))
  const spy: Hooks = {
    ...bound(callback),
    onEpochEnd: (epoch, logs) => {
      callback.onEpochEnd?.(epoch, logs)
      rates.push(model.optimizer!.lr)
    },
  }
  const weight = model.parameters()[0]!
  const count = await played(spy, model, logs, (epoch) => void weight.copyFrom(epoch))
  if (!(callback instanceof callbacks.EarlyStopping)) return { rates }
  const { best, bestEpoch, stoppedEpoch } = callback
  const ended = model.stopTraining ? count - 1 : null
  return { ended, best, bestEpoch, stoppedEpoch, weights: weight.item() }
}

/** The hooks of a callback as a plain object. */
function bound(callback: Hooks): Hooks {
  return {
    attach: (model, given) => callback.attach?.(model, given),
    onTrainBegin: (logs) => callback.onTrainBegin?.(logs),
    onTrainEnd: (logs) => callback.onTrainEnd?.(logs),
  }
}

describe('decisions are Keras’s', () => {
  test('for many cases', () => {
    expect(cases.length).toBeGreaterThanOrEqual(80)
  })

  test.each(cases)('%s', async (_, { callback, options, sequence, decided }) => {
    const ours = await decisions(make(callback, options), stored.sequences[sequence]!)
    const { rates: given = [], ...rest } = ours
    const { rates = [], ...wanted } = decided
    expect(rest).toEqual(wanted)
    expect(given).toHaveLength(rates.length)
    for (const [i, rate] of rates.entries()) expect(given[i]).toBeCloseTo(rate, 12)
  })

  test.each(cases)('%s, resumed after each epoch', async (_, { callback, options, sequence, decided }) => {
    const values = stored.sequences[sequence]!
    const model = small()
    const weight = model.parameters()[0]!
    let current = make(callback, options)
    let ended: number | null = null
    current.attach?.(model, params())
    current.onTrainBegin?.({})
    for (const [epoch, x] of values.entries()) {
      weight.copyFrom(epoch)
      current.onEpochEnd?.(epoch, { x })
      if (model.stopTraining) {
        ended = epoch
        break
      }
      const next = make(callback, options)
      next.attach?.(model, params())
      next.onTrainBegin?.({})
      next.loadState?.(JSON.parse(JSON.stringify(current.state?.())))
      next.loadStateTensors?.(current.stateTensors?.() ?? {})
      current = next
    }
    current.onTrainEnd?.({})
    if (callback === 'EarlyStopping') expect([ended, weight.item()]).toEqual([decided.ended, decided.weights])
    else expect(model.optimizer!.lr).toBeCloseTo(decided.rates!.at(-1)!, 12)
  })
})

import { pythonWith } from '../../python.js'

const python = pythonWith('tensorboard')

export const withTensorBoard = python.skipped === ''

/** Stands in the title of tests that are skipped. */
export const { skipped } = python

export interface Read {
  readonly scalars: Readonly<Record<string, [step: number, value: number, wall: number][]>>
  readonly histograms: Readonly<Record<string, [step: number, min: number, max: number, num: number][]>>
}

/** What TensorBoard itself reads in a folder. */
export function read(folder: string): Read {
  const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0})
events.Reload()
tags = events.Tags()
print(json.dumps({
  "scalars": {t: [[e.step, e.value, e.wall_time] for e in events.Scalars(t)] for t in tags["scalars"]},
  "histograms": {t: [[e.step, e.histogram_value.min, e.histogram_value.max, e.histogram_value.num]
                     for e in events.Histograms(t)] for t in tags["histograms"]},
}))`
  return python.run(script, folder) as Read
}

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { kerasRuns, runKeras } from './keras.js'
import { runModules } from './modules.js'
import { runOps } from './ops.js'
import { runOptimizers } from './optimizers.js'
import { Report } from './report.js'
import { runSchedulers } from './schedulers.js'
import { runTraining } from './trainings.js'

/** Runs every golden case of a folder; what it finds there decides what runs. */
export async function runGolden(dir: string): Promise<Report> {
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${dir} is no folder`)
  const report = new Report()
  const within = (...path: string[]): boolean => existsSync(join(dir, ...path))
  if (within('ops', 'manifest.json')) runOps(join(dir, 'ops'), report)
  if (within('modules.json')) runModules(dir, report)
  if (within('optim.json')) runOptimizers(dir, report)
  if (within('schedulers.json')) runSchedulers(dir, report)
  for (const name of readdirSync(dir).toSorted()) {
    const training = /^(train-.+)\.safetensors$/.exec(name)?.[1]
    if (training !== undefined) runTraining(dir, training, report)
    // Models of Hugging Face are read by nothing here.
    if (name.startsWith('hf-')) report.lacks(name)
  }
  for (const folder of [dir, join(dir, 'keras')])
    for (const name of kerasRuns(folder)) await runKeras(folder, name, report)
  if (report.isEmpty) report.fails(dir, `nothing in it is known; expected ${expected}`)
  return report
}

const expected =
  'ops/manifest.json, modules.json, optim.json, schedulers.json, train-*.safetensors, or runs of Keras ' +
  '(NAME.json with layers, fit and history beside NAME.safetensors), in it or in keras/'

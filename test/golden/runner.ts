import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { runKeras } from './keras.js'
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
  if (within('keras'))
    for (const name of readdirSync(join(dir, 'keras')).toSorted())
      if (name.endsWith('.json')) await runKeras(join(dir, 'keras'), name.slice(0, -'.json'.length), report)
  return report
}

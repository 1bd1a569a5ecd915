import { expect, test } from 'vitest'
import { loadAddon } from './addon.js'

// Ops are numbers: a new op must not show up here.
const names = [
  'alive',
  'apply',
  'applyList',
  'assign',
  'backward',
  'counters',
  'create',
  'debugCalls',
  'debugPanic',
  'device',
  'explain',
  'fitAbort',
  'fitResume',
  'fitStart',
  'gradEnabled',
  'gradOf',
  'gradients',
  'init',
  'intern',
  'loadFile',
  'loadedTensor',
  'memory',
  'meta',
  'number',
  'optimizerCreate',
  'optimizerFree',
  'optimizerHyper',
  'optimizerInfo',
  'optimizerState',
  'optimizerStep',
  'optimizerSteps',
  'parameter',
  'pathName',
  'pressure',
  'producer',
  'programFree',
  'read',
  'readAsync',
  'release',
  'releaseMany',
  'rngState',
  'run',
  'runAsync',
  'saveFile',
  'seed',
  'setGrad',
  'setMode',
  'setRequiresGrad',
  'setRngState',
  'sweep',
  'traceAbort',
  'traceBegin',
  'traceEnd',
  'verifyAbort',
  'verifyBegin',
  'verifyEnd',
  'verifyReplay',
  'zeroGrad',
]

test('the addon exports one constant set of functions, whatever ops exist', () => {
  const addon = loadAddon()
  expect(Object.keys(addon).toSorted()).toEqual(names)
  expect(names).toHaveLength(58)
  for (const name of names) expect(typeof addon[name]).toBe('function')
})

test('every op goes through the same entries: hundreds of codes, no export of their names', async () => {
  const { Code } = (await import(new URL('../../dist/ops.generated.js', import.meta.url).href)) as {
    Code: Record<string, number>
  }
  const ops = Object.keys(Code)
  expect(ops.length).toBeGreaterThan(100)
  const addon = loadAddon()
  expect(ops.filter((op) => op in addon)).toEqual([])
})

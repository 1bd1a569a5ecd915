// A worker thread that trains: to the end, or until it is terminated.
import { parentPort, workerData } from 'node:worker_threads'
import { startFit, trainEager, trainJit } from './training.mjs'

const { mode, steps, seed } = workerData

let told = false
function running() {
  if (!told) parentPort.postMessage('running')
  told = true
}

switch (mode) {
  case 'jit':
    parentPort.postMessage(trainJit(steps, seed, running))
    break
  case 'eager':
    parentPort.postMessage(trainEager(steps, seed, running))
    break
  case 'fit': {
    const fit = startFit(seed)
    setTimeout(running, 20)
    await fit
    break
  }
  default:
    throw new Error(`no mode ${mode}`)
}

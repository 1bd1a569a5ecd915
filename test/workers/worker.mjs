// A worker thread that trains: to the end, or until it is terminated.
import { parentPort, workerData } from 'node:worker_threads'
import { startFit, trainEager, trainJit } from './training.mjs'

const { mode, steps, seed, hook, at } = workerData
const post = parentPort.postMessage.bind(parentPort)

let told = false
function running() {
  if (!told) post('running')
  told = true
}

switch (mode) {
  case 'jit':
    post(trainJit(steps, seed, running))
    break
  case 'eager':
    post(trainEager(steps, seed, running))
    break
  case 'fit':
    await startFit(seed, { onEpochEnd: running })
    break
  case 'hook':
    // A hook that never answers, before or after a certain batch.
    await startFit(seed, {
      epochs: 2,
      batchSize: 1024,
      validationSplit: 0.5,
      callbacks: [
        {
          [hook]: async (count) => {
            if (count !== at) return
            running()
            await new Promise((resolve) => setTimeout(resolve, 1e6))
          },
        },
      ],
    })
    break
  default:
    throw new Error(`no mode ${mode}`)
}

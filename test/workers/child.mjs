// A process that ends in the middle of training, each time in another way.
import { startFit, trainEager, trainJit } from './training.mjs'

const [mode] = process.argv.slice(2)
const ready = () => process.stdout.write('running\n')

/** Does something once, in the middle of the epoch that follows. */
function soon(something) {
  let waiting = true
  return () => {
    if (waiting) setTimeout(something, 5)
    waiting = false
  }
}

switch (mode) {
  case 'exit in a loop':
    trainEager(1e9, 1, (step) => {
      if (step === 20) process.exit(7)
    })
    break
  case 'exit in a jitted loop':
    trainJit(1e9, 1, (step) => {
      if (step === 20) process.exit(7)
    })
    break
  case 'exit during fit':
    await startFit(1, { onEpochEnd: soon(() => process.exit(7)) })
    break
  case 'throw during fit':
    await startFit(1, {
      onEpochEnd: soon(() => {
        throw new Error('on purpose')
      }),
    })
    break
  case 'wait in a loop':
    trainEager(1e9, 1, (step) => {
      if (step === 20) ready()
    })
    break
  case 'wait in a jitted loop':
    trainJit(1e9, 1, (step) => {
      if (step === 20) ready()
    })
    break
  case 'wait during fit':
    await startFit(1, { onEpochEnd: soon(ready) })
    break
  case 'fit to the end':
    await startFit(1, { epochs: 2 })
    ready()
    break
  default:
    throw new Error(`no mode ${mode}`)
}

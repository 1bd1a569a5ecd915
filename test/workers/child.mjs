// A process that ends in the middle of training, each time in another way.
import { startFit, trainEager, trainJit } from './training.mjs'

const [mode] = process.argv.slice(2)
const ready = () => process.stdout.write('running\n')

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
    void startFit(1)
    setTimeout(() => process.exit(7), 100)
    break
  case 'throw during fit':
    void startFit(1)
    setTimeout(() => {
      throw new Error('on purpose')
    }, 100)
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
    void startFit(1)
    setTimeout(ready, 100)
    break
  case 'fit to the end':
    await startFit(1, { epochs: 2 })
    ready()
    break
  default:
    throw new Error(`no mode ${mode}`)
}

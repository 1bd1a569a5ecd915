import { ValueError } from '../../errors.js'
import { shown } from '../../tensor/create.js'
import { requireOptions } from '../../tensor/checks.js'
import { Callback, type CallbackHooks } from '../callback.js'
import { hookAliases, hookNames } from '../hook-names.js'

const op = 'callbacks.LambdaCallback'

/** The hooks of a `LambdaCallback`. */
export type LambdaHooks = Omit<CallbackHooks, 'attach'>

/**
 * Functions as a callback; `this.model` is not theirs, so a plain object with the same hooks does as well.
 *
 * @throws ValueError for what is no hook, or no function
 * @see Keras's `LambdaCallback`
 * @example
 * ```ts
 * import { callbacks, nn, randn } from 'neuroxide'
 * const model = new nn.Sequential(new nn.Linear(3, 1)).compile({ optimizer: 'adam', loss: 'mse' })
 * const counting = new callbacks.LambdaCallback({ onEpochEnd: (epoch) => console.log(epoch) })
 * await model.fit(randn([64, 3]), randn([64, 1]), { epochs: 2, callbacks: [counting], verbose: 0 })
 * ```
 */
export class LambdaCallback extends Callback {
  constructor(hooks: LambdaHooks) {
    super()
    const stateful = ['state', 'loadState', 'stateTensors', 'loadStateTensors']
    const known = [...hookNames, ...Object.keys(hookAliases), ...stateful]
    if (hooks === undefined)
      throw new ValueError(`${op}: undefined; expected an object with hooks, such as { onEpochEnd }.`)
    requireOptions(op, hooks, known)
    for (const [name, hook] of Object.entries(hooks)) {
      if (hook === undefined) continue
      if (typeof hook !== 'function')
        throw new ValueError(`${op}: ${shown(hook)} as ${name}; expected a function.`)
      Object.assign(this, { [name]: hook })
    }
  }
}

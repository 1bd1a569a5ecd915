export * as lrScheduler from './schedule/index.js'
export { EMA, type EMAOptions, type EMAState } from './ema.js'
export { Adagrad, RMSprop, type AdagradHypers, type RMSpropHypers } from './adaptive.js'
export { Adam, AdamW, type AdamHypers } from './adam.js'
export type { EpsMode } from './hyper.js'
export { SGD, type SGDHypers } from './sgd.js'
export { clipGradNorm, clipGradValue, type ClipOptions } from './clipping.js'
export {
  Optimizer,
  OptimizerStateError,
  type GroupOptions,
  type OptimizerState,
  type ParameterGroup,
  type ParameterState,
  type Trained,
} from './optimizer.js'

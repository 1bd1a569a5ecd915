export {
  ELU,
  GELU,
  LeakyReLU,
  LogSoftmax,
  ReLU,
  SiLU,
  Sigmoid,
  Softmax,
  Softplus,
  Tanh,
  type GeluApproximation,
} from './activation.js'
export { ModuleDict, ModuleList } from './containers.js'
export { Dropout } from './dropout.js'
export * as init from './init.js'
export { Linear, type LinearOptions } from './linear.js'
export {
  Module,
  StateDictError,
  isModule,
  type ForwardHook,
  type ForwardPreHook,
  type HookHandle,
  type LoadOptions,
  type LoadReport,
  type StateDict,
  type TensorModule,
} from './module.js'
export { AlphaDropout, GaussianNoise } from './noise.js'
export { Parameter, isParameter, type ParameterOptions } from './parameter.js'
export {
  CategoryEncoding,
  Normalization,
  type AdaptSamples,
  type CategoryEncodingOptions,
  type NormalizationOptions,
} from './preprocessing.js'
export { Flatten, Identity, Rescale } from './shaping.js'
export {
  BCELoss,
  BCEWithLogitsLoss,
  CrossEntropyLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  MSELoss,
  NLLLoss,
  SmoothL1Loss,
} from './loss.js'

/**
 * Deep learning that trains at native speed from TypeScript.
 *
 * @packageDocumentation
 */

export * as constraints from './index/constraints.js'
export * as callbacks from './train/callbacks/index.js'
export * as data from './data/index.js'
export * as datasets from './data/datasets.js'
export * as F from './functional.js'
export * as io from './io/index.js'
export * as losses from './losses.js'
export * as metrics from './metrics/index.js'
export * as nn from './index/nn.js'
export * as optim from './optim/index.js'
export type * as shapes from './types/index.js'
export * as plot from './plot/index.js'
export * as regularizers from './index/regularizers.js'

export * from './functional.js'
export {
  Tensor,
  arange,
  bernoulli,
  eye,
  fromTypedArray,
  full,
  fullLike,
  grad,
  isGradEnabled,
  isTensor,
  linspace,
  noGrad,
  ones,
  onesLike,
  rand,
  randint,
  randn,
  randperm,
  tensor,
  valueAndGrad,
  zeros,
  zerosLike,
} from './tensor.js'
export type { Extreme, Factors } from './tensor/reduce.js'

export { detectAnomaly } from './anomaly.js'
export {
  AnomalyError,
  BusyError,
  DTypeError,
  DeviceError,
  DisposedError,
  FileError,
  FormatError,
  GradError,
  IndexError,
  InternalError,
  LossInputError,
  ShapeError,
  TensorError,
  TraceError,
  ValueError,
} from './errors.js'
export type { ErrorCode, WarningCode } from './errors/codes.js'
export { jit, type CompiledFunction, type JitArgument, type JitOptions } from './jit.js'
export { deviceInfo, memory, type DeviceInfo, type MemoryInfo } from './memory.js'
export { manualSeed, rngState, setRngState, type RngState } from './random.js'
export { scope } from './scope.js'
export type { JsonObject, JsonValue } from './types/json.js'
export type {
  ArrayOf,
  AtIndex,
  Axes,
  Broadcast,
  Compared,
  CreationOptions,
  DType,
  DTypeOf,
  DTypeOfValues,
  Device,
  Divided,
  ElementOf,
  FloatDType,
  FloatOf,
  FloatTensor,
  Floating,
  GradientsOf,
  Joined,
  NestedArray,
  Promoted,
  Quotient,
  ReduceOptions,
  Same,
  Shape,
  ShapeMismatch,
  ShapeOf,
  ShapeOfValues,
  Sizes,
  SumOf,
  TensorLike,
  TensorValues,
  Truth,
  TypedArray,
  TypedArrayOf,
} from './types.js'

export {
  Callback,
  Model,
  type CallbackHooks,
  type CallbackParams,
  type CompileOptions,
  type Curves,
  type Fitting,
  type BatchCallback,
  type BatchOptions,
  type ClassWeights,
  type EpochCallback,
  type EpochLogs,
  type EpochResult,
  type EvaluateOptions,
  type Evaluation,
  type FitOptions,
  type History,
  type HistoryPictureOptions,
  type Input,
  type Loader,
  type LoaderBatch,
  type Logs,
  type LossFunction,
  type LossName,
  type LossesOption,
  type Metric,
  type MetricFunction,
  type MetricName,
  type MetricNameOf,
  type MetricsOf,
  type MetricsOption,
  type NamedMetric,
  type OneLoss,
  type OptimizerName,
  type PredictOptions,
  type ProgressStream,
  type RecordedHistory,
  type Samples,
  type SaveOptions,
  type SummaryOptions,
  type TrainBatchOptions,
  type ValidationName,
  type Verbosity,
  type WithMetrics,
} from './train/index.js'

export type {
  CompileOptions,
  LossesOption,
  LossNamesOf,
  Metric,
  MetricNameOf,
  MetricNamesOf,
  MetricsOption,
  NamedMetric,
  NumberNamesOf,
  OneLoss,
} from './compiled.js'
export type { LossFunction, LossName, MetricFunction, MetricName, OptimizerName } from './names.js'
export { Callback, type CallbackHooks, type CallbackParams, type Logs } from './callback.js'
export type { EvaluateOptions } from './evaluation.js'
export type { ClassWeights } from './class-weights.js'
export { Fitting, type EpochResult } from './epochs.js'
export type { BatchCallback, EpochCallback, EpochLogs, FitOptions } from './fit-options.js'
export type { BatchOptions, TrainBatchOptions } from './single.js'
export type { Curves, History, HistoryPictureOptions, RecordedHistory, ValidationName } from './history.js'
export { Model, type Evaluation, type MetricsOf, type WithMetrics } from './model.js'
export type { PredictOptions } from './prediction.js'
export type { ProgressStream, Verbosity } from './progress.js'
export type { SaveOptions } from './saving.js'
export { Sequential } from './sequential.js'
export type { Input, Loader, LoaderBatch, Samples } from './source.js'
export type { SummaryOptions } from './summary.js'

export {
  BinaryAccuracy,
  CategoricalAccuracy,
  SparseCategoricalAccuracy,
  SparseTopKCategoricalAccuracy,
  TopKCategoricalAccuracy,
  type BinaryMetricOptions,
  type ClassMetricOptions,
  type NamingOptions,
  type TopKOptions,
} from './accuracies.js'
export {
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  type BinaryAccuracyOptions,
  type CategoricalAccuracyOptions,
} from './accuracy.js'
export { AUC, type AUCOptions } from './auc.js'
export { ConfusionMatrix, type ConfusionMatrixOptions } from './confusion.js'
export { F1, Precision, Recall, type Average, type CountOptions } from './counts.js'
export { Metric, isMetric } from './metric.js'
export { Perplexity, type PerplexityOptions } from './perplexity.js'
export {
  MeanAbsoluteError,
  MeanSquaredError,
  R2,
  RootMeanSquaredError,
  type R2Options,
} from './regression.js'

export {
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  type BinaryAccuracyOptions,
  type CategoricalAccuracyOptions,
} from './accuracy.js'
export { Metric, isMetric } from './metric.js'
export { MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError } from './regression.js'

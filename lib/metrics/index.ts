export {
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  type BinaryAccuracyOptions,
  type CategoricalAccuracyOptions,
} from './accuracy.js'

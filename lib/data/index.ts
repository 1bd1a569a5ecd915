export {
  TensorDataset,
  type Batch,
  type Dataset,
  type RowsOf,
  type SampleOf,
  type Tensors,
} from './dataset.js'
export { DataLoader, type LoaderOptions } from './loader.js'
export { parseIdx, readIdx } from './idx.js'
export { trainTestSplit, type Split, type SplitOptions } from './split.js'

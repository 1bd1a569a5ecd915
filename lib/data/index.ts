export {
  TensorDataset,
  type Batch,
  type Dataset,
  type RowsOf,
  type SampleOf,
  type Tensors,
} from './dataset.js'
export { DataError, type DataPlace } from './data-error.js'
export { DataLoader, type AsyncDataset, type LoaderOptions } from './loader.js'
export { parseIdx, readIdx } from './idx.js'
export { trainTestSplit, type Split, type SplitOptions } from './split.js'
export {
  Pipeline,
  type BatchOptions,
  type BufferOptions,
  type MapOptions,
  type PartOptions,
  type PipelineOrigin,
  type RowSource,
} from './stream.js'
export type { Batched, BatchedField, ElementTypes } from './collate.js'
export {
  csv,
  csvStream,
  type TableStream,
  type CsvOptions,
  type SingleTargetSample,
  type TableSample,
} from './csv.js'
export type { CsvFormat } from './csv-file.js'
export type { ColumnType } from './cell.js'
export type { Charset } from './charset.js'
export type { Column, Filling, Missing } from './column.js'
export { Preprocessing, type Encoding, type RawRecord, type UnknownCategory } from './preprocessing.js'
export { records } from './records.js'
export type { Table, TableInputs } from './table.js'
export type { TableOptions } from './table-plan.js'
export { image, images, type ImageFolder, type ImageFolderOptions, type ImageTensor } from './images.js'
export type { ImageFit, ImageOptions } from './picture.js'

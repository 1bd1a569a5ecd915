export { confusionMatrix, type ConfusionMatrixOptions } from './confusion-matrix.js'
export { curves, type Curve, type CurvesOptions, type Numbers, type Recorded } from './curves.js'
export { imageGrid, type ImageGridOptions } from './image-grid.js'
export type { Picture, PngOptions } from './picture.js'

export type { FilePath, NamedTensors } from './files.js'
export { loadNpy, loadNpz, saveNpy, saveNpz } from './numpy.js'
export { loadTensors, saveTensors, type SaveTensorsOptions, type TensorFile } from './safetensors.js'

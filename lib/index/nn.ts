export * from '../nn/index.js'
export { Sequential } from '../train/index.js'

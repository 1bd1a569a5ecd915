// The namespace `nn` as users see it: the layers, and the Sequential that can train itself, which lies above them.
export * from '../nn/index.js'
export { Sequential } from './sequential.js'

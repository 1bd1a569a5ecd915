// What the compiler computes with shapes; `shapes` in the public interface, so that declarations can name it.
export type * from './broadcast.js'
export type * from './fit.js'
export type * from './join.js'
export type * from './layers.js'
export type * from './loss.js'
export type * from './product.js'
export type * from './view.js'

// Every op as a function; `F` in the public interface.
export * from './functional/elementwise.generated.js'
export * from './functional/elementwise.js'
export * from './functional/activation.js'
export * from './functional/reduction.js'
export * from './functional/product.js'
export * from './functional/noise.js'
export * from './functional/picking.js'
export * from './functional/view.js'

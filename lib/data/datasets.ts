export { mnist, type LabelledImages, type Mnist, type MnistOptions } from './mnist.js'

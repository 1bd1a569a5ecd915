export {
  fromConfig,
  l1,
  l1l2,
  l2,
  type L1L2Options,
  type Regularizer,
  type RegularizerConfig,
} from '../nn/regularizers.js'

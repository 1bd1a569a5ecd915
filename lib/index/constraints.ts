export {
  fromConfig,
  maxNorm,
  minMaxNorm,
  nonNeg,
  unitNorm,
  type Constraint,
  type ConstraintConfig,
  type MinMaxNormOptions,
  type NormOptions,
} from '../nn/constraints.js'

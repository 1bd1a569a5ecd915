export { CosineAnnealingLR, CosineAnnealingWarmRestarts } from './cosine.js'
export type { CosineAnnealingLROptions, CosineAnnealingWarmRestartsOptions } from './cosine.js'
export { CyclicLR, OneCycleLR } from './cycle.js'
export type { CyclicLROptions, MomentumCycle, OneCycleLROptions } from './cycle.js'
export { ExponentialLR, LambdaLR, MultiStepLR, MultiplicativeLR, PolynomialLR, StepLR } from './decay.js'
export type {
  ExponentialLROptions,
  LambdaLROptions,
  MultiStepLROptions,
  PolynomialLROptions,
  RateFactor,
  StepLROptions,
} from './decay.js'
export { ReduceLROnPlateau, type PlateauOptions } from './plateau.js'
export { ConstantLR, LinearLR, type ConstantLROptions, type LinearLROptions } from './ramp.js'
export { LRScheduler, type Scheduled, type ScheduledGroup, type SchedulerState } from './scheduler.js'
export { ChainedScheduler, SequentialLR, warmup } from './sequence.js'
export type { SequentialLROptions, WarmupOptions } from './sequence.js'

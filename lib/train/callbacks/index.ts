export { BackupAndRestore, type BackupAndRestoreOptions } from './backup-and-restore.js'
export { CSVLogger, type CSVLoggerOptions } from './csv-logger.js'
export { EarlyStopping, type EarlyStoppingOptions } from './early-stopping.js'
export { LambdaCallback, type LambdaHooks } from './lambda-callback.js'
export {
  LearningRateScheduler,
  type LearningRateSchedulerOptions,
  type RateFunction,
} from './learning-rate-scheduler.js'
export { ModelCheckpoint, type ModelCheckpointOptions } from './model-checkpoint.js'
export type { Mode, MonitorOptions } from './monitor.js'
export { ReduceLROnPlateau, type ReduceLROnPlateauOptions } from './reduce-lr-on-plateau.js'
export { SwapEMAWeights, type SwapEMAWeightsOptions } from './swap-ema-weights.js'
export { TensorBoard, type TensorBoardOptions } from './tensor-board.js'
export { TerminateOnNaN, type TerminateOnNaNOptions } from './terminate-on-nan.js'
export { Timer, type TimerOptions } from './timer.js'

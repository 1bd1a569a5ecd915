import type { Metric } from './metric.js'
import { RootMeanSquaredError } from './regression.js'

/** What the loss of a model says about its predictions. */
export interface MetricContext {
  /** Whether predictions are logits: of one class, one half lies at 0; of several, softmax makes probabilities. */
  readonly logits?: boolean | undefined
  /** The axis of the classes; the last one by default. PyTorch's losses have them on axis 1. */
  readonly dim?: number | undefined
}

/** Streaming metrics that `compile` takes by name. */
export const metricsByName = {
  rmse: () => new RootMeanSquaredError('rmse'),
} as const satisfies Record<string, (context?: MetricContext) => Metric>

/** Names of streaming metrics. */
export type StreamingMetricName = keyof typeof metricsByName

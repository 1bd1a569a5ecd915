import { SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy } from './accuracies.js'
import { AUC } from './auc.js'
import { F1, Precision, Recall } from './counts.js'
import type { Metric } from './metric.js'
import { Perplexity } from './perplexity.js'
import { R2, RootMeanSquaredError } from './regression.js'

/** What the loss of a model says about its predictions. */
export interface MetricContext {
  /** Whether predictions are logits: of one class, one half lies at 0; of several, softmax makes probabilities. */
  readonly logits?: boolean | undefined
  /** The axis of the classes; the last one by default. PyTorch's losses have them on axis 1. */
  readonly dim?: number | undefined
}

/** Where a binary decision is made. */
function threshold({ logits = false }: MetricContext): number {
  return logits ? 0 : 0.5
}

/** Streaming metrics that `compile` takes by name, as they fit a loss. */
export const metricsByName = {
  precision: (of = {}) => new Precision({ threshold: threshold(of), dim: of.dim }),
  recall: (of = {}) => new Recall({ threshold: threshold(of), dim: of.dim }),
  f1: (of = {}) => new F1({ threshold: threshold(of), dim: of.dim }),
  auc: (of = {}) => new AUC({ fromLogits: of.logits, dim: of.dim }),
  prAuc: (of = {}) => new AUC({ name: 'prAuc', curve: 'pr', fromLogits: of.logits, dim: of.dim }),
  rmse: () => new RootMeanSquaredError(),
  rootMeanSquaredError: () => new RootMeanSquaredError({ name: 'rootMeanSquaredError' }),
  r2: () => new R2(),
  perplexity: (of = {}) => new Perplexity({ fromLogits: of.logits, dim: of.dim }),
  topKCategoricalAccuracy: (of = {}) => new TopKCategoricalAccuracy({ dim: of.dim }),
  sparseTopKCategoricalAccuracy: (of = {}) => new SparseTopKCategoricalAccuracy({ dim: of.dim }),
} as const satisfies Record<string, (context?: MetricContext) => Metric>

/** Names of streaming metrics. */
export type StreamingMetricName = keyof typeof metricsByName

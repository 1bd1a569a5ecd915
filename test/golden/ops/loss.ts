import { losses, type Tensor } from 'neuroxide'
import type { Arguments } from '../arguments.js'
import type { Table } from './table.js'

/** How a loss is reduced; it is always passed by name. */
function reduction(a: Arguments): losses.Reduction {
  const name = a.text(-1, 'reduction', 'mean')
  if (name !== 'none' && name !== 'mean' && name !== 'sum') throw new Error(`reduction ${name}`)
  return name
}

/** A factor, which is left out where there is none. */
function factor<K extends string>(key: K, value: Tensor | null): { readonly [k in K]?: Tensor } {
  return value === null ? {} : ({ [key]: value } as { [k in K]: Tensor })
}

function klDiv(a: Arguments): Tensor {
  const logTarget = a.boolean(-1, 'log_target')
  const options = {
    reduction: a.text(-1, 'reduction', 'mean') === 'batchmean' ? 'batchMean' : reduction(a),
  } as const
  return losses.klDiv(a.tensor(0), a.tensor(1), { ...options, logTarget })
}

function crossEntropy(a: Arguments): Tensor {
  return losses.crossEntropy(a.tensor(0), a.tensor(1), {
    ...factor('weight', a.optionalTensor(2, 'weight')),
    ignoreIndex: a.number(-1, 'ignore_index', -100),
    labelSmoothing: a.number(-1, 'label_smoothing', 0),
    reduction: reduction(a),
  })
}

const margin = (a: Arguments, initial: number): { margin: number; reduction: losses.Reduction } => ({
  margin: a.number(-1, 'margin', initial),
  reduction: reduction(a),
})

/** Losses. */
export const loss: Table = {
  'nn.functional.mse_loss': (a) => losses.mse(a.tensor(0), a.tensor(1), { reduction: reduction(a) }),
  'nn.functional.l1_loss': (a) => losses.l1(a.tensor(0), a.tensor(1), { reduction: reduction(a) }),
  'nn.functional.smooth_l1_loss': (a) =>
    losses.smoothL1(a.tensor(0), a.tensor(1), { beta: a.number(-1, 'beta', 1), reduction: reduction(a) }),
  'nn.functional.huber_loss': (a) =>
    losses.huber(a.tensor(0), a.tensor(1), { delta: a.number(-1, 'delta', 1), reduction: reduction(a) }),
  'nn.functional.binary_cross_entropy': (a) =>
    losses.binaryCrossEntropy(a.tensor(0), a.tensor(1), {
      ...factor('weight', a.optionalTensor(2, 'weight')),
      reduction: reduction(a),
    }),
  'nn.functional.binary_cross_entropy_with_logits': (a) =>
    losses.binaryCrossEntropyWithLogits(a.tensor(0), a.tensor(1), {
      ...factor('weight', a.optionalTensor(2, 'weight')),
      ...factor('posWeight', a.optionalTensor(-1, 'pos_weight')),
      reduction: reduction(a),
    }),
  'nn.functional.cross_entropy': crossEntropy,
  'nn.functional.nll_loss': (a) =>
    losses.nll(a.tensor(0), a.tensor(1), {
      ...factor('weight', a.optionalTensor(2, 'weight')),
      ignoreIndex: a.number(-1, 'ignore_index', -100),
      reduction: reduction(a),
    }),
  'nn.functional.kl_div': klDiv,
  'nn.functional.poisson_nll_loss': (a) =>
    losses.poisson(a.tensor(0), a.tensor(1), {
      logInput: a.boolean(-1, 'log_input', true),
      full: a.boolean(-1, 'full'),
      eps: a.number(-1, 'eps', 1e-8),
      reduction: reduction(a),
    }),
  'nn.functional.cosine_embedding_loss': (a) =>
    losses.cosineEmbedding(a.tensor(0), a.tensor(1), a.tensor(2), margin(a, 0)),
  'nn.functional.hinge_embedding_loss': (a) => losses.hingeEmbedding(a.tensor(0), a.tensor(1), margin(a, 1)),
  'nn.functional.margin_ranking_loss': (a) =>
    losses.marginRanking(a.tensor(0), a.tensor(1), a.tensor(2), margin(a, 0)),
  'nn.functional.soft_margin_loss': (a) =>
    losses.softMargin(a.tensor(0), a.tensor(1), { reduction: reduction(a) }),
  'nn.functional.triplet_margin_loss': (a) =>
    losses.tripletMargin(a.tensor(0), a.tensor(1), a.tensor(2), {
      ...margin(a, 1),
      p: a.number(-1, 'p', 2),
      eps: a.number(-1, 'eps', 1e-6),
      swap: a.boolean(-1, 'swap'),
    }),
}

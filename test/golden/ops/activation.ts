import { F, type Tensor } from 'neuroxide'
import type { Arguments } from '../arguments.js'
import { of1, type Call, type Table } from './table.js'

/** The constants with which mean 0 and variance 1 are kept: Klambauer et al., "Self-normalizing neural networks" (2017). */
const SELU = { alpha: 1.6732632423543772, scale: 1.0507009873554805 } as const

/** Softmax and its like: along `dim`, of values that are cast first where a dtype is asked for. */
function normalized(fn: (x: Tensor, axis: number) => Tensor): Call {
  return (a) => fn(a.typed(), a.number(1, 'dim'))
}

function gelu(a: Arguments): Tensor {
  const approximate = a.text(1, 'approximate', 'none')
  if (approximate !== 'none' && approximate !== 'tanh') throw new Error(`gelu of kind ${approximate}`)
  return F.gelu(a.tensor(0), approximate)
}

/** Activations, and what else works along an axis. */
export const activation: Table = {
  softmax: normalized(F.softmax),
  'softmax.with_dtype': normalized(F.softmax),
  log_softmax: normalized(F.logSoftmax),
  'log_softmax.with_dtype': normalized(F.logSoftmax),
  'nn.functional.softmin': normalized(F.softmin),
  'nn.functional.softmin.with_dtype': normalized(F.softmin),
  'nn.functional.relu': of1(F.relu),
  'nn.functional.gelu': gelu,
  'nn.functional.silu': of1(F.silu),
  'nn.functional.elu': (a) => F.elu(a.tensor(0), a.number(1, 'alpha', 1)),
  'nn.functional.leaky_relu': (a) => F.leakyRelu(a.tensor(0), a.number(1, 'negative_slope', 0.01)),
  'nn.functional.softplus': (a) =>
    F.softplus(a.tensor(0), a.number(1, 'beta', 1), a.number(2, 'threshold', 20)),
  'nn.functional.logsigmoid': of1(F.logSigmoid),
  'nn.functional.celu': (a) => {
    const alpha = a.number(1, 'alpha', 1)
    return F.elu(a.tensor(0).div(alpha)).mul(alpha)
  },
  'nn.functional.relu6': (a) => F.clamp(a.tensor(0), 0, 6),
  'nn.functional.hardtanh': (a) =>
    F.clamp(a.tensor(0), a.number(1, 'min_val', -1), a.number(2, 'max_val', 1)),
  'nn.functional.selu': (a) => F.elu(a.tensor(0), SELU.alpha).mul(SELU.scale),
  'nn.functional.mish': (a) => a.tensor(0).mul(F.softplus(a.tensor(0)).tanh()),
  'nn.functional.hardsigmoid': (a) => F.clamp(a.tensor(0).add(3), 0, 6).div(6),
  'nn.functional.hardshrink': (a) =>
    F.where(
      a
        .tensor(0)
        .abs()
        .gt(a.number(1, 'lambd', 0.5)),
      a.tensor(0),
      0,
    ),
  'nn.functional.softsign': (a) => a.tensor(0).div(a.tensor(0).abs().add(1)),
  'nn.functional.tanhshrink': (a) => a.tensor(0).sub(a.tensor(0).tanh()),
  'nn.functional.threshold': (a) =>
    F.where(a.tensor(0).gt(a.number(1, 'threshold')), a.tensor(0), a.number(2, 'value')),
  'nn.functional.glu': (a) => {
    const [value, gate] = F.chunk(a.tensor(0), 2, a.number(1, 'dim', -1))
    return F.mul(value as Tensor, (gate as Tensor).sigmoid())
  },
  'nn.functional.normalize': (a) =>
    F.normalize(a.tensor(0), {
      p: a.number(1, 'p', 2),
      axis: a.number(2, 'dim', 1),
      eps: a.number(3, 'eps', 1e-12),
    }),
  'nn.functional.cosine_similarity': (a) =>
    F.cosineSimilarity(a.tensor(0), a.tensor(1), {
      axis: a.number(2, 'dim', 1),
      eps: a.number(3, 'eps', 1e-8),
    }),
  'nn.functional.pairwise_distance': (a) =>
    F.pairwiseDistance(a.tensor(0), a.tensor(1), {
      p: a.number(2, 'p', 2),
      eps: a.number(3, 'eps', 1e-6),
      keepDim: a.boolean(4, 'keepdim'),
    }),
}

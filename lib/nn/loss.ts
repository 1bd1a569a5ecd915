import * as losses from '../losses.js'
import type { Tensor } from '../tensor.js'
import type { FloatTensor } from '../types.js'
import { Module } from './module.js'
import {
  binaryLogitsOptions,
  binaryOptions,
  crossEntropyOptions,
  klDivOptions,
  nllOptions,
} from '../losses/classification.js'
import { reductionCode, requireLossOptions, type Reduction } from '../losses/input.js'
import { huberOptions, smoothL1Options } from '../losses/regression.js'

/** A loss with its options, as a module: for those who keep it in a field, as is usual in PyTorch. */
abstract class Loss<O extends { readonly reduction?: Reduction | 'batchMean' | undefined }> extends Module {
  readonly options: Readonly<O>

  constructor(name: string, options: O, known: readonly string[] = []) {
    super()
    requireLossOptions(`nn.${name}`, options, known)
    reductionCode(`nn.${name}`, options.reduction, name === 'KLDivLoss' ? 4 : 3)
    this.options = options
  }
}

/**
 * {@link losses.mse} as a module.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.MSELoss().forward(tensor([1, 2]), tensor([1, 4])).item()) // 2
 * ```
 */
export class MSELoss extends Loss<losses.LossOptions> {
  constructor(options: losses.LossOptions = {}) {
    super('MSELoss', options)
  }

  override forward(prediction: Tensor, target: Tensor): FloatTensor {
    return losses.mse(prediction, target, this.options)
  }
}

/**
 * {@link losses.l1} as a module.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.L1Loss().forward(tensor([1, 2]), tensor([1, 4])).item()) // 1
 * ```
 */
export class L1Loss extends Loss<losses.LossOptions> {
  constructor(options: losses.LossOptions = {}) {
    super('L1Loss', options)
  }

  override forward(prediction: Tensor, target: Tensor): FloatTensor {
    return losses.l1(prediction, target, this.options)
  }
}

/**
 * {@link losses.smoothL1} as a module.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.SmoothL1Loss({ beta: 2 }).forward(tensor([1]), tensor([0])).item()) // 0.25
 * ```
 */
export class SmoothL1Loss extends Loss<losses.SmoothL1Options> {
  constructor(options: losses.SmoothL1Options = {}) {
    super('SmoothL1Loss', options, smoothL1Options)
  }

  override forward(prediction: Tensor, target: Tensor): FloatTensor {
    return losses.smoothL1(prediction, target, this.options)
  }
}

/**
 * {@link losses.huber} as a module.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.HuberLoss({ delta: 2 }).forward(tensor([3]), tensor([0])).item()) // 4
 * ```
 */
export class HuberLoss extends Loss<losses.HuberOptions> {
  constructor(options: losses.HuberOptions = {}) {
    super('HuberLoss', options, huberOptions)
  }

  override forward(prediction: Tensor, target: Tensor): FloatTensor {
    return losses.huber(prediction, target, this.options)
  }
}

/**
 * {@link losses.crossEntropy} as a module.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * const loss = new nn.CrossEntropyLoss({ labelSmoothing: 0.1 })
 * console.log(loss.forward(tensor([[0, 0]]), tensor([1], { dtype: 'i32' })).item().toFixed(4)) // 0.6931
 * ```
 */
export class CrossEntropyLoss extends Loss<losses.CrossEntropyOptions> {
  constructor(options: losses.CrossEntropyOptions = {}) {
    super('CrossEntropyLoss', options, crossEntropyOptions)
  }

  override forward(prediction: Tensor, target: Tensor): FloatTensor {
    return losses.crossEntropy(prediction, target, this.options)
  }
}

/**
 * {@link losses.nll} as a module.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * const logProbabilities = new nn.LogSoftmax().forward(tensor([[0, 0]]))
 * console.log(new nn.NLLLoss().forward(logProbabilities, tensor([1], { dtype: 'i32' })).item().toFixed(4)) // 0.6931
 * ```
 */
export class NLLLoss extends Loss<losses.NllOptions> {
  constructor(options: losses.NllOptions = {}) {
    super('NLLLoss', options, nllOptions)
  }

  override forward(prediction: Tensor, target: Tensor): FloatTensor {
    return losses.nll(prediction, target, this.options)
  }
}

/**
 * {@link losses.binaryCrossEntropy} as a module.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.BCELoss().forward(tensor([0.5]), tensor([1])).item().toFixed(4)) // 0.6931
 * ```
 */
export class BCELoss extends Loss<losses.BinaryOptions> {
  constructor(options: losses.BinaryOptions = {}) {
    super('BCELoss', options, binaryOptions)
  }

  override forward(prediction: Tensor, target: Tensor): FloatTensor {
    return losses.binaryCrossEntropy(prediction, target, this.options)
  }
}

/**
 * {@link losses.binaryCrossEntropyWithLogits} as a module.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * console.log(new nn.BCEWithLogitsLoss().forward(tensor([0]), tensor([1])).item().toFixed(4)) // 0.6931
 * ```
 */
export class BCEWithLogitsLoss extends Loss<losses.BinaryLogitsOptions> {
  constructor(options: losses.BinaryLogitsOptions = {}) {
    super('BCEWithLogitsLoss', options, binaryLogitsOptions)
  }

  override forward(prediction: Tensor, target: Tensor): FloatTensor {
    return losses.binaryCrossEntropyWithLogits(prediction, target, this.options)
  }
}

/**
 * {@link losses.klDiv} as a module.
 *
 * @example
 * ```ts
 * import { nn, tensor } from 'neuroxide'
 * const p = tensor([[0.5, 0.5]])
 * console.log(new nn.KLDivLoss({ reduction: 'batchMean' }).forward(p.log(), p).item()) // 0
 * ```
 */
export class KLDivLoss extends Loss<losses.KlDivOptions> {
  constructor(options: losses.KlDivOptions = {}) {
    super('KLDivLoss', options, klDivOptions)
  }

  override forward(prediction: Tensor, target: Tensor): FloatTensor {
    return losses.klDiv(prediction, target, this.options)
  }
}

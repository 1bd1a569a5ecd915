import * as losses from '../losses.js'
import type { Tensor } from '../tensor.js'
import type { FloatTensor } from '../types.js'
import type { AlikeTarget, ClassTarget, IndexTarget } from '../types/loss.js'
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

  override forward<P extends Tensor, T extends Tensor>(
    prediction: P,
    target: T & AlikeTarget<'nn.MSELoss', P, T>,
  ): FloatTensor {
    return losses.mse<Tensor, Tensor>(prediction, target, this.options)
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

  override forward<P extends Tensor, T extends Tensor>(
    prediction: P,
    target: T & AlikeTarget<'nn.L1Loss', P, T>,
  ): FloatTensor {
    return losses.l1<Tensor, Tensor>(prediction, target, this.options)
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

  override forward<P extends Tensor, T extends Tensor>(
    prediction: P,
    target: T & AlikeTarget<'nn.SmoothL1Loss', P, T>,
  ): FloatTensor {
    return losses.smoothL1<Tensor, Tensor>(prediction, target, this.options)
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

  override forward<P extends Tensor, T extends Tensor>(
    prediction: P,
    target: T & AlikeTarget<'nn.HuberLoss', P, T>,
  ): FloatTensor {
    return losses.huber<Tensor, Tensor>(prediction, target, this.options)
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

  override forward<P extends Tensor, T extends Tensor>(
    prediction: P,
    target: T & ClassTarget<'nn.CrossEntropyLoss', P, T>,
  ): FloatTensor {
    return losses.crossEntropy<Tensor, Tensor>(prediction, target, this.options)
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

  override forward<P extends Tensor, T extends Tensor>(
    prediction: P,
    target: T & IndexTarget<'nn.NLLLoss', P, T>,
  ): FloatTensor {
    return losses.nll<Tensor, Tensor>(prediction, target, this.options)
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

  override forward<P extends Tensor, T extends Tensor>(
    prediction: P,
    target: T & AlikeTarget<'nn.BCELoss', P, T>,
  ): FloatTensor {
    return losses.binaryCrossEntropy<Tensor, Tensor>(prediction, target, this.options)
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

  override forward<P extends Tensor, T extends Tensor>(
    prediction: P,
    target: T & AlikeTarget<'nn.BCEWithLogitsLoss', P, T>,
  ): FloatTensor {
    return losses.binaryCrossEntropyWithLogits<Tensor, Tensor>(prediction, target, this.options)
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

  override forward<P extends Tensor, T extends Tensor>(
    prediction: P,
    target: T & AlikeTarget<'nn.KLDivLoss', P, T>,
  ): FloatTensor {
    return losses.klDiv<Tensor, Tensor>(prediction, target, this.options)
  }
}

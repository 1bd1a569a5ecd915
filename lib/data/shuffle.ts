import { native } from '../native.js'
import { rngState, setRngState } from '../random.js'
import type { Tensor } from '../tensor.js'
import { randint, randperm } from '../tensor/factories.js'

/** Where the orders of epochs begin in the stream of a seed: far beyond what training draws from it. */
const firstOrder = 2 ** 52
/** Numbers set aside for the order of one epoch. */
const orderRoom = 2 ** 32

/**
 * The order in which an epoch visits `count` samples: a function of the seed and the number of the epoch alone. `fit`
 * visits them in the same order.
 */
export function epochOrder(count: number, seed: number, epoch: number): Tensor {
  const before = rngState()
  native.setRngState(seed, firstOrder + epoch * orderRoom, 0)
  try {
    return randperm(count)
  } finally {
    setRngState(before)
  }
}

/** A seed drawn from the program's own stream of random numbers, so that `manualSeed` decides it too. */
export function drawnSeed(): number {
  return Number(randint([], 0, 2 ** 31 - 1).item())
}

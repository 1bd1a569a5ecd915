import type { Model } from '../model.js'

/** What callbacks do with the model that is trained. */
export interface Trainee {
  stopTraining: boolean
  readonly ema: { swap(): void } | null
}

export function trainee(model: Model): Trainee {
  return model as unknown as Trainee
}

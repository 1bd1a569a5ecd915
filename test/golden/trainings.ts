import { join } from 'node:path'
import { jit, losses, nn, optim, type Tensor } from 'neuroxide'
import { drift, first, weightDrift } from './compare.js'
import type { Report } from './report.js'
import { Safetensors } from './safetensors.js'

/** A whole training: what is trained, with which loss, and how. */
interface Training {
  readonly model: () => nn.Sequential
  readonly loss: (prediction: Tensor, target: Tensor) => Tensor
  readonly optimizer: (parameters: Tensor[]) => optim.Optimizer<object>
}

const table: Readonly<Record<string, Training>> = {
  'train-regression': {
    model: () => new nn.Sequential(new nn.Linear(10, 64), new nn.ReLU(), new nn.Linear(64, 1)),
    loss: (prediction, target) => losses.mse(prediction, target),
    optimizer: (parameters) => new optim.Adam(parameters, { lr: 1e-3, eps: 1e-7 }) as never,
  },
  'train-binary': {
    model: () => new nn.Sequential(new nn.Linear(2, 5), new nn.ReLU(), new nn.Linear(5, 1), new nn.Sigmoid()),
    loss: (prediction, target) => losses.binaryCrossEntropy(prediction, target),
    optimizer: (parameters) => new optim.Adam(parameters, { lr: 1e-2 }) as never,
  },
}

/** Runs the trainings among files named `train-<name>.safetensors`, eagerly and jitted. */
export function runTraining(dir: string, name: string, report: Report): void {
  const training = table[name]
  if (training === undefined) {
    report.lacks(name)
    return
  }
  const file = new Safetensors(join(dir, `${name}.safetensors`))
  for (const driver of ['eager', 'jit'] as const)
    report.run(name, `${name}/${driver}`, () => trained(training, file, driver))
}

function trained(training: Training, file: Safetensors, driver: 'eager' | 'jit'): string | null {
  const model = training.model()
  const keys = file.under('init.')
  model.loadStateDict(Object.fromEntries(keys.map((key) => [key, file.tensor(`init.${key}`)])))
  const optimizer = training.optimizer(model.parameters())
  const step = (x: Tensor, y: Tensor): Tensor => {
    optimizer.zeroGrad()
    const loss = training.loss(model.forward(x), y)
    loss.backward()
    optimizer.step()
    return loss
  }
  const run = driver === 'jit' ? jit(step) : step
  const reference = file.stored('loss').values
  const ours = Array.from(
    reference,
    (_, i) => run(file.tensor(`x${i}`), file.tensor(`y${i}`)).item() as number,
  )
  const final = model.stateDict()
  return first([
    drift('loss', ours, reference),
    ...keys.map((key) => weightDrift(key, final[key] as Tensor, file.stored(`final.${key}`))),
  ])
}

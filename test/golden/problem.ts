import { grad, jit, type Tensor } from 'neuroxide'

/** Something to compute and to differentiate. */
export interface Problem {
  readonly inputs: readonly Tensor[]
  /** Which inputs are differentiated. */
  readonly differentiated: readonly number[]
  /** What is differentiated besides, and reached from `compute` itself. */
  readonly parameters: readonly Tensor[]
  /** The gradient to feed to each output; null where it has none. */
  readonly seeds: readonly (Tensor | null)[]
  readonly compute: (inputs: readonly Tensor[]) => readonly Tensor[]
}

export interface Solution {
  readonly outputs: readonly Tensor[]
  /** Of the differentiated inputs, then of the parameters; null where nothing arrived. */
  readonly gradients: readonly (Tensor | null)[]
}

/** The ways to run: op by op with `backward()`, and as one traced program with `grad()`. */
export const drivers = { eager, jit: traced } as const

function eager({ inputs, differentiated, parameters, seeds, compute }: Problem): Solution {
  const outputs = compute(inputs)
  const leaves = [...differentiated.map((place) => inputs[place] as Tensor), ...parameters]
  if (leaves.length > 0)
    seeds.forEach((seed, i) => {
      if (seed !== null) outputs[i]?.backward(seed, { retainGraph: true })
    })
  const gradients = leaves.map((leaf) => leaf.grad)
  for (const leaf of leaves) leaf.grad = null
  return { outputs, gradients }
}

function traced({ inputs, differentiated, parameters, seeds, compute }: Problem): Solution {
  const fed = seeds.flatMap((seed, place) => (seed === null ? [] : [{ seed, place }]))
  const solve = jit((inputs: Tensor[], seeds: Tensor[]) => {
    const outputs = [...compute(inputs)]
    const leaves = [...differentiated.map((place) => inputs[place] as Tensor), ...parameters]
    const gradients =
      leaves.length === 0
        ? []
        : fed.map(({ place }, i) =>
            grad(outputs[place] as Tensor, leaves, { gradient: seeds[i] as Tensor, retainGraph: true }),
          )
    const sums = leaves.map((_, i) => gradients.map((parts) => parts[i] as Tensor).reduce((a, b) => a.add(b)))
    return { outputs, gradients: sums }
  })
  return solve(
    [...inputs],
    fed.map(({ seed }) => seed),
  ) as Solution
}

import { type FloatTensor, manualSeed, randn, tensor } from 'neuroxide'

/** Columns of a matrix `[n, k]` made orthonormal, one after the other. */
function orthonormal(columns: FloatTensor): FloatTensor {
  const rows = columns.transpose().toArray() as number[][]
  const done: number[][] = []
  for (const row of rows) {
    let rest = row
    // Twice, since the first time leaves rounding errors of the size of what was taken away.
    for (const other of [...done, ...done]) {
      const share = rest.reduce((sum, value, i) => sum + value * (other[i] ?? 0), 0)
      rest = rest.map((value, i) => value - share * (other[i] ?? 0))
    }
    const length = Math.hypot(...rest)
    done.push(rest.map((value) => value / length))
  }
  return tensor(done).transpose()
}

/**
 * The mean squared error of `unseen` `[m, d]` after a projection onto the `width` directions in which `x` `[n, d]` varies
 * most: what the best linear autoencoder leaves.
 */
export function principalError(x: FloatTensor, unseen: FloatTensor, width: number): number {
  const mean = x.mean(0, { keepDim: true })
  const centred = x.sub(mean)
  const covariance = centred
    .transpose()
    .matmul(centred)
    .div(x.shape[0] ?? 1)
  manualSeed(1)
  let directions = orthonormal(randn([x.shape[1] ?? 0, width]))
  // Each product turns them towards the largest eigenvectors.
  for (let i = 0; i < 100; i++) directions = orthonormal(covariance.matmul(directions))
  const rest = unseen.sub(mean)
  return rest.sub(rest.matmul(directions).matmul(directions.transpose())).square().mean().item()
}

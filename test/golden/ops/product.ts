import { F, type Tensor } from 'neuroxide'
import type { Arguments } from '../arguments.js'
import type { Table } from './table.js'

function factors(a: Arguments): { beta: number; alpha: number } {
  return { beta: a.number(3, 'beta', 1), alpha: a.number(4, 'alpha', 1) }
}

const addmm = (a: Arguments): Tensor => F.addmm(a.tensor(0), a.tensor(1), a.tensor(2), factors(a))

/** Products of matrices and vectors. */
export const product: Table = {
  matmul: (a) => F.matmul(a.tensor(0), a.tensor(1)),
  mm: (a) => F.mm(a.tensor(0), a.tensor(1)),
  bmm: (a) => F.bmm(a.tensor(0), a.tensor(1)),
  mv: (a) => F.mv(a.tensor(0), a.tensor(1)),
  dot: (a) => F.dot(a.tensor(0), a.tensor(1)),
  addmm,
  'addmm.decomposed': addmm,
  baddbmm: (a) => F.baddbmm(a.tensor(0), a.tensor(1), a.tensor(2), factors(a)),
  outer: (a) => F.mul(a.tensor(0).unsqueeze(1), a.tensor(1)),
  'nn.functional.linear': (a) => F.linear(a.tensor(0), a.tensor(1), a.optionalTensor(2, 'bias')),
}

/** Ops that look elements up by indices. */
export const picking: Table = {
  gather: (a) => F.gather(a.tensor(0), a.number(1, 'dim'), a.tensor(2)),
  index_select: (a) => F.indexSelect(a.tensor(0), a.number(1, 'dim'), a.tensor(2)),
  index_add: (a) =>
    F.indexAdd(a.tensor(0), a.number(1, 'dim'), a.tensor(2), a.tensor(3), { alpha: a.number(4, 'alpha', 1) }),
  scatter_add: (a) => F.scatterAdd(a.tensor(0), a.number(1, 'dim'), a.tensor(2), a.tensor(3)),
  take_along_dim: (a) => {
    const axis = a.axes(2)
    return F.takeAlongDim(a.tensor(0), a.tensor(1), typeof axis === 'number' ? axis : null)
  },
  'nn.functional.embedding': (a) => a.tensor(0).at(a.tensor(1)),
}

import { F, type Tensor } from 'neuroxide'
import type { Arguments } from '../arguments.js'
import type { Table } from './table.js'

const reshape = (a: Arguments): Tensor => F.reshape(a.tensor(0), a.numbers(1, 'shape'))

function split(a: Arguments): Tensor[] {
  const sizes = a.axes(1, 'split_size_or_sections')
  if (sizes === null) throw new Error('split without sizes')
  return F.split(a.tensor(0), sizes, a.number(2, 'dim', 0))
}

/** Some axes put elsewhere, as an order of all axes: those not named fill the places that are left. */
function movedim(a: Arguments): Tensor {
  const x = a.tensor(0)
  const counted = (name: string, place: number): number[] =>
    [a.axes(place, name) ?? []].flat().map((axis) => (axis < 0 ? axis + x.rank : axis))
  const [source, destination] = [counted('source', 1), counted('destination', 2)]
  const rest = x.shape.map((_, axis) => axis).filter((axis) => !source.includes(axis))
  const order = x.shape.map((_, place) => source[destination.indexOf(place)] ?? (rest.shift() as number))
  return F.permute(x, order)
}

/** In `cat`, an empty vector stands for an empty tensor of any shape. */
function cat(a: Arguments): Tensor {
  const listed = Array.isArray(a.get(0))
  const tensors = listed ? a.tensors(0) : a.allTensors()
  const axis = listed ? a.number(1, 'dim', 0) : a.number(-1, 'dim', 0)
  const like = tensors.find(({ shape }) => shape.join() !== '0')
  if (like === undefined) return F.concat(tensors, axis)
  const empty = like.shape.with(axis, 0)
  return F.concat(
    tensors.map((x) => (x.shape.join() === '0' ? x.reshape(empty) : x)),
    axis,
  )
}

/** Copies side by side: an axis of copies before each axis, which is then joined with it. */
function repeat(a: Arguments): Tensor {
  const [x, counts] = [a.tensor(0), a.numbers(1, 'dims')]
  const sizes = [...Array.from({ length: counts.length - x.rank }, () => 1), ...x.shape]
  // `tile` may name fewer axes than there are, `repeat` may not.
  const times = [...Array.from({ length: sizes.length - counts.length }, () => 1), ...counts]
  return F.reshape(
    x,
    sizes.flatMap((size) => [1, size]),
  )
    .expand(sizes.flatMap((size, axis) => [times[axis] as number, size]))
    .reshape(sizes.map((size, axis) => size * (times[axis] as number)))
}

/** One axis (or, without axes, the flattened tensor) turned by some places, axis after axis. */
function roll(a: Arguments): Tensor {
  const [x, shifts, axes] = [a.tensor(0), [a.axes(1, 'shifts') ?? 0].flat(), a.axes(2, 'dims')]
  const turned = (y: Tensor, shift: number, axis: number): Tensor => {
    const size = y.shape.at(axis) ?? 0
    const cut = size === 0 ? 0 : ((-shift % size) + size) % size
    return F.concat([y.slice(axis, cut), y.slice(axis, 0, cut)], axis)
  }
  if (axes === null) return turned(x.flatten(), shifts[0] as number, 0).reshape(x.shape)
  return [axes].flat().reduce((y, axis, i) => (y.rank === 0 ? y : turned(y, shifts[i] as number, axis)), x)
}

/** Ops that move elements. */
export const view: Table = {
  reshape,
  view: reshape,
  flatten: (a) => F.flatten(a.tensor(0), a.number(1, 'start_dim', 0), a.number(2, 'end_dim', -1)),
  permute: (a) => F.permute(a.tensor(0), a.numbers(1, 'dims')),
  transpose: (a) => F.transpose(a.tensor(0), a.number(1, 'dim0'), a.number(2, 'dim1')),
  movedim,
  expand: (a) => F.expand(a.tensor(0), a.numbers(1, 'size')),
  squeeze: (a) => F.squeeze(a.tensor(0), a.axes(1) ?? undefined),
  'squeeze.multiple': (a) => F.squeeze(a.tensor(0), a.axes(1) ?? undefined),
  unsqueeze: (a) => F.unsqueeze(a.tensor(0), a.number(1, 'dim')),
  slice: (a) =>
    F.slice(
      a.tensor(0),
      a.number(1, 'dim', 0),
      a.optionalNumber(2, 'start'),
      a.optionalNumber(3, 'end'),
      a.number(4, 'step', 1),
    ),
  narrow: (a) => F.narrow(a.tensor(0), a.number(1, 'dim'), a.number(2, 'start'), a.number(3, 'length')),
  select: (a) => F.select(a.tensor(0), a.number(1, 'dim'), a.number(2, 'index')),
  flip: (a) => F.flip(a.tensor(0), a.numbers(1, 'dims')),
  'nn.functional.pad.constant': (a) => {
    if (a.text(2, 'mode', 'constant') !== 'constant') throw new Error('a pad of another mode')
    return F.pad(a.tensor(0), a.numbers(1, 'pad'), a.number(3, 'value', 0))
  },
  cat,
  stack: (a) => F.stack(a.tensors(0), a.number(1, 'dim', 0)),
  split,
  'split.list_args': split,
  chunk: (a) => F.chunk(a.tensor(0), a.number(1, 'chunks'), a.number(2, 'dim', 0)),
  unbind: (a) => F.unbind(a.tensor(0), a.number(1, 'dim', 0)),
  tril: (a) => F.tril(a.tensor(0), a.number(1, 'diagonal', 0)),
  triu: (a) => F.triu(a.tensor(0), a.number(1, 'diagonal', 0)),
  diagonal: (a) =>
    F.diagonal(a.tensor(0), a.number(1, 'offset', 0), a.number(2, 'dim1', 0), a.number(3, 'dim2', 1)),
  repeat,
  tile: repeat,
  roll,
}

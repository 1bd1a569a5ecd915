import {
  DTypeError,
  DisposedError,
  GradError,
  IndexError,
  ShapeError,
  TraceError,
  ValueError,
  jit,
  nn,
  tensor,
  zeros,
  type Tensor,
} from 'neuroxide'
import { BINARY, UNARY } from '../../../lib/ops.generated.js'
import { bad, gone, row, some, type Rows } from './row.js'

const weight = (): Tensor => new nn.Parameter(zeros([2, 2]))
const indices = (...values: number[]): Tensor => tensor(values, { dtype: 'i32' })

/** Methods without arguments: all that can be wrong is the tensor. */
const lonely = [
  UNARY,
  ['silu', 'detach', 'clone', 'item', 'toArray', 'toJSON', 'toTypedArray', 'read'],
].flat() as 'exp'[]

/** Methods whose one argument is the other operand. */
const elementwise = [...BINARY] as 'add'[]

/** Reductions along any number of axes. */
const reductions = [
  ['sum', 'mean', 'prod', 'amax', 'amin', 'any', 'all', 'var', 'std', 'logSumExp'],
].flat() as 'sum'[]

const starting = (name: string, rest: string): RegExp => new RegExp(`^${name}: ${rest}`)

export const generated: Rows = [
  ...lonely.map((name) =>
    row(`Tensor#${name}`, DisposedError, /^tensor: it was disposed of before; expected/, () =>
      gone()[name](),
    ),
  ),
  ...elementwise.flatMap((name) => [
    row(`Tensor#${name}`, ValueError, starting(name, '"1"; expected a tensor'), () => some()[name](bad('1'))),
    row(`Tensor#${name}`, ValueError, starting(name, 'undefined; expected'), () => some()[name](bad())),
    row(`Tensor#${name}`, ShapeError, starting(name, '.* do not broadcast;'), () => some()[name](some([7]))),
  ]),
  ...reductions.flatMap((name) => [
    row(`Tensor#${name}`, ValueError, starting(name, '"a" as axis; expected'), () => some()[name](bad('a'))),
    row(`Tensor#${name}`, IndexError, /; expected -2 to 1/, () => some()[name](5)),
    row(`Tensor#${name}`, ValueError, starting(name, 'there is no option "keepdim"; expected keepDim'), () =>
      some()[name](0, bad({ keepdim: true })),
    ),
  ]),
]

export const elements: Rows = [
  row('Tensor#item', ShapeError, /^item: shape \[2, 3\]; expected one element/, () => some().item()),
  row('Tensor#item', TraceError, /^item: .*; expected no reads/, () =>
    jit((x: Tensor) => x.item())(some([])),
  ),
  row('Tensor#neg', DTypeError, /^neg: .*; expected/, () => some([2], 'bool').neg()),
  row('Tensor#where', ValueError, /^where: undefined; expected/, () => some().where(bad(), 1)),
  row('Tensor#where', ShapeError, /^where: .* do not broadcast;/, () => some().where(some([9], 'bool'), 1)),
  row('Tensor#maskedFill', ValueError, /; expected/, () => some().maskedFill(some([3], 'bool'), bad())),
  row('Tensor#clamp', ValueError, /^clamp: "a"; expected/, () => some().clamp(bad('a'))),
  row('Tensor#clamp', ValueError, /^clamp: .*; expected/, () => some().clamp(null)),
  row('Tensor#cast', DTypeError, /^cast: "f16" as dtype; expected/, () => some().cast(bad('f16'))),
  row('Tensor#to', DTypeError, /^cast: "cuda" as dtype; expected/, () => some().to(bad('cuda'))),
  row('Tensor#gelu', ValueError, /^gelu: approximate "x"; expected/, () => some().gelu(bad('x'))),
  row('Tensor#softplus', ValueError, /^softplus: "a" as beta; expected/, () => some().softplus(bad('a'))),
  row('Tensor#elu', ValueError, /^elu: null as alpha; expected/, () => some().elu(bad(null))),
  row('Tensor#leakyRelu', ValueError, /^leakyRelu: NaN as negativeSlope; expected/, () =>
    some().leakyRelu(NaN),
  ),
  row('Tensor#add', DisposedError, /; expected/, () => some().add(gone())),
]

export const views: Rows = [
  row('Tensor#reshape', ShapeError, /^reshape: .*; expected/, () => some().reshape([4])),
  row('Tensor#reshape', ValueError, /^reshape: 6 as shape; expected/, () => some().reshape(bad(6))),
  row('Tensor#flatten', ValueError, /^flatten: "a" as axis; expected/, () => some().flatten(bad('a'))),
  row('Tensor#permute', ShapeError, /^permute: .*; expected/, () => some().permute([0, 0])),
  row('Tensor#transpose', IndexError, /^transpose: .*; expected/, () => some().transpose(0, 5)),
  row('Tensor#expand', ShapeError, /^expand: .*; expected/, () => some().expand([4])),
  row('Tensor#squeeze', ValueError, /^squeeze: "a" as axes; expected/, () => some().squeeze(bad('a'))),
  row('Tensor#squeeze', IndexError, /^squeeze: .*; expected/, () => some().squeeze(7)),
  row('Tensor#unsqueeze', ValueError, /^unsqueeze: undefined as axis; expected/, () =>
    some().unsqueeze(bad()),
  ),
  row('Tensor#slice', ValueError, /^slice: "a" as start; expected/, () => some().slice(0, bad('a'))),
  row('Tensor#slice', ValueError, /^slice: .*; expected/, () => some().slice(0, 0, 1, 0)),
  row('Tensor#narrow', ValueError, /^narrow: undefined as start; expected/, () =>
    some().narrow(0, bad(), bad()),
  ),
  row('Tensor#narrow', IndexError, /^narrow: .*; expected/, () => some().narrow(0, 1, 5)),
  row('Tensor#select', ValueError, /^select: "a" as index; expected/, () => some().select(0, bad('a'))),
  row('Tensor#select', IndexError, /^select: .*; expected/, () => some().select(0, 7)),
  row('Tensor#flip', ValueError, /^flip: "a" as axes; expected/, () => some().flip(bad('a'))),
  row('Tensor#pad', ValueError, /^pad: "x" as value; expected/, () => some().pad([1, 1], bad('x'))),
  row('Tensor#pad', ShapeError, /^pad: .*; expected/, () => some().pad([1])),
  row('Tensor#split', ValueError, /^split: pieces of 0; expected/, () => some().split(0)),
  row('Tensor#split', ShapeError, /^split: sizes \[5\] of an axis of 2; expected/, () => some().split([5])),
  row('Tensor#chunk', ValueError, /^chunk: 0 pieces; expected/, () => some().chunk(0)),
  row('Tensor#unbind', ShapeError, /^unbind: axis 7 .*; expected/, () => some().unbind(7)),
  row('Tensor#tril', ValueError, /^tril: "a" as diagonal; expected/, () => some().tril(bad('a'))),
  row('Tensor#triu', ValueError, /^triu: NaN as diagonal; expected/, () => some().triu(NaN)),
  row('Tensor#diagonal', ValueError, /^diagonal: 0\.5 as offset; expected/, () => some().diagonal(0.5)),
  row('Tensor#at', ValueError, /^at: "a"; expected an integer/, () => some().at(bad('a'))),
  row('Tensor#at', ValueError, /^at: \[0\]; expected a range/, () => some().at(bad([0]))),
  row('Tensor#at', IndexError, /^at: index 2 of an axis of size 2; expected -2 to 1/, () => some().at(2)),
  row('Tensor#at', DTypeError, /^at: a bool tensor as index; expected i32/, () =>
    some().at(some([2], 'bool')),
  ),
]

export const reducing: Rows = [
  row('Tensor#max', ValueError, /^argmax: "a" as axis; expected/, () => some().max(bad('a'))),
  row('Tensor#min', ValueError, /^argmin: "a" as axis; expected/, () => some().min(bad('a'))),
  row('Tensor#argmax', ValueError, /^argmax: an array of 1 as axis; expected/, () => some().argmax(bad([0]))),
  row('Tensor#argmin', ShapeError, /^argmin: .*; expected/, () => some([0]).argmin()),
  row('Tensor#var', ValueError, /^var: "a" as correction; expected/, () =>
    some().var(0, { correction: bad('a') }),
  ),
  row('Tensor#sum', ValueError, /^sum: 1 as keepDim; expected true or false/, () =>
    some().sum(0, { keepDim: bad(1) }),
  ),
  row('Tensor#norm', ValueError, /^norm: "nuc" as p; expected/, () => some().norm(bad('nuc'))),
  row('Tensor#softmax', ValueError, /^softmax: undefined as axis; expected/, () => some().softmax(bad())),
  row('Tensor#logSoftmax', IndexError, /^logSoftmax: .*; expected/, () => some().logSoftmax(7)),
  row('Tensor#matmul', ShapeError, /^matmul: .*; inner dims 3 ≠ 7/, () => some().matmul(some([7, 7]))),
  row('Tensor#mm', ShapeError, /^mm: .*; inner dims 3 ≠ 7/, () => some().mm(some([7, 7]))),
  row('Tensor#bmm', ShapeError, /^bmm: .*; expected/, () => some().bmm(some([7, 7]))),
  row('Tensor#mv', ShapeError, /^mv: .*; expected/, () => some().mv(some([7, 7]))),
  row('Tensor#dot', ShapeError, /^dot: .*; expected/, () => some().dot(some([7, 7]))),
  row('Tensor#addmm', ValueError, /^addmm: undefined; expected/, () => some().addmm(bad(), bad())),
  row('Tensor#addmm', ValueError, /^addmm: "a" as alpha; expected/, () =>
    weight().addmm(weight(), weight(), { alpha: bad('a') }),
  ),
  row('Tensor#baddbmm', ShapeError, /^baddbmm: .*; expected 3 and 3 dims/, () =>
    some().baddbmm(some(), some()),
  ),
  row('Tensor#gather', DTypeError, /^gather: .*; expected/, () => some().gather(0, some())),
  row('Tensor#gather', IndexError, /^gather: index 7 at position \[0, 0\]; expected 0 to 1/, () =>
    some()
      .gather(0, [[7, 0, 0]])
      .toArray(),
  ),
  row('Tensor#takeAlongDim', ValueError, /^takeAlongDim: undefined; expected/, () =>
    some().takeAlongDim(bad()),
  ),
  row('Tensor#indexSelect', IndexError, /^indexSelect: index 9 at position \[0\]; expected/, () =>
    some().indexSelect(0, indices(9)).toArray(),
  ),
  row('Tensor#scatterAdd', ValueError, /^scatterAdd: "a"; expected/, () =>
    some().scatterAdd(0, [[0]], bad('a')),
  ),
  row('Tensor#indexAdd', ValueError, /^indexAdd: "x" as alpha; expected/, () =>
    some().indexAdd(0, indices(0), some([1, 3]), { alpha: bad('x') }),
  ),
  row('Tensor#oneHot', ValueError, /^oneHot: "3" as classes; expected/, () => indices(1).oneHot(bad('3'))),
  row('Tensor#oneHot', DTypeError, /^oneHot: .*; expected/, () => some().oneHot(3)),
]

export const gradients: Rows = [
  row('Tensor#backward', GradError, /^backward: .*; expected/, () => some().sum().backward()),
  row('Tensor#backward', GradError, /^backward: .*; expected/, () => weight().mul(2).backward()),
  row('Tensor#backward', ShapeError, /^backward: .*; expected/, () => weight().sum().backward(some())),
  row('Tensor#backward', ValueError, /^backward: "a"; expected/, () => weight().sum().backward(bad('a'))),
  row('Tensor#backward', ValueError, /there is no option "retain"; expected/, () =>
    weight()
      .sum()
      .backward(null, bad({ retain: true })),
  ),
  row('Tensor#copyFrom', ValueError, /^copyFrom: undefined; expected/, () => some().copyFrom(bad())),
  row('Tensor#copyFrom', ShapeError, /^copyFrom: .*; expected/, () => some().copyFrom(some([9]))),
  row(
    'Tensor#grad=',
    ValueError,
    /^grad: "a" as gradient; expected a tensor/,
    () => (weight().grad = bad('a')),
  ),
  row('Tensor#grad=', ShapeError, /^grad: .*; expected/, () => (weight().grad = some([9]))),
  row(
    'Tensor#requiresGrad=',
    ValueError,
    /"yes" as value; expected true/,
    () => (some().requiresGrad = bad('yes')),
  ),
  row(
    'Tensor#requiresGrad=',
    GradError,
    /^requiresGrad: a tensor of i32; expected/,
    () => (some([2], 'i32').requiresGrad = true),
  ),
  row(
    'Tensor#[Symbol.toPrimitive]',
    ValueError,
    /^operator: a tensor of shape \[2, 3\] .*; expected/,
    () => +bad(some()),
  ),
]

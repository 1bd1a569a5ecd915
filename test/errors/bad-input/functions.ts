import { DTypeError, F, IndexError, ShapeError, ValueError, type Tensor } from 'neuroxide'
import { BINARY, UNARY } from '../../../lib/ops.generated.js'
import { bad, row, some, type Rows } from './row.js'

/** Functions that do what the method of the same name does: what may be wrong besides is in the methods' rows. */
const words = (text: string): string[] => text.split(' ')

const ofOne = [
  UNARY,
  words('silu logSigmoid gelu softplus elu leakyRelu dropout normalize'),
  words('flatten transpose squeeze unbind tril triu diagonal'),
  words('sum mean prod amax amin any all var std logSumExp norm argmax argmin'),
].flat() as 'exp'[]

const ofTwo = [BINARY, words('matmul mm bmm mv dot cosineSimilarity pairwiseDistance')].flat() as 'add'[]

const table: Pick<typeof F, 'exp' | 'add'> = F

const starting = (name: string, rest: string): RegExp => new RegExp(`^${name}: ${rest}`)

export const generated: Rows = [
  ...ofOne.flatMap((name) => [
    row(name, ValueError, starting(name, 'undefined; expected a tensor'), () => table[name](bad())),
    row(name, ValueError, starting(name, '"x"; expected a tensor'), () => table[name](bad('x'))),
  ]),
  ...ofTwo.flatMap((name) => [
    row(name, ValueError, starting(name, 'an object; expected a tensor'), () =>
      table[name](bad({}), some() as never),
    ),
    row(name, ValueError, starting(name, 'null; expected'), () => table[name](some(), bad(null))),
    row(name, ShapeError, /^\w+: .*; (expected|.+ (≠|differ) )/, () => table[name](some(), some([7, 7]))),
  ]),
]

const x = (): Tensor => some()

export const functions: Rows = [
  row('where', ValueError, /^where: "a"; expected/, () => F.where(bad('a'), 1, 2)),
  row('clamp', ValueError, /^clamp: undefined; expected/, () => F.clamp(x(), bad())),
  row('cast', DTypeError, /^cast: undefined as dtype; expected/, () => F.cast(x(), bad())),
  row('maskedFill', ShapeError, /^where: .* do not broadcast;/, () =>
    F.maskedFill(x(), some([9], 'bool'), 1),
  ),
  row('reshape', ShapeError, /^reshape: .*; expected/, () => F.reshape(x(), [-1, -1])),
  row('permute', ShapeError, /^permute: .*; expected/, () => F.permute(x(), [0])),
  row('expand', ValueError, /^expand: undefined as shape; expected/, () => F.expand(x(), bad())),
  row('unsqueeze', IndexError, /^unsqueeze: .*; expected/, () => F.unsqueeze(x(), 9)),
  row('slice', ValueError, /^slice: undefined as axis; expected/, () => F.slice(x(), bad())),
  row('narrow', ValueError, /^narrow: 0\.5 as start; expected/, () => F.narrow(x(), 0, 0.5, 1)),
  row('select', IndexError, /^select: .*; expected/, () => F.select(x(), 0, 7)),
  row('flip', IndexError, /^flip: .*; expected/, () => F.flip(x(), 7)),
  row('pad', ValueError, /^pad: undefined as padding; expected/, () => F.pad(x(), bad())),
  row('split', ShapeError, /^split: axis 7 .*; expected/, () => F.split(x(), 1, 7)),
  row('chunk', ValueError, /^chunk: NaN pieces; expected/, () => F.chunk(x(), NaN)),
  row('max', ValueError, /^max: undefined as axis; expected/, () => F.max(x(), bad())),
  row('min', ValueError, /^min: undefined as axis; expected/, () => F.min(x(), bad())),
  row('softmax', IndexError, /^softmax: .*; expected/, () => F.softmax(x(), 7)),
  row('logSoftmax', ValueError, /^logSoftmax: "a" as axis; expected/, () => F.logSoftmax(x(), bad('a'))),
  row('softmin', ValueError, /^softmin: undefined as axis; expected/, () => F.softmin(x(), bad())),
  row('addmm', ShapeError, /^addmm: .*; inner dims 3 ≠ 2/, () => F.addmm(x(), x(), x())),
  row('baddbmm', ValueError, /^baddbmm: undefined; expected/, () => F.baddbmm(x(), bad(), bad())),
  row('gather', ShapeError, /^gather: .*; expected/, () => F.gather(x(), 0, [0])),
  row('takeAlongDim', ShapeError, /^takeAlongDim: .*; expected/, () => F.takeAlongDim(x(), [0], 0)),
  row('indexSelect', ValueError, /^indexSelect: 0\.5 as i32; expected/, () => F.indexSelect(x(), 0, [0.5])),
  row('scatterAdd', ValueError, /^scatterAdd: undefined as axis; expected/, () =>
    F.scatterAdd(x(), bad(), [[0]], [[1]]),
  ),
  row('indexAdd', ShapeError, /^indexAdd: .*; expected/, () => F.indexAdd(x(), 0, [0], some([5, 3]))),
  row('oneHot', ValueError, /^oneHot: .*; expected/, () => F.oneHot([0], -3)),
  row('concat', ValueError, /^concat: undefined; expected an array/, () => F.concat(bad())),
  row('concat', ShapeError, /^concat: .*; expected/, () => F.concat([x(), some([5])])),
  row('stack', ValueError, /^stack: an array of 0; expected/, () => F.stack([])),
  row('stack', ValueError, /^stack: undefined; expected a tensor/, () => F.stack([x(), bad()])),
  row('linear', ShapeError, /^linear: .*; .* ≠ /, () => F.linear(x(), some([3, 9]))),
  row('linear', ValueError, /^linear: "a"; expected/, () => F.linear(x(), some([4, 3]), bad('a'))),
  row('dropout', ValueError, /^dropout: "0\.5" as p; expected/, () => F.dropout(x(), bad('0.5'))),
  row('dropout', ValueError, /^dropout: -0\.1 as p; expected/, () => F.dropout(x(), -0.1)),
  row('dropout', ValueError, /^dropout: "no" as training; expected/, () => F.dropout(x(), 0.5, bad('no'))),
  row('normalize', ValueError, /there is no option "dim"; expected p, axis/, () =>
    F.normalize(x(), bad({ dim: 1 })),
  ),
  row('cosineSimilarity', ValueError, /"x" as eps; expected/, () =>
    F.cosineSimilarity(x(), x(), { eps: bad('x') }),
  ),
  row('pairwiseDistance', ValueError, /"x" as p; expected/, () =>
    F.pairwiseDistance(x(), x(), { p: bad('x') }),
  ),
]

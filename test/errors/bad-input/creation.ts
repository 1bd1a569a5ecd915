import {
  DTypeError,
  DisposedError,
  GradError,
  ShapeError,
  TraceError,
  ValueError,
  arange,
  bernoulli,
  detectAnomaly,
  eye,
  fromTypedArray,
  full,
  fullLike,
  grad,
  jit,
  linspace,
  manualSeed,
  nn,
  noGrad,
  ones,
  onesLike,
  rand,
  randint,
  randn,
  randperm,
  scope,
  setRngState,
  tensor,
  valueAndGrad,
  zeros,
  zerosLike,
  Tensor,
} from 'neuroxide'
import { bad, gone, row, some, type Rows } from './row.js'

const weight = (): Tensor => new nn.Parameter(zeros([2, 2]))
const double = (x: Tensor): Tensor => x.mul(2)

export const creation: Rows = [
  row('tensor', ValueError, /^tensor: undefined; expected a tensor, a number/, () => tensor(bad())),
  row('tensor', ShapeError, /^tensor: 2 entries at \[1\]; expected 1/, () => tensor([[1], [1, 2]])),
  row('tensor', ValueError, /^tensor: NaN as i32; expected an integer/, () =>
    tensor([NaN], { dtype: 'i32' }),
  ),
  row('tensor', DTypeError, /^tensor: "f16" as dtype; expected/, () => tensor([1], { dtype: bad('f16') })),
  row('tensor', ValueError, /^tensor: "f32" as options; expected/, () => tensor([1], bad('f32'))),
  row('tensor', ValueError, /^tensor: there is no option "dtyp"; expected/, () =>
    tensor([1], bad({ dtyp: 1 })),
  ),
  row('tensor', ValueError, /^tensor: a tensor at \[0\]; expected numbers .* stack/, () =>
    tensor(bad([some()])),
  ),
  row('tensor', ValueError, /"yes" as requiresGrad; expected/, () => tensor(1, { requiresGrad: bad('yes') })),
  row('new Tensor', ValueError, /^Tensor: the constructor was called; expected/, () =>
    Reflect.construct(Tensor, []),
  ),
  row('zeros', ValueError, /^zeros: 3 as shape; expected an array/, () => zeros(bad(3))),
  row('zeros', ShapeError, /^zeros: shape \[NaN\]; expected sizes/, () => zeros([NaN])),
  row('zeros', ShapeError, /^zeros: shape \["a"\]; expected sizes/, () => zeros(bad(['a']))),
  row('zeros', ShapeError, /^zeros: shape \[.*\]; expected fewer elements/, () => zeros([2 ** 40, 2 ** 40])),
  row('zeros', ShapeError, /^zeros: a shape of 40 axes; expected at most 32/, () => zeros(Array(40).fill(1))),
  row('ones', ShapeError, /^ones: shape \[-1\]; expected sizes/, () => ones([-1])),
  row('full', ValueError, /^full: undefined as value; expected a number/, () => full([2], bad())),
  row('full', ValueError, /^full: 300 as u8; expected an integer from 0 to 255/, () =>
    full([2], 300, { dtype: 'u8' }),
  ),
  row('zerosLike', ValueError, /^zerosLike: undefined as pattern; expected a tensor/, () => zerosLike(bad())),
  row('onesLike', ValueError, /^onesLike: an array of 1 as pattern; expected/, () => onesLike(bad([1]))),
  row('fullLike', ValueError, /^fullLike: "a" as value; expected/, () => fullLike(some(), bad('a'))),
  row('rand', ValueError, /^rand: undefined as shape; expected/, () => rand(bad())),
  row('randn', DTypeError, /^randn: dtype i32; expected f32 or f64/, () => randn([2], { dtype: 'i32' })),
  row('randint', ValueError, /^randint: .*; expected/, () => randint([2], 3, 3)),
  row('randint', ValueError, /^randint: undefined as bound; expected/, () => randint([2], bad(), bad())),
  row('randint', ValueError, /^randint: 999 as u8; expected/, () => randint([2], 0, 1000, { dtype: 'u8' })),
  row('randperm', ValueError, /^randperm: -1; expected an integer/, () => randperm(-1)),
  row('bernoulli', ValueError, /^bernoulli: undefined; expected a tensor/, () => bernoulli(bad())),
  row('arange', ValueError, /^arange: "3" as argument; expected/, () => arange(bad('3'))),
  row('arange', ValueError, /^arange: step 0; expected/, () => arange(0, 3, 0)),
  row('arange', ValueError, /^arange: 299 as u8; expected/, () => arange(0, 300, 1, { dtype: 'u8' })),
  row('linspace', ValueError, /^linspace: 2\.5 as count; expected/, () => linspace(0, 1, 2.5)),
  row('eye', ShapeError, /^eye: shape \[-1, -1\]; expected/, () => eye(-1)),
  row('fromTypedArray', ValueError, /^fromTypedArray: an array of 2; expected/, () =>
    fromTypedArray(bad([1, 2])),
  ),
  row('fromTypedArray', ShapeError, /3 elements for shape \[2\]; expected 2/, () =>
    fromTypedArray(new Float32Array(3), [2]),
  ),
  row('manualSeed', ValueError, /^manualSeed: "a" as seed; expected/, () => manualSeed(bad('a'))),
  row('setRngState', ValueError, /^setRngState: undefined as seed; expected/, () => setRngState(bad())),
]

export const control: Rows = [
  row('noGrad', ValueError, /^noGrad: undefined; expected a function/, () => noGrad(bad())),
  row('noGrad', ValueError, /^noGrad: .* a Promise; expected a synchronous/, () => noGrad(async () => 1)),
  row('scope', ValueError, /^scope: 3; expected a function/, () => scope(bad(3))),
  row('scope', ValueError, /^scope: .* a Promise; expected a synchronous/, () => scope(async () => 1)),
  row('detectAnomaly', ValueError, /^detectAnomaly: "on"; expected a function/, () =>
    detectAnomaly(bad('on')),
  ),
  row('grad', ValueError, /^grad: undefined to differentiate; expected a tensor/, () => grad(bad(), [])),
  row('grad', ValueError, /^grad: a \w+ as xs; expected an array/, () => grad(weight().sum(), bad(weight()))),
  row('grad', ValueError, /^grad: 3 as entry 0 of xs; expected a tensor/, () =>
    grad(weight().sum(), bad([3])),
  ),
  row('grad', GradError, /^grad: .*; expected/, () => grad(weight().sum(), [weight()])),
  row('grad', ValueError, /^grad: there is no option "retain"; expected/, () =>
    grad(weight().sum(), [weight()], bad({ retain: true })),
  ),
  row('valueAndGrad', ValueError, /^valueAndGrad: undefined; expected a function/, () => valueAndGrad(bad())),
  row('jit', ValueError, /^jit: 3; expected a function/, () => jit(bad(3))),
  row('jit', TraceError, /^jit: an AsyncFunction; expected a synchronous/, () => jit(async () => 1)),
  row('jit', ValueError, /^jit: there is no option "statik"; expected/, () =>
    jit(double, bad({ statik: [] })),
  ),
  row('jit', ValueError, /^jit: "x" as static; expected an array/, () => jit(double, { static: bad('x') })),
]

/** What those functions return can be called too. */
export const returned: Rows = [
  row('valueAndGrad()', ValueError, /^valueAndGrad: 3 as argument; expected/, () =>
    valueAndGrad(double)(bad(3)),
  ),
  row('valueAndGrad()', GradError, /^valueAndGrad: an argument of i32; expected/, () =>
    valueAndGrad(double)(some([], 'i32')),
  ),
  row('jit()', DisposedError, /it was disposed of before; expected/, () => jit(double)(gone())),
  row('jit()', ValueError, /the argument x is a Promise; expected/, () =>
    jit(double)(bad(Promise.resolve(1))),
  ),
  row('jit()', ShapeError, /^add: .* do not broadcast;/, () => jit((x: Tensor) => x.add(some([7])))(some())),
  row('jit().explain', ValueError, /^explain: double has not been called yet; expected/, () =>
    jit(double).explain(),
  ),
]

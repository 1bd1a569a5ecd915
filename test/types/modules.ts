// Modules of one's own, parameters, buffers, states, hooks, containers, optimizers and losses.
import { losses, nn, optim, ones, zeros, type LossFunction, type Shape, type Tensor } from 'neuroxide'
import { holds, type Same } from './same.js'

class Gate extends nn.Module {
  readonly linear: nn.Linear
  readonly scale = new nn.Parameter(ones([3]))
  readonly seen = this.registerBuffer('seen', zeros([], { dtype: 'i32' }))

  constructor(features: number) {
    super()
    this.linear = new nn.Linear(features, features)
  }

  forward(x: Tensor, mask: Tensor | null = null): { output: Tensor; mask: Tensor | null } {
    return { output: this.linear.forward(x).mul(this.scale), mask }
  }
}

const gate = new Gate(3)
const x = zeros([2, 3])
const { output, mask } = gate.forward(x)
holds<Same<typeof output, Tensor>>()
holds<Same<typeof mask, Tensor | null>>()
// @ts-expect-error forward takes tensors
gate.forward('x')
holds<Same<typeof gate.scale, nn.Parameter<[3], 'f32'>>>()
holds<Same<typeof gate.seen, Tensor<[], 'i32'>>>()

// @ts-expect-error a module has a forward
class Formless extends nn.Module {}
class Strange extends nn.Module {
  // @ts-expect-error which is a method
  forward = 3
}
class Quiet extends nn.Module {
  // @ts-expect-error methods of the base class say `override`
  parameters(): nn.Parameter[] {
    return []
  }

  forward(x: Tensor): Tensor {
    return x
  }
}

// Words that change a module give it back, as what it is.
const same: Gate[] = [
  gate.train(),
  gate.eval(),
  gate.freeze(),
  gate.unfreeze(),
  gate.to('cpu'),
  gate.apply(() => {}),
]
// @ts-expect-error there is no such device here
gate.to('gpu')
const training: boolean = gate.training
// @ts-expect-error modes are switched by train() and eval()
gate.training = false

holds<Same<ReturnType<typeof gate.parameters>, nn.Parameter[]>>()
holds<Same<ReturnType<typeof gate.namedParameters>, [name: string, parameter: nn.Parameter][]>>()
holds<Same<ReturnType<typeof gate.namedBuffers>, [name: string, buffer: Tensor][]>>()
const state = gate.stateDict()
holds<Same<typeof state, Record<string, Tensor>>>()
const perhaps: Tensor | undefined = state['scale']
// @ts-expect-error a name may be none of the module's
state['scale'].sum()
const report = gate.loadStateDict(state, { strict: false })
holds<Same<typeof report.missing, string[]>>()
gate.loadStateDict({ scale: [1, 2] })
// @ts-expect-error states hold tensors, or their values as nested arrays
gate.loadStateDict({ scale: 'one' })

const hook = gate.registerForwardHook((module, inputs, output) => {
  holds<Same<typeof module, nn.Module>>()
  holds<Same<typeof inputs, readonly unknown[]>>()
  holds<Same<typeof output, unknown>>()
})
hook.remove()
gate.registerForwardPreHook((_, inputs) => [inputs[0]])
// @ts-expect-error the inputs, as an array
gate.registerForwardPreHook(() => 3)

// A parameter is a tensor of floats.
const parameter = new nn.Parameter(zeros([2, 3]), { requiresGrad: false })
holds<Same<typeof parameter, nn.Parameter<[2, 3], 'f32'>>>()
const itself: Tensor<[2, 3], 'f32'> = parameter
const double: nn.Parameter<Shape, 'f64'> = new nn.Parameter(zeros([2], { dtype: 'f64' }))
// @ts-expect-error integers are not trained
const integral = new nn.Parameter(zeros([2], { dtype: 'i32' }))
// @ts-expect-error a tensor is no parameter
const pretended: nn.Parameter = zeros([2])

// Containers.
const list = new nn.ModuleList([new nn.Linear(2, 3), new nn.Linear(3, 4)])
for (const layer of list) holds<Same<typeof layer, nn.Linear<2, 3> | nn.Linear<3, 4>>>()
const linears: nn.ModuleList<nn.Linear> = list
holds<Same<ReturnType<typeof linears.at>, nn.Linear | undefined>>()
const dict = new nn.ModuleDict({ a: new nn.Linear(2, 3), b: new nn.ReLU() })
const sequential = new nn.Sequential(...list, new nn.Dropout(0.1), new nn.Flatten())
const layer: nn.TensorModule | undefined = sequential.at(0)
holds<Same<ReturnType<typeof sequential.forward>, Tensor>>()
// @ts-expect-error a chain takes and gives one tensor
const broken = new nn.Sequential(gate)
// @ts-expect-error only modules
const mixed = new nn.Sequential(new nn.Linear(2, 3), (x: Tensor) => x)

// Layers' options.
const linear = new nn.Linear(2, 3, { bias: false })
const bias: nn.Parameter | null = linear.bias
// @ts-expect-error without bias there is none
linear.bias.sum()
// @ts-expect-error that is no option
const misspelt = new nn.Linear(2, 3, { biases: false })
const gelu = new nn.GELU('tanh')
// @ts-expect-error 'none' or 'tanh'
const wrongGelu = new nn.GELU('erf')
nn.init.kaimingUniform(parameter, { mode: 'fanOut', nonlinearity: 'leakyRelu' })
// @ts-expect-error 'fanIn' or 'fanOut'
nn.init.kaimingUniform(parameter, { mode: 'in' })

// Optimizers: hyperparameters are fields of the groups and, for all groups at once, of the optimizer.
const adam = new optim.Adam(gate.parameters(), { lr: 1e-3, betas: [0.9, 0.99] })
adam.lr = 1e-4
adam.paramGroups[0]!.weightDecay = 0.1
// @ts-expect-error chosen once
adam.amsgrad = true
// @ts-expect-error of SGD
const otherHyper = new optim.Adam(gate.parameters(), { momentum: 0.9 })
const sgd = new optim.SGD([{ params: gate.parameters(), lr: 0.1 }, { params: [parameter] }], {
  momentum: 0.9,
})
// @ts-expect-error of Adam
const otherGroup = new optim.SGD([{ params: gate.parameters(), betas: [0.9, 0.99] }])
const norm: Tensor = optim.clipGradNorm(gate.parameters(), 1)

// Losses.
const nothing: LossFunction = losses.crossEntropy
const entropy: Tensor = losses.crossEntropy(output, [0, 1], { labelSmoothing: 0.1, reduction: 'sum' })
// @ts-expect-error 'mean', 'sum' or 'none'
losses.mse(output, x, { reduction: 'average' })
// @ts-expect-error of crossEntropy
losses.mse(output, x, { labelSmoothing: 0.1 })
const module: Tensor = new nn.CrossEntropyLoss({ ignoreIndex: -1 }).forward(output, x)

export const used: unknown[] = [
  Formless,
  Strange,
  Quiet,
  same,
  training,
  perhaps,
  itself,
  double,
  integral,
  pretended,
  dict,
  layer,
  broken,
  mixed,
  bias,
  misspelt,
  gelu,
  wrongGelu,
  otherHyper,
  sgd,
  otherGroup,
  norm,
  nothing,
  entropy,
  module,
]

/** A program as it stands in an editor. */
export interface Right {
  readonly name: string
  readonly code: string
}

/** One that the compiler refuses: what it says, at what stands between « and ». */
export interface Wrong extends Right {
  readonly message: string
}

const refused = (name: string, message: string, code: string): Wrong => ({ name, message, code })
const accepted = (name: string, code: string): Right => ({ name, code })

export const wrong: readonly Wrong[] = [
  refused(
    'a product of matrices that do not meet',
    'matmul: [2, 3] × [4, 5]: 3 and 4 differ',
    'zeros([2, 3]).matmul(«zeros([4, 5])»)',
  ),
  refused(
    'the same as a function',
    'matmul: [2, 3] × [4, 5]: 3 and 4 differ',
    'matmul(zeros([2, 3]), «zeros([4, 5])»)',
  ),
  refused(
    'a product of a chain',
    'matmul: [2, 4] × [5, 6]: 4 and 5 differ',
    'zeros([2, 3]).matmul(zeros([3, 4])).exp().matmul(«zeros([5, 6])»)',
  ),
  refused(
    'a product in which the batch is open',
    'matmul: [?, 784] × [10, 5]: 784 and 10 differ',
    'batch.matmul(«zeros([10, 5])»)',
  ),
  refused(
    'products of batches that do not broadcast',
    'matmul: [7, 2, 3] × [5, 3, 4]: 7 and 5 do not broadcast',
    'zeros([7, 2, 3]).matmul(«zeros([5, 3, 4])»)',
  ),
  refused(
    'a product with a scalar',
    'matmul: [2, 3] × []: a scalar is no matrix',
    'zeros([2, 3]).matmul(«zeros([])»)',
  ),
  refused(
    'a product of a matrix and a vector',
    'matmul: [2, 3] × [2]: 3 and 2 differ',
    'zeros([2, 3]).matmul(«zeros([2])»)',
  ),
  refused('mm of two sizes', 'mm: [2, 3] × [2, 3]: 3 and 2 differ', 'mm(zeros([2, 3]), «zeros([2, 3])»)'),
  refused('mm of a vector', 'mm: [2, 3] × [3]: the second is no matrix', 'zeros([2, 3]).mm(«zeros([3])»)'),
  refused(
    'bmm of different batches',
    'bmm: [2, 3, 4] × [3, 4, 5]: 2 and 3 differ',
    'bmm(zeros([2, 3, 4]), «zeros([3, 4, 5])»)',
  ),
  refused('mv', 'mv: [2, 3] × [2]: 3 and 2 differ', 'zeros([2, 3]).mv(«zeros([2])»)'),
  refused('dot', 'dot: [3] × [4]: 3 and 4 differ', 'dot(zeros([3]), «zeros([4])»)'),
  refused(
    'a weight of other features',
    'linear: [5, 3] and weight [2, 4]: expects 4 features but gets 3',
    'linear(zeros([5, 3]), «zeros([2, 4])»)',
  ),
  refused(
    'a sum of shapes that do not broadcast',
    'add: [2, 3] and [4]: 3 and 4 do not broadcast',
    'zeros([2, 3]).add(«zeros([4])»)',
  ),
  refused(
    'the same as a function',
    'mul: [2, 3] and [3, 2]: 3 and 2 do not broadcast',
    'mul(zeros([2, 3]), «zeros([3, 2])»)',
  ),
  refused(
    'a comparison of shapes that do not broadcast',
    'lt: [5, 1, 4] and [2, 3, 1]: 5 and 2 do not broadcast',
    'zeros([5, 1, 4]).lt(«zeros([2, 3, 1])»)',
  ),
  refused(
    'a reshape to more elements',
    'reshape: [2, 3, 4] to [5, 5]: 24 and 25 elements',
    'zeros([2, 3, 4]).reshape(«[5, 5]»)',
  ),
  refused(
    'a reshape of images',
    'reshape: [32, 28, 28] to [32, 748]: 25088 and 23936 elements',
    'reshape(zeros([32, 28, 28]), «[32, 748]»)',
  ),
  refused(
    'an order of too few axes',
    'permute: [2, 3, 4] by [1, 0]: 2 axes for a rank of 3',
    'zeros([2, 3, 4]).permute(«[1, 0]»)',
  ),
  refused(
    'what is transposed the wrong way',
    'matmul: [3, 2] × [3, 4]: 2 and 3 differ',
    'transpose(zeros([2, 3])).matmul(«zeros([3, 4])»)',
  ),
  refused(
    'joined tensors of other rows',
    'concat: [2, 3] and [2, 4]: 3 and 4 differ',
    'const [a, b] = [zeros([2, 3]), zeros([2, 4])] as const\nconcat(«[a, b]»)',
  ),
  refused(
    'a stack of two shapes',
    'stack: [2, 3] and [3, 2]: 2 and 3 differ',
    'const [a, b] = [zeros([2, 3]), zeros([3, 2])] as const\nstack(«[a, b]»)',
  ),
  refused(
    'an input of other features',
    'nn.Linear: [32, 100]: expects 784 features but gets 100',
    'new nn.Linear(784, 10).forward(«zeros([32, 100])»)',
  ),
  refused(
    'a scalar for a layer',
    'nn.Linear: []: expects 4 features but gets a scalar',
    'new nn.Linear(4, 2).forward(«zeros([])»)',
  ),
  refused(
    'layers that do not follow each other',
    'nn.Sequential: layer 2 expects 64 features but gets 128',
    'new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), «new nn.Linear(64, 10)»)',
  ),
  refused(
    'the first of several that do not',
    'nn.Sequential: layer 1 expects 3 features but gets 2',
    'new nn.Sequential(new nn.Linear(1, 2), «new nn.Linear(3, 4)», new nn.Linear(5, 6))',
  ),
  refused(
    'layers after one that may do anything',
    'nn.Sequential: layer 3 expects 6 features but gets 5',
    'new nn.Sequential(new nn.Linear(2, 3), new Mine(), new nn.Linear(4, 5), «new nn.Linear(6, 7)»)',
  ),
  refused(
    'a chain in a chain',
    'nn.Sequential: layer 1.1 expects 11 features but gets 10',
    'new nn.Sequential(new nn.Linear(5, 10), «new nn.Sequential(new nn.ReLU(), new nn.Linear(11, 5))»)',
  ),
  refused(
    'a layer after a chain',
    'nn.Sequential: layer 2 expects 3 features but gets 10',
    'const body = new nn.Sequential(new nn.Linear(4, 10), new nn.Tanh())\nnew nn.Sequential(body, new nn.Dropout(0.5), «new nn.Linear(3, 1)»)',
  ),
  refused(
    'an input of a chain',
    'nn.Sequential: [32, 78]: layer 0 expects 784 features but gets 78',
    'new nn.Sequential(new nn.Linear(784, 10), new nn.Softmax()).forward(«zeros([32, 78])»)',
  ),
  refused(
    'images of another size',
    'nn.Sequential: [32, 28, 27]: layer 2 expects 784 features but gets 756',
    'new nn.Sequential(new nn.Rescale(1 / 255), new nn.Flatten(), new nn.Linear(784, 10)).forward(«zeros([32, 28, 27])»)',
  ),
  refused(
    'an input of a compiled model',
    'nn.Sequential: [8, 3]: layer 0 expects 4 features but gets 3',
    "const model = new nn.Sequential(new nn.Linear(4, 1)).compile({ optimizer: 'adam', loss: 'mse' })\nmodel.forward(«zeros([8, 3])»)",
  ),
  refused(
    'the output of a model as the input of another',
    'nn.Linear: [5, 2]: expects 3 features but gets 2',
    'const y = new nn.Sequential(new nn.Linear(4, 2), new nn.ReLU()).forward(zeros([5, 4]))\nnew nn.Linear(3, 1).forward(«y»)',
  ),
  refused(
    'targets without the last axis, for PyTorch’s mean squared error',
    'losses.mse: [32, 1] and target [32]: the ranks differ',
    'losses.mse(zeros([32, 1]), «zeros([32])»)',
  ),
  refused(
    'targets of another batch',
    'losses.l1: [32, 1] and target [64, 1]: 32 and 64 differ',
    'losses.l1(zeros([32, 1]), «zeros([64, 1])»)',
  ),
  refused(
    'class indices of another batch',
    'losses.crossEntropy: [32, 10] and target [30]: 32 and 30 differ',
    "losses.crossEntropy(zeros([32, 10]), «zeros([30], { dtype: 'i32' })»)",
  ),
  refused(
    'probabilities of other classes',
    'losses.crossEntropy: [32, 10] and target [32, 11]: 10 and 11 differ',
    'losses.crossEntropy(zeros([32, 10]), «zeros([32, 11])»)',
  ),
  refused(
    'one-hot targets where indices are wanted',
    'losses.nll: [32, 10] and target [32, 10]: the ranks differ',
    'losses.nll(zeros([32, 10]), «zeros([32, 10])»)',
  ),
  refused(
    'one-hot targets for Keras’s sparse loss',
    'losses.sparseCategoricalCrossentropy: [32, 10] and target [32, 10]: 1 and 10 differ',
    'losses.sparseCategoricalCrossentropy(zeros([32, 10]), «zeros([32, 10])»)',
  ),
  refused(
    'a target for Keras’s losses that differs by more than a last axis of 1',
    'losses.meanSquaredError: [32, 2] and target [32]: the ranks differ',
    'losses.meanSquaredError(zeros([32, 2]), «zeros([32])»)',
  ),
  refused(
    'a loss that is a module',
    'nn.MSELoss: [4, 2] and target [4, 3]: 2 and 3 differ',
    'new nn.MSELoss().forward(zeros([4, 2]), «zeros([4, 3])»)',
  ),
]

export const right: readonly Right[] = [
  accepted(
    'products, and say their shapes',
    `const a = zeros([2, 3]).matmul(zeros([3, 4]))
holds<Same<typeof a, Tensor<[2, 4], 'f32'>>>()
const b = matmul(zeros([7, 1, 2, 3]), zeros([5, 3, 4]))
holds<Same<typeof b, Tensor<[7, 5, 2, 4], 'f32'>>>()
const c = zeros([3]).matmul(zeros([3, 4]))
holds<Same<typeof c, Tensor<[4], 'f32'>>>()
const d = zeros([3]).matmul(zeros([3]))
holds<Same<typeof d, Tensor<[], 'f32'>>>()
const e = zeros([5, 2, 3]).matmul(zeros([3]))
holds<Same<typeof e, Tensor<[5, 2], 'f32'>>>()`,
  ),
  accepted(
    'products of matrices, batches and vectors',
    `const a = mm(zeros([2, 3]), zeros([3, 4]))
holds<Same<typeof a, Tensor<[2, 4], 'f32'>>>()
const b = bmm(zeros([5, 2, 3]), zeros([5, 3, 4]))
holds<Same<typeof b, Tensor<[5, 2, 4], 'f32'>>>()
const c = mv(zeros([2, 3]), zeros([3]))
holds<Same<typeof c, Tensor<[2], 'f32'>>>()
const d = dot(zeros([3]), zeros([3]))
holds<Same<typeof d, Tensor<[], 'f32'>>>()`,
  ),
  accepted(
    'products in which sizes are open',
    `const y = batch.matmul(zeros([784, 10]))
holds<Same<typeof y, Tensor<[number, 10], 'f32'>>>()
const z = zeros([2, 784]).matmul(batch.transpose())
holds<Same<typeof z, Tensor<[2, number], 'f32'>>>()`,
  ),
  accepted(
    'plain tensors in products, which give plain tensors',
    `const y = x.matmul(x)
holds<Same<typeof y, Tensor>>()
const z = matmul(x, zeros([2, 3]))
holds<Same<typeof z, Tensor>>()
const w = zeros([2, 3]).matmul(x)
holds<Same<typeof w, Tensor<Shape, 'f32'>>>()`,
  ),
  accepted(
    'arrays in products',
    `const y = zeros([2, 3]).matmul([[1], [2], [3]])
holds<Same<typeof y, Tensor<Shape, 'f32'>>>()
matmul([[1, 2]], [[3], [4]])`,
  ),
  accepted(
    'sums that broadcast',
    `const a = zeros([2, 3]).add(zeros([3]))
holds<Same<typeof a, Tensor<[2, 3], 'f32'>>>()
const b = zeros([5, 1, 4]).mul(zeros([3, 1]))
holds<Same<typeof b, Tensor<[5, 3, 4], 'f32'>>>()
const c = add(zeros([]), zeros([2]))
holds<Same<typeof c, Tensor<[2], 'f32'>>>()
const d = batch.sub(ones([784]))
holds<Same<typeof d, Tensor<[number, 784], 'f32'>>>()
const e = batch.div(batch)
holds<Same<typeof e, Tensor<[number, 784], 'f32'>>>()`,
  ),
  accepted(
    'numbers and arrays in sums',
    `const a = zeros([2, 3]).add(1)
holds<Same<typeof a, Tensor<[2, 3], 'f32'>>>()
zeros([2, 3]).add([1, 2, 3])
zeros([2]).add(new Float32Array(2))
const b = zeros([2, 3]).lt(0.5)
holds<Same<typeof b, Tensor<[2, 3], 'bool'>>>()`,
  ),
  accepted(
    'plain tensors in sums',
    `const a = x.add(x)
const b: Tensor = zeros([2, 3]).add(x)
const c: Tensor = x.add(zeros([2, 3]))
const d: Tensor = add(x, 1)`,
  ),
  accepted(
    'other shapes of the same elements',
    `const a = zeros([2, 3, 4]).reshape([6, 4])
holds<Same<typeof a, Tensor<[6, 4], 'f32'>>>()
const b = zeros([60000, 28, 28]).reshape([60000, 784])
holds<Same<typeof b, Tensor<[60000, 784], 'f32'>>>()
const c = reshape(zeros([1]), [])
holds<Same<typeof c, Tensor<[], 'f32'>>>()
const d = zeros([0, 3]).reshape([0])
holds<Same<typeof d, Tensor<[0], 'f32'>>>()`,
  ),
  accepted(
    '-1 among the sizes',
    `const a = zeros([32, 28, 28]).reshape([32, -1])
holds<Same<typeof a, Tensor<[32, 784], 'f32'>>>()
const b = zeros([2, 3, 4]).reshape([-1, 12])
holds<Same<typeof b, Tensor<[number, 12], 'f32'>>>()
const c = batch.reshape([-1, 28, 28])
holds<Same<typeof c, Tensor<[number, 28, 28], 'f32'>>>()`,
  ),
  accepted(
    'shapes that are computed',
    `const sizes: number[] = [2, 3]
const a: Tensor = zeros([2, 3]).reshape(sizes)
const b = zeros([2, 3]).reshape([sizes.length, 3])
holds<Same<typeof b, Tensor<[number, 3], 'f32'>>>()
const c: Tensor = x.reshape(x.shape)`,
  ),
  accepted(
    'joined axes',
    `const a = zeros([32, 28, 28]).flatten(1)
holds<Same<typeof a, Tensor<[32, 784], 'f32'>>>()
const b = zeros([32, 28, 28]).flatten()
holds<Same<typeof b, Tensor<[25088], 'f32'>>>()
const c = zeros([2, 3, 4]).flatten(0, 1)
holds<Same<typeof c, Tensor<Shape, 'f32'>>>()
const d = batch.flatten()
holds<Same<typeof d, Tensor<[number], 'f32'>>>()`,
  ),
  accepted(
    'axes in another order',
    `const a = zeros([2, 3, 4]).permute([2, 0, 1])
holds<Same<typeof a, Tensor<[4, 2, 3], 'f32'>>>()
const b = zeros([2, 3, 4]).permute([-1, 0, 1])
holds<Same<typeof b, Tensor<[4, 2, 3], 'f32'>>>()
const c = zeros([2, 3, 4]).transpose()
holds<Same<typeof c, Tensor<[2, 4, 3], 'f32'>>>()
const d = transpose(zeros([2, 3, 4]), 0, -1)
holds<Same<typeof d, Tensor<[4, 3, 2], 'f32'>>>()
const order: number[] = [1, 0]
const e: Tensor = zeros([2, 3]).permute(order)`,
  ),
  accepted(
    'new axes',
    `const a = zeros([2, 3]).unsqueeze(0)
holds<Same<typeof a, Tensor<[1, 2, 3], 'f32'>>>()
const b = zeros([2, 3]).unsqueeze(-1)
holds<Same<typeof b, Tensor<[2, 3, 1], 'f32'>>>()
const c = zeros([2]).unsqueeze(1).sub(zeros([5]))
holds<Same<typeof c, Tensor<[2, 5], 'f32'>>>()`,
  ),
  accepted(
    'joined tensors',
    `const [a, b] = [zeros([2, 3]), zeros([5, 3])] as const
const c = concat([a, b])
holds<Same<typeof c, Tensor<[number, 3], 'f32'>>>()
const d = stack([a, a])
holds<Same<typeof d, Tensor<[2, 2, 3], 'f32'>>>()
const e: Tensor = concat([x, a], 1)
const list: Tensor[] = [a, b]
const f: Tensor = concat(list)
const g: Tensor = stack([a, ...list])`,
  ),
  accepted(
    'layers, and say what they give',
    `const layer = new nn.Linear(784, 128)
holds<Same<typeof layer, nn.Linear<784, 128>>>()
holds<Same<typeof layer.weight, nn.Parameter<[128, 784]>>>()
const y = layer.forward(zeros([32, 784]))
holds<Same<typeof y, Tensor<[32, 128], FloatDType>>>()
const z = layer.forward(batch)
holds<Same<typeof z, Tensor<[number, 128], FloatDType>>>()
const w = layer.forward(x)
holds<Same<typeof w, Tensor>>()`,
  ),
  accepted(
    'layers of computed sizes',
    `const width = Number('8')
const layer = new nn.Linear(width, 4)
holds<Same<typeof layer, nn.Linear<number, 4>>>()
const y: Tensor = layer.forward(zeros([2, 3]))
new nn.Sequential(new nn.Linear(2, width), new nn.Linear(width, 3), layer)`,
  ),
  accepted(
    'layers where a layer of any size is asked for',
    `const any: nn.Linear = new nn.Linear(2, 3)
const layers: nn.Linear[] = [any, new nn.Linear(3, 4)]
layers.push(new nn.Linear(4, 5))
class Net extends nn.Module {
  readonly hidden: nn.Linear
  readonly out: nn.Linear
  constructor(width: number) {
    super()
    this.hidden = new nn.Linear(4, width)
    this.out = new nn.Linear(width, 2)
  }
  override forward(x: Tensor): Tensor {
    return this.out.forward(this.hidden.forward(x).relu())
  }
}
const y: Tensor = new Net(3).forward(zeros([1, 4]))`,
  ),
  accepted(
    'activations, which keep a shape',
    `const a = new nn.ReLU().forward(zeros([2, 3]))
holds<Same<typeof a, Tensor<[2, 3], 'f32'>>>()
const b = new nn.Softmax().forward(batch)
holds<Same<typeof b, Tensor<[number, 784], 'f32'>>>()
const c = new nn.Dropout(0.5).forward(x)
holds<Same<typeof c, Tensor>>()
const d = new nn.Rescale(1 / 255).forward(zeros([2, 3], { dtype: 'u8' }))
holds<Same<typeof d, Tensor<[2, 3], 'f32'>>>()`,
  ),
  accepted(
    'rows of samples',
    `const a = new nn.Flatten().forward(zeros([32, 28, 28]))
holds<Same<typeof a, Tensor<[32, 784], 'f32'>>>()
const b = new nn.Flatten(0).forward(zeros([32, 28, 28]))
holds<Same<typeof b, Tensor<Shape, 'f32'>>>()
const layer: nn.Flatten = new nn.Flatten(2)`,
  ),
  accepted(
    'chains, and say what they give',
    `const model = new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Dropout(0.1), new nn.Linear(128, 10))
holds<Same<typeof model, nn.Sequential<[nn.Linear<784, 128>, nn.ReLU, nn.Dropout, nn.Linear<128, 10>]>>>()
const y = model.forward(zeros([32, 784]))
holds<Same<typeof y, Tensor<[32, 10], FloatDType>>>()
const z = model.forward(batch)
holds<Same<typeof z, Tensor<[number, 10], FloatDType>>>()
const w = model.forward(x)
holds<Same<typeof w, Tensor>>()`,
  ),
  accepted(
    'a chain that begins with images',
    `const model = new nn.Sequential(new nn.Rescale(1 / 255), new nn.Flatten(), new nn.Linear(784, 10), new nn.Softmax())
const y = model.forward(zeros([32, 28, 28], { dtype: 'u8' }))
holds<Same<typeof y, Tensor<[32, 10], FloatDType>>>()`,
  ),
  accepted(
    'chains in chains',
    `const body = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU())
const model = new nn.Sequential(body, new nn.Sequential(new nn.Linear(8, 8), body.at(1) ?? new nn.ReLU()), new nn.Linear(8, 2))
const deep = new nn.Sequential(body, new nn.Sequential(new nn.Linear(8, 2)))
const y = deep.forward(zeros([5, 4]))
holds<Same<typeof y, Tensor<[5, 2], FloatDType>>>()`,
  ),
  accepted(
    'lists of layers',
    `const layers: nn.TensorModule[] = []
for (const size of [2, 3, 4]) layers.push(new nn.Linear(size, size + 1), new nn.ReLU())
const model = new nn.Sequential(...layers)
const y: Tensor = model.forward(zeros([1, 2]))
const linears = [new nn.Linear(2, 3), new nn.Linear(4, 5)]
const spread: nn.Sequential = new nn.Sequential(...linears, new nn.Dropout(0.1), new nn.Linear(9, 1))
new nn.Sequential()`,
  ),
  accepted(
    'layers of one’s own among others',
    `const model = new nn.Sequential(new nn.Linear(2, 3), new Mine(), new nn.Linear(7, 5), new nn.ReLU())
const y = model.forward(zeros([1, 2]))
holds<Same<typeof y, Tensor>>()`,
  ),
  accepted(
    'classes that extend layers',
    `class Noisy extends nn.Linear {
  override forward(x: Tensor): Tensor {
    return super.forward(x).add(1)
  }
}
class Loud extends nn.ReLU {
  override forward(x: Tensor): Tensor {
    return super.forward(x).mul(2)
  }
}
class Net extends nn.Sequential {
  constructor() {
    super(new nn.Linear(2, 3), new nn.ReLU())
  }
  override forward(x: Tensor): Tensor {
    return super.forward(x)
  }
}
new nn.Sequential(new Noisy(2, 3), new Loud(), new Net())`,
  ),
  accepted(
    'a model of 60 layers',
    `const model = new nn.Sequential(${Array.from({ length: 30 }, (_, i) => `new nn.Linear(${i + 1}, ${i + 2}), new nn.Tanh()`).join(', ')})
const y = model.forward(zeros([2, 1]))
holds<Same<typeof y, Tensor<[2, 31], FloatDType>>>()`,
  ),
  accepted(
    'a compiled chain, which is still one',
    `const model = new nn.Sequential(new nn.Linear(4, 3)).compile({
  optimizer: 'adam',
  loss: losses.crossEntropy,
  metrics: ['accuracy', { name: 'own', compute: losses.mse }],
})
const y = model.forward(zeros([8, 4]))
holds<Same<typeof y, Tensor<[8, 3], FloatDType>>>()
const { accuracy, own } = await model.evaluate(zeros([8, 4]), zeros([8]))
holds<Same<typeof accuracy, number>>()
holds<Same<typeof own, number>>()
const kept: nn.Sequential = model`,
  ),
  accepted(
    'metrics that are written in place',
    `const model = new nn.Sequential(new nn.Linear(4, 3)).compile({
  optimizer: 'adam',
  loss: (prediction: Tensor, target: Tensor) => losses.mse(prediction, target),
  metrics: [losses.mse, { name: 'own', compute: (prediction, target) => losses.l1(prediction, target) }],
})
const y = model.forward(zeros([8, 4]))
holds<Same<typeof y, Tensor<[8, 3], FloatDType>>>()`,
  ),
  accepted(
    'targets of the shape of predictions',
    `losses.mse(zeros([32, 1]), zeros([32, 1]))
losses.mse(x, zeros([32]))
losses.mse(batch, zeros([32, 784]))
losses.l1(zeros([2]), [1, 2], { reduction: 'sum' })
losses.binaryCrossEntropy([0.5], [1])`,
  ),
  accepted(
    'targets that are classes or probabilities',
    `losses.crossEntropy(zeros([32, 10]), zeros([32], { dtype: 'i32' }))
losses.crossEntropy(zeros([32, 10]), zeros([32, 10]))
losses.crossEntropy(zeros([32, 10, 7]), zeros([32, 7]))
losses.crossEntropy(zeros([10]), tensor(3))
losses.crossEntropy(zeros([2, 10]), [1, 2], { labelSmoothing: 0.1 })
losses.nll(batch, zeros([32]))
new nn.CrossEntropyLoss().forward(zeros([32, 10]), x)`,
  ),
  accepted(
    'targets as Keras’s losses align them',
    `losses.meanSquaredError(zeros([32, 1]), zeros([32]))
losses.meanSquaredError(zeros([32]), zeros([32, 1]))
losses.binaryCrossentropy(zeros([32, 1]), zeros([32]))
losses.sparseCategoricalCrossentropy(zeros([32, 10]), zeros([32]))
losses.sparseCategoricalCrossentropy(zeros([32, 10]), zeros([32, 1]))`,
  ),
  accepted(
    'losses where a function of two tensors is asked for',
    `const loss: (prediction: Tensor, target: Tensor) => Tensor = losses.mse
const all: ((prediction: Tensor, target: Tensor) => Tensor)[] = [losses.mse, losses.crossEntropy]
const step = jit((x: Tensor, y: Tensor) => losses.mse(x, y))
step(zeros([2]), zeros([2]))`,
  ),
  accepted(
    'functions of tensors of any shape',
    `function shared<S extends Shape, T extends Shape>(a: Tensor<S>, b: Tensor<T>, size: S): Tensor[] {
  const layer = new nn.Linear(3, 4)
  const model = new nn.Sequential(new nn.Flatten(), layer, new nn.ReLU())
  return [a.add(b), a.add(a), a.matmul(b), zeros([2, 3]).matmul(a), a.reshape(size), a.reshape([2, 3]), a.permute(size), a.flatten(1), a.transpose(), concat([a, b]), stack([a, b]), losses.mse(a, b), losses.crossEntropy(a, b), linear(a, b), layer.forward(a), model.forward(a), a.sub(a.mean(1))]
}
shared(zeros([2]), zeros([3]), [2])`,
  ),
  accepted(
    'functions of any tensors',
    `function any<X extends Tensor, Y extends TensorLike>(a: X, b: Y): Tensor[] {
  return [a.add(a), a.mul(b), add(b, a), a.matmul(a), zeros([2]).add(a), losses.mse(a, b), new nn.ReLU().forward(a)]
}
any(zeros([2]), 1)`,
  ),
  accepted(
    'functions of any sizes',
    `function rows<N extends number, M extends number>(a: Tensor<[N, 3]>, b: Tensor<[M, 3]>, c: Tensor<[3, N]>): Tensor[] {
  return [a.add(b), a.add(a), a.matmul(c), c.matmul(a), a.reshape([-1]), losses.mse(a, b), concat([a, b]), new nn.Linear(3, 4).forward(a)]
}
class Block<N extends number> extends nn.Module {
  readonly linear: nn.Linear<N, N>
  constructor(n: N) {
    super()
    this.linear = new nn.Linear(n, n)
  }
  override forward(x: Tensor<[number, N]>): Tensor {
    return this.linear.forward(x).relu()
  }
}
new Block(3).forward(zeros([2, 3]))`,
  ),
  accepted(
    'what was written before shapes were checked',
    `let h: Tensor = zeros([1, 4])
for (const layer of [new nn.Linear(4, 8), new nn.Linear(8, 2)]) h = layer.forward(h).relu()
const w1 = new nn.Parameter(zeros([4, 8]))
const w2: nn.Parameter = new nn.Parameter(zeros([8, 1]))
const optimizer = new optim.SGD([w1, w2], { lr: 0.1 })
function net(x: Tensor): Tensor {
  return x.matmul(w1).relu().matmul(w2)
}
const loss = losses.mse(net(zeros([5, 4])), zeros([5, 1]))
loss.backward()
optimizer.step()
for (const { x, y } of new data.DataLoader({ x: zeros([8, 4]), y: zeros([8, 1]) }, { batchSize: 4 })) losses.mse(net(x), y)`,
  ),
  accepted(
    'a way out',
    `const a: Tensor = zeros([2, 3])
a.add(zeros([4]))
zeros([2, 3]).add(zeros([4]) as Tensor)`,
  ),
]

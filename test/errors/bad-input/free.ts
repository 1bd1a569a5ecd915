/** What no argument can be wrong of, with the reason; everything else has a row. */
const reasons: readonly { readonly reason: string; readonly names: readonly string[] }[] = [
  {
    reason: 'errors are made with any message',
    names: [
      'new AnomalyError',
      'new BusyError',
      'new DTypeError',
      'new data.DataError',
      'new DeviceError',
      'new DisposedError',
      'new FileError',
      'new FormatError',
      'new GradError',
      'new IndexError',
      'new InternalError',
      'new LossInputError',
      'new ShapeError',
      'new TensorError',
      'new TraceError',
      'new ValueError',
      'new nn.StateDictError',
      'new optim.OptimizerStateError',
    ],
  },
  {
    reason: 'predicates take anything',
    names: ['isTensor', 'metrics.isMetric', 'nn.isModule', 'nn.isParameter'],
  },
  {
    reason: 'they take nothing and read what always is',
    names: ['memory', 'deviceInfo', 'rngState', 'isGradEnabled'],
  },
  {
    reason: 'they take nothing and read or forget what was counted',
    names: ['Metric#compute', 'Metric#reset', 'ConfusionMatrix#compute', 'ConfusionMatrix#reset'].map(
      (name) => `metrics.${name}`,
    ),
  },
  {
    reason: 'they take sums that the same metric made',
    names: ['Metric#totals', 'AUC', 'BinaryAccuracy', 'F1', 'MeanAbsoluteError', 'Perplexity', 'R2'].map(
      (name) => (name.includes('#') ? `metrics.${name}` : `metrics.${name}#result`),
    ),
  },
  {
    reason: 'layers without options',
    names: ['new nn.ReLU', 'new nn.SiLU', 'new nn.Sigmoid', 'new nn.Tanh', 'new nn.Identity'],
  },
  {
    reason: 'tensors that are gone can be disposed of again, and shown',
    names: ['dispose', 'toString', '[Symbol.dispose]', '[nodejs.util.inspect.custom]'].map(
      (name) => `Tensor#${name}`,
    ),
  },
  {
    reason: 'they take nothing and list what a module holds',
    names: [
      'namedChildren',
      'children',
      'namedModules',
      'modules',
      'namedParameters',
      'parameters',
      'namedBuffers',
      'buffers',
      'ownBuffers',
      'stateDict',
      'stateTensors',
      'toString',
      '[members]',
      '[nodejs.util.inspect.custom]',
    ].map((name) => `nn.Module#${name}`),
  },
  {
    reason: 'they take nothing and list what a container holds',
    names: [
      'nn.ModuleList#[members]',
      'nn.ModuleDict#[members]',
      'nn.Sequential#[members]',
      'nn.ModuleList#[Symbol.iterator]',
      'nn.ModuleDict#[Symbol.iterator]',
      'nn.Sequential#[Symbol.iterator]',
      'nn.ModuleDict#keys',
    ],
  },
  {
    reason: 'any key may be asked for',
    names: ['nn.ModuleDict#get', 'nn.ModuleDict#has', 'nn.ModuleDict#delete'],
  },
  {
    reason: 'they take nothing and work on what is held',
    names: [
      'nn.Linear#resetParameters',
      'optim.Optimizer#step',
      'optim.Optimizer#parameters',
      'optim.Optimizer#stateDict',
      'optim.Optimizer#toString',
      'optim.Optimizer#[nodejs.util.inspect.custom]',
    ],
  },
  {
    reason: 'only tables call them, and JSON.stringify the last',
    names: ['writeInputs', 'targetNumber', 'toJSON'].map((name) => `data.Preprocessing#${name}`),
  },
  {
    reason: 'a base class without arguments; fit tells it of the model',
    names: ['new Callback', 'Callback#attach'],
  },
  {
    reason: 'they take nothing and work on the weights that the average was made for',
    names: ['optim.EMA#update', 'optim.EMA#stateDict'],
  },
  {
    reason: 'the constructor calls it, with what it has checked',
    names: ['optim.Optimizer#check', 'optim.SGD#check'],
  },
  {
    reason: 'only stateDict calls it',
    names: ['SGD', 'Adam', 'AdamW', 'RMSprop', 'Adagrad'].map((name) => `optim.${name}#stateNames`),
  },
]

export const excepted: readonly string[] = reasons.flatMap(({ names }) => names)

/** Every layer has these, which take nothing and tell its own settings, for people and for files. */
export function isDescription(name: string): boolean {
  return name.endsWith('#describe') || name.endsWith('#config')
}

/** Schedulers call these themselves, and `fit` the hooks of callbacks, with numbers of their own; the rest takes nothing. */
export function isOwnCall(name: string): boolean {
  return (
    /^optim\.lrScheduler\.\w+#(rates|closedForm|saved|restore|begin|rewind|start|restart|moveTo|write)$/.test(
      name,
    ) ||
    /^optim\.lrScheduler\.\w+#(getLastLr|stateDict)$/.test(name) ||
    // What `loadStateDict` is made of, for `fit` to check a file before it writes.
    /^optim\.(Optimizer|EMA)#loading$/.test(name) ||
    /^callbacks\.\w+#(on[A-Z]\w*|state|stateTensors|resumeFrom|elapsed|remaining|\[undo\])$/.test(name)
  )
}

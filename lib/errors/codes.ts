/** What is told of a code beside its name; docs/errors.md and `npx neuroxide explain` are made of it. */
export interface CodeEntry {
  /** The class as programs name it; none for a warning. */
  readonly class?: string
  /** When it comes. */
  readonly meaning: string
  /** What to do then. */
  readonly remedy: string
}

/** Every code that an error of this library carries. A class without a row here does not compile. */
export const errorCodes = {
  ERR_SHAPE: {
    class: 'ShapeError',
    meaning:
      'Sizes do not fit each other, or what was asked. PyTorch-named losses also refuse `[32, 1]` against `[32]`, which would broadcast to a wrong loss.',
    remedy: "`reshape`, `unsqueeze`, `squeeze`, or correct a layer's size.",
  },
  ERR_DTYPE: {
    class: 'DTypeError',
    meaning:
      'An element type does not fit: u8 images in a float layer, arithmetic on bool, an element type that does not exist.',
    remedy: "`to('f32')`, or `nn.Rescale(1 / 255)` as the first layer for images.",
  },
  ERR_INDEX: {
    class: 'IndexError',
    meaning:
      'An index lies outside its axis: `at`, `gather`, `indexSelect`, a class that a loss does not know. In a program nothing was written when it is thrown.',
    remedy: 'Check the number of classes and the data.',
  },
  ERR_VALUE: {
    class: 'ValueError',
    meaning:
      'An argument is out of range or of the wrong kind: an unknown option, a seed that is no integer, integer division by zero, an integer sum that does not fit i32, an operator such as `+` on tensors.',
    remedy: 'The message names what is expected.',
  },
  ERR_TRACE: {
    class: 'TraceError',
    meaning:
      "Something that a jitted function cannot do: read values, be async, make parameters, write a module's field; a gradient that a step kept to itself; `verify` found a difference.",
    remedy: 'See [jit.md](jit.md).',
  },
  ERR_GRAD: {
    class: 'GradError',
    meaning:
      'A gradient that cannot be computed: nothing requires one, a second pass, a value overwritten since the forward pass, an integer with `requiresGrad`.',
    remedy:
      '`retainGraph: true` for a second pass; write after `backward()`; call `backward()` inside the jitted function.',
  },
  ERR_DISPOSED: {
    class: 'DisposedError',
    meaning:
      'The tensor is gone: disposed of, made in another worker thread, or a large output of a jitted function that has run again.',
    remedy: '`clone()` what has to outlive the next run; send `toTypedArray()` and the shape to workers.',
  },
  ERR_BUSY: {
    class: 'BusyError',
    meaning:
      "A running `fit` owns the weights: a second `fit`, an optimizer's step, or a jitted step on them.",
    remedy: 'Await the first `fit`, or abort it.',
  },
  ERR_LOSS_INPUT: {
    class: 'LossInputError',
    meaning:
      'A loss was given the wrong kind of prediction: softmax into a loss of logits, a bare linear layer into a loss of probabilities.',
    remedy: 'Leave the layer out, add one, or use the loss that the message names.',
  },
  ERR_ANOMALY: {
    class: 'AnomalyError',
    meaning:
      'Under `detectAnomaly`: the first NaN or infinity. The message has the op, the module and the line.',
    remedy: 'Smaller learning rate, clipped gradients, or what the named op suggests.',
  },
  ERR_DEVICE: {
    class: 'DeviceError',
    meaning: 'The device has no more memory, or there is no such device.',
    remedy: "A smaller batch; `'cpu'`.",
  },
  ERR_FILE: {
    class: 'FileError',
    meaning:
      'A file or folder cannot be opened, read or written: it does not exist, may not be written, the disk is full. Where a file was to be replaced, the old one is as it was.',
    remedy: 'The message has the path and what the system said of it.',
  },
  ERR_FORMAT: {
    class: 'FormatError',
    meaning:
      'The content of a file is not what it should be: cut off, damaged, of another format, written by a newer version, or made to do harm.',
    remedy: 'The message says what was found. Take another copy of the file, or write it again.',
  },
  ERR_STATE_DICT: {
    class: 'nn.StateDictError',
    meaning:
      'A state does not fit a module; the message lists all missing, unexpected and mis-shaped keys. Nothing was loaded.',
    remedy: '`{ strict: false }` for missing and unexpected keys.',
  },
  ERR_OPTIMIZER_STATE: {
    class: 'optim.OptimizerStateError',
    meaning: 'A state does not fit an optimizer. Nothing was loaded.',
    remedy: 'Make the optimizer with the same groups and parameters.',
  },
  ERR_DATA: {
    class: 'data.DataError',
    meaning:
      'Data cannot be used as it is: a file that is missing or damaged, a cell that is no number, a missing value, a row that a function of a pipeline threw at. `file`, `line`, `column` and `row` say where; `cause` is what was thrown.',
    remedy: 'Correct the data, or say what is meant: `types`, `missing`, `missingValues`.',
  },
  ERR_INTERNAL: {
    class: 'InternalError',
    meaning: 'A defect of this library; a panic of the native code arrives as one.',
    remedy: 'Please report it, with the message.',
  },
  ERR_NATIVE_BINDING: {
    class: 'NativeBindingError',
    meaning:
      'On import: no native addon could be loaded. The message says which system this is, what was tried and how to fix it. Not a `TensorError`, and not exported, as nothing is loaded then.',
    remedy: 'The line after `Fix:`; `npx neuroxide doctor` shows what was found.',
  },
} as const satisfies Readonly<Record<string, Required<CodeEntry>>>

/** The code of an error: `error.code` of every class, so that a `switch` over it is checked. */
export type ErrorCode = keyof typeof errorCodes

/** Every code that a warning carries, as `process.on('warning', ({ code }) => …)` sees it. */
export const warningCodes = {
  NEUROXIDE_ORPHAN: {
    meaning: "A parameter reaches the loss but is in no optimizer, or in no module's `stateDict`.",
    remedy:
      'Keep it in a public field of the module, give `model.parameters()` to the optimizer, or `freeze()` it.',
  },
  NEUROXIDE_RETRACE: {
    meaning: 'A jitted function was traced twelve times.',
    remedy: 'Pad batches to few sizes; pass numbers that vary as arguments that are not static.',
  },
} as const satisfies Readonly<Record<string, CodeEntry>>

/** The code of a warning. */
export type WarningCode = keyof typeof warningCodes

/** What is known of a code of an error or a warning; undefined of one that does not exist. */
export function entryOf(code: string): CodeEntry | undefined {
  const all: Readonly<Record<string, CodeEntry>> = { ...errorCodes, ...warningCodes }
  return Object.hasOwn(all, code) ? all[code] : undefined
}

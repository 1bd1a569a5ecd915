import { ValueError, callbacks, nn, optim, zeros } from 'neuroxide'
import { bad, row, some, type Rows } from './row.js'

type Makers = Readonly<Record<string, new (...args: unknown[]) => unknown>>
const makers = callbacks as unknown as Makers

/** What a constructor takes before its options. */
const before: Readonly<Record<string, readonly unknown[]>> = {
  BackupAndRestore: ['x.safetensors'],
  CSVLogger: ['x.csv'],
  EarlyStopping: [],
  LearningRateScheduler: [(_: number, lr: number) => lr],
  ModelCheckpoint: ['x.safetensors'],
  ReduceLROnPlateau: [],
  SwapEMAWeights: [],
  TensorBoard: ['logs'],
  TerminateOnNaN: [],
  Timer: [],
}

export const unknown: Rows = Object.entries(before).map(([name, first]) =>
  row(`new callbacks.${name}`, ValueError, /there is no option "restore_best_weights"; expected/, () =>
    Reflect.construct(makers[name]!, [...first, { restore_best_weights: true }]),
  ),
)

const scheduler = (): optim.lrScheduler.ReduceLROnPlateau =>
  new optim.lrScheduler.ReduceLROnPlateau(new optim.SGD([new nn.Parameter(zeros([1]))]))

export const options: Rows = [
  row(
    'new callbacks.EarlyStopping',
    ValueError,
    /-1 as patience; expected an integer of at least 0/,
    () => new callbacks.EarlyStopping({ patience: -1 }),
  ),
  row(
    'new callbacks.EarlyStopping',
    ValueError,
    /mode 'auto' of "speed"; expected 'min' or 'max'/,
    () => new callbacks.EarlyStopping({ monitor: 'speed' }),
  ),
  row(
    'new callbacks.EarlyStopping',
    ValueError,
    /"down" as mode; expected one of 'auto'/,
    () => new callbacks.EarlyStopping({ mode: bad('down') }),
  ),
  row(
    'new callbacks.ReduceLROnPlateau',
    ValueError,
    /1\.5 as factor; expected a number below 1/,
    () => new callbacks.ReduceLROnPlateau({ factor: 1.5 }),
  ),
  row(
    'new callbacks.LearningRateScheduler',
    ValueError,
    /0\.1 as schedule; expected a function/,
    () => new callbacks.LearningRateScheduler(bad(0.1)),
  ),
  row(
    'new callbacks.LearningRateScheduler',
    ValueError,
    /"batch" as per; expected 'epoch' for a ReduceLROnPlateau/,
    () => new callbacks.LearningRateScheduler(scheduler(), { per: 'batch' }),
  ),
  row(
    'new callbacks.ModelCheckpoint',
    ValueError,
    /undefined as path; expected a text/,
    () => new callbacks.ModelCheckpoint(bad()),
  ),
  row(
    'new callbacks.ModelCheckpoint',
    ValueError,
    /"\{epoch:x\}" in the path; expected a name/,
    () => new callbacks.ModelCheckpoint('w-{epoch:x}.safetensors'),
  ),
  row(
    'new callbacks.ModelCheckpoint',
    ValueError,
    /0 as saveFreq; expected 'epoch' or a number of batches/,
    () => new callbacks.ModelCheckpoint('w.safetensors', { saveFreq: 0 }),
  ),
  row(
    'new callbacks.ModelCheckpoint',
    ValueError,
    /true as optimizer; expected false with saveWeightsOnly/,
    () => new callbacks.ModelCheckpoint('w.safetensors', { saveWeightsOnly: true, optimizer: true }),
  ),
  row(
    'new callbacks.BackupAndRestore',
    ValueError,
    /3 as path; expected that of a file/,
    () => new callbacks.BackupAndRestore(bad(3)),
  ),
  row(
    'new callbacks.CSVLogger',
    ValueError,
    /";;" as separator; expected one character/,
    () => new callbacks.CSVLogger('x.csv', { separator: ';;' }),
  ),
  row(
    'new callbacks.CSVLogger',
    ValueError,
    /"" as path; expected that of a file/,
    () => new callbacks.CSVLogger(''),
  ),
  row(
    'new callbacks.TensorBoard',
    ValueError,
    /"step" as updateFreq; expected 'epoch', 'batch'/,
    () => new callbacks.TensorBoard('logs', { updateFreq: bad('step') }),
  ),
  row(
    'new callbacks.TensorBoard',
    ValueError,
    /3 as logDir; expected the path of a folder/,
    () => new callbacks.TensorBoard(bad(3)),
  ),
  row(
    'new callbacks.TerminateOnNaN',
    ValueError,
    /1 as raiseError; expected true or false/,
    () => new callbacks.TerminateOnNaN({ raiseError: bad(1) }),
  ),
  row(
    'new callbacks.LambdaCallback',
    ValueError,
    /there is no option "onEpoch"; expected onTrainBegin/,
    () => new callbacks.LambdaCallback(bad({ onEpoch: () => {} })),
  ),
  row(
    'new callbacks.LambdaCallback',
    ValueError,
    /3 as onEpochEnd; expected a function/,
    () => new callbacks.LambdaCallback({ onEpochEnd: bad(3) }),
  ),
  row(
    'new callbacks.Timer',
    ValueError,
    /"1h" as duration; expected seconds/,
    () => new callbacks.Timer({ duration: '1h' }),
  ),
  row(
    'new callbacks.SwapEMAWeights',
    ValueError,
    /0 as swapOnEpoch; expected true or false/,
    () => new callbacks.SwapEMAWeights({ swapOnEpoch: bad(0) }),
  ),
]

interface Restorable {
  loadState(state: unknown): void
}

const restorable: Readonly<Record<string, () => Restorable>> = {
  BackupAndRestore: () => new callbacks.BackupAndRestore('x.safetensors'),
  CSVLogger: () => new callbacks.CSVLogger('x.csv'),
  EarlyStopping: () => new callbacks.EarlyStopping(),
  LearningRateScheduler: () => new callbacks.LearningRateScheduler((_, lr) => lr),
  ModelCheckpoint: () => new callbacks.ModelCheckpoint('x.safetensors'),
  ReduceLROnPlateau: () => new callbacks.ReduceLROnPlateau(),
  SwapEMAWeights: () => new callbacks.SwapEMAWeights(),
  TensorBoard: () => new callbacks.TensorBoard(),
  Timer: () => new callbacks.Timer(),
}

export const states: Rows = [
  ...Object.entries(restorable).map(([name, make]) =>
    row(`callbacks.${name}#loadState`, ValueError, /undefined as \w+ of a saved state; expected/, () =>
      make().loadState({}),
    ),
  ),
  row('callbacks.EarlyStopping#loadStateTensors', ValueError, /\bmodel was read outside.*; expected/, () =>
    new callbacks.EarlyStopping({ restoreBestWeights: true }).loadStateTensors({ weight: some() }),
  ),
]

import { ValueError } from '../errors.js'
import { native } from '../native.js'
import { withRow } from './diagnoses.js'
import { areSums } from './measures.js'
import { Origin } from '../errors/origin.js'
import { batchesOf, type Source, type Streamed } from './source.js'
import { evaluationStep, StepCache, trainingStep, type TensorBatch } from './steps.js'
import { Feed, measurements, type Passing, passOver, preparedBatch, rowsOf, Tally } from './stream.js'
import { TestRun } from './testing.js'
import { beginning, programRng, type FeedPosition, type Training } from './training.js'

/** What the loop over batches from JavaScript works on. */
interface Streaming {
  readonly training: Training
  readonly source: Streamed
  readonly feed: Feed
  readonly passing: Passing
  readonly updating: StepCache
  /** Programs that only add gradients up. */
  readonly adding: StepCache
  /** How the present iteration of the loader began. */
  began: Pick<FeedPosition, 'rng' | 'epoch'>
  /** The random numbers before the last batch was taken. */
  before: FeedPosition['rng']
  /** A batch that was taken before the training was saved, and has to be trained on first. */
  held: TensorBatch | null
}

/** Trains on batches from JavaScript: the same loop, step by step. Samples in memory become batches too, where only one side streams. */
export async function trainStreamed(
  training: Training,
  train: Source,
  validation: Source | null,
  prepared: ((batch: TensorBatch) => TensorBatch) | undefined,
): Promise<void> {
  const { model, compiled, settings } = training
  const visits = train.kind === 'memory' && settings.stepsPerEpoch !== undefined
  const { epoch: first } = training.position
  const source = batchesOf(train, first)
  if (visits) rewind(source, Math.floor((first * (settings.stepsPerEpoch ?? 0)) / source.steps))
  const streaming: Streaming = {
    training,
    source,
    feed: new Feed(source),
    passing: {
      op: 'fit',
      sums: areSums(compiled),
      signal: settings.signal,
      origin: new Origin(),
      prepared,
    },
    updating: new StepCache((batch, rows) => trainingStep(model, compiled, batch, rows)),
    adding: new StepCache((batch, rows) => trainingStep(model, compiled, batch, rows, false)),
    began: { rng: programRng(), epoch: loaderEpoch(source) },
    before: programRng(),
    held: null,
  }
  const measures = new StepCache((batch, rows) => evaluationStep(model, compiled, batch, rows))
  const checked = validation === null ? null : batchesOf(validation)
  try {
    await restored(streaming)
    for (let epoch = first; epoch < settings.epochs; epoch++)
      if (await oneEpoch(streaming, epoch, checked, measures)) return
  } finally {
    await streaming.feed.close()
    for (const cache of [streaming.updating, streaming.adding, measures]) cache.free()
  }
}

/** The number of the loader's next epoch, where it counts them. */
function loaderEpoch({ batches }: Streamed): number | null {
  const { epoch } = batches as { readonly epoch?: unknown }
  return typeof epoch === 'number' ? epoch : null
}

function rewind({ batches }: Streamed, epoch: number | null): void {
  if (epoch !== null) (batches as { epoch?: number }).epoch = epoch
}

/** Brings the loader to where a saved training stood. */
async function restored(streaming: Streaming): Promise<void> {
  const { training, feed, source } = streaming
  const { feed: saved } = training.position
  if (saved === null) return
  const now = programRng()
  native.setRngState(...saved.rng)
  rewind(source, saved.epoch)
  streaming.began = { rng: saved.rng, epoch: saved.epoch }
  if (saved.taken > 0) {
    feed.begin()
    while (feed.taken < saved.taken) {
      training.settings.signal?.throwIfAborted()
      const last = feed.taken + 1 === saved.taken && saved.held !== null
      // Steps drew numbers between its batches, which may draw some too.
      if (last) native.setRngState(...(saved.held ?? now))
      streaming.before = programRng()
      const given = await feed.next()
      if (given === null)
        throw new ValueError(
          `fit: resume: the loader gave ${feed.taken} batches; expected the ${saved.taken} that it had given before. Does it give the same data again?`,
        )
      if (last) streaming.held = preparedBatch(streaming.passing, given, source)
    }
  }
  native.setRngState(...now)
}

/** The next batch; null where the epoch is over. */
async function nextBatch(streaming: Streaming, limit: number | undefined): Promise<TensorBatch | null> {
  const { feed, source, passing, training, held } = streaming
  if (held !== null) {
    streaming.held = null
    return held
  }
  for (let attempt = 0; ; attempt++) {
    if (!feed.open) {
      // With a number of steps the loader goes on from epoch to epoch.
      if (attempt > 0 && limit === undefined) return null
      streaming.began = { rng: programRng(), epoch: loaderEpoch(source) }
      feed.begin()
    }
    streaming.before = programRng()
    const given = await feed.next()
    if (given !== null) return preparedBatch(passing, given, source)
    if (feed.taken === 0)
      throw new ValueError(
        'fit: a loader without batches; expected some in each epoch. Does it give its batches once only?',
      )
    if (limit === undefined) {
      training.position = { ...training.position, feed: null }
      return null
    }
  }
}

/** One epoch, or what is left of it; true where it was the last. */
async function oneEpoch(
  streaming: Streaming,
  epoch: number,
  checked: Streamed | null,
  measures: StepCache,
): Promise<boolean> {
  const { training, source, passing } = streaming
  const { settings, compiled } = training
  const limit = settings.stepsPerEpoch
  const tally = new Tally(passing.sums)
  let { step } = training.position
  if (step > 0) tally.running = { totals: training.position.sums, samples: training.position.seen }
  await training.epochBegins(epoch, limit ?? source.steps)
  while (!training.model.stopTraining) {
    if (limit !== undefined && step >= limit) break
    const batch = await nextBatch(streaming, limit)
    if (batch === null) break
    settings.signal?.throwIfAborted()
    stand(streaming, epoch, step, tally, true)
    await training.batchBegins(step)
    if (training.model.stopTraining) break
    if (step === 0) training.diagnoses?.inputs(batch)
    await oneStep(streaming, batch, tally, step)
    step += 1
    const { values } = tally
    if (!Number.isFinite(values[0]?.[0])) training.diagnoses?.loss(epoch, step - 1, batch)
    training.bar.update(step, training.readings(values))
    stand(streaming, epoch, step, tally, false)
    if (settings.batchCallbacks.length > 0 && training.batchTold(step - 1, values)) return true
    await training.batchEnds(step - 1, values)
  }
  settings.signal?.throwIfAborted()
  const runs = validates(settings.validationFreq, epoch)
  const seen = checked === null || !runs ? null : await validated(streaming, checked, measures)
  training.position = { ...beginning(epoch + 1, compiled.batches), feed: feedPosition(streaming) }
  training.diagnoses?.epoch()
  return await training.epochEnds(epoch, step, tally.values, seen)
}

/** Where the loader stands; a finished iteration is none. */
function feedPosition({ feed, began, before, source }: Streaming, held = false): FeedPosition {
  if (feed.open) return { ...began, taken: feed.taken, held: held ? before : null }
  return { rng: programRng(), epoch: loaderEpoch(source), taken: 0, held: null }
}

function stand(streaming: Streaming, epoch: number, step: number, tally: Tally, held: boolean): void {
  const { training } = streaming
  const { totals, samples: seen } = tally.running
  const sums = totals.map((own) => [...own])
  const { batches } = training.compiled
  training.position = {
    epoch,
    step,
    key: null,
    offset: 0,
    sums,
    seen,
    batches,
    feed: feedPosition(streaming, held),
  }
}

async function oneStep(streaming: Streaming, batch: TensorBatch, tally: Tally, step: number): Promise<void> {
  const { training, passing, updating, adding } = streaming
  const { compiled } = training
  const updates = (compiled.batches + 1) % compiled.update.every === 0
  const program = (updates ? updating : adding).for(batch)
  const rows = rowsOf(batch)
  try {
    tally.add(await measurements(program, batch, passing.origin), rows)
  } catch (error) {
    throw passing.origin.error(withRow('fit', error, [{ what: `batch ${step + 1}`, y: batch.y, rows }]))
  }
  compiled.batches += 1
}

function validates(frequency: number | readonly number[], epoch: number): boolean {
  return typeof frequency === 'number' ? (epoch + 1) % frequency === 0 : frequency.includes(epoch + 1)
}

async function validated(
  { training, passing }: Streaming,
  checked: Streamed,
  measures: StepCache,
): Promise<number[][]> {
  const test = new TestRun(training, null)
  if (test.asked) await test.begins()
  const { values } = await passOver(
    {
      ...passing,
      prepared: undefined,
      limit: training.settings.validationSteps,
      onStepBegin: test.asked ? (step) => test.batchBegins(step) : undefined,
      onStep: async (step, outputs) => {
        if (test.asked) await test.batchEnds(step - 1, outputs)
        return false
      },
    },
    checked,
    measures,
  )
  if (test.asked) await test.ends(values)
  return values
}

// `npm run bench:peers`: our steps beside those of other libraries, in rounds, with calibrations between them.
import { cpSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parsed } from '../options.js'
import { workloads, type Workload } from '../workloads.js'
import { disagreement } from './agreement.js'
import { type Calibration, calibrator, limitOf, typical } from './calibration.js'
import { missing, ours, rivals, type Peer } from './catalog.js'
import { Contestant } from './contestant.js'
import { load, processors, surroundings, ticks } from './processors.js'
import { machine, short, table, type Row } from './report.js'

const installer = 'bench/peers/setup.sh'
const usage = `npm run bench:peers -- --peers DIR [--workload NAME …] [--threads N] [--rounds R] [--seconds S] [--only WORD …] [--json FILE]

  --peers DIR      the folder that ${installer} DIR has filled; what is not there is left out
  --workload NAME  one of ${workloads.map(({ name }) => name).join(', ')}; all by default
  --threads N      threads, and cores that every program is bound to; all cores by default
  --rounds R       rounds in which every program is asked once, 7 by default
  --seconds S      time of a program in a round, 1 by default
  --only WORD      only programs with one of these words in their names, beside neuroxide-epoch
  --json FILE      all figures of all rounds`

const machineHere = processors()
const options = parsed(
  usage,
  {
    peers: { type: 'string' },
    workload: { type: 'string', multiple: true },
    threads: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string', multiple: true },
    json: { type: 'string' },
  },
  (values) => {
    const peers = values.text('peers')
    if (peers === undefined)
      throw new RangeError(`--peers is missing: a folder that ${installer} DIR has filled`)
    if (existsSync(peers) && !statSync(peers).isDirectory())
      throw new RangeError(`--peers: ${peers} is no folder`)
    return {
      peers: resolve(peers),
      workloads: values.workloads(),
      threads: values.integer('threads', machineHere.cores, [1, 128]),
      rounds: values.integer('rounds', 7, [1, 1000]),
      seconds: values.number('seconds', 1, [0.001, 3600]),
      only: values.typed['only'] as string[] | undefined,
      json: values.text('json'),
    }
  },
)

const { threads, rounds, seconds, only } = options
let complaints = 0

/** Something that the reader of the table has to know, said where it cannot be overlooked. */
function complain(text: string): void {
  complaints += 1
  process.stderr.write(`!! ${text}\n`)
}

const wanted = (peer: Peer): boolean =>
  only === undefined || peer.impl === 'neuroxide-epoch' || only.some((word) => peer.impl.includes(word))
const known = rivals(options.peers).filter(wanted)
const absent = missing(known)
for (const [part, impls] of absent)
  process.stderr.write(
    `!! SKIPPED, as not installed: ${impls.join(', ')}\n   install with: ${installer} ${options.peers} ${part}\n`,
  )
const peers = [
  ...ours().filter(wanted),
  ...known.filter(({ impl }) => ![...absent.values()].flat().includes(impl)),
]

mkdirSync(join(options.peers, 'start'), { recursive: true })
// These import packages that lie in that folder, and Node looks for packages beside the importing file.
if (peers.some(({ part }) => part === 'js'))
  cpSync(fileURLToPath(new URL('js', import.meta.url)), join(options.peers, 'js'), { recursive: true })

if (load() > 0.5)
  process.stderr.write(
    `!! the machine is busy (load ${short(load())}): figures of an idle one are steadier\n`,
  )
const calibrate = await calibrator(machineHere, threads)
const results = []
for (const workload of options.workloads) results.push(await compare(workload))

const calibrations = results.flatMap(({ calibrations }) => calibrations)
const { name, cores } = machineHere
process.stdout.write(`${name}, ${cores} cores; ${threads} used; ${surroundings()}\n`)
process.stdout.write(`${machine(typical(calibrations))}\n`)
for (const { workload, limit, rows } of results) process.stdout.write(`\n${table(workload, limit, rows)}\n`)
const stolen = results.map(({ stolen }) => stolen).filter((share) => share !== null)
process.stdout.write(
  `\nmedians of ${rounds} rounds of ${seconds} s; × ours: times neuroxide-epoch; of limit: the limit divided by the time.\n` +
    `${stolen.length > 0 ? `The host took ${short(100 * Math.max(...stolen))} % of the processors' time. ` : ''}` +
    'docs/benchmarks.md says what distorts these figures.\n',
)
if (options.json !== undefined) {
  const all = results.map(({ workload, ...rest }) => ({ workload: workload.name, ...rest }))
  const about = { processor: name, cores, threads, rounds, seconds, system: surroundings() }
  writeFileSync(
    options.json,
    `${JSON.stringify({ ...about, skipped: [...absent.values()].flat(), results: all })}\n`,
  )
}
process.exit(complaints > 0 ? 1 : 0)

/** Starts every program on a workload, lets them run in turns, and calibrates between the turns. */
async function compare(workload: Workload) {
  process.stderr.write(`${workload.name}: starting ${peers.length} programs\n`)
  const values = join(options.peers, 'start', `${workload.name}.f32`)
  writeFileSync(values, workload.values())
  const field: Contestant[] = []
  for (const peer of peers) {
    const contestant = await attempt(peer.impl, () =>
      Contestant.start(peer, workload, values, threads, machineHere),
    )
    if (contestant !== null) field.push(contestant)
  }
  const [reference] = field
  if (reference?.impl !== peers[0]?.impl) throw new Error('neuroxide itself did not start')
  for (const { impl, introduction } of field) {
    const difference = reference === undefined ? null : disagreement(reference.introduction, introduction)
    if (difference !== null) complain(`${workload.name}: ${impl} ${difference}`)
  }
  const before = ticks()
  const calibrations: Calibration[] = [await calibrate()]
  const failed = new Set<Contestant>()
  for (let round = 0; round < rounds; round += 1) {
    process.stderr.write(`${workload.name}: round ${round + 1} of ${rounds}\n`)
    // There and back, so that what grows or fades within a round meets everyone alike.
    const order = round % 2 === 0 ? field : field.toReversed()
    for (const contestant of order) {
      if (failed.has(contestant)) continue
      const done = await attempt(contestant.impl, async () => {
        await contestant.race(seconds)
        return true
      })
      if (done === null) failed.add(contestant)
    }
    calibrations.push(await calibrate())
  }
  const after = ticks()
  for (const contestant of field) contestant.stop()
  const rows: Row[] = field
    .filter((contestant) => !failed.has(contestant))
    .map(({ impl, introduction, rounds }) => ({ impl, ...introduction, rounds }))
  const stolen = before && after ? (after.stolen - before.stolen) / Math.max(1, after.all - before.all) : null
  return { workload, limit: limitOf(workload, typical(calibrations)), rows, calibrations, stolen }
}

async function attempt<T>(impl: string, body: () => Promise<T>): Promise<T | null> {
  try {
    return await body()
  } catch (error) {
    complain(`${impl} FAILED: ${error instanceof Error ? error.message : String(error)}`)
    return null
  }
}

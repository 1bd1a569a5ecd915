// `npm run bench`: microseconds that a step of each workload takes, in each form of driving.
import { parsed, useThreads } from './options.js'
import { timed } from './timing.js'
import { workloads } from './workloads.js'

const usage = `npm run --silent bench -- [--workload NAME …] [--threads N] [--seconds S] [--mode MODE …] [--shuffle] [--json]
npm run --silent bench -- --neighbour [--threads N] [--seconds S] [--json]
npm run --silent bench -- --server [--threads N] [--rounds N] [--json]

  --workload NAME  one of ${workloads.map(({ name }) => name).join(', ')}; all by default
  --mode MODE      epoch (fit on data in memory), jit (a jitted step in a loop), eager (the same without jit)
  --threads N      threads of the kernels; the cores there are by default
  --seconds S      time for each row, 3 by default
  --shuffle        fit visits the samples in another order every epoch; in their order by default
  --neighbour      the jitted step of mlp-mnist-b32 alone and beside a busy process: percentiles
  --server         times of answers of an HTTP server, and of its event loop, without and with a training in it
  --rounds N       how often the server runs, 5 by default; medians over the rounds are shown
  --json           one JSON line a row instead of a table`

const options = parsed(
  usage,
  {
    workload: { type: 'string', multiple: true },
    mode: { type: 'string', multiple: true },
    threads: { type: 'string' },
    seconds: { type: 'string' },
    shuffle: { type: 'boolean' },
    neighbour: { type: 'boolean' },
    server: { type: 'boolean' },
    rounds: { type: 'string' },
    json: { type: 'boolean' },
  },
  (values) => {
    useThreads(values)
    return {
      workloads: values.workloads(),
      modes: values.modes(),
      seconds: values.number('seconds', 3, [0.001, 3600]),
      shuffle: values.flag('shuffle'),
      neighbour: values.flag('neighbour'),
      server: values.flag('server'),
      rounds: values.integer('rounds', 5, [1, 1000]),
      json: values.flag('json'),
    }
  },
)

// The library reads the number of threads when it is loaded, so that comes after the options.
const { driven } = await import('./driving.js')
const { deviceInfo } = await import('neuroxide')
const { seconds, shuffle, json } = options
const { isa, threads } = deviceInfo()
if (!json) process.stdout.write(`neuroxide on ${isa}, ${threads} thread${threads > 1 ? 's' : ''}\n\n`)
if (options.server) {
  const { serverRows } = await import('./server.js')
  for (const row of await serverRows(options.rounds)) {
    const { what, requests_p50, requests_p99, loop_p50, loop_p99 } = row
    const requests = `requests p50 ${requests_p50} ms, p99 ${requests_p99} ms`
    const line = `${what.padEnd(17)} ${requests}; event loop p50 ${loop_p50} ms, p99 ${loop_p99} ms`
    process.stdout.write(`${json ? JSON.stringify({ impl: 'neuroxide', threads, ...row }) : line}\n`)
  }
} else if (options.neighbour) {
  const { besideNeighbour } = await import('./neighbour.js')
  for (const row of await besideNeighbour(threads, seconds)) print(row)
} else {
  for (const workload of options.workloads)
    for (const mode of options.modes) {
      const { usPerStep } = await timed(driven(workload, mode, { shuffle }).run, seconds)
      const how = mode === 'epoch' ? { shuffle } : {}
      const row = { impl: 'neuroxide', threads, workload: workload.name, mode }
      print({ ...row, us_per_step: Number(usPerStep.toPrecision(5)), ...how })
    }
}

/** A line of JSON, or of the table. */
function print(row: Record<string, string | number | boolean>): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(row)}\n`)
    return
  }
  const { workload, mode, neighbours, shuffle, impl: _impl, threads: _threads, ...times } = row
  const beside = neighbours === undefined ? '' : neighbours ? ' beside a busy process' : ' alone'
  const label = `${mode}${shuffle === true ? ', shuffled' : ''}${beside}`
  const shown = Object.entries(times).map(
    ([name, us]) => `${name === 'us_per_step' ? '' : `${name.slice(3)} `}${micro(us)}`,
  )
  process.stdout.write(`${String(workload).padEnd(16)} ${label.padEnd(28)} ${shown.join('   ')}\n`)
}

function micro(us: unknown): string {
  const value = Number(us)
  return `${value.toFixed(value < 100 ? 2 : value < 1000 ? 1 : 0).padStart(9)} µs`
}

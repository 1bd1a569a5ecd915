// neuroxide as one of the programs that `npm run bench:peers` compares; `py/peer.py` describes how they answer.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { driven } from '../driving.js'
import { timed } from '../timing.js'
import { modes, workloadOf } from '../workloads.js'

const { values: given } = parseArgs({
  options: {
    impl: { type: 'string', default: 'neuroxide-epoch' },
    workload: { type: 'string', default: 'mlp-mnist-b32' },
    checked: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '3' },
    serve: { type: 'boolean', default: false },
  },
  // The sizes and the file of values, which this program has at hand.
  strict: false,
})

const workload = workloadOf(String(given['workload']))
const mode = modes.find((mode) => String(given['impl']).includes(mode)) ?? 'epoch'
const { run, losses, weights } = driven(workload, mode, {
  shuffle: String(given['impl']).includes('shuffled'),
})
const about = { impl: given['impl'], threads: Number(given['threads']), workload: workload.name }
const steps = String(given['checked']).split(',').map(Number)
const first = await losses(Math.max(...steps))
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}
say({ ...about, version, losses: Object.fromEntries(steps.map((step) => [step, first[step - 1]])), weights })
for await (const line of given['serve'] === true
  ? createInterface({ input: process.stdin })
  : [String(given['seconds'])])
  say({ ...about, us_per_step: (await timed(run, Number(line))).usPerStep })

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

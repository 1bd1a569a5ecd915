// Training inside of a Node server. One process answers predictions over HTTP, while `fit` keeps all cores busy in it:
// training runs on threads of its own, so the event loop stays free. The program measures how free, and says whether the
// target was met: of 100 requests, and of 100 turns of the event loop, 99 take less than 20 ms.
import { datasets, manualSeed, nn, noGrad, plot } from 'neuroxide'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'

const TARGET = 20

manualSeed(1)
const { train, test } = datasets.mnist()
const network = () =>
  new nn.Sequential(
    new nn.Rescale(1 / 255),
    new nn.Flatten(),
    new nn.Linear(784, 128),
    new nn.ReLU(),
    new nn.Linear(128, 10),
  )

// The model that answers, and the one that learns: after each epoch the first takes over the weights of the second.
const serving = network().eval()
const learning = network().compile({ optimizer: 'adam', loss: 'crossEntropy', metrics: ['accuracy'] })

/**
 * Which digit the model sees in an image of the test set, and how sure it is. One image takes a tenth of a millisecond,
 * less than it would take to hand it to another thread; for many at once there is `await model.predict(images)`.
 */
function answer(index: number): string {
  const logits = noGrad(() => serving.forward(test.x.narrow(0, index, 1)))
  const digit = logits.argmax(1).item()
  const confidence = logits.softmax(1).at(0, digit).item()
  return JSON.stringify({ index, digit, confidence })
}

// `GET /digit/17`
const server = createServer((request, response) => {
  const index = Number(/^\/digit\/(\d+)$/.exec(request.url ?? '')?.[1])
  if (!(index < test.x.shape[0])) return response.writeHead(404).end()
  return response.setHeader('content-type', 'application/json').end(answer(index))
}).listen(0, '127.0.0.1')

// The client has a thread of its own, so that it does not share the event loop that it measures. It asks a hundred
// times a second whether the last answer has come or not, and counts from the moment at which it meant to ask: a server
// that is stuck cannot hide behind requests that are never sent.
const client = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { Agent, get } = require('node:http')
  const agent = new Agent({ keepAlive: true })
  const times = []
  const started = performance.now()
  const ask = (i) => new Promise((resolve, reject) => {
    const meant = started + i * workerData.interval
    setTimeout(() => {
      const asked = Math.min(meant, performance.now()) // a timer may be a little early
      get({ port: workerData.port, path: '/digit/' + (i % 10000), agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error('status ' + response.statusCode))
        response.resume().once('end', () => resolve(times.push(performance.now() - asked)))
      }).once('error', reject)
    }, Math.ceil(meant - performance.now()))
  })
  Promise.all(Array.from({ length: workerData.requests }, (_, i) => ask(i))).then(() => {
    agent.destroy()
    parentPort.postMessage(times)
  })
`

interface Measured {
  readonly requests: number[]
  /** Delays of the event loop at these percentiles, in milliseconds. */
  readonly loop: (percentile: number) => number
}

/** Asks for some seconds and watches the event loop meanwhile. */
async function measured(port: number, requests: number): Promise<Measured> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const worker = new Worker(client, {
    eval: true,
    workerData: { port, requests, interval: 10 },
    execArgv: [],
  })
  await once(worker, 'online')
  delay.enable()
  const [times] = (await once(worker, 'message')) as [number[]]
  delay.disable()
  await worker.terminate()
  const sorted = times.toSorted((a, b) => a - b)
  return { requests: sorted, loop: (percentile) => delay.percentile(percentile) / 1e6 }
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor((share / 100) * sorted.length))] ?? Number.NaN

await once(server, 'listening')
const { port } = server.address() as AddressInfo

await measured(port, 100) // the first requests wait for code that Node has not compiled yet
const idle = await measured(port, 500)

const stop = new AbortController()
let epochs = 0
const training = learning.fit(train, {
  epochs: 1000,
  batchSize: 32,
  verbose: 0,
  signal: stop.signal,
  onEpochEnd: () => {
    serving.loadStateDict(learning.stateDict())
    epochs += 1
  },
})
const busy = await measured(port, 1000)
stop.abort(new Error('measured enough'))
await training.catch((error: unknown) => {
  if (error !== stop.signal.reason) throw error
})
server.close()

const row = (name: string, ms: readonly number[]): string =>
  name.padEnd(34) + ms.map((value) => value.toFixed(2).padStart(9)).join('')
console.log(row('milliseconds', []) + ['p50', 'p99', 'p50', 'p99'].map((head) => head.padStart(9)).join(''))
console.log(''.padEnd(34) + ['  requests', 'event loop'].map((head) => head.padStart(18)).join(''))
for (const [name, { requests, loop }] of [
  ['without training', idle],
  [`while training (${epochs} epochs)`, busy],
] as const)
  console.log(row(name, [percentile(requests, 50), percentile(requests, 99), loop(50), loop(99)]))

// A point for each percentile: half of the requests are answered faster than where the curve stands at 50.
const shares = [1, ...Array.from({ length: 19 }, (_, i) => 5 * (i + 1)), 96, 97, 98, 99, 99.5]
const requests = (of: Measured): number[] => shares.map((share) => percentile(of.requests, share))
const loop = (of: Measured): number[] => shares.map((share) => of.loop(share))
mkdirSync('out', { recursive: true })
await plot
  .curves(
    {
      'requests, idle': requests(idle),
      'requests, busy': requests(busy),
      'loop, idle': loop(idle),
      'loop, busy': loop(busy),
    },
    {
      title: 'Answering, idle and while all cores train',
      x: shares,
      xTitle: 'share of requests and of turns of the event loop, in percent',
      yTitle: 'within milliseconds',
      yScale: 'log',
    },
  )
  .save('out/train-in-a-server.png')
console.log('wrote out/train-in-a-server.png')

const { accuracy } = await learning.evaluate(test)
console.log(`accuracy of the model that is served ${accuracy.toFixed(4)}`)
const p99 = [percentile(busy.requests, 99), busy.loop(99)] as const
console.log(`p99 of requests while training ${p99[0].toFixed(2)} ms`)
console.log(`p99 of the event loop while training ${p99[1].toFixed(2)} ms`)
console.log(`target p99 < ${TARGET} ms: ${Math.max(...p99) < TARGET ? 'met' : 'missed'}`)

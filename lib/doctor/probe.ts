// A process of its own: it loads the addon, measures, and prints a line of JSON for each thing that it has done. A crash
// takes down only this process, and what was printed before says how far it came.
import type * as Library from '../index.js'
import type { Rate, Report } from './report.js'

/** One line of what the probe prints. */
export type Finding =
  | {
      readonly stage: 'addon'
      readonly addon: NonNullable<Report['addon']>
      readonly isa: string
      readonly threads: number
    }
  | { readonly stage: 'products'; readonly rate: Rate }
  | { readonly stage: 'training'; readonly training: NonNullable<Report['training']> }
  | { readonly stage: 'failed'; readonly code: string | null; readonly message: string }

/** How long products are measured, in milliseconds. */
const LIMIT = 350

const SIZES = [512, 256, 128, 64]

function tell(finding: Finding): void {
  process.stdout.write(`${JSON.stringify(finding)}\n`)
}

/** The rate of the largest product that fits the time at least three times. */
function products({ rand, scope, deviceInfo }: typeof Library): Rate {
  const run = (size: number, limit: number): number => {
    const [a, b] = [rand([size, size]), rand([size, size])]
    let fastest = Number.POSITIVE_INFINITY
    const end = performance.now() + limit
    do {
      const start = performance.now()
      scope(() => {
        a.matmul(b)
      })
      fastest = Math.min(fastest, performance.now() - start)
    } while (performance.now() < end)
    return fastest
  }
  // The slowest machines get a smaller product: the first estimate is of the smallest.
  const estimate = run(64, 5) / 64 ** 3
  const size = SIZES.find((n) => 3 * estimate * n ** 3 < LIMIT) ?? 64
  const gflops = (2 * size ** 3) / run(size, LIMIT) / 1e6
  return { threads: deviceInfo().threads, size, gflops }
}

/** Trains a small network for a moment. */
async function training({
  manualSeed,
  nn,
  optim,
  randn,
}: typeof Library): Promise<NonNullable<Report['training']>> {
  const start = performance.now()
  manualSeed(0)
  const x = randn([64, 2])
  const y = x.prod(1, { keepDim: true })
  const model = new nn.Sequential(new nn.Linear(2, 16), new nn.Tanh(), new nn.Linear(16, 1))
  const { loss } = await model
    .compile({ optimizer: new optim.Adam(model.parameters(), { lr: 0.02 }), loss: 'mse' })
    .fit(x, y, { epochs: 20, batchSize: 16, seed: 0, verbose: 0 })
  return {
    firstLoss: loss[0] ?? Number.NaN,
    lastLoss: loss.at(-1) ?? Number.NaN,
    milliseconds: performance.now() - start,
  }
}

async function probe(everything: boolean): Promise<void> {
  const { addonOrigin } = await import('../native.js')
  const library = await import('../index.js')
  const { isa, threads } = library.deviceInfo()
  tell({ stage: 'addon', addon: addonOrigin, isa, threads })
  tell({ stage: 'products', rate: products(library) })
  if (everything) tell({ stage: 'training', training: await training(library) })
}

try {
  await probe(process.argv[2] === 'everything')
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : null
  tell({ stage: 'failed', code, message: error instanceof Error ? error.message : String(error) })
}

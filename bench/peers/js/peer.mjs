// What the programs of this folder share: their options, the values that all libraries start from, and how they answer.
// `py/peer.py` describes the lines. The programs are copied beside the packages that they import.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

const REPEATS = 7

export function options() {
  const text = { type: 'string' }
  const names = [
    'impl',
    'workload',
    'sizes',
    'loss',
    'batch',
    'batches',
    'values',
    'checked',
    'threads',
    'seconds',
  ]
  const { values } = parseArgs({
    options: { ...Object.fromEntries(names.map((name) => [name, text])), serve: { type: 'boolean' } },
  })
  return {
    ...values,
    sizes: values.sizes.split(',').map(Number),
    batch: Number(values.batch),
    batches: Number(values.batches),
    checked: values.checked.split(',').map(Number),
    threads: Number(values.threads ?? 1),
    seconds: Number(values.seconds ?? 3),
  }
}

/** Weights [in, out] and biases of each layer, then the first batch, from one file of f32. */
export function start({ sizes, loss, batch, batches, values }) {
  const bytes = readFileSync(values)
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  let at = 0
  const take = (count) => all.slice(at, (at += count))
  const layers = sizes.slice(1).map((outputs, i) => {
    const inputs = sizes[i]
    return { inputs, outputs, weight: take(inputs * outputs), bias: take(outputs) }
  })
  const x = take(batch * batches * sizes[0]).slice(0, batch * sizes[0])
  const width = loss === 'mse' ? sizes.at(-1) : 1
  const y = take(batch * batches * width).slice(0, batch * width)
  return { layers, x, y }
}

/** Classes as rows of zeros with a one. */
export function oneHot(classes, count) {
  const rows = new Float32Array(classes.length * count)
  for (const [row, label] of classes.entries()) rows[row * count + label] = 1
  return rows
}

/** The sum of absolute values of the arrays that a library holds. */
export function weights(arrays) {
  let sum = 0
  for (const array of arrays) for (const value of array) sum += Math.abs(value)
  return sum
}

/** `losses` are those of the first steps in their order; `run(n)` does n steps. */
export async function answer(o, { version, losses, total, run, impl = o.impl, threads = o.threads }) {
  const about = { impl, threads, workload: o.workload }
  const checked = Object.fromEntries(o.checked.map((step) => [step, losses[step - 1]]))
  say({ ...about, version, losses: checked, weights: total })
  const each = new Map()
  for await (const line of o.serve ? createInterface({ input: process.stdin }) : [String(o.seconds)]) {
    const milliseconds = (1000 * Number(line)) / REPEATS
    if (!each.has(milliseconds)) each.set(milliseconds, await warmed(run, milliseconds))
    const steps = each.get(milliseconds)
    const times = []
    const end = performance.now() + 2 * REPEATS * milliseconds
    // Fewer repeats where a single step takes longer than all of them were to take.
    while (times.length < REPEATS && (times.length === 0 || performance.now() < end))
      times.push((await taken(run, steps)) / steps)
    say({ ...about, us_per_step: 1000 * median(times) })
  }
  process.exit(0)
}

/** How many steps fill that time, after steps that took a part of it. */
async function warmed(run, milliseconds) {
  for (let steps = 1; ; steps *= 2) {
    const time = await taken(run, steps)
    if (time > milliseconds / 4) return Math.max(1, Math.round((steps * milliseconds) / time))
  }
}

async function taken(run, steps) {
  const begin = performance.now()
  await run(steps)
  return performance.now() - begin
}

function median(times) {
  const sorted = times.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

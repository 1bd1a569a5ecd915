import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { callbacks } from 'neuroxide'
import { histogramOf, summaryEvent, versionEvent } from '../../../dist/train/events/message.js'
import { crc32c, masked, record } from '../../../dist/train/events/record.js'
import { EventWriter } from '../../../dist/train/events/writer.js'
import { emptyFolder, params, small } from './stage.js'
import { read, skipped, withTensorBoard } from './tensorboard.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

describe('the frames of event files', () => {
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  test.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['rising bytes', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['falling bytes', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['123456789', text('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
  ])('the CRC-32C of %s is known', (_, bytes, crc) => {
    expect(crc32c(bytes)).toBe(crc)
  })

  test('a masked checksum is turned by 15 bits and shifted', () => {
    expect(masked(0)).toBe(0xa282ead8)
    expect(masked(0xe3069283)).toBe((((0xe3069283 >>> 15) | (0xe3069283 << 17)) + 0xa282ead8) >>> 0)
    expect(masked(0xffffffff)).toBe(0xa282ead7)
  })

  test('a record is length, checksum, payload, checksum', () => {
    const framed = record(text('123456789'))
    const view = new DataView(framed.buffer)
    expect(framed).toHaveLength(9 + 16)
    expect(view.getBigUint64(0, true)).toBe(9n)
    expect(view.getUint32(8, true)).toBe(masked(crc32c(framed.subarray(0, 8))))
    expect(hex(framed.subarray(12, 21))).toBe(hex(text('123456789')))
    expect(view.getUint32(21, true)).toBe(masked(0xe3069283))
  })
})

describe('messages', () => {
  test('the first one is the version', () => {
    expect(hex(versionEvent(1))).toBe(`09000000000000f03f1a0d${hex(text('brain.Event:2'))}`)
  })

  test('a number has time, step, tag and value', () => {
    const value = `0a01${hex(text('a'))}150000803f`
    expect(hex(summaryEvent(2, 300, [{ tag: 'a', value: 1 }]))).toBe(
      `09000000000000004010ac022a0a0a08${value}`,
    )
  })

  test('steps beyond 32 bits are kept', () => {
    expect(hex(summaryEvent(0, 2 ** 40, []))).toBe('090000000000000000108080808080202a00')
  })

  test('a histogram counts every finite value once', () => {
    const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i))
    values[7] = Number.NaN
    values[8] = Infinity
    const { counts, limits, count, min, max, sum } = histogramOf(values)
    expect(count).toBe(998)
    expect(counts.reduce((a, b) => a + b)).toBe(998)
    expect(counts).toHaveLength(30)
    expect(limits.at(-1)).toBe(max)
    expect([min, max].map((value) => Math.abs(value) <= 1)).toEqual([true, true])
    expect(sum).toBeCloseTo(
      values.filter((value) => Number.isFinite(value)).reduce((a, b) => a + b, 0),
      3,
    )
    expect(histogramOf([3, 3])).toMatchObject({ count: 2, limits: [3], counts: [2] })
    expect(histogramOf([])).toMatchObject({ count: 0 })
  })
})

describe('an event file', () => {
  test('is there after the first flush, and grows', () => {
    const folder = join(emptyFolder(), 'deep', 'run')
    const writer = new EventWriter(folder)
    writer.add(1, [{ tag: 'a', value: 1 }])
    expect(() => readdirSync(folder)).toThrow('ENOENT')
    writer.flush()
    const before = readFileSync(writer.path)
    writer.flush()
    expect(readFileSync(writer.path)).toEqual(before)
    writer.add(2, [{ tag: 'a', value: 2 }])
    writer.flush()
    expect(readFileSync(writer.path).subarray(0, before.length)).toEqual(before)
    expect(readdirSync(folder)).toHaveLength(1)
    expect(new EventWriter(folder).path).not.toBe(writer.path)
    expect(writer.path).toMatch(/events\.out\.tfevents\.\d{10}\./)
  })

  test.skipIf(!withTensorBoard)(`is read by TensorBoard${skipped}`, () => {
    const folder = emptyFolder()
    const writer = new EventWriter(folder)
    const before = Date.now() / 1000
    for (let step = 0; step < 300; step += 1)
      writer.add(step * 10, [
        { tag: 'loss', value: 1 / (1 + step) },
        { tag: 'Genauigkeit/µ', value: step },
      ])
    writer.add(2 ** 33, [{ tag: 'w', value: histogramOf(Float32Array.of(-1, 0, 0.5, 3)) }])
    writer.flush()
    const { scalars, histograms } = read(folder)
    expect(Object.keys(scalars)).toEqual(['loss', 'Genauigkeit/µ'])
    expect(scalars['loss']).toHaveLength(300)
    for (const [i, [step, value, wall]] of scalars['loss']!.entries()) {
      expect(step).toBe(i * 10)
      expect(value).toBe(Math.fround(1 / (1 + i)))
      expect(Math.abs(wall - before)).toBeLessThan(60)
    }
    expect(histograms['w']).toEqual([[2 ** 33, -1, 3, 4]])
  })
})

test('a training that goes on within an epoch keeps the step of its validation', () => {
  const begun = new callbacks.TensorBoard(emptyFolder())
  begun.attach(small(), params({ steps: 4 }))
  begun.onTrainBegin()
  begun.onEpochBegin(2)
  const resumed = new callbacks.TensorBoard(emptyFolder(), { writeStepsPerSecond: true })
  resumed.onTrainBegin()
  resumed.loadState(JSON.parse(JSON.stringify(begun.state())))
  expect(resumed.state()).toMatchObject({ batches: 0, iterations: 12 })
  expect(() => resumed.loadState({ batches: 1 })).toThrow(/iterations of a saved state; expected/)
})

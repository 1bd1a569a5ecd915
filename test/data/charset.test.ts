import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { data } from 'neuroxide'

const folder = mkdtempSync(join(tmpdir(), 'charset-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const text = 'name,n\ncafé,1\r\ncafè,2\rnaïve,3\n'
let made = 0

function file(bytes: Buffer, ending = 'csv'): string {
  made += 1
  const path = join(folder, `${made}.${ending}`)
  writeFileSync(path, bytes)
  return path
}

async function names(path: string, options: data.CsvOptions = {}): Promise<unknown> {
  const table = await data.csv(path, { columns: ['n'], ...options, target: 'name' })
  const rows = []
  for await (const row of await data.csvStream(path, { columns: ['n'], ...options, target: 'name' }))
    rows.push(row)
  expect(rows.length).toBe(table.length)
  return table.classes
}

describe('the charset of a CSV file', () => {
  const expected = ['cafè', 'café', 'naïve']

  test('is UTF-8, or what is said', async () => {
    expect(await names(file(Buffer.from(text, 'utf8')))).toEqual(expected)
    expect(await names(file(gzipSync(Buffer.from(text, 'utf8')), 'csv.gz'))).toEqual(expected)
    expect(await names(file(Buffer.from(text, 'latin1')), { charset: 'latin1' })).toEqual(expected)
    expect(await names(file(Buffer.from(text, 'utf16le')), { charset: 'utf16le' })).toEqual(expected)
  })

  test('is that of a byte order mark', async () => {
    expect(await names(file(Buffer.from(`\uFEFF${text}`, 'utf8')))).toEqual(expected)
    expect(await names(file(Buffer.from(`\uFEFF${text}`, 'utf16le')))).toEqual(expected)
  })

  test('holds where characters go over the edge of what is read at once', async () => {
    for (const shift of [0, 1, 2, 3]) {
      const rows = Array.from({ length: 30_000 }, (_, i) => `${'€😀'.repeat(1 + (i % 2))},${i}`)
      const long = `${'n'.repeat(shift + 1)},i\n${rows.join('\n')}\n`
      const table = await data.csv(file(Buffer.from(long, 'utf8')), { target: 'n'.repeat(shift + 1) })
      expect([table.length, table.classes]).toEqual([30_000, ['€😀', '€😀€😀']])
    }
  })

  test.each([
    ['a first line', Buffer.from('caf\xe9,n\na,1\n', 'latin1'), 1],
    ['a line after all three ends of lines', Buffer.from('a,n\nb,1\r\nc,2\rcaf\xe9,3\n', 'latin1'), 4],
    ['the last bytes', Buffer.concat([Buffer.from('a,n\nb,1\nc,2\nd'), Buffer.of(0xc3)]), 4],
    [
      'a line far down',
      Buffer.from(`a,n\n${'b,1\n'.repeat(50_000)}caf\xe8,3\n${'b,1\n'.repeat(5)}`, 'latin1'),
      50_002,
    ],
  ])('refuses bytes that are not UTF-8 in %s, with the line', async (_, bytes, line) => {
    const path = file(bytes)
    for (const read of [data.csv, data.csvStream])
      await expect(read(path)).rejects.toMatchObject({
        code: 'ERR_DATA',
        line,
        message: expect.stringMatching(
          /not utf8; expected utf8\..*\{ charset: 'latin1' \} or \{ charset: 'utf16le' \}/,
        ),
      })
  })

  test('refuses broken UTF-16 and charsets that there are not', async () => {
    const broken = Buffer.concat([Buffer.from('a,n\nb,1\n', 'utf16le'), Buffer.of(0, 0xdc, 0x41, 0)])
    await expect(data.csv(file(broken), { charset: 'utf16le' })).rejects.toMatchObject({ code: 'ERR_DATA' })
    await expect(data.csv(file(Buffer.from(text)), { charset: 'utf-8' as never })).rejects.toThrow(
      '"utf-8" as charset',
    )
  })
})

describe('numbers that f32 has no place for', () => {
  test.each([[1e300], ['-1e300'], ['1e999'], [4e38]])('%s is refused, not infinite', async (value) => {
    const wanted = { code: 'ERR_DATA', column: 'a', message: expect.stringContaining('3.4e38') }
    expect(() => data.records([{ a: 1 }, { a: value }])).toThrow(expect.objectContaining(wanted))
    const { preprocessing } = data.records([{ a: 1, b: 2 }], { target: 'b' })
    expect(() => preprocessing.inputs({ a: value })).toThrow(expect.objectContaining(wanted))
    await expect(data.csv(file(Buffer.from(`a\n1\n${value}\n`)))).rejects.toMatchObject({
      ...wanted,
      line: 3,
    })
  })

  test('infinity is one where it is meant', () => {
    const { x } = data.records([{ a: Infinity }, { a: '-inf' }, { a: 3.4e38 }])
    expect(x.toArray().flat()).toEqual([Infinity, -Infinity, Math.fround(3.4e38)])
  })
})

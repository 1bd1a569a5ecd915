import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Tensor, data, nn } from 'neuroxide'
import { execute, root } from '../pack/project.js'

interface Case {
  readonly file: string
  readonly shape: readonly [number, number]
  readonly L: string
  readonly RGB: string
  readonly RGBA: string
}

const golden = JSON.parse(readFileSync('test/golden/data/images.json', 'utf8')) as Record<string, Case>
const bytes = (name: string): Buffer => Buffer.from((golden[name] as Case).file, 'base64')

const folder = mkdtempSync(join(tmpdir(), 'neuroxide-images-'))
afterAll(() => rmSync(folder, { recursive: true }))

const put = (name: string, content: Uint8Array | string): string => {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

describe('data.image', () => {
  test.each(Object.keys(golden))('decodes %s as Pillow does', async (name) => {
    const { shape, ...modes } = golden[name] as Case
    for (const [mode, channels] of [
      ['L', 1],
      ['RGB', 3],
      ['RGBA', 4],
    ] as const) {
      const found = await data.image(bytes(name), { channels, layout: 'channelsLast' })
      expect(found.shape).toEqual([...shape, channels])
      const wanted = Buffer.from(modes[mode], 'base64')
      // Decoders of JPEG round in their own ways.
      const most = name.endsWith('jpg') ? 4 : 0
      const off = Array.from(found.toTypedArray(), (value, i) => Math.abs(value - (wanted[i] as number)))
      expect(Math.max(...off)).toBeLessThanOrEqual(most)
    }
  })

  test('puts channels first unless it is told otherwise', async () => {
    const [first, last] = [
      await data.image(bytes('rgb.png')),
      await data.image(bytes('rgb.png'), { layout: 'channelsLast' }),
    ]
    expect([first.dtype, first.shape]).toEqual(['u8', [3, 3, 4]])
    expect(first.permute([1, 2, 0]).toArray()).toEqual(last.toArray())
  })

  test('gives every picture the size asked for', async () => {
    const path = put('smooth.jpg', bytes('smooth.jpg'))
    const original = (await data.image(path)).to('f32').mean().item()
    for (const fit of ['fill', 'cover'] as const) {
      const picture = await data.image(path, { size: [6, 10], fit })
      expect(picture.shape).toEqual([3, 6, 10])
      expect(Math.abs(picture.to('f32').mean().item() - original)).toBeLessThan(12)
    }
    const bars = await data.image(path, { size: 8, fit: 'contain' })
    // 24 by 32 becomes 6 by 8: a black row above and below.
    expect(Array.from(bars.at(null, 0).toTypedArray()).every((value) => value === 0)).toBe(true)
    expect(Array.from(bars.at(null, 4).toTypedArray()).every((value) => value > 0)).toBe(true)
  })

  test('names the file that cannot be decoded', async () => {
    const cut = put('cut.png', bytes('rgb.png').subarray(0, 60))
    for (const [path, place] of [
      [cut, cut],
      [put('text.png', 'no picture'), join(folder, 'text.png')],
      [join(folder, 'none.png'), join(folder, 'none.png')],
    ] as const)
      await expect(data.image(path)).rejects.toMatchObject({
        code: 'ERR_DATA',
        file: place,
        message: expect.stringMatching(/^data\.image: .*\.png: .*; expected a whole picture/),
      })
  })
})

describe('data.images', () => {
  const pets = join(folder, 'pets')
  beforeAll(() => {
    for (const [name, picture] of [
      ['dog/b.png', 'rgb.png'],
      ['dog/a.png', 'grey.png'],
      ['cat/more/c.PNG', 'rgba.png'],
      ['cat/.hidden.png', 'rgb.png'],
      ['eel/d.jpg', 'smooth.jpg'],
      ['eel/e.gif', 'picture.gif'],
    ] as const)
      put(`pets/${name}`, bytes(picture))
    put('pets/cat/notes.txt', 'no picture')
    put('pets/.cache/x.png', bytes('rgb.png'))
    put('pets/readme.md', 'no folder')
  })

  test('finds a class for each folder, and its pictures', async () => {
    const set = await data.images(pets, { size: 5 })
    expect([set.classes, set.length, set.labels.toArray()]).toEqual([
      ['cat', 'dog', 'eel'],
      5,
      [0, 1, 1, 2, 2],
    ])
    expect(set.files.map((path) => path.slice(pets.length + 1).replaceAll('\\', '/'))).toEqual([
      'cat/more/c.PNG',
      'dog/a.png',
      'dog/b.png',
      'eel/d.jpg',
      'eel/e.gif',
    ])
    const { x, y } = await set.get(1)
    expect([x.shape, x.dtype, y.item(), y.dtype, y.shape]).toEqual([[3, 5, 5], 'u8', 1, 'i32', []])
    expect(set.preprocessing.labels([[0.1, 0.2, 0.7]])).toEqual(['eel'])
  })

  test('batches with a loader, and all at once', async () => {
    const set = await data.images(pets, { size: [4, 6], channels: 1, concurrency: 2 })
    const shapes: unknown[] = []
    const labels: unknown[] = []
    for await (const { x, y } of new data.DataLoader(set, { batchSize: 2 })) {
      shapes.push((x as Tensor).shape)
      labels.push(...((y as Tensor).toArray() as number[]))
    }
    expect([shapes, labels]).toEqual([
      [
        [2, 1, 4, 6],
        [2, 1, 4, 6],
        [1, 1, 4, 6],
      ],
      [0, 1, 1, 2, 2],
    ])
    const all = await set.load()
    expect([all.x.shape, all.x.dtype, all.y.toArray()]).toEqual([[5, 1, 4, 6], 'u8', [0, 1, 1, 2, 2]])
    expect(all.x.select(0, 3).toArray()).toEqual((await set.get(3)).x.toArray())
  })

  test('keeps what it has decoded, if it is told to', async () => {
    const path = put('kept/only/a.png', bytes('rgb.png'))
    const [kept, again] = [
      await data.images(join(folder, 'kept'), { cache: true }),
      await data.images(join(folder, 'kept')),
    ]
    const before = (await kept.get(0)).x.toArray()
    expect((await again.get(0)).x.toArray()).toEqual(before)
    writeFileSync(path, bytes('grey.png'))
    expect((await kept.get(0)).x.toArray()).toEqual(before)
    expect((await again.get(0)).x.toArray()).not.toEqual(before)
  })

  test('trains a model', async () => {
    const { default: sharp } = await import('sharp')
    for (const [name, background] of [
      ['dark', 40],
      ['light', 200],
    ] as const)
      for (let i = 0; i < 8; i++) {
        const color = { r: background + i, g: background, b: background - i }
        const picture = sharp({ create: { width: 6, height: 6, channels: 3, background: color } })
        put(`tones/${name}/${i}.png`, await picture.png().toBuffer())
      }
    const set = await data.images(join(folder, 'tones'))
    const model = new nn.Sequential(
      new nn.Rescale(1 / 127.5, -1),
      new nn.Flatten(),
      new nn.Linear(108, 2),
    ).compile({
      optimizer: 'adam',
      loss: 'crossEntropy',
      metrics: ['accuracy'],
    })
    const loader = new data.DataLoader(set, { batchSize: 4, shuffle: true, seed: 1 })
    await model.fit(loader, { epochs: 60, verbose: 0 })
    expect((await model.evaluate(loader)).accuracy).toBe(1)
  })

  test('says which file is corrupt, or leaves it out', async () => {
    put('broken/a/good.png', bytes('rgb.png'))
    const bad = put('broken/b/bad.png', bytes('rgb.png').subarray(0, 50))
    put('broken/b/good.png', bytes('rgb.png'))
    const set = await data.images(join(folder, 'broken'))
    await expect(set.get(1)).rejects.toMatchObject({ code: 'ERR_DATA', file: bad })
    const first = new data.DataLoader(set, { batchSize: 3 })[Symbol.asyncIterator]().next()
    await expect(first).rejects.toMatchObject({ code: 'ERR_DATA', file: bad })
    const rest = await data.images(join(folder, 'broken'), { corrupt: 'skip' })
    expect([rest.length, rest.skipped, rest.labels.toArray()]).toEqual([2, [bad], [0, 1]])
  })

  test.each<[string, () => string, RegExp]>([
    [
      'a folder that is not there',
      () => join(folder, 'nowhere'),
      /nowhere: ENOENT.*; expected a folder that can be read/,
    ],
    [
      'a folder without folders',
      () => dirname(put('flat/a.png', bytes('rgb.png'))),
      /no folder in it; expected a folder for each class/,
    ],
    [
      'a class without pictures',
      () => dirname(dirname(put('bare/a/notes.txt', ''))),
      /no picture in it; expected files that end in/,
    ],
  ])('refuses %s', async (_, make, message) => {
    await expect(data.images(make())).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    })
  })

  test('refuses pictures of different sizes at once', async () => {
    await expect((await data.images(pets)).load()).rejects.toMatchObject({
      code: 'ERR_SHAPE',
      message: expect.stringMatching(/smooth|d\.jpg is \[3, 24, 32\]; expected \[3, 3, 4\], as the first/),
    })
  })

  test('without sharp, says how it is installed', async () => {
    const program = `
      import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(\`export async function resolve(name, context, next) {
        if (name === 'sharp') throw Object.assign(new Error("Cannot find package 'sharp'"), { code: 'ERR_MODULE_NOT_FOUND' })
        return await next(name, context)
      }\`))
      const { data } = await import('neuroxide')
      await data.images('.').catch(({ name, message }) => console.log(name, message))
    `
    const { stdout } = await execute(process.execPath, ['--input-type=module', '--eval', program], root)
    expect(stdout).toMatch(
      /^ValueError data\.images: the package sharp.*cannot be loaded.*; expected it\. Run `npm install sharp`\./,
    )
  })
})

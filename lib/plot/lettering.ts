// Letters made of lines, for machines without any font. Each glyph is a list of strokes through points of a grid, two
// digits a point: x from 0 at the left, y from 2 at the baseline over 6 (small letters) to 8 (capitals); descenders
// reach down to 0. A stroke of one point is a dot.

const GLYPHS: Readonly<Record<string, string>> = {
  a: '3632 3526160503122233',
  b: '0802 0516263533221203',
  c: '3526160503122233',
  d: '3832 3526160503122233',
  e: '04343526160503122233',
  f: '281712 0626',
  g: '3631201001 3526160503122233',
  h: '0802 0516263532',
  i: '0602 08',
  j: '161100 18',
  k: '0802 360432',
  l: '0802',
  m: '0602 05162522 25364542',
  n: '0602 0516263532',
  o: '051626353322120305',
  p: '0600 0516263533221203',
  q: '3630 3526160503122233',
  r: '0602 051626',
  s: '35261605142433221203',
  t: '181322 0626',
  u: '0603122233 3632',
  v: '062246',
  w: '0612263246',
  x: '0632 3602',
  y: '0603122233 36312010',
  z: '06360232',
  A: '022842 1535',
  B: '02082837362505 2534332202',
  C: '4738180703123243',
  D: '02082837332202',
  E: '38080232 0525',
  F: '380802 0525',
  G: '473818070312324345 4525',
  H: '0802 4842 0545',
  I: '0802',
  J: '3833221203',
  K: '0802 380532',
  L: '080232',
  M: '0208254842',
  N: '02084248',
  O: '071838474332120307',
  P: '02082837362505',
  Q: '071838474332120307 2442',
  R: '02082837362505 1532',
  S: '372818070615253433221203',
  T: '0848 2822',
  U: '080312324348',
  V: '082248',
  W: '0812263248',
  X: '0842 4802',
  Y: '082548 2522',
  Z: '08480242',
  '0': '071828373322120307',
  '1': '172822',
  '2': '07182837360232',
  '3': '0718283736253433221203 1525',
  '4': '280434 2822',
  '5': '3808052534332202',
  '6': '372818070312223334251504',
  '7': '083812',
  '8': '15060718283736251504031222333425',
  '9': '031222333728180706152536',
  ' ': '',
  '.': '02',
  ',': '1201',
  ':': '02 05',
  ';': '1201 15',
  '!': '0804 02',
  '?': '071828373624 22',
  "'": '0807',
  '"': '0807 1817',
  '-': '0525',
  '–': '0535',
  '−': '0535',
  '+': '0545 2723',
  '=': '0636 0434',
  '×': '0733 3703',
  _: '0141',
  '/': '0238',
  '\\': '0832',
  '|': '0801',
  '(': '18070312',
  ')': '08171302',
  '[': '18080212',
  ']': '08181202',
  '{': '28171605141322',
  '}': '08171625141302',
  '<': '370533',
  '>': '073503',
  '%': '0248 0708181707 3332424333',
  '*': '0535 1624 2614',
  '#': '1812 3832 0646 0444',
  '&': '4207182703122244',
  '@': '34252433433647381807031232',
  '^': '062836',
  '~': '05162435',
  '`': '0817',
  $: '372818070615253433221203 2822',
  '·': '05',
  '°': '0708181707',
  '…': '02 22 42',
}

/** What stands for a letter that is not above: a box. */
const UNKNOWN = '0208383202'

/** Gap between letters, in units of the grid. */
const GAP = 1.7
/** Height of a unit as a share of the font's size: capitals are six units high. */
const UNIT = 0.118

interface Glyph {
  readonly width: number
  readonly strokes: readonly (readonly (readonly [x: number, y: number])[])[]
}

function glyphOf(letter: string): Glyph {
  const text = GLYPHS[letter] ?? UNKNOWN
  const strokes = text
    .split(' ')
    .filter((stroke) => stroke !== '')
    .map((stroke) =>
      Array.from({ length: stroke.length / 2 }, (_, i): [number, number] => [
        Number(stroke[2 * i]),
        Number(stroke[2 * i + 1]),
      ]),
    )
  const width = letter === ' ' ? 2 : Math.max(...strokes.flat().map(([x]) => x))
  return { width, strokes }
}

/** The letters of a text without their accents, which the grid has no room for. */
function lettersOf(text: string): string[] {
  return [...text.normalize('NFD').replaceAll(/\p{M}/gu, '')]
}

/** A text as the `d` of a path with its baseline at 0, and its width. */
export function outline(text: string, size: number): { readonly path: string; readonly width: number } {
  const unit = UNIT * size
  let left = 0
  const parts: string[] = []
  for (const letter of lettersOf(text)) {
    const { width, strokes } = glyphOf(letter)
    for (const stroke of strokes) {
      const points = stroke.map(
        ([x, y]) => `${((left + x) * unit).toFixed(2)} ${((2 - y) * unit).toFixed(2)}`,
      )
      // A path needs a second point to show a dot.
      parts.push(`M${points.join('L')}${points.length === 1 ? 'h0.01' : ''}`)
    }
    left += width + GAP
  }
  return { path: parts.join(''), width: Math.max(0, left - GAP) * unit }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&apos;': "'",
}

/** A text for SVG: what would be markup is written as entities. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** An SVG whose texts are lines. */
export function drawn(svg: string): string {
  return svg.replaceAll(/<text\b([^>]*)>([^<]*)<\/text>/g, (_, attributes: string, content: string) => {
    const attribute = (name: string): string | undefined =>
      new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1]
    const size = Number.parseFloat(attribute('font-size') ?? '11')
    const text = content.replaceAll(/&(?:amp|lt|gt|quot|#39|apos);/g, (entity) => ENTITIES[entity] ?? entity)
    const { path, width } = outline(text, size)
    const anchor = attribute('text-anchor')
    const shift = anchor === 'middle' ? -width / 2 : anchor === 'end' ? -width : 0
    const x = Number.parseFloat(attribute('x') ?? '0') + shift
    const y = Number.parseFloat(attribute('y') ?? '0')
    const turned = attribute('transform') ?? ''
    const bold = attribute('font-weight') === 'bold' ? 0.15 : 0.095
    return (
      `<path d="${path}" transform="${turned} translate(${x.toFixed(2)},${y.toFixed(2)})" fill="none" ` +
      `stroke="${attribute('fill') ?? '#000'}" stroke-width="${(bold * size).toFixed(2)}" ` +
      `stroke-linecap="round" stroke-linejoin="round" opacity="${attribute('opacity') ?? '1'}"/>`
    )
  })
}

import type { TopLevelSpec } from 'vega-lite'
import { ValueError } from '../errors.js'
import { drawn } from './lettering.js'

/** Loads an optional package, or says how it is installed. */
async function optional<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (!code?.endsWith('MODULE_NOT_FOUND') || !message.includes(`'${name}'`)) throw error
    throw new ValueError(
      `plot: the package ${name} is not installed; expected the packages that draw. Run \`npm install vega vega-lite @resvg/resvg-js\`.`,
      { cause: error },
    )
  }
}

/** Draws a chart as SVG. */
export async function chart(spec: TopLevelSpec): Promise<string> {
  const vega = await optional('vega', () => import('vega'))
  const { compile } = await optional('vega-lite', () => import('vega-lite'))
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none', logLevel: vega.Error })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** Whether this machine has a font; servers and small images of containers often have none. */
let hasFont: boolean | null = null

/** Turns an SVG into a PNG of `scale` times its size. */
export async function rasterised(svg: string, scale: number): Promise<Uint8Array> {
  const { Resvg } = await optional('@resvg/resvg-js', () => import('@resvg/resvg-js'))
  if (hasFont === null) {
    const probe = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9">x</text></svg>'
    hasFont = new Resvg(probe).getBBox() !== undefined
  }
  // Text without a font would be left out silently: the letters are drawn as lines then.
  const readable = hasFont ? svg : drawn(svg)
  const resvg = new Resvg(readable, {
    fitTo: { mode: 'zoom', value: scale },
    font: { loadSystemFonts: hasFont },
  })
  return resvg.render().asPng()
}

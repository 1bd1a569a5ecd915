import type { TopLevelSpec } from 'vega-lite'

/** Colours that stay apart for people who see red and green alike, and in print. */
export const palette = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#7b5ea7',
  '#a6761d',
  '#56a0d3',
  '#e6a400',
  '#555555',
  '#b2182b',
] as const

export const ink = '#222222'
const faint = '#e6e6e6'
const grey = '#888888'

/** What all charts share: white paper, thin grid, plain letters. */
/** Families that a machine may have, best first; a list by name, as the last one alone may mean letters with serifs. */
export const FONTS = 'Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, Noto Sans, sans-serif'

export const look = {
  background: 'white',
  padding: 12,
  config: {
    font: FONTS,
    view: { stroke: null },
    title: { fontSize: 15, fontWeight: 'bold', color: ink, anchor: 'start', offset: 12 },
    axis: {
      gridColor: faint,
      domainColor: grey,
      tickColor: grey,
      labelColor: ink,
      labelFontSize: 11,
      titleColor: ink,
      titleFontSize: 12,
      titleFontWeight: 'normal',
      titlePadding: 8,
    },
    legend: { labelColor: ink, labelFontSize: 12, titleColor: ink, symbolStrokeWidth: 3, symbolSize: 240 },
  },
} as const satisfies Partial<TopLevelSpec>

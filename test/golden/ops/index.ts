import { activation } from './activation.js'
import { elementwise } from './elementwise.js'
import { loss } from './loss.js'
import { picking, product } from './product.js'
import { reduction } from './reduction.js'
import type { Call, Table } from './table.js'
import { view } from './view.js'

const table: Table = { ...elementwise, ...reduction, ...view, ...product, ...picking, ...activation, ...loss }

/** How an op is called here; undefined where it cannot be expressed. Edge cases go through the op itself. */
export function callOf(op: string, variant: string): Call | undefined {
  const named = table[nameOf(op, variant)]
  return named ?? (variant === 'edge' ? table[op] : undefined)
}

/** The name of an op as it is reported. */
export function nameOf(op: string, variant: string): string {
  return variant === '' ? op : `${op}.${variant}`
}

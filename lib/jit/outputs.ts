import { Flag } from '../native.js'
import { flagsOf, isTensor } from '../tensor/base.js'
import type { Tensor } from '../tensor.js'
import { isPlainRecord } from './arguments.js'

/** How the result of a traced function is put together from what a run returns. */
export type Template =
  | { readonly kind: 'output'; readonly index: number }
  | { readonly kind: 'argument'; readonly index: number }
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'array'; readonly items: readonly Template[] }
  | { readonly kind: 'record'; readonly keys: readonly string[]; readonly items: readonly Template[] }

/** The template of a result; tensors of the trace in it are entered into `outputs`, each once. */
export function templateOf(result: unknown, parameters: readonly Tensor[], outputs: Tensor[]): Template {
  if (isTensor(result)) {
    if ((flagsOf(result) & Flag.traced) === 0) return { kind: 'value', value: result }
    const parameter = (flagsOf(result) & Flag.weak) === 0 ? parameters.indexOf(result) : -1
    if (parameter >= 0) return { kind: 'argument', index: parameter }
    const known = outputs.indexOf(result)
    if (known >= 0) return { kind: 'output', index: known }
    outputs.push(result)
    return { kind: 'output', index: outputs.length - 1 }
  }
  if (Array.isArray(result))
    return { kind: 'array', items: result.map((item) => templateOf(item, parameters, outputs)) }
  if (isPlainRecord(result)) {
    const keys = Object.keys(result)
    return { kind: 'record', keys, items: keys.map((key) => templateOf(result[key], parameters, outputs)) }
  }
  return { kind: 'value', value: result }
}

/** The result of a run. `argument` gives the tensor that the caller passed at a place. */
export function assembled(
  template: Template,
  outputs: readonly Tensor[],
  argument: (index: number) => unknown,
): unknown {
  switch (template.kind) {
    case 'output':
      return outputs[template.index]
    case 'argument':
      return argument(template.index)
    case 'value':
      return template.value
    case 'array':
      return template.items.map((item) => assembled(item, outputs, argument))
    default: {
      const record: Record<string, unknown> = {}
      template.keys.forEach((key, i) => {
        record[key] = assembled(template.items[i] as Template, outputs, argument)
      })
      return record
    }
  }
}

/** The tensors of a result that a function returned when it ran without a program, in the order of the outputs. */
export function collected(template: Template, result: unknown, into: Tensor[]): void {
  if (template.kind === 'output' && isTensor(result)) into[template.index] = result
  else if (template.kind === 'array' && Array.isArray(result))
    template.items.forEach((item, i) => collected(item, result[i], into))
  else if (template.kind === 'record' && isPlainRecord(result))
    template.keys.forEach((key, i) => collected(template.items[i] as Template, result[key], into))
}

/** A result with every tensor replaced. */
export function mapped(result: unknown, change: (tensor: Tensor) => Tensor): unknown {
  if (isTensor(result)) return change(result)
  if (Array.isArray(result)) return result.map((item) => mapped(item, change))
  if (isPlainRecord(result))
    return Object.fromEntries(Object.entries(result).map(([key, value]) => [key, mapped(value, change)]))
  return result
}

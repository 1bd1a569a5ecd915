import * as neuroxide from 'neuroxide'

type Callable = (...args: never[]) => unknown

const isClass = (value: Callable): boolean => /^class\b/.test(Function.prototype.toString.call(value))
const foreign: ReadonlySet<unknown> = new Set([Object.prototype, Error.prototype, Function.prototype])

/**
 * Everything that users can call, by the name that they call it by: functions as `losses.mse`, constructors as
 * `new nn.Linear`, methods as `nn.Linear#forward`, setters as `Tensor#grad=`. What is exported twice or inherited is
 * there once.
 */
export function callables(): string[] {
  const paths = new Map<Callable, string>()
  collect('', neuroxide, paths)
  const names: string[] = []
  const walked = new Set(foreign)
  for (const [value, path] of paths) {
    names.push(isClass(value) ? `new ${path}` : path)
    if (!isClass(value)) continue
    names.push(...statics(value).map((method) => `${path}.${method}`))
    for (
      let owner = value.prototype as object | null;
      owner !== null && !walked.has(owner);
      owner = Object.getPrototypeOf(owner) as object | null
    ) {
      walked.add(owner)
      const own = paths.get(owner.constructor as Callable) ?? path
      names.push(...methods(owner).map((method) => `${own}#${method}`))
    }
  }
  return names
}

function collect(path: string, exports: object, found: Map<Callable, string>): void {
  for (const [name, value] of Object.entries(exports)) {
    const full = path === '' ? name : `${path}.${name}`
    if (typeof value === 'function') {
      // Of two names for the same, such as He's and Kaiming's, the function's own counts.
      if (!found.has(value as Callable) || value.name === name) found.set(value as Callable, shorter(full))
    } else if (typeof value === 'object' && value !== null) collect(full, value as object, found)
  }
}

/** Functions of `F` are exported without it too. */
function shorter(path: string): string {
  return path.startsWith('F.') ? path.slice(2) : path
}

/** Functions that a class itself has, such as `nn.Sequential.load`. */
function statics(owner: object): string[] {
  return methods(owner).filter((name) => name !== 'prototype')
}

function methods(owner: object): string[] {
  return Reflect.ownKeys(owner).flatMap((key) => {
    if (key === 'constructor') return []
    const { value, set } = Object.getOwnPropertyDescriptor(owner, key) as PropertyDescriptor
    const name = typeof key === 'symbol' ? `[${nameOf(key)}]` : key
    return [...(typeof value === 'function' ? [name] : []), ...(set === undefined ? [] : [`${name}=`])]
  })
}

/** Node 20 describes its own symbol for disposal in another way than later versions do theirs. */
function nameOf(symbol: symbol): string {
  return symbol === Symbol.dispose ? 'Symbol.dispose' : (symbol.description ?? '')
}

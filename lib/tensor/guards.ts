/** The names of the number arguments of the trace that is open. */
let argumentNames: ReadonlyMap<unknown, string> | null = null

/** Tells the names of the number arguments of a trace; returns those told before. */
export function swapArgumentNames(
  names: ReadonlyMap<unknown, string> | null,
): ReadonlyMap<unknown, string> | null {
  const previous = argumentNames
  argumentNames = names
  return previous
}

/** The name of a number argument of the open trace; null for everything else. */
export function argumentName(value: unknown): string | null {
  return argumentNames?.get(value) ?? null
}

/** What a trace read and every later call has to find unchanged. */
export interface Guard {
  readonly object: object
  readonly key: string
  readonly value: unknown
}

let collected: Guard[] | null = null
let changes = 0

/** How often a mode (training, requiresGrad) was written so far: programs traced since need not look at their guards. */
export function modeEpoch(): number {
  return changes
}

/** To be called whenever a mode is written. */
export function modeChanged(): void {
  changes += 1
}

/** Notes that a trace read `object[key]`; returns the value. */
export function readGuard<T>(object: object, key: string, value: T): T {
  if (collected !== null && !collected.some((guard) => guard.object === object && guard.key === key))
    collected.push({ object, key, value })
  return value
}

/** Swaps the list that guards are noted in; none outside of traces. */
export function swapGuards(list: Guard[] | null): Guard[] | null {
  const previous = collected
  collected = list
  return previous
}

/** Whether everything that was read still has its value. */
export function guardsHold(guards: readonly Guard[]): boolean {
  return guards.every(({ object, key, value }) => (object as Record<string, unknown>)[key] === value)
}

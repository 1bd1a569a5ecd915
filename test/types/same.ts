/** True only where both types are the same: neither wider, nor narrower, nor `any`. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only where its argument is true. */
export const holds = <_ extends true>(): void => {}

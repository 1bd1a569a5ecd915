let depth = 0

/** Whether layers are made only to be filled from elsewhere, so that initial values would be overwritten. */
export function isBlank(): boolean {
  return depth > 0
}

/** Makes layers without initial values: what a file fills takes no time and no random numbers before. */
export function withoutValues<T>(make: () => T): T {
  depth += 1
  try {
    return make()
  } finally {
    depth -= 1
  }
}

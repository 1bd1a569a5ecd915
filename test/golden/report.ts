/** What a run of golden cases found. */
export class Report {
  passed = 0
  readonly failures: string[] = []
  readonly #supported = new Set<string>()
  readonly #unsupported = new Set<string>()

  /** Names that cases were run of, sorted. */
  get supported(): string[] {
    return [...this.#supported].toSorted()
  }

  /** Names that cannot be expressed yet, sorted. */
  get unsupported(): string[] {
    return [...this.#unsupported].toSorted()
  }

  /** Enters what cannot be expressed. */
  lacks(name: string): void {
    this.#unsupported.add(name)
  }

  /** Whether nothing at all was met. */
  get isEmpty(): boolean {
    return this.passed === 0 && this.failures.length === 0 && this.#unsupported.size === 0
  }

  /** Enters what kept cases from being run. */
  fails(id: string, why: string): void {
    this.failures.push(`${id}: ${why}`)
  }

  /** Runs a case, which returns or throws why it fails. */
  run(name: string, id: string, check: () => string | null): void {
    let why: string | null
    try {
      why = check()
    } catch (error) {
      why = reason(error)
    }
    this.#enter(name, id, why)
  }

  /** The same for what takes time. */
  async runAsync(name: string, id: string, check: () => Promise<string | null>): Promise<void> {
    let why: string | null
    try {
      why = await check()
    } catch (error) {
      why = reason(error)
    }
    this.#enter(name, id, why)
  }

  #enter(name: string, id: string, why: string | null): void {
    this.#supported.add(name)
    if (why === null) this.passed += 1
    else this.failures.push(`${id}: ${why}`)
  }

  /** The last line of the runner's output. */
  toJSON(): { passed: number; failed: number; failures: string[]; unsupported: string[] } {
    const { passed, failures, unsupported } = this
    return { passed, failed: failures.length, failures, unsupported }
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

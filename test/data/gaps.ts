/**
 * How long this process computed between two turns of a timer while `body` ran, in milliseconds and sorted. Time in which
 * the machine did something else does not count: it says nothing of who lets whom run.
 */
export async function gapsDuring(body: () => Promise<unknown>): Promise<number[]> {
  const gaps: number[] = []
  let last = process.cpuUsage()
  const note = (): void => {
    const { user, system } = process.cpuUsage(last)
    gaps.push((user + system) / 1000)
    last = process.cpuUsage()
  }
  const timer = setInterval(note, 1)
  try {
    await new Promise((resolve) => setTimeout(resolve, 5))
    gaps.length = 0
    last = process.cpuUsage()
    await body()
    note()
    return gaps.toSorted((a, b) => a - b)
  } finally {
    clearInterval(timer)
  }
}

import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../../native/', import.meta.url))

/** The functions that these tests call without the library in between. */
export interface Addon {
  [name: string]: (...args: unknown[]) => unknown
}

/** The addon as Node loads it, beside the library's own use of it in this process. */
export function loadAddon(): Addon {
  const path = process.env['NEUROXIDE_NATIVE_PATH'] ?? folder + built()
  return createRequire(import.meta.url)(path) as Addon
}

function built(): string {
  const name = readdirSync(folder).find((file) => file.endsWith('.node'))
  if (name === undefined) throw new Error(`no addon in ${folder}; run \`npm run setup\``)
  return name
}

/** Places in the shared array, as both sides document them. */
export const Io = { pressure: 0, rank: 4, dtype: 5, flags: 6, sizes: 8, attributes: 64, list: 512 } as const

/** What `call` throws. */
export function thrownBy(call: () => unknown): { code: string | undefined; message: string } {
  try {
    call()
  } catch (error) {
    if (error instanceof Error)
      return { code: (error as Error & { code?: string }).code, message: error.message }
    throw error
  }
  throw new Error('nothing was thrown')
}

import type sharp from 'sharp'
import { ValueError } from '../errors.js'
import { reasonOf } from './data-error.js'

// Public declarations must not lead here: the types of an optional package are not there for everybody.

type Sharp = typeof sharp

let loading: Promise<Sharp> | undefined

/** The optional package that decodes pictures. */
export async function decoder(op: string): Promise<Sharp> {
  loading ??= import('sharp').then((module) => module.default)
  try {
    return await loading
  } catch (error) {
    loading = undefined
    const [reason = ''] = reasonOf(error).split('\n', 1)
    throw new ValueError(
      `${op}: the package sharp, which decodes pictures, cannot be loaded (${reason}); expected it. Run \`npm install sharp\`.`,
      { cause: error },
    )
  }
}

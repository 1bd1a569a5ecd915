import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execute, root, tsx } from '../pack/project.js'

/** Minutes that a program may take where other tests want the cores too. */
export const patience = 300_000

/** The folder in which a file's programs run, and where they write. */
export function workplace(): string {
  return mkdtempSync(join(tmpdir(), 'neuroxide-examples-'))
}

/** Runs a program of `examples` as a user does, in a process of its own, and gives what it printed. */
export async function printedBy(name: string, folder: string): Promise<string> {
  const program = join(root, 'examples', `${name}.ts`)
  const { code, stdout, stderr } = await execute(process.execPath, ['--import', tsx, program], folder)
  if (code !== 0) throw new Error(`examples/${name}.ts ended with ${code}\n${stdout}\n${stderr}`)
  return stdout
}

/** The number that a line of the output ends with (or that stands before its unit), by how the line begins. */
export function numberOf(output: string, beginning: string): number {
  const line = output.split('\n').findLast((text) => text.startsWith(`${beginning} `))
  const number = Number.parseFloat(line?.slice(beginning.length) ?? '')
  if (Number.isNaN(number)) throw new Error(`no line "${beginning} …" in\n${output}`)
  return number
}

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { execute, root, type Ended } from '../pack/project.js'

/** An empty folder inside the clone, so that `neuroxide` means what was built. */
export function emptyFolder(name: string): string {
  const folder = join(root, '.cache', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

export function write(folder: string, file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(join(folder, file), text)
}

/** Checks the types of all programs in a folder under the strict rules of this repository. */
export function checkTypes(folder: string): Promise<Ended> {
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ['.'],
    exclude: [],
  }
  write(folder, 'tsconfig.json', JSON.stringify(config))
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  return execute(process.execPath, [compiler, '-p', folder], root)
}

// `npm run golden -- --dir DIR --json`: set the clone up, then run golden cases against the built package.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, run } from './command.mjs'
import { setUp } from './setup.mjs'

await setUp()
const tsx = pathToFileURL(join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href
const args = ['--import', tsx, join(root, 'test', 'golden', 'run.ts'), ...process.argv.slice(2)]
// A relative `--dir` means the folder that the user stands in, which npm passes on.
const cwd = process.env['INIT_CWD'] ?? process.cwd()
process.exitCode = (await run(process.execPath, args, { inherit: true, cwd })).code

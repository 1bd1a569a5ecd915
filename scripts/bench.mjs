// `npm run bench` and `npm run bench:peers`: set the clone up, then run a program of `bench`.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, run } from './command.mjs'
import { setUp } from './setup.mjs'

const [program, ...args] = process.argv.slice(2)
await setUp()
const tsx = pathToFileURL(join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href
// Relative paths among the arguments mean the folder that the user stands in, which npm passes on.
const cwd = process.env['INIT_CWD'] ?? process.cwd()
// Ctrl-C reaches the program too, which ends what it started; this process then passes its exit code on.
process.on('SIGINT', () => {})
const command = ['--import', tsx, join(root, 'bench', program), ...args]
process.exitCode = (await run(process.execPath, command, { inherit: true, cwd })).code

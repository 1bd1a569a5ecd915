// `npm start`: set the clone up, then train on MNIST.
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { root, run } from './command.mjs'
import { setUp } from './setup.mjs'

await setUp()
const tsx = pathToFileURL(join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href
const args = ['--import', tsx, join(root, 'examples', 'mnist.ts'), ...process.argv.slice(2)]
// Ctrl-C reaches the example too, which ends by itself; this process then passes its exit code on.
process.on('SIGINT', () => {})
process.exitCode = (await run(process.execPath, args, { inherit: true })).code

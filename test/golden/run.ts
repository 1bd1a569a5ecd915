import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runGolden } from './runner.js'

const { values } = parseArgs({
  options: {
    dir: { type: 'string' },
    json: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
  },
})
const dir = values.dir === undefined ? fileURLToPath(new URL('.', import.meta.url)) : resolve(values.dir)
const report = await runGolden(dir)
if (values.update) {
  const { passed, supported } = report
  writeFileSync(join(dir, 'supported.json'), `${JSON.stringify({ passed, supported }, null, 2)}\n`)
}
if (!values.json) {
  for (const failure of report.failures) console.log(failure)
  console.log(`unsupported: ${report.unsupported.join(', ') || 'nothing'}`)
  console.log(`${report.passed} passed, ${report.failures.length} failed`)
} else {
  console.log(JSON.stringify(report))
}
// Not `process.exit`, which could cut the line short where stdout is a pipe.
process.exitCode = report.failures.length > 0 ? 1 : 0

import type { Report } from './report.js'

const WIDTH = 13

/** The report as a person reads it. */
export function pageOf(report: Report): string {
  const { system, processor } = report
  const rows: [string, string][] = [
    ['neuroxide', `${report.package.version} in ${report.package.path}`],
    ['Node', `${report.node.version}, Node-API ${report.node.napi}, V8 ${report.node.v8}`],
    ['system', [`${system.platform} ${system.arch}`, system.libc, system.release].filter(Boolean).join(', ')],
    [
      'processor',
      `${processor.model}, ${processor.count} logical, ${gibibytes(processor.memoryBytes)} GiB of memory`,
    ],
    ['addon', addonLine(report)],
    ['instructions', known(report.instructionSet, ({ used, why }) => `${used}: ${why}`)],
    ['threads', known(report.threads, ({ used, why }) => `${used}: ${why}`)],
    ['products', productsLine(report)],
    ['training', trainingLine(report)],
    ...report.peers.map(({ name, version, use, install }, at): [string, string] => [
      at === 0 ? 'optional' : '',
      version === null ? `${name} is not installed (${use}): ${install}` : `${name} ${version} (${use})`,
    ]),
  ]
  return [
    ...rows.map(([name, text]) => `${name.padEnd(WIDTH)}${text}`),
    '',
    ...report.notes.map((note) => `Note: ${note}`),
    ...verdict(report),
    '',
  ].join('\n')
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1)
}

function known<T>(value: T | null, text: (value: T) => string): string {
  return value === null ? 'not known, as the addon is not loaded' : text(value)
}

function addonLine({ addon }: Report): string {
  if (addon === null) return 'not loaded'
  const how = {
    NEUROXIDE_NATIVE_PATH: 'NEUROXIDE_NATIVE_PATH',
    clone: 'built in this clone',
    package: 'the package for this platform',
  }[addon.foundBy]
  return `${addon.path} (${how})`
}

function productsLine({ products }: Report): string {
  if (products.length === 0) return 'not measured'
  return products
    .map(({ size, threads, gflops }, at) => {
      const shape =
        at === 0 || products[0]?.size !== size ? `f32, ${size} × ${size} by ${size} × ${size}: ` : ''
      return `${shape}${gflops.toFixed(1)} GFLOP/s on ${threads} ${threads === 1 ? 'thread' : 'threads'}`
    })
    .join(', ')
}

function trainingLine({ training }: Report): string {
  if (training === null) return 'not tried'
  const { firstLoss, lastLoss, milliseconds } = training
  return `the loss fell from ${firstLoss.toFixed(3)} to ${lastLoss.toFixed(3)} in 20 epochs, ${milliseconds.toFixed(0)} ms`.replace(
    'fell',
    lastLoss < firstLoss ? 'fell' : 'went',
  )
}

function verdict({ ok, problems }: Report): string[] {
  if (ok) return ['Everything works.']
  return problems.flatMap(({ part, message, remedy }) => [
    `Broken: ${part}`,
    indented(message),
    `  Fix: ${remedy}`,
  ])
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}

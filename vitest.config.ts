import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const built = fileURLToPath(new URL('dist/index.js', import.meta.url))

// These measure memory, allocations, native calls or life cycles, where a second run of each step would count.
const unverified = ['test/alloc*', 'test/alloc*/**', 'test/calls*', 'test/calls*/**', 'test/workers/**']
const memory = ['test/memory/**']
const pack = ['test/pack/**']
const tests = (folders: string[]): string[] =>
  folders.flatMap((folder) => (folder.endsWith('/**') ? [`${folder}/*.test.ts`] : [`${folder}.test.ts`]))

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...unverified, ...memory, ...pack, '**/node_modules/**'],
          env: { NEUROXIDE_VERIFY: '1' },
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'counted',
          include: tests(unverified),
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'memory',
          include: tests(memory),
          maxWorkers: 1,
          testTimeout: 600_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'pack',
          include: tests(pack),
          maxWorkers: 1,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        test: {
          name: 'bench',
          include: [],
          benchmark: { include: ['bench/*.bench.ts'] },
          maxWorkers: 1,
        },
      },
    ],
    // An addon that crashes takes its own process down, not the run.
    pool: 'forks',
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What is tested is the package as built, loaded by Node itself, not transformed sources.
    alias: { neuroxide: built },
    server: { deps: { external: [/\/dist\//] } },
  },
})

import { defineConfig } from 'vitest/config';

// End to end: the synthesised template on the local runtime, with real servers. One file at a time; they own ports and
// cores.
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts', 'packages/*/test/e2e/**/*.test.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    fileParallelism: false,
    pool: 'forks',
  },
});

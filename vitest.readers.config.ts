import { defineConfig } from 'vitest/config';

// What is measured by CPU time: each reader of a stranger's text, and the dearest message of each stage. One file at a
// time, so that they do not measure each other.
export default defineConfig({
  test: {
    include: ['test/readers/measured/*.test.ts'],
    testTimeout: 120_000,
    fileParallelism: false,
    pool: 'forks',
  },
});

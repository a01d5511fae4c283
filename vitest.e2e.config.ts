import { defineConfig } from 'vitest/config';

// End to end: the synthesised template on the local runtime, with real servers. One file at a time; they own ports and
// cores. `npm run test:permissions` plays the exercise once more without each grant, which takes a quarter of an hour.
const permissions = 'test/e2e/permissions.test.ts';
export default defineConfig({
  test: {
    include: process.env.EVERPOST_PERMISSIONS
      ? [permissions]
      : ['test/e2e/**/*.test.ts', 'packages/*/test/e2e/**/*.test.ts'],
    exclude: process.env.EVERPOST_PERMISSIONS ? [] : [permissions],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    fileParallelism: false,
    pool: 'forks',
  },
});

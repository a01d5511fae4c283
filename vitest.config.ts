import { defineConfig } from 'vitest/config';

// Unit, contract, tidy, infra and fast integration tests. No test here needs root or a server from Debian.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
    setupFiles: ['test/deny-network.ts'],
    exclude: ['test/e2e/**', 'test/readers/measured/**', 'packages/*/test/e2e/**', '**/node_modules/**'],
    testTimeout: 120_000, // for what hangs: crash-everywhere takes 10 s alone, and more on a busy machine
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});

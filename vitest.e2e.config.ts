import { defineConfig } from 'vitest/config';

// End to end: the synthesised template on the local runtime, with real servers. Each file has its own ports and
// folders, and mostly waits: two run beside each other. Those that measure real time run alone, when the others are
// through.
const measured = ['test/e2e/network.test.ts', 'test/e2e/one-sick.test.ts'];

export default defineConfig({
  test: {
    projects: [
      files('beside', { include: ['test/e2e/**/*.test.ts', 'packages/*/test/e2e/**/*.test.ts'], exclude: measured }, 2),
      files('alone', { include: measured }, 1),
    ],
  },
});

function files(name: string, which: { include: string[]; exclude?: string[] }, maxWorkers: number) {
  const sequence = { groupOrder: 2 - maxWorkers };
  const timeouts = { testTimeout: 600_000, hookTimeout: 600_000 };
  return { test: { name, ...which, maxWorkers, sequence, pool: 'forks' as const, ...timeouts } };
}

// What a schedule starts: given a deadline whatever the time scale makes of it, counted where it ends, and loud where
// it fails.

import type { Context } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { scheduled } from '#lambdas/scheduled.ts';

class FlushedWatch extends MemoryWatch {
  flushes = 0;
  begin(): void {}
  flush(): void {
    this.flushes += 1;
  }
}
const within = (ms: number) => ({ awsRequestId: 'r', getRemainingTimeInMillis: () => ms }) as Context;

// Real time is measured: a busy machine may come between once, and what is wrong is wrong each time.
describe('a scheduled function', { retry: 2 }, () => {
  it.each([
    [55_000, 1],
    [917, 60], // 55 s by 60, and a margin that is no whole number of milliseconds
    [14_000, 60],
    [3, 10_000],
  ])('with %i ms left at scale %i has a deadline that has not passed', async (remaining, timeScale) => {
    const watch = new FlushedWatch();
    const handler = scheduled('sweep', { watch, timeScale }, async (signal) => signal.aborted);
    expect(await handler({}, within(remaining))).toBe(false);
    expect(watch.flushes).toBe(1);
  });

  it('ends early enough', async () => {
    const watch = new FlushedWatch();
    const began = performance.now();
    const handler = scheduled('sweep', { watch, timeScale: 1 }, async (signal) => {
      await new Promise((resume) => signal.addEventListener('abort', resume));
      return performance.now() - began;
    });
    const took = await handler({}, within(400));
    expect(took).toBeGreaterThan(290);
    expect(took).toBeLessThan(400);
  });

  it('that fails says why, sends its metrics, and fails', async () => {
    const watch = new FlushedWatch();
    const handler = scheduled('sweep', { watch, timeScale: 1 }, () => Promise.reject(new Error('no table')));
    await expect(handler({}, within(5_000))).rejects.toThrow('no table');
    expect(watch.logged('sweep.crashed')[0]?.fields.error).toContain('no table');
    expect(watch.flushes).toBe(1);
  });
});

// Two bounce jobs for one failure at the same moment: what became of the delivery is counted by the one that wrote it;
// an alarm is raised by each before it writes, so that it cannot be lost with its function. And how often a failure is
// looked at while its notice waits.

import { expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { failedAtBirth } from '#core/delivery/progress.ts';
import { feedbackVisibilityMs, lostJobAfterMs, maxReceiveCount } from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import { bounce } from '#pipeline/bounce/bounce.ts';
import { facts, queued, T0 } from '../../../contract/rows.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

it.each([
  ['the null reverse-path', { message: facts('m1', { reversePath: '' }) }, 'Unreturnable', 1],
  ['a copy', { copy: true }, 'Held', 2],
] as const)('%s', async (_name, change, metric, times) => {
  const row = failedAtBirth(queued('m1', change), statusOf('5.1.1'), 'no-route', 'there is no such recipient', T0);
  const clock = new MemoryClock(T0 + 1);
  const ledger = new MemoryLedger();
  const watch = new MemoryWatch();
  const relayQueue = new MemoryJobQueue({ clock, visibilityMs: feedbackVisibilityMs, maxReceiveCount });
  await ledger.create([row], null);
  const ports = { settings: pipelineSettings, ledger, relayQueue, clock, watch, sweepAgainMs: lostJobAfterMs };
  const job = { version: 1, spoolId: row.spoolId, deliveryKey: row.deliveryKey } as const;
  const both = Promise.withResolvers<void>();
  let reading = 0;
  // Each reads before either writes.
  const read: typeof ledger.read = async (ref) => {
    const found = await ledger.read(ref);
    reading += 1;
    if (reading === 2) both.resolve();
    await both.promise;
    return found;
  };
  const raced = Object.assign(Object.create(ledger) as MemoryLedger, { read });
  await Promise.all([bounce({ ...ports, ledger: raced }, job), bounce({ ...ports, ledger: raced }, job)]);
  expect(watch.total(metric)).toBe(times);
});

it('a failure whose notice waits for its next hop is looked at each hour, and is due as often', async () => {
  const row = failedAtBirth(queued('m1'), statusOf('5.1.1'), 'no-route', 'there is no such recipient', T0);
  const clock = new MemoryClock(T0 + 1);
  const ledger = new MemoryLedger();
  const relayQueue = new MemoryJobQueue({ clock, visibilityMs: feedbackVisibilityMs, maxReceiveCount });
  await ledger.create([row], null);
  const watch = new MemoryWatch();
  const ports = { settings: pipelineSettings, ledger, relayQueue, clock, watch, sweepAgainMs: lostJobAfterMs };
  const looks: number[] = [];
  while (clock.now() < T0 + 12 * HOUR) {
    await bounce(ports, { version: 1, spoolId: row.spoolId, deliveryKey: row.deliveryKey });
    const { dueAt } = (await ledger.read(row)) ?? row;
    looks.push(((dueAt ?? 0) - clock.now()) / MINUTE);
    clock.advanceTo(dueAt ?? 0);
  }
  expect(looks.slice(0, 4)).toEqual([15, 15, 30, 60]);
  expect(new Set(looks.slice(3))).toEqual(new Set([60]));
});

// Which work a job of the feedback queue becomes: by its own word, and by its row where an older version sent it
// without one.

import { expect, it } from 'vitest';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { returnsHop } from '#core/delivery/destination.ts';
import { failedAtBirth } from '#core/delivery/progress.ts';
import { feedbackLeaseMs, feedbackVisibilityMs, lostJobAfterMs, maxReceiveCount } from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { type FeedbackWork, feedbackJob } from '#pipeline/feedback/feedback-job.ts';
import { queued, T0 } from '../../../contract/rows.ts';
import { outcomesOf } from '../../../kit/board.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const settings = { ...pipelineSettings, retry: { ...pipelineSettings.retry, delayNoticeMs: 3_600_000 } };
const NEVER = new AbortController().signal;
const failed = failedAtBirth(queued('m1'), statusOf('5.1.1'), 'no-route', 'there is no such recipient', T0);
const underWay = queued('m1');
const late = queued('m1', { acceptedAt: T0 - 3_600_000 });
const atReturnPath = queued('m1', {
  nextHop: returnsHop,
  forwardPath: `stranger@${pipelineSettings.returnPathDomain}`,
  address: `stranger@${pipelineSettings.returnPathDomain}`,
});

async function done(row: DeliveryRow | null, work: FeedbackWork | null) {
  const clock = new MemoryClock(T0 + 1_000);
  const ledger = new MemoryLedger();
  if (row !== null) await ledger.create([row], null);
  const queue = () => new MemoryJobQueue({ clock, visibilityMs: feedbackVisibilityMs, maxReceiveCount });
  const ports = {
    ...{ settings, routes: compileRoutes(pipelineSettings.routes), ledger, clock },
    outcomes: outcomesOf({ clock, watch: new MemoryWatch() }),
    ...{ spool: new MemorySpool(), watch: new MemoryWatch(), relayQueue: queue(), bounceQueue: queue() },
    canaryMail: { send: () => Promise.reject(new Error('no job asks for a canary')) },
    ...{ entropy: new MemoryEntropy(1), markKey: 'key', leaseMs: feedbackLeaseMs, sweepAgainMs: lostJobAfterMs },
  };
  const { spoolId, deliveryKey } = row ?? underWay;
  await feedbackJob(ports, { version: 1, spoolId, deliveryKey }, work, NEVER);
  return {
    states: ledger.all().map(({ kind, state, noticeKind }) => `${noticeKind ?? kind} ${state}`),
    missing: ports.watch.logged('bounce.row-missing').length,
  };
}

it.each<[string, DeliveryRow | null, FeedbackWork | null, readonly string[]]>([
  ['a failure, by its word', failed, 'bounce', ['delivery failed', 'ndr queued']],
  ['a failure, by its row', failed, null, ['delivery failed', 'ndr queued']],
  ['mail to a return path, by its word', atReturnPath, 'returned', ['delivery discarded']],
  ['mail to a return path, by its row', atReturnPath, null, ['delivery discarded']],
  ['a delay, by its word', late, 'bounce', ['delivery queued', 'delay queued']],
  ['a delay, by its row', late, null, ['delivery queued', 'delay queued']],
  ['no delay yet, by its row', underWay, null, ['delivery queued']],
])('%s', async (_name, row, work, states) => {
  expect((await done(row, work)).states).toEqual(states);
});

it('a job whose row is gone is logged as lost', async () => {
  expect((await done(null, null)).missing).toBe(1);
});

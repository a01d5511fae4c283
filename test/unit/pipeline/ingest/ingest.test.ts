// Ingest and the one thing that it may read of the content: the header section of a long one. What a delete marker
// hides it finds.

import { expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { lostJobAfterMs, maxReceiveCount, relayVisibilityMs } from '#core/limits.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { ingest } from '#pipeline/ingest/ingest.ts';
import { RestoreView } from '#pipeline/restore-record.ts';
import { acceptedOf } from '../../../kit/board.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';
import { ACCEPTED_AT, notification } from '../../../simulation/notification.ts';

it.each([
  ['as it is', () => {}, ['RECEIVE'], 0],
  ['under a delete marker', (spool: MemorySpool) => spool.hide('in/m1'), ['RECEIVE', 'RESTORE'], 1],
])('a long header section, %s: read, and traced', async (_name, hide, events, logged) => {
  const clock = new MemoryClock(ACCEPTED_AT);
  const queue = () => new MemoryJobQueue({ clock, visibilityMs: relayVisibilityMs, maxReceiveCount });
  const spool = new MemorySpool();
  const ledger = new MemoryLedger();
  const watch = new MemoryWatch();
  spool.put('in/m1', Buffer.from('From: ann@src.example\r\nSubject: beyond the receipt\r\n\r\nHello\r\n'));
  hide(spool);
  const receipt = JSON.parse(notification('m1', 'ann@src.example', ['bob@example.com', 'eve@example.com']));
  receipt.mail.headersTruncated = true;
  const ports = {
    settings: pipelineSettings,
    routes: compileRoutes(pipelineSettings.routes),
    spool,
    ledger,
    relayQueue: queue(),
    bounceQueue: queue(),
    feedbackQueue: queue(),
    accepted: acceptedOf({ watch }),
    restores: new RestoreView({ ledger, clock }),
    clock,
    watch,
    markKey: 'key',
    orphanAfterMs: 3_600_000,
    sweepAgainMs: lostJobAfterMs,
  };
  await ingest(ports, JSON.stringify(receipt), new AbortController().signal);
  expect((await ledger.message('m1'))?.extract.subject).toBe('beyond the receipt');
  for (const row of ledger.all()) expect(row.trace.map(({ event }) => event)).toEqual(events);
  expect(watch.logged('ingest.delete-marker')).toHaveLength(logged);
});

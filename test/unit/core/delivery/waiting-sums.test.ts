// What waits, added up: held rows by cause, mail by next hop, and mail that a pause keeps, which no level counts. A
// row that waits is due within the time that the levels look ahead.

import { expect, it } from 'vitest';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { pausesOf } from '#core/delivery/pause.ts';
import { dueWhileWaiting, waitsUntil } from '#core/delivery/waiting.ts';
import { type EntryWaiting, waitingSums } from '#core/delivery/waiting-sums.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { queued } from '#test/contract/rows.ts';
import { pipelineSettings } from '#test/kit/pipeline.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 20, 12);
const { lifetimeMs } = pipelineSettings.retry;
const entry = (nextHop: string, change: Partial<EntryWaiting> = {}): EntryWaiting => ({
  ...{ spoolId: 'm1', deliveryKey: 'abcdefghijklmnop', nextHop, state: 'queued', nextAttemptAt: NOW - HOUR },
  ...{ expiresAt: NOW + lifetimeMs - HOUR, ...change },
});
const pause = (scope: string, since: number, mode: 'hold' | 'drain' = 'hold') => ({
  ...{ scope, version: 1, mode, since, by: 'ann', ended: [] },
});

it('adds up by cause, by next hop and by pause, with the oldest of each', () => {
  const records = [pause('paused', NOW - 9 * HOUR), pause('inbound', NOW - 3 * HOUR, 'drain')];
  const pauses = pausesOf(records, pipelineSettings, NOW);
  const healths = new Map([
    ['open', { state: 'open' as const }],
    ['slow', { state: 'slow' as const }],
    ['well', { state: 'healthy' as const }],
  ]);
  const { take, sums } = waitingSums({ healths, pauses });
  const old = { expiresAt: NOW + lifetimeMs - 5 * HOUR }; // accepted before the drain began
  take(entry('well', { state: 'held', heldBecause: 'policy', nextAttemptAt: NOW - 1 }), 'held');
  take(entry('well', { state: 'held', heldBecause: 'policy', nextAttemptAt: NOW - 2 }), 'held');
  take(entry('well', { state: 'held', nextAttemptAt: NOW - 3 }), 'held');
  const limited = { state: 'held', heldBecause: 'failure-limit' } as const;
  take(entry('well', { ...limited, deliveryKey: 'x', nextAttemptAt: NOW - 4 }), 'held');
  take(entry('well', { ...limited, nextAttemptAt: NOW - 5 }), 'held');
  take(entry('well', { ...old, state: 'deferred', nextAttemptAt: NOW + HOUR }), 'faulty');
  for (const nextHop of ['open', 'slow', 'well', 'paused']) take(entry(nextHop, old), 'other');
  take(entry('open'), 'other'); // kept by the drain
  take(entry('open', { ...old, nextAttemptAt: NOW + 1 }), 'other');
  take(entry('open', { ...old, state: 'quarantined' }), 'other');
  take(entry('open', { ...old, state: 'failed' }), 'other');
  expect(sums()).toEqual({
    held: new Map([
      ['policy', { count: 2, oldestAt: NOW - 2 }],
      [null, { count: 1, oldestAt: NOW - 3 }],
      ['failure-limit', { count: 2, oldestAt: NOW - 5 }],
    ]),
    byFault: new Map(['well', 'open', 'slow'].map((name) => [name, { count: 1, oldestAt: NOW - 5 * HOUR }])),
    failureLimited: new Map([['well', { count: 2, oldestAt: NOW - 5, first: { spoolId: 'm1', deliveryKey: 'x' } }]]),
    kept: new Map([
      ['paused', { count: 1, oldestAt: NOW - 5 * HOUR }],
      ['inbound', { count: 1, oldestAt: NOW - HOUR }],
    ]),
  });
});

it('the levels look as far ahead as a row that waits may be due', () => {
  for (const delayNoticeMs of [null, HOUR, 4 * HOUR, 40 * HOUR])
    for (let age = 0; age < lifetimeMs; age += HOUR / 4)
      for (const dueAt of [NOW - age, NOW, NOW + lostJobAfterMs]) {
        const row: DeliveryRow = queued('m1', { dueAt, nextAttemptAt: NOW, expiresAt: NOW + lifetimeMs - age });
        const terms = { now: NOW, sweepAgainMs: lostJobAfterMs, lifetimeMs, delayNoticeMs };
        for (const endsAt of [row.expiresAt, Number.MAX_SAFE_INTEGER])
          expect(dueWhileWaiting(row, { ...terms, endsAt })).toBeLessThanOrEqual(waitsUntil(terms));
      }
});

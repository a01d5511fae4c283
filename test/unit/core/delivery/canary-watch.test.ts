// Which canaries are awaited, and since when, as a table of what happens one after the other.

import { describe, expect, it } from 'vitest';
import {
  afterArrivals,
  afterSending,
  awaitingNone,
  type CanaryRecord,
  hasArrived,
  isCanaryDue,
  lateMs,
  noCanaries,
} from '#core/delivery/canary-watch.ts';
import type { DeliveryState } from '#core/delivery/delivery.ts';

const sent = (...instants: readonly number[]): CanaryRecord =>
  instants.reduce((record, at) => afterSending(record, { id: `c${at}`, at }), noCanaries('canary@example.com'));
const arrived = (record: CanaryRecord, ...ids: readonly string[]) => afterArrivals(record, new Set(ids));

describe('the oldest that did not arrive', () => {
  it.each<[string, CanaryRecord, number | null, number]>([
    ['none was sent', sent(), null, 0],
    ['one was sent', sent(10), 10, 1],
    ['it arrived', arrived(sent(10), 'c10'), null, 0],
    ['the first of three arrived', arrived(sent(10, 20, 30), 'c10'), 20, 2],
    ['a later one arrived: mail comes through again', arrived(sent(10, 20, 30), 'c20'), 30, 1],
    ['the last one arrived', arrived(sent(10, 20, 30), 'c30'), null, 0],
    ['one that nobody awaits arrived', arrived(sent(10), 'c9'), 10, 1],
    ['many do not arrive: the first says since when, and the last ones are looked for', sent(1, 2, 3, 4, 5, 6), 1, 4],
    ['of many the last one arrived', arrived(sent(1, 2, 3, 4, 5, 6), 'c6'), null, 0],
    ['a pause began', awaitingNone(sent(10, 20)), null, 0],
  ])('%s', (_what, record, since, awaited) => {
    expect([record.since, record.awaited.length]).toEqual([since, awaited]);
    expect(lateMs(record, 100)).toBe(since === null ? 0 : 100 - since);
  });
  it('is not late before it was sent, by another clock', () => {
    expect(lateMs(sent(10), 5)).toBe(0);
  });
});

it('the next one is due after the first look, and then when its time has come, arrived or not', () => {
  expect(isCanaryDue(noCanaries('canary@example.com'), 60, 0)).toBe(true);
  expect([69, 70].map((now) => isCanaryDue(sent(10), 60, now))).toEqual([false, true]);
  expect([69, 70].map((now) => isCanaryDue(awaitingNone(sent(10)), 60, now))).toEqual([false, true]);
});

it('arrived is what the next hop accepted', () => {
  const states: DeliveryState[] = ['queued', 'deferred', 'relayed', 'confirmed', 'failed', 'expired', 'unreturnable'];
  expect(states.filter((state) => hasArrived({ state }))).toEqual(['relayed', 'confirmed']);
});

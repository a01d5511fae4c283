// What the sweep decides on a row whose time has come, as a table; and how it shares its room among next hops.
// Instants are literals; nothing here reads a clock.

import { describe, expect, it } from 'vitest';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { isOverExpiryLimit, isSuspectExpiry } from '#core/delivery/expiry-limit.ts';
import { released } from '#core/delivery/hold-release.ts';
import { newDelivery } from '#core/delivery/progress.ts';
import { fairShares, type SweepTerms, sweepDecision } from '#core/delivery/sweep-decision.ts';
import { traced } from '#core/delivery/trace.ts';
import { claimsMax } from '#core/limits.ts';

const T = Date.UTC(2026, 10, 22, 10, 0, 0);
const MINUTE = 60_000;
const given = {
  ...{ spoolId: 'm1', deliveryKey: 'k', forwardPath: 'b@example.com', route: 0, action: 0, nextHop: 'exchange' },
  ...{ address: 'b@example.com', copy: false, message: null, acceptedAt: T, trace: [] },
  ...{ lifetimeMs: 60 * MINUTE, sweepAgainMs: 15 * MINUTE },
};
const at = T + 20 * MINUTE;
const due: DeliveryRow = { ...newDelivery(given, T), dueAt: at };
const deferred: Partial<DeliveryRow> = { state: 'deferred', attempts: 1, nextAttemptAt: at };
const told = { kind: 'delay', state: 'queued', via: 'v', to: 'a@b.c', messageIdField: null, at, reason: null } as const;
const late = T + 60 * MINUTE;

describe('sweepDecision', () => {
  it.each<[string, Partial<DeliveryRow>, Partial<SweepTerms>, object]>([
    ['final', { state: 'relayed', dueAt: null }, {}, { kind: 'leave' }],
    ['not due yet', { dueAt: at + 1 }, {}, { kind: 'leave' }],
    ['under a lease', { leaseUntil: at + 60_000, claims: 1 }, {}, { kind: 'wait', row: { dueAt: at + MINUTE } }],
    ['deferred and due', deferred, {}, { kind: 'relay', lost: false, row: { dueAt: at + 15 * MINUTE } }],
    ['deferred and due, jobs waiting', deferred, { backlog: true }, { kind: 'relay', lost: false }],
    [
      'deferred and due, close to its expiry',
      { ...deferred, expiresAt: at + MINUTE },
      {},
      { kind: 'relay', row: { dueAt: at + MINUTE } },
    ],
    [
      'deferred, not yet time',
      { ...deferred, nextAttemptAt: at + MINUTE },
      {},
      { kind: 'wait', row: { dueAt: at + MINUTE } },
    ],
    [
      'enqueued again, and nobody claimed it',
      { ...deferred, nextAttemptAt: at - 1 },
      {},
      { kind: 'relay', lost: true },
    ],
    [
      'enqueued again, and jobs are waiting',
      { ...deferred, nextAttemptAt: at - 1 },
      { backlog: true },
      { kind: 'wait', row: { dueAt: at + 15 * MINUTE } },
    ],
    [
      'enqueued an hour ago, although jobs are waiting',
      { ...deferred, nextAttemptAt: at - 15 * MINUTE },
      { backlog: true, lostAnywayMs: 15 * MINUTE },
      { kind: 'relay', lost: true },
    ],
    ['never claimed', {}, {}, { kind: 'relay', lost: true }],
    ['never claimed, and jobs are waiting', {}, { backlog: true }, { kind: 'wait', row: { dueAt: at + 15 * MINUTE } }],
    [
      'claimed, and its lease ran out',
      { claims: 1, leaseUntil: at - 1 },
      { backlog: true },
      { kind: 'relay', lost: true },
    ],
    ['claimed too often', { claims: claimsMax, leaseUntil: at - 1 }, {}, { kind: 'wait', row: { dueAt: late } }],
    ['failed without a notice', { state: 'failed' }, {}, { kind: 'bounce', row: { dueAt: at + 15 * MINUTE } }],
    ['expired without a notice', { state: 'expired' }, {}, { kind: 'bounce' }],
    ['held', { state: 'held' }, {}, { kind: 'wait', row: { dueAt: at + 24 * 60 * MINUTE } }],
  ])('%s', (_name, change, terms, expected) => {
    expect(decide(change, terms)).toMatchObject(expected);
  });

  it.each<[string, Partial<DeliveryRow>, object]>([
    ['with its last real word', { ...deferred, lastReason: 'mailbox-full' }, { kind: 'expire', suspect: false }],
    ['unreadable', { ...deferred, lastReason: 'content-unreadable' }, { kind: 'expire', suspect: true }],
    ['poison', { ...deferred, lastReason: 'x', claims: claimsMax }, { kind: 'expire', suspect: true }],
    ['under a lease', { leaseUntil: late + MINUTE, claims: 1 }, { kind: 'wait', row: { dueAt: late + MINUTE } }],
    [
      'with an attempt that never ended: that one first',
      { ...deferred, claims: 1, leaseUntil: late - 1 },
      { kind: 'relay', lost: true, row: { dueAt: late + 15 * MINUTE } },
    ],
    [
      'never attempted: once, now',
      {},
      { kind: 'relay', row: { dueAt: late + 15 * MINUTE }, events: [{ event: 'RESUBMIT', reason: 'last-attempt' }] },
    ],
    ['failed', { state: 'failed' }, { kind: 'bounce' }],
  ])('past its lifetime, %s', (_name, change, expected) => {
    expect(decide({ dueAt: late, ...change }, { now: late })).toMatchObject(expected);
  });
  it('past its lifetime, never attempted, and the last job was lost too', () => {
    const first = decide({ dueAt: late }, { now: late });
    if (first.kind !== 'relay') throw new Error(first.kind);
    const again = { ...first.row, trace: first.events };
    expect(decide(again, { now: late + 15 * MINUTE })).toEqual({ kind: 'expire', suspect: true, down: null });
  });

  it('released past its lifetime: it is attempted once more before it may expire again', () => {
    const row = { ...due, state: 'held', lastJobSent: true, dueAt: null } as const;
    const next = released(row, { now: late, lifetimeMs: MINUTE, sweepAgainMs: 15 * MINUTE }).row;
    const trace = [traced(row, 'RESUBMIT', at, { attempt: null, status: null, reason: 'last-attempt', reply: null })];
    expect(decide({ ...next, trace, dueAt: late + MINUTE }, { now: late + MINUTE })).toMatchObject({ kind: 'relay' });
  });

  describe('when the sender should hear of the delay', () => {
    const terms = { delayNoticeMs: 20 * MINUTE };
    const waiting = { ...deferred, nextAttemptAt: at + 25 * MINUTE };
    it.each<[string, Partial<DeliveryRow>, Partial<SweepTerms>, object]>([
      ['deferred', waiting, {}, { kind: 'delay', row: { dueAt: at + 15 * MINUTE } }],
      [
        'deferred, its next attempt is near',
        { ...waiting, nextAttemptAt: at + 1 },
        {},
        { kind: 'delay', row: { dueAt: at + 1 } },
      ],
      ['the attempt is due too: it may yet succeed', deferred, {}, { kind: 'relay' }],
      ['not yet', waiting, { delayNoticeMs: 21 * MINUTE }, { kind: 'wait', row: { dueAt: at + MINUTE } }],
      ['told already', { ...waiting, notice: told }, {}, { kind: 'wait', row: { dueAt: at + 25 * MINUTE } }],
      ['a notice', { ...waiting, kind: 'notice' }, {}, { kind: 'wait' }],
      ['poison', { claims: claimsMax }, {}, { kind: 'delay', row: { dueAt: at + 15 * MINUTE } }],
      ['switched off', waiting, { delayNoticeMs: null }, { kind: 'wait' }],
      ['later than the lifetime', waiting, { delayNoticeMs: 60 * MINUTE }, { kind: 'wait' }],
    ])('%s', (_name, change, more, expected) => {
      expect(decide(change, { ...terms, ...more })).toMatchObject(expected);
    });
  });
});

describe('a delivery that a pause keeps', () => {
  const kept = { kept: true, expiresAt: at + 60 * MINUTE, resumedAt: null };
  it('gets no job, and stays due', () => {
    expect(decide({}, { pause: kept })).toMatchObject({ kind: 'wait', row: { dueAt: at } });
  });
  it('has its delay told', () => {
    const waiting = { nextAttemptAt: at - 1, acceptedAt: at - 20 * MINUTE };
    expect(decide(waiting, { pause: kept, delayNoticeMs: 20 * MINUTE }).kind).toBe('delay');
    expect(decide(waiting, { pause: kept, delayNoticeMs: 21 * MINUTE })).toMatchObject({ row: { dueAt: at + MINUTE } });
  });
  it('does not expire in its time, but when the pause has extended it no further', () => {
    const over = { expiresAt: at - 1, attempts: 3, lastReason: 'network' };
    expect(decide(over, { pause: kept }).kind).toBe('wait');
    expect(decide(over, { pause: { ...kept, expiresAt: at } }).kind).toBe('expire');
  });
  it('goes out after the pause, and its job was not lost', () => {
    const before = { attempts: 0, claims: 0, nextAttemptAt: at - 60 * MINUTE, dueAt: at };
    const pause = { kept: false, expiresAt: at + 60 * MINUTE, resumedAt: at - MINUTE };
    expect(decide(before, { pause })).toMatchObject({ kind: 'relay', lost: false, events: [] });
    expect(decide(before, { pause: { ...pause, resumedAt: null } })).toMatchObject({ kind: 'relay', lost: true });
    // A job sent after the resume is lost like any other.
    expect(decide(before, { pause: { ...pause, resumedAt: at - 16 * MINUTE } })).toMatchObject({ lost: true });
  });
});

describe('a job at a next hop with limits', () => {
  it('that was sent before the end of its line is not lost; one that was sent later is', () => {
    const decided = (lineEndsAt: number) => decide({}, { hop: { ...healthy, lineEndsAt } });
    expect(decided(at - 15 * MINUTE)).toMatchObject({ kind: 'relay', lost: false, events: [] });
    expect(decided(at - 15 * MINUTE - 1)).toMatchObject({ kind: 'relay', lost: true });
  });
  it('that found no place is in a queue, and no other is sent; after an hour one is', () => {
    const hop = { ...healthy, queuedUntil: at + 1 };
    expect(decide({}, { hop })).toMatchObject({ kind: 'wait' });
    expect(decide({ nextAttemptAt: at - 60 * MINUTE }, { hop })).toMatchObject({ kind: 'relay', lost: true });
    // One that was given back is sent at once.
    expect(decide({}, { hop: { ...hop, resumedAt: at } })).toMatchObject({ kind: 'relay', lost: false });
  });
});

const healthy = { takesMail: true, down: null, resumedAt: null, lineEndsAt: 0, queuedUntil: 0 };
const hopless = { lifetimeMs: 60 * MINUTE, hop: healthy };

function decide(change: Partial<DeliveryRow>, terms: Partial<SweepTerms>) {
  return sweepDecision(
    { ...due, ...change },
    {
      ...{ now: at, sweepAgainMs: 15 * MINUTE, backlog: false, lostAnywayMs: 60 * MINUTE, delayNoticeMs: null },
      ...hopless,
      pause: { kept: false, expiresAt: change.expiresAt ?? due.expiresAt, resumedAt: null },
      ...terms,
    },
  );
}

describe('the expiry limit', () => {
  it.each([
    [100, 100, false],
    [101, 101, true],
    [101, 2_000, true],
    [101, 2_021, false],
    [150, 3_000, false],
    [151, 3_000, true],
  ])('%i suspect of %i: held %s', (suspect, total, held) => {
    expect(isOverExpiryLimit({ suspect, total })).toBe(held);
  });
  it('suspects what never had an outcome', () => {
    expect(isSuspectExpiry(due)).toBe(true);
    expect(isSuspectExpiry({ ...due, attempts: 3, lastReason: 'deadline' })).toBe(true);
    expect(isSuspectExpiry({ ...due, attempts: 3, lastReason: 'connection-refused' })).toBe(false);
  });
});

describe('fairShares', () => {
  it.each<[Record<string, number>, number, Record<string, number>]>([
    [{ a: 5 }, 10, { a: 5 }],
    [{ a: 50 }, 10, { a: 10 }],
    [{ a: 50, b: 2 }, 10, { b: 2, a: 8 }],
    [{ a: 50, b: 50, c: 1 }, 10, { c: 1, a: 4, b: 5 }],
    [{ a: 0, b: 3 }, 10, { a: 0, b: 3 }],
    [{}, 10, {}],
  ])('%o of %i', (wanted, total, expected) => {
    const shares = fairShares(new Map(Object.entries(wanted)), total);
    expect(Object.fromEntries(shares)).toEqual(expected);
    expect([...shares.values()].reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(total);
  });
});

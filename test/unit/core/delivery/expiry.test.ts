// What expires behind a next hop that takes nothing: whose failure its row and its notice quote, and when the sweep may
// let it expire at all. Instants are literals.

import { describe, expect, it } from 'vitest';
import { afterExpiry } from '#core/delivery/expiry.ts';
import { newDelivery } from '#core/delivery/progress.ts';
import { type SweepTerms, sweepDecision } from '#core/delivery/sweep-decision.ts';
import { claimsMax } from '#core/limits.ts';

const T = Date.UTC(2026, 10, 22, 10, 0, 0);
const MINUTE = 60_000;
const fresh = newDelivery(
  {
    ...{ spoolId: 'm1', deliveryKey: 'k', forwardPath: 'b@example.com', route: 0, action: 0, nextHop: 'exchange' },
    ...{ address: 'b@example.com', copy: false, message: null, acceptedAt: T, trace: [] },
    ...{ lifetimeMs: 60 * MINUTE, sweepAgainMs: 15 * MINUTE },
  },
  T,
);
const reply = { code: 421, status: '4.3.2', text: 'closing', host: 'mail.example.com' } as never;
const failure = { reply, reason: 'service-closing', detail: '421 closing', waitsFor: 'next-hop' } as const;
const now = T + 60 * MINUTE;
const down = { since: T - MINUTE, failure: { ...failure, at: now - 10 * MINUTE } };
const hop = { takesMail: false, down: null, resumedAt: null, lineEndsAt: 0, queuedUntil: 0 };

describe('an expiry behind a next hop that takes nothing', () => {
  it('quotes the last failure there, and says that it was another message’s', () => {
    const { row, events } = afterExpiry(fresh, now, MINUTE, down);
    expect(row).toMatchObject({
      ...{ state: 'expired', stateReason: 'service-closing', lastReply: reply, lastStatus: '4.3.2' },
      hopFailed: { since: T - MINUTE, at: now - 10 * MINUTE },
    });
    expect(events).toMatchObject([{ event: 'EXPIRE', reason: 'service-closing', status: '4.3.2' }]);
    expect(events[0]?.detail).toContain(`another message's`);
  });
  it('keeps its own, where its own attempt came later', () => {
    const own = {
      ...fresh,
      state: 'deferred',
      attempts: 1,
      lastAttemptAt: now - MINUTE,
      lastReason: 'greylisted',
    } as const;
    const { row } = afterExpiry(own, now, MINUTE, down);
    expect(row).toMatchObject({ stateReason: 'greylisted', lastReply: null });
    expect(row.hopFailed).toBeUndefined();
  });
  it('of poison is ours all the same', () => {
    const { row } = afterExpiry({ ...fresh, claims: claimsMax }, now, MINUTE, down);
    expect(row).toMatchObject({ stateReason: 'poison', lastStatus: '5.3.0' });
  });

  const decide = (change: object, terms: Partial<SweepTerms>) =>
    sweepDecision(
      { ...fresh, dueAt: now, ...change },
      {
        ...{ now, sweepAgainMs: 15 * MINUTE, backlog: false, lostAnywayMs: 60 * MINUTE, delayNoticeMs: null },
        ...{ lifetimeMs: 60 * MINUTE, hop: { ...hop, down } },
        pause: { kept: false, expiresAt: fresh.expiresAt, resumedAt: null },
        ...terms,
      },
    );
  it('needs no attempt of its own where one has just failed, and is no fault of ours', () => {
    expect(decide({}, {})).toEqual({ kind: 'expire', suspect: false, down });
    expect(decide({ state: 'deferred', attempts: 3, lastReason: 'deadline' }, {})).toMatchObject({ suspect: false });
  });
  it('waits for an attempt where none has just failed', () => {
    expect(decide({}, { hop })).toEqual({ kind: 'leave' });
  });
  it('is attempted once where the next hop takes mail again', () => {
    expect(decide({}, { hop: { ...hop, takesMail: true } })).toMatchObject({
      kind: 'relay',
      row: { lastJobSent: true },
    });
  });
  it('of poison counts towards the limit', () => {
    expect(decide({ claims: claimsMax }, {})).toMatchObject({ kind: 'expire', suspect: true, down: null });
  });
});

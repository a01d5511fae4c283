// What rows become: outcomes, and expiry with the status that RFC 3463 wants.
// Instants are literals; nothing here reads a clock.

import { describe, expect, it } from 'vitest';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { afterExpiry } from '#core/delivery/expiry.ts';
import { afterAttempt, newDelivery } from '#core/delivery/progress.ts';
import { claimsMax } from '#core/limits.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import { statusOf } from '#core/reply/status.ts';

const T = Date.UTC(2026, 10, 22, 10, 0, 0);
const MINUTE = 60_000;
const fresh = newDelivery(
  {
    spoolId: 'm1',
    deliveryKey: 'k',
    forwardPath: 'b@example.com',
    route: 0,
    action: 0,
    nextHop: 'exchange',
    address: 'b@example.com',
    copy: false,
    message: null,
    acceptedAt: T,
    lifetimeMs: 60 * MINUTE,
    sweepAgainMs: 15 * MINUTE,
    trace: [],
  },
  T,
);
const claimed: DeliveryRow = { ...fresh, claims: 1, leaseUntil: T + 12 * MINUTE };
const terms = {
  attemptedBy: null,
  startedAt: T + 1_000,
  now: T + 2_000,
  nextAttemptAt: T + MINUTE,
  sweepAgainMs: 15 * MINUTE,
  openMs: 5,
};
const reply = { code: 250, status: statusOf('2.0.0'), text: 'Ok', host: 'mx.example' };
const deferred: Outcome = {
  kind: 'deferred',
  reason: 'greylisted',
  status: statusOf('4.7.1'),
  reply: { ...reply, code: 450 },
  detail: 'later',
  possibleDuplicate: false,
  operatorFault: false,
};

describe('afterAttempt', () => {
  it('relayed: final, no lease, one SEND', () => {
    const { row, events } = afterAttempt(claimed, { kind: 'relayed', reply }, terms);
    expect(row).toMatchObject({
      state: 'relayed',
      attempts: 1,
      claims: 0,
      leaseUntil: null,
      dueAt: null,
      lastReply: reply,
    });
    expect(events.map((each) => each.event)).toEqual(['SEND']);
    expect(events[0]).toMatchObject({ attempt: 1, reply: '250 2.0.0 Ok', latency: { openMs: 5, totalMs: 1_000 } });
  });
  it('without a reply: the trace says in words what was found out, and with one nothing but the reply', () => {
    const none: Outcome = {
      ...deferred,
      reason: 'connection-refused',
      reply: null,
      detail: 'mx refused the connection',
    };
    expect(afterAttempt(claimed, none, terms).events).toMatchObject([
      { event: 'DEFER', reply: null, reason: 'connection-refused', detail: 'mx refused the connection' },
    ]);
    expect(afterAttempt(claimed, deferred, terms).events[0]).not.toHaveProperty('detail');
  });
  it('relayed with line endings mended: the trace says so', () => {
    const { events } = afterAttempt(claimed, { kind: 'relayed', reply }, { ...terms, bareLineEndings: 3 });
    expect(events[0]?.reason).toBe('3 bare line endings left as CRLF');
  });
  it('relayed by a next hop that was asked to report its success: the trace says who answers for it', () => {
    const asking = { ...claimed, dsn: { notify: ['SUCCESS' as const], orcpt: null } };
    const anew = afterAttempt(claimed, { kind: 'relayed', reply }, { ...terms, reencoded: true });
    expect(anew.events.at(-1)).toMatchObject({ event: 'SEND', reason: 'reencoded-for-ses' });
    const taken = afterAttempt(asking, { kind: 'relayed', reply }, { ...terms, dsnTaken: true });
    expect(taken.events[0]?.reason).toBe('success-report-asked-of-next-hop');
    expect(taken.row.dueAt).toBeNull();
    const ours = afterAttempt(asking, { kind: 'relayed', reply }, terms);
    expect(ours.events[0]?.reason).toBeNull();
    expect(ours.row.dueAt).not.toBeNull();
    const unasked = afterAttempt(claimed, { kind: 'relayed', reply }, { ...terms, dsnTaken: true });
    expect(unasked.events[0]?.reason).toBeNull();
  });
  it('deferred: due at the next attempt, but not after the expiry', () => {
    expect(afterAttempt(claimed, deferred, terms).row).toMatchObject({
      state: 'deferred',
      dueAt: T + MINUTE,
      lastStatus: '4.7.1',
    });
    expect(afterAttempt(claimed, deferred, { ...terms, nextAttemptAt: T + 600 * MINUTE }).row.dueAt).toBe(
      T + 60 * MINUTE,
    );
  });
  it('failed: due again, should the bounce job be lost', () => {
    const { row } = afterAttempt(
      claimed,
      { kind: 'failed', reason: 'content-refused', status: statusOf('5.1.1'), reply: null, detail: 'd' },
      terms,
    );
    expect(row).toMatchObject({ state: 'failed', dueAt: terms.now + 15 * MINUTE });
  });
  it('after a claim whose result was lost: marked, once', () => {
    const { row, events } = afterAttempt({ ...claimed, claims: 2 }, { kind: 'relayed', reply }, terms);
    expect(row.possibleDuplicate).toBe(true);
    expect(events.map((each) => each.event)).toEqual(['POSSIBLE_DUPLICATE', 'SEND']);
  });
});

describe('afterExpiry', () => {
  it.each<[string, Partial<DeliveryRow>, string]>([
    ['the last real status', { lastStatus: statusOf('4.2.2'), lastReason: 'mailbox-full' }, '4.2.2'],
    ['4.4.7 where no attempt gave one', {}, '4.4.7'],
    [
      '5.3.0 for content that could not be opened',
      { lastStatus: statusOf('4.3.0'), lastReason: 'content-unreadable' },
      '5.3.0',
    ],
    ['5.3.0 for what only ever crashed us', { claims: claimsMax }, '5.3.0'],
  ])('says %s', (_name, given, status) => {
    const { row, events } = afterExpiry({ ...fresh, state: 'deferred', ...given }, T + 60 * MINUTE, 15 * MINUTE);
    expect(row).toMatchObject({ state: 'expired', lastStatus: status, leaseUntil: null });
    expect(events.at(-1)).toMatchObject({ event: 'EXPIRE', status });
  });
});

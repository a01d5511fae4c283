// Pauses: what they keep, how far they extend a lifetime, and what a record says after each word of the operator or of
// the configuration.

import { describe, expect, it } from 'vitest';
import type { Settings } from '#config/settings.ts';
import {
  configuredAs,
  extendedExpiry,
  isKept,
  mayRun,
  neverPaused,
  type Pause,
  pausedAs,
  pausedMsSince,
  pausesOf,
  resumedBy,
} from '#core/delivery/pause.ts';
import { pausesKeptMax } from '#core/limits.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T0 = Date.UTC(2026, 8, 1);
const KEY = 'abcdefghijklmnop';
const NORMAL = { inbound: 'normal', outbound: 'normal' } as const;

const at = (records: readonly Pause[], now: number, transfer: Settings['transfer'] = NORMAL) =>
  pausesOf(records, { transfer, retry: { scheduleMs: [HOUR], lifetimeMs: 2 * DAY, delayNoticeMs: null } }, now);
const pause = (scope: string, mode: Pause['mode'] = 'hold', since = T0, more: Partial<Pause> = {}): Pause => ({
  ...neverPaused(scope),
  ...{ mode, since, by: 'ann' },
  ...more,
});
/** Received mail, accepted `ageMs` before T0. */
const inbound = (ageMs = 0, more: { deliveryKey?: string; nextHop?: string } = {}) => ({
  ...{ spoolId: 'o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1', deliveryKey: KEY, nextHop: 'exchange' },
  expiresAt: T0 - ageMs + 2 * DAY,
  ...more,
});
const outbound = { ...inbound(), spoolId: 'shop-2-01J0000000000000000000000A', nextHop: 'ses' };

describe('a pause keeps', () => {
  it.each([
    ['exchange', inbound(), true],
    ['exchange', outbound, false],
    ['exchange', { ...outbound, nextHop: 'exchange' }, true],
    ['inbound', inbound(), true],
    ['inbound', outbound, false],
    ['outbound', outbound, true],
    ['outbound', inbound(), false],
    ['all', inbound(), true],
    ['all', outbound, true],
    // notices go as always, unless their next hop is paused by its name
    ['inbound', inbound(0, { deliveryKey: `${KEY}-ndr` }), false],
    ['all', inbound(0, { deliveryKey: `${KEY}-delay` }), false],
    ['all', { ...outbound, spoolId: 'digest-20000-20001', deliveryKey: 'digest' }, false],
    ['exchange', inbound(0, { deliveryKey: `${KEY}-ndr` }), true],
    // no next hop of the configuration
    ['inbound', inbound(0, { nextHop: 'returns' }), false],
    ['all', inbound(0, { nextHop: 'ses-bounce' }), false],
    ['all', inbound(0, { nextHop: '' }), false],
  ])('%s: %o is kept: %s', (scope, entry, kept) => {
    const pauses = at([pause(scope)], T0 + HOUR);
    expect(isKept(entry, pauses)).toBe(kept);
    expect(mayRun(entry, pauses)).toBe(kept ? 'no' : 'yes');
  });
  it('in a drain only mail that is newer than it, which a job does not tell', () => {
    const pauses = at([pause('inbound', 'drain')], T0 + HOUR);
    expect([inbound(1), inbound(0), inbound(-1)].map((each) => isKept(each, pauses))).toEqual([false, true, true]);
    expect([mayRun(inbound(1), pauses), mayRun(outbound, pauses)]).toEqual(['by-age', 'yes']);
    const both = at([pause('inbound', 'drain'), pause('exchange', 'hold')], T0 + HOUR);
    expect([isKept(inbound(1), both), mayRun(inbound(1), both)]).toEqual([true, 'no']);
  });
  it('nothing after it was resumed', () => {
    const resumed = resumedBy(pause('exchange'), 'bob', T0 + HOUR);
    expect(resumed).toMatchObject({ mode: null, by: 'bob', ended: [{ from: T0, until: T0 + HOUR, mode: 'hold' }] });
    expect(isKept(inbound(), at([resumed ?? neverPaused('x')], T0 + HOUR))).toBe(false);
  });
});

describe('the configuration', () => {
  const hold = { ...NORMAL, inbound: 'hold' } as const;
  it('pauses a direction before anything is recorded, and a drain then keeps what comes from now on', () => {
    expect(isKept(inbound(), at([], T0, hold))).toBe(true);
    expect(isKept(outbound, at([], T0, hold))).toBe(false);
    const drain = { ...NORMAL, inbound: 'drain' } as const;
    expect([inbound(1), inbound(-1)].map((each) => isKept(each, at([], T0, drain)))).toEqual([false, true]);
    const recorded = configuredAs(neverPaused('inbound'), 'drain', T0 + 5) ?? neverPaused('x');
    expect(recorded.configured).toEqual({ mode: 'drain', since: T0 + 5 });
    expect(configuredAs(recorded, 'drain', T0 + DAY)).toBeNull();
    const later = at([recorded], T0 + DAY, drain);
    expect([inbound(0), inbound(-5)].map((each) => isKept(each, later))).toEqual([false, true]);
    expect(configuredAs(recorded, 'normal', T0 + DAY)).toMatchObject({
      configured: { mode: 'normal', since: T0 + DAY },
      ended: [{ from: T0 + 5, until: T0 + DAY, mode: 'drain' }],
    });
  });
  it('does not end an operator’s pause, and is overruled by a resume until it changes', () => {
    expect(isKept(inbound(), at([pause('inbound')], T0 + HOUR))).toBe(true);
    const configured = configuredAs(neverPaused('inbound'), 'hold', T0) ?? neverPaused('x');
    const resumed = resumedBy(configured, 'bob', T0 + HOUR) ?? neverPaused('x');
    expect(resumed.ended).toEqual([{ from: T0, until: T0 + HOUR, mode: 'hold' }]);
    expect(isKept(inbound(), at([resumed], T0 + DAY, hold))).toBe(false);
    const normal = configuredAs(resumed, 'normal', T0 + 2 * DAY) ?? neverPaused('x');
    expect(normal.ended).toEqual(resumed.ended);
    const again = configuredAs(normal, 'hold', T0 + 3 * DAY) ?? neverPaused('x');
    expect(isKept(inbound(), at([again], T0 + 4 * DAY, hold))).toBe(true);
  });
});

describe('the operator’s word', () => {
  it('says nothing new where it is so already', () => {
    expect(pausedAs(pause('exchange'), 'hold', 'bob', T0 + HOUR)).toBeNull();
    expect(resumedBy(neverPaused('exchange'), 'bob', T0)).toBeNull();
    expect(resumedBy(pause('exchange', null), 'bob', T0)).toBeNull();
  });
  it('changes hold into drain, and what was accepted before the pause began is delivered', () => {
    const drained = pausedAs(pause('exchange'), 'drain', 'bob', T0 + DAY) ?? neverPaused('x');
    expect(drained).toMatchObject({ mode: 'drain', since: T0, ended: [{ from: T0, until: T0 + DAY, mode: 'hold' }] });
    const pauses = at([drained], T0 + DAY);
    expect([inbound(1), inbound(0)].map((each) => isKept(each, pauses))).toEqual([false, true]);
    // The hold kept the older one for a day.
    expect(extendedExpiry(inbound(HOUR), pauses)).toBe(inbound(HOUR).expiresAt + DAY);
  });
  it('keeps a bounded list of ended pauses, and forgets no hour of them', () => {
    let record = neverPaused('exchange');
    for (let i = 0; i < 3 * pausesKeptMax; i++) {
      record = pausedAs(record, 'hold', 'ann', T0 + i * HOUR) ?? record;
      record = resumedBy(record, 'ann', T0 + i * HOUR + 1_000) ?? record;
    }
    expect(record.ended.length).toBeLessThanOrEqual(pausesKeptMax);
    const now = T0 + 3 * pausesKeptMax * HOUR;
    expect(pausedMsSince(0, at([record], now))).toBeGreaterThanOrEqual(3 * pausesKeptMax * 1_000);
    // Older than any lifetime: gone.
    record = pausedAs(record, 'hold', 'ann', T0 + 60 * DAY) ?? record;
    record = resumedBy(record, 'ann', T0 + 60 * DAY + 1) ?? record;
    expect(record.ended).toEqual([{ from: T0 + 60 * DAY, until: T0 + 60 * DAY + 1, mode: 'hold' }]);
  });
});

describe('a lifetime', () => {
  const ended = (from: number, until: number, mode: 'hold' | 'drain' = 'hold') => ({ from, until, mode });
  const endAfter = (...spans: ReturnType<typeof ended>[]) =>
    extendedExpiry(inbound(), at([pause('exchange', null, T0, { ended: spans })], T0 + 30 * DAY)) - T0;
  it('is as long as without pauses where none kept it', () => {
    expect(endAfter()).toBe(2 * DAY);
    expect(endAfter(ended(T0 - 3 * DAY, T0))).toBe(2 * DAY); // before it was accepted
    expect(endAfter(ended(T0 + 2 * DAY, T0 + 3 * DAY))).toBe(2 * DAY); // after its end
    expect(endAfter(ended(T0 - HOUR, T0 + DAY, 'drain'))).toBe(3 * DAY);
    expect(endAfter(ended(T0 + HOUR, T0 + DAY, 'drain'))).toBe(2 * DAY); // older than the drain: it was not kept
  });
  it('is longer by each pause, once', () => {
    expect(endAfter(ended(T0 + HOUR, T0 + DAY))).toBe(2 * DAY + 23 * HOUR);
    expect(endAfter(ended(T0 - DAY, T0 + HOUR))).toBe(2 * DAY + HOUR);
    // The second began within the time that the first added.
    expect(endAfter(ended(T0, T0 + DAY), ended(T0 + 2.5 * DAY, T0 + 3.5 * DAY))).toBe(4 * DAY);
    const overlapping = [
      pause('exchange', null, T0, { ended: [ended(T0, T0 + DAY)] }),
      pause('all', null, T0, { ended: [ended(T0 + HOUR, T0 + DAY)] }),
    ];
    expect(extendedExpiry(inbound(), at(overlapping, T0 + DAY)) - T0).toBe(3 * DAY);
  });
  it('does not end while the pause stands, up to 14 days in all', () => {
    for (const days of [1, 3, 13]) {
      const pauses = at([pause('inbound')], T0 + days * DAY);
      expect(extendedExpiry(inbound(), pauses)).toBe(T0 + Math.min(days + 2, 14) * DAY);
    }
    expect(extendedExpiry(inbound(), at([pause('inbound')], T0 + 20 * DAY))).toBe(T0 + 14 * DAY);
  });
  it('is never shortened: neither by the bound nor by time', () => {
    const long = { ...inbound(), expiresAt: T0 + 30 * DAY }; // released for long
    expect(extendedExpiry(long, at([pause('inbound')], T0 + DAY))).toBeGreaterThanOrEqual(long.expiresAt);
    const record = pause('inbound', null, T0, { ended: [ended(T0, T0 + DAY)] });
    const ends = [1, 2, 5, 10].map((days) => extendedExpiry(inbound(), at([record], T0 + days * DAY)));
    expect(new Set(ends)).toEqual(new Set([T0 + 3 * DAY]));
  });
});

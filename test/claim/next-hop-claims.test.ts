// Does the check of the next hops' records notice? A record in which the claims hold, and each way in which they may
// not.

import { describe, expect, it } from 'vitest';
import type { Recorded } from './evidence.ts';
import { checkHops, type HopEvidence, type Seen, type Word } from './next-hop-claims.ts';

const MINUTE = 60_000;
const NOON = Date.UTC(2026, 10, 22, 12);

const seen = (number: number, more: Partial<Seen> = {}): Seen => ({
  ...{ nextHop: 'exchange', spoolId: `m${number}`, deliveryKey: 'aaaaaaaaaaaaaaaa', address: `r${number}@example.com` },
  ...{ from: NOON + number * MINUTE, until: NOON + number * MINUTE + 1_000, givenAt: NOON + number * MINUTE - 100 },
  ...{ turnAt: null, answer: 'accepted' },
  ...more,
});
const row = (number: number, more: Partial<Recorded> = {}): Recorded => ({
  ...{ spoolId: `m${number}`, deliveryKey: 'aaaaaaaaaaaaaaaa', kind: 'delivery', noticeOf: null, noticeKind: null },
  ...{ forwardPath: `r${number}@example.com`, action: 0, nextHop: 'exchange', copy: false, state: 'returned' },
  ...{ stateReason: null, possibleDuplicate: false, trace: [] },
  ...more,
});
const word = (more: Partial<Word> = {}): Word => ({
  ...{ scope: 'exchange', by: 'operator', mode: 'hold', askedAt: NOON, told: NOON },
  ...more,
});
const kinds = (more: Partial<HopEvidence>) =>
  checkHops({
    ...{ seen: [], words: [], rows: [], limits: new Map(), skewMs: 0, lateMs: 0 },
    accepted: new Map(Array.from({ length: 60 }, (_, n) => [`m${n}`, { at: NOON + n * MINUTE, direction: 'inbound' }])),
    ...more,
  }).map(({ kind }) => kind);

describe('limits', () => {
  const limits = (concurrency: number | null, perSecond: number | null) => ({
    limits: new Map([['exchange', { concurrency, perSecond }]]),
  });
  const both = [seen(1), seen(2, { from: NOON + MINUTE + 500 })];

  it('of attempts at once', () => {
    expect(kinds({ seen: both, ...limits(2, null) })).toEqual([]);
    expect(kinds({ seen: both, ...limits(1, null) })).toEqual(['over-limit']);
  });
  it('and not of one whose function had died', () => {
    expect(kinds({ seen: [seen(1, { until: NOON + MINUTE }), both[1] ?? seen(2)], ...limits(1, null) })).toEqual([]);
  });
  it('of a rate: one more in a span than it allows, and no two', () => {
    const at = (...seconds: number[]) => seconds.map((second, n) => seen(n, { from: NOON + second * 1_000 }));
    expect(kinds({ seen: at(0, 1, 2, 2.5), ...limits(null, 1) })).toEqual([]);
    expect(kinds({ seen: at(0, 1, 1.4, 1.8), ...limits(null, 1) })).toEqual(['over-limit']);
  });
  it('of a rate by the turns: what came late after its turn is the network', () => {
    const late = [0, 1, 2, 3].map((second, n) => seen(n, { from: NOON + 9_000, turnAt: NOON + second * 1_000 }));
    expect(kinds({ seen: late, ...limits(null, 1) })).toEqual([]);
  });
});

describe('a pause', () => {
  it.each(['exchange', 'all', 'inbound'])('of %s keeps what is given to a function after it', (scope) => {
    expect(kinds({ seen: [seen(1)], words: [word({ scope })] })).toEqual(['while-paused']);
  });
  it.each([
    ['of another next hop', word({ scope: 'smart' })],
    ['whose answer never came', word({ told: null })],
    ['that a function cannot know yet', word({ askedAt: NOON, told: NOON + MINUTE - 5_000 })],
  ])('%s keeps nothing', (_, given) => {
    expect(kinds({ seen: [seen(1)], words: [given] })).toEqual([]);
  });
  it('ends when a resume is asked for', () => {
    const resumed = word({ mode: null, askedAt: NOON + 30_000, told: null });
    expect(kinds({ seen: [seen(1)], words: [word(), resumed] })).toEqual([]);
  });
  it('lets notices go, but at a next hop of its name', () => {
    const notice = seen(1, { deliveryKey: 'aaaaaaaaaaaaaaaa-ndr' });
    expect(kinds({ seen: [notice], words: [word({ scope: 'all' })] })).toEqual([]);
    expect(kinds({ seen: [notice], words: [word()] })).toEqual(['while-paused']);
  });
  it('that drains keeps newer mail alone', () => {
    const drain = [word({ mode: 'drain', told: NOON + 1 })];
    expect(kinds({ seen: [seen(0, { givenAt: NOON + MINUTE, from: NOON + MINUTE })], words: drain })).toEqual([]);
    expect(kinds({ seen: [seen(1)], words: drain })).toEqual(['while-paused']);
  });
  it('of the configuration, unless an operator resumed it after', () => {
    const configured = word({ scope: 'inbound', by: 'configuration' });
    const resumed = word({ scope: 'inbound', mode: null, askedAt: NOON + 1, told: NOON + 2 });
    expect(kinds({ seen: [seen(1)], words: [configured] })).toEqual(['while-paused']);
    expect(kinds({ seen: [seen(1)], words: [configured, resumed] })).toEqual([]);
  });
});

describe('a next hop that turns', () => {
  const before = seen(0, { from: NOON - 24 * 60 * MINUTE, until: NOON - 24 * 60 * MINUTE + 1 });
  const many = (count: number) => Array.from({ length: count }, (_, n) => seen(n * 4, { answer: 'turned' }));
  const rows = (count: number, more: Partial<Recorded> = {}) =>
    Array.from({ length: count }, (_, n) => row(n * 4, more));

  it('has ten returned, and no eleventh', () => {
    expect(kinds({ seen: [before, ...many(10)], rows: rows(10) })).toEqual([]);
    expect(kinds({ seen: [before, ...many(11)], rows: rows(11) })).toEqual(['too-many-returned']);
  });
  it('has others held, released and returned at the end of their lifetime', () => {
    const released = { trace: [{ event: 'RELEASE', at: 1, reason: 'failure-limit' }] };
    expect(kinds({ seen: [before, ...many(14)], rows: [...rows(10), ...rows(14, released).slice(10)] })).toEqual([]);
  });
  it('counts the same recipient once, and begins anew with an acceptance', () => {
    const same = many(14).map((each) => ({ ...each, address: 'one@example.com' }));
    expect(kinds({ seen: [before, ...same], rows: rows(14) })).toEqual([]);
    expect(kinds({ seen: [before, ...many(11), seen(38, { spoolId: 'other' })], rows: rows(11) })).toEqual([]);
  });
  it('that never accepted anything has none returned', () => {
    expect(kinds({ seen: many(1), rows: rows(1) })).toEqual(['returned-by-new']);
    const expired = { trace: [{ event: 'EXPIRE', at: 1, reason: null }] };
    expect(kinds({ seen: many(1), rows: rows(1, expired) })).toEqual([]);
  });
});

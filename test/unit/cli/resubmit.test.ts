// Which deliveries the words of `everpost resubmit` mean: too many would be somebody's mail twice, too few somebody's
// mail lost.

import { describe, expect, it } from 'vitest';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { lossOf } from '#cli/resubmit.ts';
import { select } from '#cli/select.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { asNoticeOf, facts, queued, T0 } from '#test/contract/rows.ts';

const HOUR = 3_600_000;
const NOW = T0 + 100 * HOUR;

describe('the words', () => {
  it.each([
    [{ since: '2d' }, '--next-hop is missing'],
    [{ 'next-hop': '', since: '2d' }, '--next-hop is missing'],
    [{ 'next-hop': 'exchange' }, '--since is missing'],
    [{ 'next-hop': 'exchange', since: 'yesterday' }, 'a duration'],
    [{ 'next-hop': 'exchange', since: '2026-01-31' }, 'an instant'],
    [{ 'next-hop': 'exchange', since: '2026-01-31T10:00:00' }, 'an instant'],
    [{ 'next-hop': 'exchange', since: '2026-13-31T10:00:00Z' }, 'an instant'],
    [{ 'next-hop': 'exchange', since: '1h', until: '2h' }, 'before --until'],
    [{ 'next-hop': 'exchange', since: '2999-01-31T10:00:00Z' }, 'not in the future'],
    [{ 'next-hop': 'exchange', since: '1h', limit: '0' }, 'a whole number from 1'],
  ])('%j: %s', (words, why) => {
    expect(() => lossOf(words)(NOW)).toThrow(why);
  });
  it('name a time by durations and by instants, with any zone', () => {
    const attempted = (since: string, until?: string) =>
      lossOf({ 'next-hop': 'x', since, ...(until === undefined ? {} : { until }) })(NOW).row.attempted;
    expect(attempted('2h')).toEqual({ from: NOW - 2 * HOUR, until: NOW + 1 });
    expect(attempted('2h', '1h')).toEqual({ from: NOW - 2 * HOUR, until: NOW - HOUR });
    const from = Date.UTC(2025, 9, 9, 8);
    expect(attempted('2025-10-09T10:00:00+02:00', '2025-10-09T08:30Z')).toEqual({ from, until: from + HOUR / 2 });
  });
});

describe('what is meant', () => {
  const relayed = (spoolId: string, change: Partial<DeliveryRow> = {}) => {
    const acceptedAt = change.acceptedAt ?? T0;
    const message = facts(spoolId, { acceptedAt });
    return queued(spoolId, { state: 'relayed', lastAttemptAt: NOW - HOUR, dueAt: null, message, ...change });
  };
  async function meant(rows: readonly DeliveryRow[], words: Parameters<typeof lossOf>[0] = {}): Promise<string[]> {
    const ledger = new MemoryLedger();
    for (const row of rows) await ledger.create([row], null);
    const found = await select(ledger, lossOf({ 'next-hop': 'exchange', since: '2h', ...words })(NOW), NOW);
    return found.map(({ spoolId, deliveryKey }) => `${spoolId} ${deliveryKey.slice(0, 3)}`);
  }

  it('is what that next hop took in that time, however long ago it was accepted, copies too', async () => {
    const rows = [
      relayed('a'),
      relayed('b', { state: 'confirmed', copy: true }),
      relayed('c', { nextHop: 'lotus' }),
      relayed('d', { lastAttemptAt: NOW - 3 * HOUR, acceptedAt: NOW - 1 }),
      relayed('e', { state: 'returned' }),
      relayed('f', { state: 'queued', lastAttemptAt: null }),
    ];
    expect((await meant(rows)).sort()).toEqual(['a abc', 'b abc']);
    expect(await meant(rows, { since: '4h', until: '2h' })).toEqual(['d abc']);
  });
  it('is one message, or one recipient, where it is named', async () => {
    const rows = [
      relayed('a'),
      relayed('b', { forwardPath: 'ann@example.com' }),
      relayed('b', { deliveryKey: 'second' }),
    ];
    expect(await meant(rows, { 'spool-id': 'b', 'forward-path': 'ANN@example.com' })).toEqual(['b abc']);
    expect(await meant(rows, { 'spool-id': 'b' })).toEqual(['b abc', 'b sec']);
    expect(await meant(rows, { 'spool-id': 'b', 'next-hop': 'lotus' })).toEqual([]);
    expect(await meant(rows, { 'forward-path': 'ann@example.com' })).toEqual(['b abc']);
  });
  it('is no notice', async () => {
    const row = relayed('a', { lastAttemptAt: null });
    const notice = relayed('a', { ...asNoticeOf(row), message: null });
    expect(await meant([row, notice])).toEqual([]);
  });
  it('is not done twice by the same words, which go on with the next, unless that is asked for', async () => {
    const before = { at: NOW - 3 * HOUR, from: 'relayed' } as const;
    const rows = [
      relayed('a', { acceptedAt: T0 + 2, resubmitted: { ...before, at: NOW - HOUR } }),
      relayed('b', { acceptedAt: T0 + 1, resubmitted: before }), // mended, and lost again
      relayed('c'),
    ];
    expect(await meant(rows, { limit: '1' })).toEqual(['b abc']);
    expect(await meant(rows)).toEqual(['b abc', 'c abc']);
    expect(await meant(rows, { again: true })).toEqual(['a abc', 'b abc', 'c abc']);
  });
});

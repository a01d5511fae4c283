// The part of the ledger's contract that the sweep lives on: what is due, what is enqueued, what expired in an hour.
// Run by ledger.contract.ts for every implementation; each test has instants of its own, so that none sees another's
// rows.

import { describe, expect, it, vi } from 'vitest';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import type { Ledger } from '#pipeline/ports.ts';
import { facts, newSpoolId, queued, T0 } from './rows.ts';

const terms = { now: T0 + 10, leaseUntil: T0 + 750_010 };
const eventually = <T>(check: () => Promise<T>) => vi.waitFor(check, { timeout: 10_000, interval: 20 });

/** `ledger` is asked for in each test: it is opened later. */
export function dueContract(ledger: () => Ledger): void {
  const given = async (change: Partial<DeliveryRow> = {}): Promise<DeliveryRow> => {
    const row = queued(newSpoolId(), change);
    expect(await ledger().create([row], null)).toEqual(['created']);
    return row;
  };

  describe('due', () => {
    it('lists what is due up to the instant, and nothing else', async () => {
      const until = T0 - 5_000_000_000; // before anything that the other tests write
      const spoolId = newSpoolId();
      const rows = [-3, -2, -1, 0, 1].map((offset) =>
        queued(spoolId, { deliveryKey: `due${offset}`, message: null, dueAt: until + offset }),
      );
      await ledger().create(
        [...rows, queued(spoolId, { deliveryKey: 'never', message: null, dueAt: null })],
        facts(spoolId),
      );
      const listed = async (limit: number) =>
        (await ledger().due(until, limit)).filter((ref) => ref.spoolId === spoolId).map((ref) => ref.deliveryKey);
      await eventually(async () => expect((await listed(100)).sort()).toEqual(['due-1', 'due-2', 'due-3', 'due0']));
      expect((await ledger().due(until, 2)).length).toBeLessThanOrEqual(2);
      const { nextHop, state, nextAttemptAt, expiresAt } = rows[0] as DeliveryRow;
      const [first] = (await ledger().due(until, 100)).filter((each) => each.spoolId === spoolId);
      expect(first).toEqual({
        ...{ spoolId, deliveryKey: 'due-3', dueAt: until - 3 },
        ...{ nextHop, state, nextAttemptAt, expiresAt },
      });

      // A final row leaves the index with the write that makes it final; a moved one comes when its time comes.
      await ledger().write({ ...(rows[0] as DeliveryRow), state: 'relayed', dueAt: null }, []);
      await ledger().write({ ...(rows[1] as DeliveryRow), dueAt: until + 1 }, []);
      await eventually(async () => expect((await listed(100)).sort()).toEqual(['due-1', 'due0']));
      for (const ref of await ledger().due(until + 1, 100)) {
        const row = await ledger().read(ref);
        if (row?.spoolId === spoolId) await ledger().write({ ...row, dueAt: null }, []);
      }
    });
    it('gives the oldest of a long backlog', async () => {
      const until = T0 - 6_000_000_000;
      const spoolId = newSpoolId();
      const rows = Array.from({ length: 64 }, (_, i) =>
        queued(spoolId, { deliveryKey: `old${i}`, message: null, dueAt: until - i }),
      );
      await ledger().create(rows, facts(spoolId));
      await eventually(async () => expect(await ledger().due(until, 1_000)).toHaveLength(64));
      expect((await ledger().due(until, 10)).map((ref) => ref.deliveryKey)).toEqual(
        rows
          .slice(-10)
          .reverse()
          .map((row) => row.deliveryKey),
      );
      for (const row of rows) await ledger().write({ ...row, dueAt: null }, []);
      await eventually(async () => expect(await ledger().due(until, 1_000)).toHaveLength(0));
    });
    it('gives the first rows between two instants that are wanted, in order', async () => {
      const from = T0 - 8_500_000_000;
      const spoolId = newSpoolId();
      const rows = Array.from({ length: 40 }, (_, i) =>
        queued(spoolId, { deliveryKey: `row${i}`, message: null, dueAt: from + i, nextHop: i % 2 === 0 ? 'a' : 'b' }),
      );
      await ledger().create(rows, facts(spoolId));
      const between = (until: number, max: number) =>
        ledger().dueBetween({ from, until, max }, ({ nextHop }) => nextHop === 'a');
      const keys = async (until: number, max: number) =>
        (await between(until, max)).map(({ deliveryKey }) => deliveryKey);
      await eventually(async () => expect(await keys(from + 39, 100)).toHaveLength(19)); // `from` itself is not among it
      expect(await keys(from + 39, 3)).toEqual(['row2', 'row4', 'row6']);
      expect(await keys(from + 4, 100)).toEqual(['row2', 'row4']);
      for (const row of rows) await ledger().write({ ...row, dueAt: null }, []);
    });
    it('leaves a claimed row where it is', async () => {
      const until = T0 - 7_000_000_000;
      const row = await given({ dueAt: until });
      await ledger().claim(row, terms);
      await eventually(async () =>
        expect(await ledger().due(until, 10)).toMatchObject([{ spoolId: row.spoolId, deliveryKey: row.deliveryKey }]),
      );
      await ledger().write({ ...row, version: 2, dueAt: null }, []);
    });
    it('hides no next hop behind the backlog of another', async () => {
      const until = T0 - 8_000_000_000;
      const spoolId = newSpoolId();
      const dead = Array.from({ length: 60 }, (_, i) =>
        queued(spoolId, { deliveryKey: `dead${i}`, message: null, nextHop: 'dead', dueAt: until - 100 - i }),
      );
      const rows = [...dead, queued(spoolId, { deliveryKey: 'well', message: null, nextHop: 'well', dueAt: until })];
      await ledger().create(rows, facts(spoolId));
      await eventually(async () => expect(await ledger().due(until, 1_000)).toHaveLength(61));
      const listed = (await ledger().due(until, 10)).map((row) => row.deliveryKey);
      expect(listed).toHaveLength(11);
      expect(listed[0]).toBe('dead59');
      expect(listed).toContain('well');
      for (const row of rows) await ledger().write({ ...row, dueAt: null }, []);
    });
  });

  describe('enqueued', () => {
    it('counts the jobs of each next hop by their rows', async () => {
      const from = T0 - 9_000_000_000;
      const spoolId = newSpoolId();
      const given: readonly [string, Partial<DeliveryRow>][] = [
        ['a', { nextAttemptAt: from - 5, dueAt: from + 10 }],
        ['a', { nextAttemptAt: from - 5, dueAt: from + 20, state: 'deferred' }],
        ['b', { nextAttemptAt: from, dueAt: from + 20 }],
        ['b', { nextAttemptAt: from - 5, dueAt: from + 21 }], // beyond
        ['b', { nextAttemptAt: from - 5, dueAt: from }], // due: no job
        ['b', { nextAttemptAt: from + 5, dueAt: from + 5, state: 'deferred' }], // waits for its time
        ['c', { nextAttemptAt: from - 5, dueAt: from + 10, state: 'failed' }],
      ];
      const rows = given.map(([nextHop, change], i) =>
        queued(spoolId, { deliveryKey: `e${i}`, message: null, nextHop, ...change }),
      );
      await ledger().create(rows, facts(spoolId));
      await eventually(async () =>
        expect([...(await ledger().enqueued(from, from + 20))].sort()).toEqual([
          ['a', 2],
          ['b', 1],
        ]),
      );
      for (const row of rows) await ledger().write({ ...row, dueAt: null }, []);
    });
  });

  describe('countExpiry', () => {
    it('counts each hour by itself, and every one of many at once', async () => {
      const hour = 3_600_000 * Math.floor(Math.random() * 100_000);
      const counts = await Promise.all(Array.from({ length: 20 }, (_, i) => ledger().countExpiry(hour, i % 4 === 0)));
      expect(counts.map(({ total }) => total).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 20 }, (_, i) => i + 1),
      );
      expect(Math.max(...counts.map(({ suspect }) => suspect))).toBe(5);
      expect(await ledger().countExpiry(hour + 3_600_000, false)).toEqual({ total: 1, suspect: 0 });
    });
  });
}

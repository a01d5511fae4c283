// What every ledger promises (pipeline/ports.ts), as one suite that each implementation runs. It never looks behind the
// port. Reads by index may lag on AWS: they are waited for; everything else must hold at once.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { DeliveryRow, DeliveryState } from '#core/delivery/delivery.ts';
import type { Ledger } from '#pipeline/ports.ts';
import { dueContract } from './due.contract.ts';
import { asNoticeOf, event, facts, fullRow, newSpoolId, queued, T0 } from './rows.ts';
import { selectionContract } from './selection.contract.ts';
import { sweepsContract } from './sweeps.contract.ts';

export type LedgerUnderTest = { readonly ledger: Ledger; close(): Promise<void> };

const terms = { now: T0 + 10, leaseUntil: T0 + 750_010 };
const eventually = <T>(check: () => Promise<T>) => vi.waitFor(check, { timeout: 10_000, interval: 20 });

export function ledgerContract(name: string, open: () => Promise<LedgerUnderTest>): void {
  describe(`${name} keeps the ledger's contract`, () => {
    let under: LedgerUnderTest;
    let ledger: Ledger;
    beforeAll(async () => {
      under = await open();
      ledger = under.ledger;
    });
    afterAll(() => under.close());

    const given = async (change: Partial<DeliveryRow> = {}): Promise<DeliveryRow> => {
      const row = queued(newSpoolId(), change);
      expect(await ledger.create([row], null)).toEqual(['created']);
      return row;
    };

    describe('create', () => {
      it('stores every field as it was given', async () => {
        const row = fullRow(newSpoolId());
        await ledger.create([row], null);
        expect(await ledger.read(row)).toEqual(row);
      });
      it('stores nulls as nulls', async () => {
        const row = queued(newSpoolId(), { message: null, dueAt: null, trace: [] });
        await ledger.create([row], null);
        expect(await ledger.read(row)).toEqual(row);
      });
      it('keeps a null reverse-path apart from one that is not known', async () => {
        const row = await given();
        const bare = queued(newSpoolId());
        const withNull = { ...bare, message: facts(bare.spoolId, { reversePath: '', verdicts: null }) };
        await ledger.create([withNull], null);
        expect((await ledger.read(withNull))?.message).toEqual(withNull.message);
        expect((await ledger.message(row.spoolId))?.reversePath).toBe('ann@src.example');
      });
      it('never touches a row that stands', async () => {
        const row = await given();
        expect(await ledger.create([{ ...row, nextHop: 'other', version: 9 }], null)).toEqual(['exists']);
        expect(await ledger.read(row)).toEqual(row);
      });
      it('lets one of many win', async () => {
        const row = queued(newSpoolId());
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) => ledger.create([{ ...row, route: i }], null)),
        );
        expect(results.flat().filter((result) => result === 'created')).toHaveLength(1);
      });
      it('answers row by row, in order', async () => {
        const spoolId = newSpoolId();
        const rows = Array.from({ length: 40 }, (_, i) => queued(spoolId, { deliveryKey: `key${i}`, message: null }));
        await ledger.create(rows.slice(10, 20), facts(spoolId));
        const results = await ledger.create(rows, facts(spoolId, { reversePath: 'late@src.example' }));
        expect(results).toEqual(rows.map((_, i) => (i >= 10 && i < 20 ? 'exists' : 'created')));
        expect(await ledger.message(spoolId)).toEqual(facts(spoolId)); // the first facts stand
      });
    });

    describe('message', () => {
      it('finds the facts in the sole delivery, beside a notice', async () => {
        const row = await given();
        await ledger.create([queued(row.spoolId, { ...asNoticeOf(row), message: null })], null);
        expect(await ledger.message(row.spoolId)).toEqual(row.message);
      });
      it('finds them in their own item', async () => {
        const spoolId = newSpoolId();
        await ledger.create([], facts(spoolId, { size: 5, objectVersion: 'v' }));
        expect(await ledger.message(spoolId)).toEqual(facts(spoolId, { size: 5, objectVersion: 'v' }));
      });
      it('says null of a message it does not know', async () => {
        expect(await ledger.message(newSpoolId())).toBeNull();
      });
    });

    describe('claim', () => {
      it('takes the lease, counts, and leaves the rest', async () => {
        const row = await given();
        const claimed = { ...row, leaseUntil: terms.leaseUntil, claims: 1, version: 2 };
        expect(await ledger.claim(row, terms)).toEqual({ kind: 'claimed', row: claimed });
        expect(await ledger.read(row)).toEqual(claimed);
      });
      it('lets one of fifty win', async () => {
        const row = await given();
        const results = await Promise.all(Array.from({ length: 50 }, () => ledger.claim(row, terms)));
        expect(results.filter((result) => result.kind === 'claimed')).toHaveLength(1);
        expect((await ledger.read(row))?.claims).toBe(1);
      });
      it('shows the standing row to those it refuses, and null where there is none', async () => {
        const row = await given({ leaseUntil: T0 + 11 });
        expect(await ledger.claim(row, terms)).toEqual({ kind: 'refused', row });
        expect(await ledger.claim({ ...row, deliveryKey: 'none' }, terms)).toEqual({ kind: 'refused', row: null });
        expect(await ledger.read({ ...row, deliveryKey: 'none' })).toBeNull();
      });
      it('may be taken again once the lease has run out', async () => {
        const row = await given();
        await ledger.claim(row, terms);
        expect((await ledger.claim(row, { ...terms, now: terms.leaseUntil - 1 })).kind).toBe('refused');
        const again = await ledger.claim(row, {
          ...terms,
          now: terms.leaseUntil,
          leaseUntil: terms.leaseUntil + 750_000,
        });
        expect(again.row).toMatchObject({ claims: 2, version: 3, leaseUntil: terms.leaseUntil + 750_000 });
      });
      it('waits for the next attempt', async () => {
        const row = await given({ state: 'deferred', nextAttemptAt: terms.now + 1 });
        expect((await ledger.claim(row, terms)).kind).toBe('refused');
        expect((await ledger.claim(row, { ...terms, now: terms.now + 1 })).kind).toBe('claimed');
      });
      it('may be taken however often it was taken without an outcome', async () => {
        const claim = await ledger.claim(await given({ claims: 5 }), terms);
        expect(claim).toMatchObject({ kind: 'claimed', row: { claims: 6 } });
      });
      it.each<DeliveryState>([
        'relayed',
        'confirmed',
        'failed',
        'expired',
        'returned',
        'unreturnable',
        'held',
        'quarantined',
        'discarded',
        'removed',
      ])('refuses a %s delivery', async (state) => {
        expect((await ledger.claim(await given({ state }), terms)).kind).toBe('refused');
      });
    });

    describe('write', () => {
      it('replaces the row, appends the events, counts the version', async () => {
        const row = await given();
        const claim = await ledger.claim(row, terms);
        const sent = event('SEND', T0 + 20, {
          attempt: 1,
          status: '2.0.0',
          reply: '250 2.0.0 Ok',
          latency: { openMs: 2, totalMs: 9 },
        });
        const next = {
          ...(claim.row ?? row),
          state: 'relayed' as const,
          attempts: 1,
          claims: 0,
          leaseUntil: null,
          dueAt: null,
        };
        expect(await ledger.write(next, [sent])).toBe('written');
        expect(await ledger.read(row)).toEqual({ ...next, version: 3, trace: [...row.trace, sent] });
      });
      it('is lost where somebody wrote meanwhile, and then changes nothing', async () => {
        const row = await given();
        await ledger.claim(row, terms);
        const standing = await ledger.read(row);
        expect(await ledger.write({ ...row, state: 'held' }, [event('HOLD', T0 + 1)])).toBe('lost');
        expect(await ledger.read(row)).toEqual(standing);
      });
      it('is lost where no row stands', async () => {
        const row = queued(newSpoolId());
        expect(await ledger.write(row, [])).toBe('lost');
        expect(await ledger.read(row)).toBeNull();
      });
      it('lets one of many win', async () => {
        const row = await given();
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) => ledger.write({ ...row, route: 100 + i }, [])),
        );
        expect(results.filter((result) => result === 'written')).toHaveLength(1);
        expect((await ledger.read(row))?.version).toBe(2);
      });
      it('never shares its store with the caller', async () => {
        const row = await given();
        const read = await ledger.read(row);
        (read?.trace as unknown[] | undefined)?.push('scribble');
        expect((await ledger.read(row))?.trace).toEqual(row.trace);
      });
    });

    describe('a long trace', () => {
      it('is whole, in order and each event once, after many attempts', async () => {
        const start = await given();
        const expected = [...start.trace];
        for (let attempt = 1; attempt <= 9; attempt++) {
          const at = T0 + attempt * 1_000;
          const claim = await ledger.claim(start, { now: at, leaseUntil: at + 10 });
          const events = [
            event('POSSIBLE_DUPLICATE', at + 5, { attempt, reason: 'timeout' }),
            event('DEFER', at + 5, { attempt, status: '4.4.2', reply: `451 4.4.2 attempt ${attempt}` }),
          ];
          const next = {
            ...(claim.row ?? start),
            state: 'deferred' as const,
            attempts: attempt,
            claims: 0,
            leaseUntil: null,
          };
          expect(await ledger.write(next, events)).toBe('written');
          expected.push(...events);
        }
        const [record] = await ledger.trace({ spoolId: start.spoolId, limit: 1 });
        expect(record?.rows[0]?.trace).toEqual(expected);
      });
      it('has nothing of a write that was lost', async () => {
        const start = await given({ attempts: 4, trace: [event('DEFER', T0 + 1, { attempt: 4 })] });
        const results = await Promise.all(
          Array.from({ length: 10 }, (_, i) =>
            ledger.write({ ...start, attempts: 5 }, [event('DEFER', T0 + 2, { attempt: 5, reason: `writer ${i}` })]),
          ),
        );
        const winner = results.indexOf('written');
        const [record] = await ledger.trace({ spoolId: start.spoolId, limit: 1 });
        expect(record?.rows[0]?.trace.map(({ reason }) => reason)).toEqual([null, `writer ${winner}`]);
      });
      it('keeps the latest write in the row itself', async () => {
        const start = await given({ attempts: 7, trace: [event('DEFER', T0 + 1, { attempt: 7 })] });
        await ledger.write({ ...start, attempts: 8 }, [event('DEFER', T0 + 2, { attempt: 8 })]);
        expect((await ledger.read(start))?.trace.at(-1)).toEqual(event('DEFER', T0 + 2, { attempt: 8 }));
      });
    });

    dueContract(() => ledger);

    describe('trace', () => {
      /** A host of its own for each test, so that searches find this test's mail alone. */
      const host = () => `${newSpoolId().slice(0, 12)}.example`;
      const found = async (query: Parameters<Ledger['trace']>[0]) =>
        (await ledger.trace(query)).map((record) => record.message.spoolId);

      it('finds by Message-ID, by reverse-path, by forward-path, without regard to the case of addresses', async () => {
        const at = host();
        const row = queued(newSpoolId(), { forwardPath: `Bob@${at}` });
        const message = facts(row.spoolId, {
          reversePath: `Ann@${at}`,
          extract: { ...facts('').extract, messageIdField: `<Id@${at}>` },
        });
        await ledger.create([{ ...row, message }], null);
        for (const query of [
          { messageIdField: `<Id@${at}>` },
          { reversePath: `ann@${at}` },
          { reversePath: `ANN@${at}` },
          { forwardPath: `bob@${at}` },
        ]) {
          await eventually(async () => expect(await found({ ...query, limit: 10 })).toEqual([row.spoolId]));
        }
        expect(await found({ messageIdField: `<id@${at}>`, limit: 10 })).toEqual([]);
        expect(await found({ forwardPath: `ann@${at}`, limit: 10 })).toEqual([]);
      });
      it('finds mail with a null reverse-path', async () => {
        const row = queued(newSpoolId(), { acceptedAt: T0 + 9_000_000_000 });
        await ledger.create(
          [{ ...row, message: facts(row.spoolId, { reversePath: '', acceptedAt: T0 + 9_000_000_000 }) }],
          null,
        );
        await eventually(async () =>
          expect(await found({ reversePath: '', since: T0 + 9_000_000_000, limit: 100 })).toContain(row.spoolId),
        );
      });
      it('gives a message once, with all its deliveries and notices', async () => {
        const spoolId = newSpoolId();
        const at = host();
        const rows = ['a', 'b', 'c'].map((key) =>
          queued(spoolId, { deliveryKey: key, forwardPath: `${key}@${at}`, message: null }),
        );
        const notice = queued(spoolId, { ...asNoticeOf(rows[0] as DeliveryRow), message: null, acceptedAt: T0 + 99 });
        const message = facts(spoolId, { reversePath: `ann@${at}` });
        await ledger.create([...rows, notice], message);
        for (const query of [{ spoolId }, { reversePath: `ann@${at}` }, { forwardPath: `b@${at}` }]) {
          await eventually(async () => expect(await ledger.trace({ ...query, limit: 10 })).toHaveLength(1));
          const [record] = await ledger.trace({ ...query, limit: 10 });
          expect(record?.message).toEqual(message);
          expect([...(record?.rows ?? [])].sort((a, b) => (a.deliveryKey < b.deliveryKey ? -1 : 1))).toEqual([
            rows[0],
            notice,
            rows[1],
            rows[2],
          ]);
        }
        expect(await found({ forwardPath: notice.forwardPath, limit: 10 })).not.toContain(spoolId); // it is nobody's forward-path
      });
      it('gives the newest first, at most so many, accepted since', async () => {
        const at = host();
        const spoolIds = await Promise.all(
          [3, 1, 2].map(async (age) => {
            const row = queued(newSpoolId(), { acceptedAt: T0 - age, forwardPath: `bob@${at}` });
            await ledger.create([{ ...row, message: facts(row.spoolId, { acceptedAt: T0 - age }) }], null);
            return row.spoolId;
          }),
        );
        const newestFirst = [spoolIds[1], spoolIds[2], spoolIds[0]];
        const query = { forwardPath: `bob@${at}` };
        await eventually(async () => expect(await found({ ...query, limit: 10 })).toEqual(newestFirst));
        expect(await found({ ...query, limit: 2 })).toEqual(newestFirst.slice(0, 2));
        expect(await found({ ...query, since: T0 - 2, limit: 10 })).toEqual(newestFirst.slice(0, 2));
        expect(await found({ ...query, since: T0, limit: 10 })).toEqual([]);
      });
      it('finds all that was accepted since, without another term', async () => {
        const since = T0 + 8_000_000_000 + Math.floor(Math.random() * 1_000_000);
        const old = await given();
        const row = queued(newSpoolId(), { acceptedAt: since });
        await ledger.create([{ ...row, message: facts(row.spoolId, { acceptedAt: since }) }], null);
        // A late notice does not make an old message a new one.
        await ledger.create([queued(old.spoolId, { ...asNoticeOf(old), message: null, acceptedAt: since })], null);
        const spoolIds = await found({ since, limit: 1_000 });
        expect(spoolIds).toContain(row.spoolId);
        expect(spoolIds).not.toContain(old.spoolId);
        expect(await found({ limit: 3 })).toHaveLength(3);
      });
      it('wants all terms to hold', async () => {
        const at = host();
        const row = queued(newSpoolId(), { forwardPath: `bob@${at}` });
        await ledger.create([{ ...row, message: facts(row.spoolId, { reversePath: `ann@${at}` }) }], null);
        await eventually(async () =>
          expect(await found({ forwardPath: `bob@${at}`, reversePath: `ann@${at}`, limit: 5 })).toEqual([row.spoolId]),
        );
        expect(await found({ forwardPath: `bob@${at}`, reversePath: `eve@${at}`, limit: 5 })).toEqual([]);
        expect(await found({ spoolId: row.spoolId, forwardPath: `eve@${at}`, limit: 5 })).toEqual([]);
      });
      it('answers with nothing where nothing is known', async () => {
        expect(await ledger.trace({ spoolId: newSpoolId(), limit: 5 })).toEqual([]);
      });
    });

    describe('tokens of return paths', () => {
      it('lead to their delivery, however often they are kept, and an unknown one nowhere', async () => {
        const [token, other] = [newSpoolId(), newSpoolId()];
        const ref = { spoolId: newSpoolId(), deliveryKey: 'abcdefghijklmnop' };
        const until = (Math.floor(Date.now() / 1000) + 3_600) * 1000;
        await Promise.all([ledger.keepToken(token, ref, until), ledger.keepToken(token, ref, until)]);
        expect(await ledger.findToken(token)).toEqual({ ref, until });
        expect(await ledger.findToken(other)).toBeNull();
        expect(await ledger.read({ ...ref })).toBeNull();
      });
    });

    it('keeps under which return path a delivery leaves', async () => {
      const [row, plain] = [queued(newSpoolId(), { returnPath: 'srs' }), queued(newSpoolId())];
      await ledger.create([row], null);
      await ledger.create([plain], null);
      expect((await ledger.read(row))?.returnPath).toBe('srs');
      expect((await ledger.read(plain))?.returnPath).toBeUndefined();
    });

    describe('countUpTo', () => {
      it('counts up to the number and no further, whoever counts at once, each name for itself', async () => {
        const [name, other] = [newSpoolId(), newSpoolId()];
        const until = Date.now() + 60_000;
        const all = await Promise.all(Array.from({ length: 12 }, () => ledger.countUpTo(name, 5, until)));
        expect(all.filter((within) => within)).toHaveLength(5);
        expect(await ledger.countUpTo(name, 5, until)).toBe(false);
        expect(await ledger.countUpTo(other, 1, until)).toBe(true);
        expect(await ledger.countUpTo(name, 6, until)).toBe(true);
      });
    });

    describe('countOnce', () => {
      it('counts each key once and no more of them than the number, whoever counts at once', async () => {
        const name = newSpoolId();
        const until = Date.now() + 60_000;
        const count = (key: string, max = 5) => ledger.countOnce(name, key, max, until);
        const all = await Promise.all(
          Array.from({ length: 12 }, async (_, index) => ({
            key: `k${index % 6}`,
            within: await count(`k${index % 6}`),
          })),
        );
        const within = new Set(all.filter((each) => each.within).map(({ key }) => key));
        expect(within.size).toBe(5);
        for (const { key, within: was } of all) {
          if (within.has(key)) expect([key, was]).toEqual([key, true]);
          expect([key, await count(key)]).toEqual([key, within.has(key)]);
          expect(await count(key, 2)).toBe(within.has(key)); // it is in: a lower number changes nothing
        }
        expect(await count('another', 6)).toBe(true);
        expect(await ledger.countOnce(newSpoolId(), 'k0', 1, until)).toBe(true);
      });
    });

    selectionContract(() => ledger);
    sweepsContract(() => ledger);
  });
}

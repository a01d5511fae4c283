// The part of the ledger's contract that the hourly and the daily sweep live on: which rows a message has, and how far
// a run has come. Run by ledger.contract.ts for every implementation.

import { describe, expect, it } from 'vitest';
import type { Ledger } from '#pipeline/ports.ts';
import { facts, newSpoolId, queued, T0 } from './rows.ts';

/** `ledger` is asked for in each test: it is opened later. */
export function sweepsContract(ledger: () => Ledger): void {
  describe('rowKeys', () => {
    it('gives the keys of deliveries and notices in order, and no more than were asked for', async () => {
      const spoolId = newSpoolId();
      const keys = ['zzzzzzzzzzzzzzzz', '2222222222222222', '0-receipt-missing', 'aaaaaaaaaaaaaaaa-ndr'];
      await ledger().create(
        keys.map((deliveryKey) => queued(spoolId, { deliveryKey, message: null })),
        facts(spoolId),
      );
      expect(await ledger().rowKeys(spoolId, 10)).toEqual(keys.toSorted());
      expect(await ledger().rowKeys(spoolId, 2)).toEqual(['0-receipt-missing', '2222222222222222']);
    });
    it('gives none where no row stands, be it that the message has an item of its own', async () => {
      const spoolId = newSpoolId();
      await ledger().create([], facts(spoolId));
      expect(await ledger().rowKeys(spoolId, 2)).toEqual([]);
      expect(await ledger().rowKeys(newSpoolId(), 2)).toEqual([]);
    });
  });

  describe('forgetMessage', () => {
    it('takes nothing away before its time, however often it is said', async () => {
      const spoolId = newSpoolId();
      const rows = ['a', 'b'].map((deliveryKey) => queued(spoolId, { deliveryKey, message: null }));
      await ledger().create(rows, facts(spoolId));
      for (const until of [T0, T0 + 1]) await ledger().forgetMessage(spoolId, Date.now() + until);
      expect(await ledger().message(spoolId)).toEqual(facts(spoolId));
      expect(await ledger().trace({ spoolId, limit: 1 })).toMatchObject([{ rows, message: facts(spoolId) }]);
    });
    it('is nothing where the message has no item of its own', async () => {
      const row = queued(newSpoolId());
      await ledger().create([row], null);
      await ledger().forgetMessage(row.spoolId, T0);
      expect(await ledger().trace({ spoolId: row.spoolId, limit: 1 })).toEqual([{ message: row.message, rows: [row] }]);
      const unknown = newSpoolId();
      await ledger().forgetMessage(unknown, T0);
      expect(await ledger().message(unknown)).toBeNull();
    });
  });

  describe('bookmarks', () => {
    it('are kept by name, and replaced', async () => {
      const [name, other] = [newSpoolId(), newSpoolId()];
      expect(await ledger().bookmark(name)).toBeNull();
      await ledger().setBookmark(name, 'in/a');
      await ledger().setBookmark(other, 'in/b');
      await ledger().setBookmark(name, 'in/c');
      expect([await ledger().bookmark(name), await ledger().bookmark(other)]).toEqual(['in/c', 'in/b']);
      await ledger().setBookmark(other, '');
      expect([await ledger().bookmark(name), await ledger().bookmark(other)]).toEqual(['in/c', '']);
    });
    it('are no messages: no search finds them', async () => {
      await ledger().setBookmark(newSpoolId(), 'in/a');
      for (const record of await ledger().trace({ limit: 1_000 }))
        expect(record.message.objectKey).toMatch(/^(in|out)\//);
    });
  });

  it('keeps that a message is list mail, or a notice of our own', async () => {
    const row = queued(newSpoolId());
    const extract = {
      ...facts(row.spoolId).extract,
      listMail: true as const,
      ownNotice: true as const,
      fromMisleads: true as const,
    };
    await ledger().create([{ ...row, message: facts(row.spoolId, { extract }) }], null);
    expect((await ledger().message(row.spoolId))?.extract).toEqual(extract);
  });
}

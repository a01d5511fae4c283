// The part of the ledger's contract that an operator's verbs live on: which messages have a row that is all of what was
// asked for. Run by ledger.contract.ts for every implementation; each test has a next hop of its own, so that none
// finds another's rows.

import { describe, expect, it } from 'vitest';
import type { DeliveryRow, HeldBecause } from '#core/delivery/delivery.ts';
import type { Ledger, TraceQuery } from '#pipeline/ports.ts';
import { newSpoolId, queued, T0 } from './rows.ts';

/** `ledger` is asked for in each test: it is opened later. */
export function selectionContract(ledger: () => Ledger): void {
  const given = async (change: Partial<DeliveryRow>): Promise<DeliveryRow> => {
    const row = queued(newSpoolId(), change);
    expect(await ledger().create([row], null)).toEqual(['created']);
    return row;
  };
  const found = async (row: TraceQuery['row']) =>
    (await ledger().trace({ row, limit: 1_000 })).map(({ message }) => message.spoolId);

  describe('a search by rows', () => {
    it('finds what is in a state for a reason at a next hop, all in one row', async () => {
      const nextHop = newSpoolId();
      const row = await given({ nextHop, state: 'held', stateReason: 'copy-delivery', dueAt: null });
      await given({ nextHop, state: 'relayed', dueAt: null });
      const wanted = { states: ['held'], reason: 'copy-delivery', nextHop } as const;
      expect(await found(wanted)).toEqual([row.spoolId]);
      expect(await found({ nextHop })).toHaveLength(2);
      for (const other of [{ states: ['queued' as const] }, { reason: 'loop' }, { nextHop: 'none' }])
        expect(await found({ ...wanted, ...other })).toEqual([]);
    });
    it('finds what is held by its cause, and by the first word of its reason, in rows of before too', async () => {
      const nextHop = newSpoolId();
      const names = new Map<string, string>();
      const held = async (name: string, stateReason: string, heldBecause?: HeldBecause) => {
        const because = heldBecause === undefined ? {} : { heldBecause };
        const row = await given({ nextHop, state: 'held', stateReason, ...because, dueAt: null });
        names.set(row.spoolId, name);
      };
      await held('author', 'foreign-author', 'foreign-author');
      await held('unknown', 'submitter-unknown', 'foreign-sender');
      await held('unknown before', 'submitter-unknown');
      await held('notice', 'notice failed: recipient-unknown', 'notice-not-delivered');
      await held('notice before', 'notice expired: timeout');
      await held('expiry before', 'expiry-valve');
      const because = async (reason: string) =>
        (await found({ nextHop, reason })).map((spoolId) => names.get(spoolId)).sort();
      expect(await because('foreign-author')).toEqual(['author']);
      expect(await because('foreign-sender')).toEqual(['unknown', 'unknown before']);
      expect(await because('submitter-unknown')).toEqual(['unknown', 'unknown before']);
      expect(await because('notice-not-delivered')).toEqual(['notice', 'notice before']);
      expect(await because('notice')).toEqual(['notice', 'notice before']);
      expect(await because('notice failed')).toEqual(['notice']);
      expect(await because('notice failed: recipient-unknown')).toEqual(['notice']);
      expect(await because('expiry-limit')).toEqual(['expiry before']);
      expect(await because('foreign')).toEqual([]);
    });
    it('finds what was attempted in a time, and not resubmitted since', async () => {
      const nextHop = newSpoolId();
      const attempts = { early: -1, first: 0, last: 9, late: 10 };
      const names = new Map<string, string>();
      for (const [name, at] of Object.entries(attempts))
        names.set((await given({ nextHop, state: 'relayed', lastAttemptAt: T0 + at, dueAt: null })).spoolId, name);
      names.set((await given({ nextHop, state: 'confirmed', lastAttemptAt: T0 + 5, dueAt: null })).spoolId, 'sure');
      names.set((await given({ nextHop, state: 'queued' })).spoolId, 'never');
      const again = (at: number, name: string) =>
        given({
          nextHop,
          state: 'relayed',
          lastAttemptAt: T0 + 6,
          dueAt: null,
          resubmitted: { at, from: 'relayed' },
        }).then((row) => names.set(row.spoolId, name));
      await again(T0 - 1, 'lost twice');
      await again(T0, 'mended');
      const attempted = { from: T0, until: T0 + 10 };
      const states = ['relayed', 'confirmed'] as const;
      const about = async (row: TraceQuery['row']) =>
        (await found({ nextHop, ...row })).map((spoolId) => names.get(spoolId)).sort();
      expect(await about({ attempted, states })).toEqual(['first', 'last', 'lost twice', 'mended', 'sure']);
      expect(await about({ attempted, states, resubmittedBefore: T0 })).toEqual([
        'first',
        'last',
        'lost twice',
        'sure',
      ]);
      expect(await about({ attempted, states: ['confirmed'] })).toEqual(['sure']);
    });
  });
}

// Rows that ingest makes after a restore of the ledger, for mail of before: nobody knows whether it was relayed, so
// they are marked, and so is a notice about them.

import { expect, test } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { newNotice } from '#core/delivery/progress.ts';
import { boardEveryMs, restoreMarginMs } from '#core/limits.ts';
import { writeRows } from '#pipeline/ingest/rows.ts';
import { RestoreView, writeRestore } from '#pipeline/restore-record.ts';
import { facts, queued, T0 } from '../../../contract/rows.ts';

test('are marked, with their notices; others are not', async () => {
  const [ledger, clock] = [new MemoryLedger(), new MemoryClock(T0)];
  const ports = { ledger, clock, watch: new MemoryWatch(), restores: new RestoreView({ ledger, clock }) };
  const made = async (spoolId: string, acceptedAt: number) => {
    await writeRows(ports, [queued(spoolId, { acceptedAt })], facts(spoolId, { acceptedAt }));
    const row = await ledger.read(queued(spoolId));
    if (row === null) throw new Error('no row');
    const given = {
      key: `${row.deliveryKey}-ndr`,
      to: 'a@src.example',
      via: 'exchange',
      lifetimeMs: 1,
      sweepAgainMs: 1,
    };
    return { row, notice: newNotice(row, given, T0) };
  };
  expect((await made('m1', T0)).row).toMatchObject({ possibleDuplicate: false });
  await writeRestore(ledger, { begun: T0, since: T0 - 1, ended: null });
  clock.advanceTo(T0 + boardEveryMs);
  for (const [spoolId, at] of [
    ['m2', T0 - 1],
    ['m3', T0 + restoreMarginMs],
  ] as const)
    for (const row of Object.values(await made(spoolId, at))) {
      expect(row).toMatchObject({ possibleDuplicate: true, putBack: { at: expect.any(Number) } });
      expect(row.trace.at(-1)).toMatchObject({ event: 'POSSIBLE_DUPLICATE', reason: 'ledger-restored' });
    }
  const later = await made('m4', T0 + restoreMarginMs + 1);
  expect([later.row, later.notice].map(({ possibleDuplicate }) => possibleDuplicate)).toEqual([false, false]);
});

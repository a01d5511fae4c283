// What the search for orphans costs and how it ends: nothing is read twice that need not be, a run that is cut off goes
// on, a failure in one place is made good by the next round and hides nothing elsewhere.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { orphanShards } from '#core/spool/orphan.ts';
import { endPlaceholder } from '#pipeline/ingest/placeholder.ts';
import { orphans } from '#pipeline/orphans/orphans.ts';
import { writeRestore } from '#pipeline/restore-record.ts';
import { queued, T0 } from '../../../contract/rows.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const HOUR = 3_600_000;
const NEVER = new AbortController().signal;

function search(hook?: ConstructorParameters<typeof Interrupt>[0]) {
  const clock = new MemoryClock(T0 + 2 * HOUR);
  const interrupt = new Interrupt(hook);
  const ledger = new MemoryLedger();
  const spool = new MemorySpool();
  const watch = new MemoryWatch();
  const ports = {
    settings: pipelineSettings,
    inventory: interrupt.wrap('inventory', spool),
    spool: interrupt.wrap('spool', spool),
    ledger: interrupt.wrap('ledger', ledger),
    clock,
    watch,
    ingestQueue: null,
    markKey: 'key',
    orphanAfterMs: HOUR,
    everyMs: HOUR,
  };
  const calls = (name: string) => interrupt.calls.filter((call) => call === name).length;
  const held = () => ledger.all().filter(({ state }) => state === 'held');
  return { clock, ledger, spool, watch, calls, held, run: (signal = NEVER) => orphans(ports, signal) };
}
const put = ({ spool }: ReturnType<typeof search>, spoolId: string, storedAt = T0) =>
  spool.put(`in/${spoolId}`, Buffer.from('Return-Path: <a@src.example>\r\n\r\n'), storedAt);

/** Ids that begin alike, so that they fill pages of one shard. */
const many = (count: number) => Array.from({ length: count }, (_, i) => `a${String(i).padStart(5, '0')}`);

describe('the search for orphans', () => {
  it('reads the ledger once for each new object, and never again', async () => {
    const it = search();
    for (const spoolId of many(30)) {
      put(it, spoolId);
      await it.ledger.create([queued(spoolId)], null);
    }
    expect(await it.run()).toMatchObject({ listed: 30, examined: 30, orphans: 0, missed: 0 });
    expect(it.calls('ledger.rowKeys')).toBe(30);
    it.clock.advanceTo(it.clock.now() + HOUR);
    expect(await it.run()).toMatchObject({ listed: 30, examined: 0 });
    expect(it.calls('ledger.rowKeys')).toBe(30);
    expect(it.calls('spool.head')).toBe(0);
    expect(it.calls('inventory.list')).toBe(2 * orphanShards.length);
  });

  it('lists page after page to the end, and no shard beyond its own', async () => {
    const it = search();
    for (const spoolId of [...many(2_500), 'b1', 'zz', '00']) put(it, spoolId);
    expect(await it.run()).toMatchObject({ listed: 2_503, examined: 2_503, orphans: 2_503 });
    expect(it.held()).toHaveLength(2_503);
  });

  it('that is cut off goes on behind the last whole page', async () => {
    const ids = many(3_000);
    const stop = new AbortController();
    const it = search(({ port, method, when }, args) => {
      // In the midst of the second page.
      if (`${port}.${method}` === 'ledger.rowKeys' && when === 'before' && args[0] === ids[1_500])
        stop.abort(new Error('time'));
    });
    for (const spoolId of ids) put(it, spoolId);
    await it.run(stop.signal);
    const before = it.held().length;
    expect(before).toBeGreaterThan(1_400);
    expect(before).toBeLessThan(1_600);
    expect(it.watch.total('OrphanSweepRun')).toBe(0);
    const reads = it.calls('ledger.rowKeys');
    await it.run();
    expect(it.held()).toHaveLength(3_000);
    expect(it.calls('ledger.rowKeys') - reads).toBeLessThan(2 * 2_000 + 100); // the first page is not read again
    expect(it.watch.total('OrphanSweepRun')).toBe(1);
  });

  it('looks at all others where one object fails, says so, and looks at that one again', async () => {
    const failing = 'a00007';
    let broken = true;
    const it = search(({ port, method, when }, args) => {
      if (broken && `${port}.${method}` === 'ledger.rowKeys' && when === 'before' && args[0] === failing)
        throw new Error('out of order');
    });
    for (const spoolId of many(20)) put(it, spoolId);
    await expect(it.run()).rejects.toThrow('1 could not be looked at');
    expect(it.held()).toHaveLength(19);
    expect(it.watch.logged('orphans.missed')[0]?.fields).toMatchObject({ what: `in/${failing}` });
    it.clock.advanceTo(it.clock.now() + HOUR);
    await expect(it.run()).rejects.toThrow();
    broken = false;
    await it.run();
    expect(it.held()).toHaveLength(20);
  });

  it('looks through all other shards where one fails', async () => {
    const it = search(({ port, method, when }, args) => {
      if (`${port}.${method}` === 'ledger.bookmark' && when === 'before' && args[0] === 'in/a') throw new Error('no');
    });
    for (const spoolId of ['1x', 'ax', 'zx']) put(it, spoolId);
    await expect(it.run()).rejects.toThrow();
    expect(it.held().map(({ spoolId }) => spoolId)).toEqual(['1x', 'zx']);
  });

  it('is overdue where it falls behind, not where one run fails', async () => {
    let broken = false;
    const it = search(({ port, method, when }) => {
      if (broken && `${port}.${method}` === 'inventory.list' && when === 'before') throw new Error('no');
    });
    await it.run();
    broken = true;
    const counts = [];
    for (let hour = 0; hour < 4; hour += 1) {
      it.clock.advanceTo(it.clock.now() + HOUR);
      await it.run().catch(() => null);
      counts.push(it.watch.total('OrphanSweepRun'));
    }
    expect(counts).toEqual([2, 2, 2, 2]);
    broken = false;
    await it.run();
    expect(it.watch.total('OrphanSweepRun')).toBe(3);
  });

  it('looks anew at all where its bookmark is lost or damaged', async () => {
    const it = search();
    put(it, 'a1');
    await it.run();
    for (const { name } of orphanShards) await it.ledger.setBookmark(name, 'what?');
    put(it, 'a2', T0);
    expect(await it.run()).toMatchObject({ examined: 2 });
    expect(it.held()).toHaveLength(2);
  });
});

describe('after a restore of the ledger', () => {
  const restore = { begun: T0 + 2 * HOUR, since: T0, ended: null };
  it('it waits until that has ended, looks at all again, and holds mail that may lack rows until a person ends it', async () => {
    const it = search();
    put(it, 'known', T0 - 10 * HOUR);
    put(it, 'near', T0 - HOUR / 2);
    for (const spoolId of ['known', 'near']) await it.ledger.create([queued(spoolId)], null);
    await it.run();
    await writeRestore(it.ledger, restore);
    put(it, 'gone', T0);
    expect(await it.run()).toMatchObject({ listed: 0, examinedUntil: 0 });
    expect(it.held()).toEqual([]);

    await writeRestore(it.ledger, { ...restore, ended: T0 + 2 * HOUR });
    expect(await it.run()).toMatchObject({ examined: 3, orphans: 2 });
    const reasons = it.held().map(({ spoolId, stateReason }) => [spoolId, stateReason]);
    expect(reasons.sort()).toEqual([
      ['gone', 'receipt-missing'],
      ['near', 'rows-may-be-missing'],
    ]);
    expect(await endPlaceholder(it, 'near', 'receipt-came')).toBe(false);
    expect(await endPlaceholder(it, 'near', 'recipients-named')).toBe(true);
    expect(await it.run()).toMatchObject({ examined: 0 });
  });
});

// Sixty events of the sweep that Lambda kept through an outage, and the fresh ones beside them: the fresh ones always
// run, without a call, and of the kept ones one a minute.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { isSuperseded } from '#pipeline/sweep/kept-event.ts';

const MINUTE = 60_000;
const NOW = Date.parse('2026-11-30T07:00:20Z');

function at(now = NOW) {
  const clock = new MemoryClock(now);
  const ledger = new MemoryLedger();
  let calls = 0;
  const bookmark: MemoryLedger['bookmark'] = (name) => {
    calls += 1;
    return ledger.bookmark(name);
  };
  const ports = { clock, ledger: Object.assign(Object.create(ledger) as MemoryLedger, { bookmark }) };
  return { clock, ask: (dueAt: number | null) => isSuperseded(ports, dueAt, MINUTE), calls: () => calls };
}

describe('an event of a schedule', () => {
  it.each([
    ['of this minute', Date.parse('2026-11-30T07:00:00Z')],
    ['that says no time', null],
    ['of a clock ahead of ours', NOW + MINUTE],
  ])('%s begins a run, and asks nothing', async (_name, dueAt) => {
    const { ask, calls } = at();
    expect(await Promise.all([ask(dueAt), ask(dueAt)])).toEqual([false, false]);
    expect(calls()).toBe(0);
  });
  it('that was kept begins one where no other has within the minute', async () => {
    const { ask, clock } = at();
    const kept = Array.from({ length: 60 }, (_, index) => NOW - (index + 2) * MINUTE);
    const first = [];
    for (const dueAt of kept) first.push(await ask(dueAt));
    expect(first.filter((superseded) => !superseded)).toHaveLength(1);
    clock.advanceTo(NOW + MINUTE);
    expect(await ask(NOW - 5 * MINUTE)).toBe(false);
    expect(await ask(NOW - 4 * MINUTE)).toBe(true);
  });
});

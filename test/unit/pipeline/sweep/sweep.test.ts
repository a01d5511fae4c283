// The sweep and the clock: what is counted by the hour, by hours that pass; what is due at an instant, one millisecond
// before it and at it.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { expiryHourMs, lostAnywayAfterMs, lostJobAfterMs, maxReceiveCount, relayVisibilityMs } from '#core/limits.ts';
import type { JobQueue } from '#pipeline/ports.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { facts, queued } from '../../../contract/rows.ts';
import { sweepBeside } from '../../../kit/board.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const NEVER = new AbortController().signal;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TEN = Date.UTC(2026, 10, 22, 10); // a full hour

function at(now: number) {
  const clock = new MemoryClock(now);
  const ledger = new MemoryLedger();
  const watch = new MemoryWatch();
  const queue = () => new MemoryJobQueue({ clock, visibilityMs: relayVisibilityMs, maxReceiveCount });
  const [relayQueue, bounceQueue, feedbackQueue] = [queue(), queue(), queue()];
  const ports = {
    ...{ settings: pipelineSettings, ledger, watch, clock, relayQueue, bounceQueue, feedbackQueue },
    ...sweepBeside({ clock, watch }),
    ...{ sweepAgainMs: lostJobAfterMs, lostAnywayMs: lostAnywayAfterMs, hourMs: expiryHourMs },
  };
  const row = async (spoolId: string, change: Partial<DeliveryRow>) => {
    await ledger.create([queued(spoolId, { message: facts(spoolId), ...change })], null);
  };
  const states = () =>
    Object.fromEntries(
      Map.groupBy(ledger.all(), ({ state }) => state)
        .entries()
        .map(([state, rows]) => [state, rows.length]),
    );
  return { ports, clock, ledger, watch, row, states };
}

/** No attempt came to a next hop's word, and its lifetime is over: an expiry by our own fault. */
const byOurFault = (expiresAt: number) => ({
  ...{ state: 'deferred' as const, attempts: 1, lastReason: 'deadline' },
  ...{ expiresAt, dueAt: expiresAt, nextAttemptAt: expiresAt },
});

describe('the expiry limit', () => {
  it('counts the hour, however many sweeps it has: the hundred and first is held', async () => {
    const { ports, clock, row, states } = at(TEN);
    for (let index = 0; index < 150; index++) await row(`m${index}`, byOurFault(TEN + index * 20_000));
    for (let minute = 0; minute < 59; minute++, clock.advance(MINUTE)) await sweep(ports, NEVER);
    expect(states()).toEqual({ expired: 100, held: 50 });
  });
  it('begins anew with the next hour', async () => {
    const { ports, clock, row, states } = at(TEN);
    for (const hour of [TEN, TEN + HOUR])
      for (let index = 0; index < 100; index++)
        await row(`m${hour}-${index}`, byOurFault(hour + MINUTE + index * 30_000));
    for (let minute = 0; minute < 120; minute++, clock.advance(MINUTE)) await sweep(ports, NEVER);
    expect(states()).toEqual({ expired: 200 });
  });
});

describe('what is due', () => {
  it.each([
    [
      'a lifetime',
      {
        expiresAt: TEN,
        nextAttemptAt: TEN - HOUR,
        dueAt: TEN - 1,
        state: 'deferred',
        attempts: 1,
        lastReason: 'reply',
      },
      'expired',
    ],
    ['a quarantine', { dueAt: TEN, state: 'quarantined' }, 'discarded'],
  ] as [string, Partial<DeliveryRow>, string][])(
    '%s ends at its instant, and not before',
    async (_name, change, end) => {
      const { ports, clock, row, states } = at(TEN - 1);
      await row('m1', change);
      await sweep(ports, NEVER);
      expect(states()).toEqual({ [change.state ?? '']: 1 });
      clock.advanceTo(TEN + lostJobAfterMs + 1);
      await sweep(ports, NEVER);
      expect(states()).toEqual({ [end]: 1 });
    },
  );
});

describe('a row is written before its job is sent', () => {
  it.each([
    ['deferred and due', { state: 'deferred', attempts: 1, nextAttemptAt: TEN, dueAt: TEN }, 'relayQueue'],
    ['past its lifetime', byOurFault(TEN), 'bounceQueue'],
    ['failed, and its bounce job was lost', { state: 'failed', lastReason: 'reply', dueAt: TEN }, 'bounceQueue'],
  ] as [string, Partial<DeliveryRow>, 'relayQueue' | 'bounceQueue'][])('%s', async (_name, change, name) => {
    const { ports, row, ledger } = at(TEN);
    await row('m1', { expiresAt: TEN + HOUR, ...change });
    const [before] = ledger.all();
    const seen: (number | null | undefined)[] = [];
    const queue: JobQueue = {
      send: async () => void seen.push(ledger.all()[0]?.dueAt),
      depth: ports.relayQueue.depth.bind(ports.relayQueue),
    };
    await sweep({ ...ports, [name]: queue }, NEVER);
    expect(seen).toEqual([TEN + lostJobAfterMs]);
    expect(before?.dueAt).toBe(TEN);
  });
  it('and where somebody else wrote it meanwhile, no job is sent', async () => {
    const { ports, row, ledger } = at(TEN);
    await row('m1', { state: 'deferred', attempts: 1, nextAttemptAt: TEN, dueAt: TEN });
    const lost = Object.assign(Object.create(ledger) as MemoryLedger, { write: async () => 'lost' });
    expect(await sweep({ ...ports, ledger: lost }, NEVER)).toMatchObject({ seen: 1, toRelay: 0, toBounce: 0 });
    expect(await ports.relayQueue.depth()).toEqual({ visible: 0, inFlight: 0 });
  });
});

describe('a run', () => {
  it('counts itself, and lost jobs where there were none', async () => {
    const { ports, watch } = at(TEN);
    await sweep(ports, NEVER);
    expect(watch.counted).toMatchObject([{ metric: 'LostJob', value: 0 }]);
  });
  it('finds a job that was lost, counts it, and tells the job how often its row was claimed', async () => {
    const { ports, row, watch } = at(TEN);
    await row('m1', {
      nextAttemptAt: TEN - HOUR,
      dueAt: TEN - HOUR + lostJobAfterMs,
      claims: 3,
      expiresAt: TEN + HOUR,
    });
    await sweep(ports, NEVER);
    expect(watch.total('LostJob')).toBe(1);
    expect(ports.relayQueue.receive(10).map(({ job, group }) => [job.claims, group])).toEqual([[3, 'exchange']]);
  });
});

// The levels, and what a sweep chooses, where much waits: no backlog hides another next hop or another direction, mail
// counts from when it waits, and a held row that the index does not have is found, however late it was written.

import { describe, expect, it } from 'vitest';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { heldByOperator } from '#core/delivery/hold-release.ts';
import { type Health, unknownHealth } from '#core/delivery/next-hop-health.ts';
import { neverPaused } from '#core/delivery/pause.ts';
import { hopTimes } from '#core/delivery/waiting.ts';
import {
  activeJobsMax,
  boardEveryMs,
  expiryHourMs,
  heldPassEveryMs,
  heldSecondPassMs,
  lostAnywayAfterMs,
  lostJobAfterMs,
} from '#core/limits.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import type { Job, JobQueue } from '#pipeline/ports.ts';
import { publishLevels } from '#pipeline/sweep/levels.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { facts, queued } from '#test/contract/rows.ts';
import { pipelineSettings } from '#test/kit/pipeline.ts';
import { rightSes } from '#test/kit/right-ses.ts';

const NEVER = new AbortController().signal;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = Date.UTC(2026, 10, 20, 12);
const lifetimeMs = pipelineSettings.retry.lifetimeMs;

function at(now: number) {
  const clock = new MemoryClock(now);
  const [ledger, board, watch] = [new MemoryLedger(), new MemoryBoard(), new MemoryWatch()];
  const waiting = new WaitingRows(ledger);
  const walked: string[] = [];
  const counted = {
    look: async () => counted,
    heldCount: () => waiting.heldCount(),
    heldWithoutInstant: () => waiting.heldWithoutInstant(),
    walk: (...given: Parameters<typeof waiting.walk>) => {
      walked.push(given[0]);
      return waiting.walk(...given);
    },
  };
  const sent: Job[] = [];
  const queue: JobQueue = {
    send: async (jobs) => void sent.push(...jobs.map(({ job }) => job)),
    depth: async () => ({ visible: 0, inFlight: 0 }),
  };
  const ports = {
    ...{ settings: pipelineSettings, ledger, watch, clock, waiting: counted },
    ...{ bounceQueue: queue, feedbackQueue: queue, relayQueue: queue, slowRelayQueue: queue },
    ...{ hopTimes: hopTimes(1), sweepAgainMs: lostJobAfterMs, lostAnywayMs: lostAnywayAfterMs, hourMs: expiryHourMs },
    queues: { ingest: empty, entry: [empty], work: [empty] },
    ...rightSes,
    get board() {
      return new BoardView({ board, clock, watch }, boardEveryMs);
    },
  };
  const row = (spoolId: string, acceptedAt: number, change: Partial<DeliveryRow> = {}) =>
    queued(spoolId, {
      ...{ message: facts(spoolId), acceptedAt, expiresAt: acceptedAt + lifetimeMs },
      ...{ nextAttemptAt: acceptedAt, dueAt: acceptedAt + lostJobAfterMs, nextHop: 'exchange', ...change },
    });
  const add = (...rows: readonly DeliveryRow[]) => ledger.create(rows, null);
  const health = (nextHop: string, change: Partial<Health>) =>
    board.writeHealth({ ...unknownHealth(nextHop), ...change });
  const pause = (scope: string) =>
    board.writePause({ ...neverPaused(scope), mode: 'hold', since: NOW - 2 * HOUR, by: 'ann' });
  async function levels() {
    watch.counted.length = 0;
    await publishLevels(ports, NEVER);
    return Object.fromEntries(watch.counted.map(({ metric, value }) => [metric, value]));
  }
  return { ports, clock, ledger, watch, walked, sent, row, add, health, pause, levels };
}

const empty = { depth: async () => ({ visible: 0, inFlight: 0 }) };
const faulty = { state: 'deferred', attempts: 1, lastReason: 'timeout' } as const;
const open = {
  ...({ state: 'open', waitsFor: 'next-hop', failingSince: NOW - 30 * MINUTE } as const),
  opened: { at: NOW - 30 * MINUTE, probes: 3, nextProbeAt: NOW + MINUTE },
};

describe('the levels', () => {
  it('show a next hop that is down behind 3,000 deferred rows of a paused one', async () => {
    const { row, add, health, pause, levels } = at(NOW);
    const rows = Array.from({ length: 3_000 }, (_, i) =>
      row(`p${i}`, NOW - HOUR, { ...faulty, nextHop: 'paused', dueAt: NOW - MINUTE }),
    );
    await add(...rows, row('m1', NOW - 40 * MINUTE, { ...faulty, nextHop: 'down', dueAt: NOW + HOUR }));
    await health('paused', { failingSince: NOW - 50 * MINUTE });
    await health('down', { failingSince: NOW - 20 * MINUTE });
    await pause('paused');
    expect(await levels()).toMatchObject({ NextHopDown: 20, WaitingLong: 40, PausedHours: 2 });
  });

  it('count mail that was never attempted behind an open next hop from when it waits', async () => {
    const { row, add, health, walked, levels } = at(NOW);
    await add(row('m1', NOW - MINUTE));
    expect(await levels()).toMatchObject({ NextHopDown: 0, WaitingLong: 0 });
    expect(walked, 'a healthy next hop costs no read').toEqual(['faulty', 'operator', 'unprocessed']);
    await health('exchange', open);
    expect(await levels()).toMatchObject({ NextHopDown: 30, WaitingLong: 1 });
    // Its sender has heard of the delay, so that it is due later.
    await add(row('m2', NOW - 5 * HOUR, { dueAt: NOW + 50 * MINUTE }));
    expect(await levels()).toMatchObject({ NextHopDown: 30, WaitingLong: 5 * 60 });
  });

  it('do not count mail at an open next hop that waits for its own schedule, or that a pause keeps', async () => {
    const { row, add, health, pause, levels } = at(NOW);
    await health('exchange', open);
    await add(row('m1', NOW - HOUR, { state: 'deferred', lastReason: 'mailbox-full', nextAttemptAt: NOW + 1 }));
    expect(await levels()).toMatchObject({ NextHopDown: 0, WaitingLong: 0 });
    await add(row('m2', NOW - HOUR));
    expect(await levels()).toMatchObject({ NextHopDown: 30, WaitingLong: 60 });
    await pause('exchange');
    expect(await levels()).toMatchObject({ NextHopDown: 0, WaitingLong: 0 });
  });
});

describe('held rows that the index does not have', () => {
  const unseen = (row: DeliveryRow) => ({ ...heldByOperator(row, NOW).row, dueAt: null });

  it('are counted where a function of the version before wrote them behind the first pass', async () => {
    const { clock, row, add, levels } = at(NOW);
    await add(unseen(row('m1', NOW)));
    expect(await levels()).toMatchObject({ WaitsForPerson: 1 });
    await add(unseen(row('m2', NOW)));
    clock.advance(heldSecondPassMs - 1);
    expect(await levels()).toMatchObject({ WaitsForPerson: 1 });
    clock.advance(1);
    expect(await levels()).toMatchObject({ WaitsForPerson: 2 });
  });

  it('are looked for once a week after that, and where the version before has ended its only pass', async () => {
    const { ports, clock, row, add, levels } = at(NOW);
    await ports.ledger.setBookmark('held-without-instant', 'done');
    await add(unseen(row('m1', NOW)));
    expect(await levels()).toMatchObject({ WaitsForPerson: 1 });
    await add(unseen(row('m2', NOW)));
    clock.advance(heldPassEveryMs - 1);
    expect(await levels()).toMatchObject({ WaitsForPerson: 1 });
    clock.advance(1);
    expect(await levels()).toMatchObject({ WaitsForPerson: 2 });
  });

  it('are not counted by half: a first pass that an older version began goes on where it was', async () => {
    const { ports, row, add, levels } = at(NOW);
    await ports.ledger.setBookmark('held-without-instant', '{"pk":{"S":"m0"},"sk":{"S":"d#x"}}');
    const seen: (string | null)[] = [];
    ports.waiting.heldWithoutInstant = async (after: string | null = null) => {
      seen.push(after);
      return { refs: [], after: seen.length < 7 ? String(seen.length) : null };
    };
    await add(unseen(row('m1', NOW)));
    expect(await levels()).not.toHaveProperty('WaitsForPerson');
    expect(await levels()).toMatchObject({ WaitsForPerson: 0 });
    expect(seen.slice(0, 7)).toEqual(['{"pk":{"S":"m0"},"sk":{"S":"d#x"}}', '1', '2', '3', '4', '5', '6']);
  });
});

it('a sweep finds the rows of the other direction, and notices, behind more paused rows than it reads', async () => {
  const { ports, row, add, pause, sent } = at(NOW);
  const submitted = (i: number) => `crm-01JD0000000000000000${String(i).padStart(6, '0')}`;
  const kept = Array.from({ length: activeJobsMax + 1 }, (_, i) => row(submitted(i), NOW - HOUR));
  await add(
    ...kept,
    row('m1', NOW - 30 * MINUTE),
    row('m2', NOW - 30 * MINUTE, { deliveryKey: 'abcdefghijklmnop-ndr' }),
  );
  await pause('outbound');
  expect(await sweep(ports, NEVER)).toMatchObject({ toRelay: 2 });
  expect(sent.map(({ spoolId }) => spoolId).sort()).toEqual(['m1', 'm2']);
});

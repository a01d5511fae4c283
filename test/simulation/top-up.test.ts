// The relay queue's top-up under load, on a virtual clock and memory ports: 100,000 deferred deliveries come due at
// once for a next hop that takes 200 a second, beside one that answers hardly at all and one that is well. Real sweep,
// real relay; the workers are a rhythm.

import { describe, expect, it } from 'vitest';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryNextHop } from '#adapters/memory/next-hop.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { newDelivery } from '#core/delivery/progress.ts';
import {
  activeJobsMax,
  batchBytesMax,
  expiryHourMs,
  lostAnywayAfterMs,
  lostJobAfterMs,
  smtpLeaseMs,
  sweepEveryMs,
  sweepTimeoutMs,
  topUpEveryMs,
} from '#core/limits.ts';
import type { Job, JobQueue } from '#pipeline/ports.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import { relay } from '#pipeline/relay/relay.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { relayBeside, sweepBeside } from '../kit/board.ts';
import { pipelineSettings } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';

const NEVER = new AbortController().signal;
const SECOND = 1_000;
const HOUR = 3_600_000;
const LATE = 100_000;
const PER_SECOND = { busy: 200, dead: 1, well: 1_000 } as const;
type Hop = keyof typeof PER_SECOND;

/** Jobs by group, as SQS's fair queues hand them out: no group waits behind another. */
class FairQueue implements JobQueue {
  readonly groups = new Map<string, Job[]>();
  highest = 0;

  async send(jobs: readonly { readonly job: Job; readonly group: string }[]): Promise<void> {
    for (const { job, group } of jobs) {
      const line = this.groups.get(group) ?? [];
      if (line.push(job) === 1) this.groups.set(group, line);
    }
    this.highest = Math.max(this.highest, this.visible());
  }
  async depth() {
    return { visible: this.visible(), inFlight: 0 };
  }
  take(group: string, most: number): Job[] {
    return this.groups.get(group)?.splice(0, most) ?? [];
  }
  private visible(): number {
    return [...this.groups.values()].reduce((sum, jobs) => sum + jobs.length, 0);
  }
}

function rowsFor(nextHop: Hop, count: number, dueAt: (index: number) => number): DeliveryRow[] {
  return Array.from({ length: count }, (_, index) => {
    const spoolId = `${nextHop}-${index}`;
    const forwardPath = `u${index}@example.com`;
    const fresh = newDelivery(
      {
        ...{ spoolId, deliveryKey: 'k', forwardPath, address: forwardPath, route: 0, action: 0, nextHop, copy: false },
        ...{ message: factsOf(spoolId), acceptedAt: ACCEPTED_AT, trace: [] },
        ...{ lifetimeMs: 48 * HOUR, sweepAgainMs: lostJobAfterMs },
      },
      ACCEPTED_AT,
    );
    const at = dueAt(index);
    return { ...fresh, state: 'deferred', attempts: 1, nextAttemptAt: at, dueAt: at };
  });
}

function factsOf(spoolId: string): MessageFacts {
  const none = { from: null, to: null, date: null, subject: null, messageIdField: null, autoSubmitted: null };
  return {
    ...{ spoolId, direction: 'inbound', reversePath: 'ann@src.example', objectKey: 'in/all', size: null },
    ...{ objectVersion: null, extract: none, verdicts: null, acceptedAt: ACCEPTED_AT, configVersion: 'test' },
  };
}

/** Lives through `seconds`; returns what was seen of each second. */
async function run(seconds: number) {
  const clock = new MemoryClock(ACCEPTED_AT + HOUR);
  const ledger = new MemoryLedger();
  const watch = new MemoryWatch();
  const spool = new MemorySpool();
  spool.put('in/all', new TextEncoder().encode('Subject: all\r\n\r\nHello\r\n'));
  const start = clock.now();
  await ledger.create(
    rowsFor('busy', LATE, () => start),
    null,
  );
  await ledger.create(
    rowsFor('dead', 20_000, () => start - 1),
    null,
  ); // due before all others
  await ledger.create(
    rowsFor('well', 5_000, (index) => start + (index % 500) * SECOND),
    null,
  );
  const relayQueue = new FairQueue();
  const beside = sweepBeside({ clock, watch });
  const { board } = beside;
  const common = { settings: pipelineSettings, board, clock, ledger, watch, spool, sweepAgainMs: lostJobAfterMs };
  const nextHop = new MemoryNextHop();
  const relayPorts = {
    ...relayBeside({ clock, watch }),
    ...{ ...common, bounceQueue: idleQueue, nextHop: () => nextHop, entropy: new MemoryEntropy(1) },
    ...{ budget: byteBudget(batchBytesMax), markKey: 'key', leaseMs: smtpLeaseMs },
  };
  const sweepPorts = {
    ...beside,
    ...{ ...common, relayQueue, bounceQueue: idleQueue, feedbackQueue: idleQueue },
    ...{ lostAnywayMs: lostAnywayAfterMs, hourMs: expiryHourMs },
  };

  const taken: Record<Hop, number[]> = { busy: [], dead: [], well: [] };
  const seen = { jobs: 0, surplus: 0, lastSweepAt: Number.NEGATIVE_INFINITY, more: false };
  for (let second = 0; second < seconds; second++, clock.advance(SECOND)) {
    const inMinute = (second * SECOND) % sweepEveryMs;
    const again = seen.more && inMinute < sweepTimeoutMs - 10 * SECOND;
    if (inMinute === 0 || (again && inMinute % topUpEveryMs === 0)) seen.more = (await sweep(sweepPorts, NEVER)).more;
    for (const hop of Object.keys(PER_SECOND) as Hop[]) {
      const jobs = relayQueue.take(hop, PER_SECOND[hop]);
      taken[hop].push(jobs.length);
      for (const job of jobs) {
        seen.jobs += 1;
        if ((await relay(relayPorts, job, NEVER)).became === 'claim-refused') seen.surplus += 1;
      }
    }
  }
  return { taken, ...seen, ledger, highest: relayQueue.highest, start };
}

const idleQueue: JobQueue = {
  send: async () => {
    throw new Error('nothing fails here');
  },
  depth: async () => ({ visible: 0, inFlight: 0 }),
};

describe('100,000 deliveries coming due for a next hop at 200 a second', () => {
  it('goes through without surplus jobs or a stall, and slows no other next hop down', async () => {
    const { taken, jobs, surplus, ledger, highest, start } = await run(560);
    const rows = ledger.all();
    const relayed = (hop: Hop) => rows.filter((row) => row.nextHop === hop && row.state === 'relayed');
    expect(relayed('busy')).toHaveLength(LATE);
    expect(surplus / jobs).toBeLessThan(0.01);
    // No stall: all of its 200 in each of the 500 seconds that it takes at best.
    expect(taken.busy.slice(0, 500).filter((count) => count < PER_SECOND.busy)).toEqual([]);
    expect(taken.dead.filter((count) => count < PER_SECOND.dead)).toEqual([]);
    // The well one: within the minute of the sweep and a second, although 120,000 rows were due before each of its own.
    expect(relayed('well')).toHaveLength(5_000);
    const waits = relayed('well').map((row) => (row.lastAttemptAt ?? 0) - row.nextAttemptAt);
    expect(Math.max(...waits)).toBeLessThanOrEqual(sweepEveryMs + SECOND);
    expect(Math.max(...relayed('well').map((row) => row.nextAttemptAt))).toBe(start + 499 * SECOND);
    expect(highest).toBeLessThanOrEqual(activeJobsMax * 1.05);
  }, 120_000);
});

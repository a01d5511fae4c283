// One of three next hops is sick, with many messages for it, in virtual time: real relay, real sweep and real health,
// by functions that take batches and are busy until the whole batch is done, as Lambda's are. What the other two lose
// by it is measured, and the function time that the sick one takes in an hour. Then it is well again, and its mail
// drains.

import { describe, expect, it } from 'vitest';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { newDelivery } from '#core/delivery/progress.ts';
import {
  batchBytesMax,
  boardEveryMs,
  expiryHourMs,
  jobsPerBatchMax,
  lostAnywayAfterMs,
  lostJobAfterMs,
  slowAfterMs,
  smtpLeaseMs,
  sweepEveryMs,
  sweepTimeoutMs,
  topUpEveryMs,
} from '#core/limits.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import type { Job, JobQueue, NextHop, NextHopResult, Transaction } from '#pipeline/ports.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import type { Lane } from '#pipeline/relay/lanes.ts';
import { relay } from '#pipeline/relay/relay.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { facts } from '../contract/rows.ts';
import { acceptedBefore, gateOf, relayBeside, sweepBeside } from '../kit/board.ts';
import { pipelineSettings } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';

const NEVER = new AbortController().signal;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const STEP = 100;
const FUNCTIONS = { fast: 2, slow: 2 } as const satisfies Record<Lane, number>;
const WELL_TAKES = 200; // milliseconds of one attempt
const WELL = 1_000;
const SICK = 1_000;

/** One byte a second is the same as nothing, for relay: no reply comes. */
type Sickness = 'refuses' | 'says nothing' | 'stalls at the final dot';

/** Groups in turn, as SQS's fair queues hand jobs out. */
class FairQueue implements JobQueue {
  private readonly groups = new Map<string, Job[]>();

  async send(jobs: readonly { readonly job: Job; readonly group: string }[]): Promise<void> {
    for (const { job, group } of jobs) {
      const line = this.groups.get(group) ?? [];
      line.push(job);
      this.groups.set(group, line);
    }
  }
  async depth() {
    return { visible: [...this.groups.values()].reduce((sum, { length }) => sum + length, 0), inFlight: 0 };
  }
  take(max: number): Job[] {
    const batch: Job[] = [];
    for (let taken = -1; taken !== batch.length && batch.length < max; ) {
      taken = batch.length;
      for (const [group, line] of this.groups) {
        const job = batch.length < max ? line.shift() : undefined;
        if (job === undefined) continue;
        batch.push(job);
        this.groups.delete(group); // and to the end, so that the next batch begins with another
        if (line.length > 0) this.groups.set(group, line);
      }
    }
    return batch;
  }
}

const idleQueue: JobQueue = {
  send: async () => {
    throw new Error('nothing fails here');
  },
  depth: async () => ({ visible: 0, inFlight: 0 }),
};

class Everpost {
  readonly clock = new MemoryClock(ACCEPTED_AT);
  readonly ledger = new MemoryLedger();
  readonly board = new MemoryBoard();
  readonly watch = new MemoryWatch();
  readonly queues: Readonly<Record<Lane, FairQueue>> = { fast: new FairQueue(), slow: new FairQueue() };
  /** Of each next hop: spool ids in the order of acceptance, and when. */
  readonly took = new Map<string, { readonly spoolId: string; readonly at: number }[]>();
  sickness: Sickness | null;
  /** Of each next hop: how many messages. */
  readonly accepted = new Map<string, number>();
  /** Function time in which at least one attempt at the sick next hop was under way. */
  sickMs = 0;
  private readonly spool = new MemorySpool();
  private readonly functions = (['fast', 'slow'] as const).flatMap((lane) =>
    Array.from({ length: FUNCTIONS[lane] }, () => ({ lane, busy: false, atSick: 0, ports: this.relayPorts() })),
  );
  private more = false;
  private sweeping = false;

  constructor(sickness: Sickness | null) {
    this.sickness = sickness;
    this.spool.put('in/all', new TextEncoder().encode('Subject: all\r\n\r\nHello\r\n'));
  }

  /** As ingest leaves them: rows, and their jobs. */
  async accept(nextHop: string, count: number): Promise<void> {
    const before = this.accepted.get(nextHop) ?? 0;
    if (before === 0) await acceptedBefore(this, nextHop);
    this.accepted.set(nextHop, before + count);
    const rows = Array.from({ length: count }, (_, index) => this.row(nextHop, before + index));
    await this.ledger.create(rows, null);
    const jobs = rows.map(({ spoolId, deliveryKey }) => ({
      job: { version: 1, spoolId, deliveryKey, nextHop } as const,
      group: nextHop,
    }));
    await this.queues.fast.send(jobs);
  }

  /** Lives until then, or until `isOver`; returns when it was. */
  async live(until: number, isOver: () => boolean = () => false): Promise<number> {
    const start = ACCEPTED_AT;
    for (; this.clock.now() < until && !isOver(); this.clock.advance(STEP)) {
      const inMinute = (this.clock.now() - start) % sweepEveryMs;
      const again = this.more && inMinute < sweepTimeoutMs - 10 * SECOND && inMinute % topUpEveryMs === 0;
      if ((inMinute === 0 || again) && !this.sweeping) void this.sweepOnce(inMinute !== 0);
      for (const each of this.functions) if (!each.busy) void this.invoke(each);
      for (const each of this.functions) if (each.atSick > 0) this.sickMs += STEP;
      await new Promise(setImmediate);
    }
    return this.clock.now();
  }

  private async sweepOnce(again: boolean): Promise<void> {
    this.sweeping = true;
    this.more = (await sweep(this.sweepPorts(), NEVER, { again })).more;
    this.sweeping = false;
  }

  private async invoke(each: (typeof this.functions)[number]): Promise<void> {
    const batch = this.queues[each.lane].take(jobsPerBatchMax);
    if (batch.length === 0) return;
    each.busy = true;
    await Promise.all(batch.map((job) => relay(each.ports, job, NEVER, each.lane)));
    each.busy = false;
  }

  private relayPorts() {
    const { clock, watch } = this;
    const running = () => this.functions.find(({ ports: mine }) => mine === ports);
    const ports = {
      ...{ ...relayBeside({ clock, watch }), ...this.common(), slowRelayQueue: this.queues.slow },
      ...{
        bounceQueue: idleQueue,
        nextHop: (name: string) => this.nextHop(name, running),
        entropy: new MemoryEntropy(1),
      },
      ...{ budget: byteBudget(batchBytesMax), markKey: 'key', leaseMs: smtpLeaseMs, spool: this.spool },
      gate: gateOf({ clock, watch, timer: clock }),
    };
    return ports;
  }
  private sweepPorts() {
    const { clock, watch, queues } = this;
    return {
      ...{ ...sweepBeside({ clock, watch }), ...this.common(), relayQueue: queues.fast, slowRelayQueue: queues.slow },
      ...{ bounceQueue: idleQueue, feedbackQueue: idleQueue, lostAnywayMs: lostAnywayAfterMs, hourMs: expiryHourMs },
    };
  }
  private common() {
    const { clock, watch, ledger } = this;
    const board = new BoardView({ board: this.board, clock, watch }, boardEveryMs);
    return { settings: pipelineSettings, clock, watch, ledger, board, sweepAgainMs: lostJobAfterMs };
  }

  private nextHop(name: string, running: () => { atSick: number } | undefined): NextHop {
    return {
      attempt: async (transaction) => {
        const sick = name === 'sick' ? this.sickness : null;
        const within = name === 'sick' ? running() : undefined;
        if (within !== undefined) within.atSick += 1;
        const result = sick === null ? await this.takes(name, transaction) : await this.fails(sick, transaction);
        if (within !== undefined) within.atSick -= 1;
        return [result];
      },
      close: async () => {},
    };
  }

  private async takes(name: string, { tag = '' }: Transaction): Promise<NextHopResult> {
    await this.passes(WELL_TAKES);
    const taken = this.took.get(name) ?? [];
    this.took.set(name, taken);
    taken.push({ spoolId: tag.split('-').slice(0, 2).join('-'), at: this.clock.now() });
    const reply = { code: 250, status: null, text: 'Ok', host: 'mail.example.com' };
    return { kind: 'reply', phase: 'final-dot', reply, tls: true };
  }

  private async fails(sickness: Sickness, { patience }: Transaction): Promise<NextHopResult> {
    const failed = (phase: 'connect' | 'greeting' | 'final-dot', fault: 'refused' | 'timeout' | 'aborted') =>
      ({ kind: 'network', phase, fault, detail: fault, host: 'mail.example.com' }) as const;
    if (sickness === 'refuses') return failed('connect', 'refused');
    // RFC 5321 §4.5.3.2: five minutes for the greeting, ten for the final dot.
    if (sickness === 'stalls at the final dot') {
      await this.passes(10 * MINUTE);
      return failed('final-dot', 'timeout');
    }
    return failed('greeting', (await this.passes(5 * MINUTE, patience)) ? 'timeout' : 'aborted');
  }

  /** False where `patience` ended first. */
  private passes(ms: number, patience?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const stop = this.clock.after(ms, () => resolve(true));
      patience?.addEventListener('abort', () => {
        stop();
        resolve(false);
      });
    });
  }

  private row(nextHop: string, index: number): DeliveryRow {
    const spoolId = `${nextHop}-${index}`;
    const forwardPath = `u${index}@example.com`;
    return newDelivery(
      {
        ...{
          spoolId,
          deliveryKey: 'aaaaaaaaaaaaaaaa',
          forwardPath,
          address: forwardPath,
          route: 0,
          action: 0,
          nextHop,
        },
        ...{ copy: false, message: { ...facts(spoolId), objectKey: 'in/all' }, acceptedAt: this.clock.now() + index },
        ...{ trace: [], lifetimeMs: 48 * HOUR, sweepAgainMs: lostJobAfterMs },
      },
      this.clock.now(),
    );
  }
}

/** How long the mail of the two well next hops takes: `count` messages for each. */
async function othersTake(everpost: Everpost, count: number): Promise<number> {
  const start = everpost.clock.now();
  for (const name of ['well', 'fine']) await everpost.accept(name, count);
  const isOver = () =>
    ['well', 'fine'].every((name) => everpost.took.get(name)?.length === everpost.accepted.get(name));
  return (await everpost.live(start + HOUR, isOver)) - start;
}

const TEN_MINUTES = 10 * MINUTE;
const FIVE_MINUTES = 5 * MINUTE;
/** A job that is given back takes a place in a batch, once. */
const placesMs = (jobs: number) => (jobs / (FUNCTIONS.fast * jobsPerBatchMax)) * (WELL_TAKES + STEP);

describe('one of three next hops is sick for an hour', () => {
  it.each([
    // Until the first attempts show it, and its function time: until it is open, and seven more attempts.
    ['refuses', 0, 0],
    ['says nothing', slowAfterMs, 2 * slowAfterMs + 2 * FIVE_MINUTES + 7 * FIVE_MINUTES],
    ['stalls at the final dot', TEN_MINUTES, 4 * TEN_MINUTES + 7 * TEN_MINUTES],
  ] as const)(
    '%s',
    async (sickness, unknownMs, functionMsMax) => {
      const alone = await othersTake(new Everpost(null), WELL);
      const everpost = new Everpost(sickness);
      await everpost.accept('sick', SICK);
      const beside = await othersTake(everpost, WELL);
      expect(beside).toBeLessThanOrEqual(alone + unknownMs + placesMs(SICK) + SECOND);

      await everpost.live(everpost.clock.now() + MINUTE);
      await everpost.accept('sick', SICK / 5);
      const known = await othersTake(everpost, WELL);
      expect(known / alone).toBeLessThanOrEqual(1.2);

      await everpost.live(ACCEPTED_AT + HOUR);
      expect(everpost.sickMs).toBeLessThanOrEqual(functionMsMax);
      expect(everpost.took.get('sick')).toBeUndefined();

      everpost.sickness = null;
      const wellAt = everpost.clock.now();
      await everpost.live(wellAt + HOUR, () => everpost.took.get('sick')?.length === everpost.accepted.get('sick'));
      const taken = everpost.took.get('sick') ?? [];
      // The attempt that is out, at most a quarter of an hour, and the attempt that finds it well.
      expect((taken[0]?.at ?? 0) - wellAt).toBeLessThan(unknownMs + 15 * MINUTE + MINUTE);
      expect((taken.at(-1)?.at ?? 0) - (taken[0]?.at ?? 0)).toBeLessThan(placesMs(taken.length) + MINUTE);
      const ages = taken.slice(1).map(({ spoolId }) => Number(spoolId.split('-')[1]));
      const late = ages.filter(
        (age, place) => place > 0 && age < Math.max(...ages.slice(Math.max(0, place - 40), place)) - 40,
      );
      expect(late).toEqual([]);
      expect(everpost.watch.total('LostJob')).toBe(0);
    },
    60_000,
  );
});

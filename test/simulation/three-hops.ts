// Three next hops in virtual time, one of which may be sick: real relay, real sweep and real health, by functions that
// take batches and are busy until the whole batch is done, as Lambda's are. Used by tests that measure what the other
// two lose by the sick one, the function time that it takes, and how its mail drains when it is well again.

import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { SmtpSettings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { newDelivery } from '#core/delivery/progress.ts';
import {
  batchBytesMax,
  boardEveryMs,
  deadlineMarginMs,
  expiryHourMs,
  heldAfterMs,
  heldAskAgainMs,
  heldLeastMs,
  jobsPerBatchMax,
  jobsUnderWayMax,
  lostAnywayAfterMs,
  lostJobAfterMs,
  nextHopConcurrencyDefault,
  relayTimeoutMs,
  smtpLeaseMs,
  sweepEveryMs,
  sweepTimeoutMs,
  topUpEveryMs,
} from '#core/limits.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import { workOn } from '#pipeline/places.ts';
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
export const FUNCTIONS = { fast: 2, slow: 2 } as const satisfies Record<Lane, number>;
export const WELL_TAKES = 200; // milliseconds of one attempt

/** One byte a second is the same as nothing, for relay: no reply comes. */
export type Sickness = 'refuses' | 'says nothing' | 'sends one byte a second' | 'stalls at the final dot';

/** Groups in turn, as SQS's fair queues hand jobs out. */
class FairQueue implements JobQueue {
  private readonly groups = new Map<string, Job[]>();
  private readonly clock: MemoryClock;
  private delayed = 0;

  constructor(clock: MemoryClock) {
    this.clock = clock;
  }

  async send(jobs: readonly { readonly job: Job; readonly group: string; readonly delayMs?: number }[]): Promise<void> {
    for (const { job, group, delayMs = 0 } of jobs) {
      if (delayMs === 0) this.add(job, group);
      else {
        this.delayed += 1;
        this.clock.after(Math.ceil(delayMs / SECOND) * SECOND, () => {
          this.delayed -= 1;
          this.add(job, group);
        });
      }
    }
  }
  private add(job: Job, group: string): void {
    const line = this.groups.get(group) ?? [];
    line.push(job);
    this.groups.set(group, line);
  }
  async depth() {
    const ready = [...this.groups.values()].reduce((sum, { length }) => sum + length, 0);
    return { visible: ready + this.delayed, inFlight: 0 };
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

/** As lambdas/relay.ts. */
const PLACES = {
  ...{ places: jobsPerBatchMax, underWayMax: jobsUnderWayMax, heldAfterMs, askAgainMs: heldAskAgainMs },
} as const;

const idleQueue: JobQueue = {
  send: async () => {
    throw new Error('nothing fails here');
  },
  depth: async () => ({ visible: 0, inFlight: 0 }),
};

export class ThreeHops {
  readonly clock = new MemoryClock(ACCEPTED_AT);
  readonly ledger = new MemoryLedger();
  readonly board = new MemoryBoard();
  readonly watch = new MemoryWatch();
  readonly queues: Readonly<Record<Lane, FairQueue>> = {
    fast: new FairQueue(this.clock),
    slow: new FairQueue(this.clock),
  };
  /** Of each next hop: spool ids in the order of acceptance, and when. */
  readonly took = new Map<string, { readonly spoolId: string; readonly at: number }[]>();
  sickness: Sickness | null;
  /** Messages that were attempted at it while it was sick: each has a schedule of its own since. */
  readonly triedWhileSick = new Set<string>();
  /** Of each next hop: how many messages. */
  readonly accepted = new Map<string, number>();
  /** Function time in which at least one attempt at the sick next hop was under way. */
  sickMs = 0;
  private readonly spool = new MemorySpool();
  private readonly sickPerSecond: number | null;
  private readonly stepMs: number;
  private readonly functions: {
    readonly lane: Lane;
    busy: boolean;
    atSick: number;
    readonly ports: ReturnType<ThreeHops['relayPorts']>;
  }[];
  private more = false;
  private sweeping = false;

  /** `sickPerSecond`: messages that the configuration lets the sick one have. `stepMs`: the grain of time. */
  constructor(sickness: Sickness | null, sickPerSecond: number | null = null, stepMs = 100) {
    this.stepMs = stepMs;
    this.sickness = sickness;
    this.sickPerSecond = sickPerSecond;
    this.functions = (['fast', 'slow'] as const).flatMap((lane) =>
      Array.from({ length: FUNCTIONS[lane] }, (_, index) => ({
        ...{ lane, busy: false, atSick: 0, ports: this.relayPorts(`${lane}-${index}`) },
      })),
    );
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
    for (; this.clock.now() < until && !isOver(); this.clock.advance(this.stepMs)) {
      const inMinute = (this.clock.now() - start) % sweepEveryMs;
      const again = this.more && inMinute < sweepTimeoutMs - 10 * SECOND && inMinute % topUpEveryMs === 0;
      if ((inMinute === 0 || again) && !this.sweeping) void this.sweepOnce(inMinute !== 0);
      for (const each of this.functions) if (!each.busy) void this.invoke(each);
      for (const each of this.functions) if (each.atSick > 0) this.sickMs += this.stepMs;
      await new Promise(setImmediate);
    }
    return this.clock.now();
  }

  private async sweepOnce(again: boolean): Promise<void> {
    this.sweeping = true;
    this.more = (await sweep(this.sweepPorts(), NEVER, { again })).more;
    this.sweeping = false;
  }

  private async invoke(each: ThreeHops['functions'][number]): Promise<void> {
    const batch = this.queues[each.lane].take(jobsPerBatchMax);
    if (batch.length === 0) return;
    each.busy = true;
    const work = (job: Job) => relay(each.ports, job, NEVER, each.lane);
    if (each.lane === 'slow') await Promise.all(batch.map(work));
    else {
      const more = async (max: number) => this.queues.fast.take(max);
      const until = this.clock.now() + relayTimeoutMs - deadlineMarginMs - heldLeastMs;
      await workOn(batch, { clock: this.clock, timer: this.clock, work, more }, { ...PLACES, until });
    }
    each.busy = false;
  }

  private relayPorts(holder: string) {
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
      gate: gateOf({ settings: this.settings(), clock, watch, timer: clock, board: this.board, holder }),
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
  private settings() {
    const exchange = {
      ...(pipelineSettings.nextHops.exchange as SmtpSettings),
      concurrency: nextHopConcurrencyDefault,
    };
    const nextHops = { sick: { ...exchange, messagesPerSecond: this.sickPerSecond }, well: exchange, fine: exchange };
    return { ...pipelineSettings, nextHops };
  }
  private common() {
    const { clock, watch, ledger } = this;
    const board = new BoardView({ board: this.board, clock, watch }, boardEveryMs);
    return { settings: this.settings(), clock, watch, ledger, board, sweepAgainMs: lostJobAfterMs };
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
    taken.push({ spoolId: spoolIdOf(tag), at: this.clock.now() });
    const reply = { code: 250, status: null, text: 'Ok', host: 'mail.example.com' };
    return { kind: 'reply', phase: 'final-dot', reply, tls: true };
  }

  private async fails(sickness: Sickness, { patience, tag = '' }: Transaction): Promise<NextHopResult> {
    this.triedWhileSick.add(spoolIdOf(tag));
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

function spoolIdOf(tag: string): string {
  return tag.split('-').slice(0, 2).join('-');
}

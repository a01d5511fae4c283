// A whole Everpost in memory: the stages on memory ports, queues with receives and dead letters, and a sweep every
// minute of virtual time. Any port call can be its death: then what was in memory is gone, and it starts again on the
// same stores. The crash test stands on it; later the simulation does. It decides nothing that a stage should decide.

import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryNextHop, type Script } from '#adapters/memory/next-hop.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { Settings } from '#config/settings.ts';
import { hopTimes } from '#core/delivery/waiting.ts';
import {
  batchBytesMax,
  boardEveryMs,
  expiryHourMs,
  feedbackLeaseMs,
  lostAnywayAfterMs,
  lostJobAfterMs,
  maxReceiveCount,
  orphanAfterMs,
  orphanSweepEveryMs,
  relayVisibilityMs,
  smtpLeaseMs,
  sweepEveryMs,
} from '#core/limits.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { writeSubmissionEvent } from '#core/submission/stored-event.ts';
import { contentKeyOf, envelopeKeyOf, writeEnvelope } from '#core/submission/submission.ts';
import { bounce } from '#pipeline/bounce/bounce.ts';
import { feedback } from '#pipeline/feedback/feedback.ts';
import { returned } from '#pipeline/feedback/returned.ts';
import { takeIn } from '#pipeline/ingest/ingest-job.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import { orphans } from '#pipeline/orphans/orphans.ts';
import type { Job, NextHop } from '#pipeline/ports.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import { relay } from '#pipeline/relay/relay.ts';
import { RestoreView } from '#pipeline/restore-record.ts';
import { publishLevels } from '#pipeline/sweep/levels.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { ACCEPTED_AT, type Check, type More, notification } from '../simulation/notification.ts';
import { CONTENT, committed, type Submitted } from '../simulation/submitted.ts';
import { Failures, Figures, gateOf, relayBeside } from './board.ts';
import { Canaries } from './canaries.ts';
import { rightSes } from './right-ses.ts';
import { watchedQueues } from './watched-queues.ts';

const NEVER = new AbortController().signal;
const HOUR = 3_600_000;

const TO_EXCHANGE = { via: 'exchange', address: null, copy: false, returnPath: 'keep' } as const;
export const pipelineSettings: Settings = {
  version: 'test',
  stackName: 'Everpost',
  domains: ['example.com'],
  host: 'example.com',
  nextHops: {
    exchange: {
      kind: 'smtp',
      hosts: ['exchange.example.com'],
      port: 2525,
      tls: 'required',
      ...{ ca: null, auth: null, helo: null, clientCertificate: null },
      pipelining: true,
      ...{ concurrency: null, messagesPerSecond: null },
    },
  },
  routes: [{ match: ['*@example.com'], direction: 'inbound', to: [TO_EXCHANGE], fallback: null }],
  retry: { scheduleMs: [60_000, 300_000, 900_000, HOUR], lifetimeMs: 48 * HOUR, delayNoticeMs: null },
  policy: { spam: 'quarantine', virus: 'quarantine', dmarcReject: 'quarantine', unscanned: 'relay' },
  notices: {
    from: 'postmaster@example.com',
    postmaster: 'postmaster@example.com',
    via: 'exchange',
    mode: 'send',
    ...{ copyPostmasterOn: [], perDomainPerHour: 100, dkim: null },
  },
  retentionMs: { spool: 14 * 24 * HOUR, versions: 7 * 24 * HOUR, ledger: 90 * 24 * HOUR, quarantine: 30 * 24 * HOUR },
  transfer: { inbound: 'normal', outbound: 'normal' },
  submitters: {},
  returnPathDomain: 'bounces.example.com',
  alarms: { set: 'all', dashboard: true, email: [] },
  feedback: { confirm: false },
  trace: { subject: true, search: true },
  network: null,
  concurrency: { relay: 2, slowRelay: 2, ingest: 2, feedback: 2, reserve: false },
  canary: null,
};
/** A message that its sender was told to be accepted, with its exact bytes. */
type Told = {
  readonly spoolId: string;
  readonly direction: 'inbound' | 'outbound';
  readonly reversePath: string;
  readonly content: Uint8Array;
};
type Stage = 'ingest' | 'feedback';
type Notification = { readonly body: string; readonly stage: Stage; receives: number; visibleAt: number };
export class TestPipeline {
  readonly clock = new MemoryClock(ACCEPTED_AT);
  readonly ledger = new MemoryLedger();
  readonly waitingRows = new WaitingRows(this.ledger);
  readonly board = new MemoryBoard();
  readonly failures = new Failures();
  readonly figures = new Figures(this);
  readonly spool = new MemorySpool();
  readonly watch = new MemoryWatch(() => this.clock.now());
  /** What was accepted: whoever asks what became of it asks this first. */
  readonly told: Told[] = [];
  readonly exchange: MemoryNextHop;
  readonly others: ReadonlyMap<string, MemoryNextHop>;
  /** Next hops that are not scripted in memory: real ones on loopback, by their names in the configuration. */
  readonly served = new Map<string, NextHop>();
  /** SES's SendBounce, for settings without `notices.via`. */
  readonly bounces: MemoryBounceService;
  readonly relayQueue: MemoryJobQueue;
  readonly slowRelayQueue: MemoryJobQueue;
  readonly bounceQueue: MemoryJobQueue;
  readonly feedbackQueue: MemoryJobQueue;
  readonly canaries = new Canaries(this);
  /** Of SRS: the first one signs. */
  srsSecrets: readonly string[] = ['tops3cr3t'];
  readonly notifications: Notification[] = [];
  /** What ended in a dead-letter queue of ingest or feedback. */
  readonly lostNotifications: Notification[] = [];
  private readonly entropy = new MemoryEntropy(1);
  private settings: Settings;
  interrupt: Interrupt;

  /** Every next hop is `exchange`, unless `others` has one of its name. */
  constructor(
    script: Script,
    interrupt: Interrupt = new Interrupt(),
    settings: Settings = pipelineSettings,
    others: Readonly<Record<string, Script>> = {},
    bounces = new MemoryBounceService(),
  ) {
    this.bounces = bounces;
    const options = { clock: this.clock, visibilityMs: relayVisibilityMs, maxReceiveCount };
    this.exchange = new MemoryNextHop(script);
    this.others = new Map(Object.entries(others).map(([name, its]) => [name, new MemoryNextHop(its)]));
    this.relayQueue = new MemoryJobQueue(options);
    this.slowRelayQueue = new MemoryJobQueue(options);
    this.bounceQueue = new MemoryJobQueue(options);
    this.feedbackQueue = new MemoryJobQueue(options);
    this.interrupt = interrupt;
    this.settings = settings;
  }

  /** Another configuration, from now on. */
  deploy(settings: Settings): void {
    this.settings = settings;
  }

  /** A message that SES took: its bytes in the spool and its notification in the ingest queue. */
  receive(
    spoolId: string,
    reversePath: string,
    recipients: readonly string[],
    content = `Subject: ${spoolId}\r\n\r\nHello\r\n`,
    failed: readonly Check[] = [],
    more: More = {},
  ): void {
    const stored = new TextEncoder().encode(`Return-Path: <${reversePath}>\r\n${content}`);
    this.spool.put(`in/${spoolId}`, stored, this.clock.now());
    this.told.push({ spoolId, direction: 'inbound', reversePath, content: new TextEncoder().encode(content) });
    this.notify(notification(spoolId, reversePath, recipients, failed, more));
  }

  /** Puts something into the ingest queue. */
  notify(body: string): void {
    this.notifications.push({ body, stage: 'ingest', receives: 0, visibleAt: this.clock.now() });
  }

  /** An hour passes, and the search for orphans runs. */
  async lookForOrphans(): Promise<void> {
    this.clock.advanceTo(this.clock.now() + orphanSweepEveryMs + 1);
    await this.lives(() => orphans(this.orphanPorts(), NEVER));
  }

  tell(body: string): void {
    this.notifications.push({ body, stage: 'feedback', receives: 0, visibleAt: this.clock.now() });
  }

  /** Something is said this very moment, while something else may be under way. */
  async hear(body: string): Promise<void> {
    await feedback(this.feedbackPorts(), body);
  }

  /**
   * A message that a submitter stored, and S3's event of its envelope, which may come `times`. `envelope` may be any
   * text.
   */
  submit(submitter: string, ulid: string, submitted: Submitted): void {
    const { content = CONTENT, times = 1, storedAt = ACCEPTED_AT } = submitted;
    const bytes = new TextEncoder().encode(content);
    const objectKey = envelopeKeyOf({ submitter, ulid });
    const text = submitted.text ?? writeEnvelope({ ...committed(bytes), ...submitted.envelope });
    this.spool.put(contentKeyOf({ submitter, ulid }), bytes, ACCEPTED_AT);
    this.spool.put(objectKey, new TextEncoder().encode(text), storedAt);
    const body = writeSubmissionEvent({ objectKey, storedAt });
    for (let i = 0; i < times; i++)
      this.notifications.push({ body, stage: 'ingest', receives: 0, visibleAt: this.clock.now() });
  }

  /** Runs everything that can run now. A crash ends one invocation, as it ends one in Lambda. */
  async work(): Promise<void> {
    for (let busy = true; busy; ) {
      busy = false;
      for (const each of this.notifications.filter((entry) => entry.visibleAt <= this.clock.now())) {
        busy = true;
        await this.consume(each);
      }
      for (const [queue, run] of [
        [this.relayQueue, (job: Job) => relay(this.relayPorts(), job, NEVER, 'fast')],
        [this.slowRelayQueue, (job: Job) => relay(this.relayPorts(), job, NEVER, 'slow')],
        [this.bounceQueue, (job: Job) => bounce(this.bouncePorts(), job)],
        [this.feedbackQueue, (job: Job) => returned(this.returnedPorts(), job, NEVER)],
        [this.canaries.queue, (job: Job) => this.canaries.send(this.common(), this.interrupt, job)],
      ] as const)
        for (const { job, sqsMessageId } of queue.receive(10)) {
          busy = true;
          if (await this.lives(() => run(job))) queue.remove(sqsMessageId);
          await this.figures.tally.ended();
        }
    }
  }

  /** One virtual minute, with a sweep and what follows. */
  async minute(): Promise<void> {
    this.clock.advanceTo(this.clock.now() + sweepEveryMs);
    await this.lives(() => this.sweepOnce());
    await this.work();
  }

  /** Virtual minutes, each with a sweep, until nothing is due and no job is under way, or `hours` have passed. */
  async live(hours: number): Promise<void> {
    const until = this.clock.now() + hours * HOUR;
    while (this.clock.now() < until) {
      await this.work();
      await this.lives(() => this.sweepOnce());
      await this.work();
      // The next sweep publishes its levels, also where this one dies.
      if (await this.idle()) return void ((await this.lives(() => this.sweepOnce())) || (await this.sweepOnce()));
      this.clock.advanceTo(Math.min(until, Math.max(this.clock.now() + sweepEveryMs, await this.nextEvent())));
    }
  }

  private async consume(each: Notification): Promise<void> {
    each.receives += 1;
    each.visibleAt = this.clock.now() + 360_000;
    const done = await this.lives(() =>
      each.stage === 'ingest'
        ? takeIn(this.ingestPorts(), each.body, NEVER)
        : feedback(this.feedbackPorts(), each.body),
    );
    if (!done && each.receives < maxReceiveCount) return;
    this.notifications.splice(this.notifications.indexOf(each), 1);
    if (!done) this.lostNotifications.push(each);
  }

  /** True when it ran to its end; false when it threw, by a crash or by itself: then the job comes again. */
  private async lives(run: () => Promise<unknown>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch {
      if (this.interrupt.crashed) this.interrupt = new Interrupt(); // the next invocation is a new process
      return false;
    }
  }

  private get queues() {
    return [this.relayQueue, this.slowRelayQueue, this.bounceQueue, this.feedbackQueue, this.canaries.queue];
  }

  private async idle(): Promise<boolean> {
    const goesOn = (because = 'failure-limit') => because === 'failure-limit'; // alone among what is held
    if (this.ledger.all().some((row) => row.dueAt !== null && goesOn(row.heldBecause))) return false;
    const depths = await Promise.all(this.queues.map((queue) => queue.depth()));
    return this.notifications.length === 0 && depths.every((depth) => depth.visible + depth.inFlight === 0);
  }

  // Nothing happens between one of these instants and the next, so the clock may jump.
  private async nextEvent(): Promise<number> {
    const instants = [
      ...this.ledger.all().map((row) => row.dueAt),
      ...this.notifications.map((each) => each.visibleAt),
      ...this.queues.map((queue) => queue.nextVisibleAt()),
    ].filter((at): at is number => at !== null);
    return Math.min(...instants);
  }

  private common() {
    return {
      ...{ settings: this.settings, clock: this.clock, watch: this.watch },
      sweepAgainMs: lostJobAfterMs,
      ledger: this.interrupt.wrap('ledger', this.ledger),
    };
  }
  private ingestPorts() {
    const { relayQueue, bounceQueue, feedbackQueue, spool } = this.wrapped();
    return {
      ...this.common(),
      restores: new RestoreView(this.common()),
      routes: compileRoutes(this.settings.routes),
      accepted: this.figures.notes(this.interrupt),
      ...{ spool, relayQueue, bounceQueue, feedbackQueue, markKey: 'key', orphanAfterMs },
    };
  }
  private orphanPorts() {
    const spool = this.wrapped().spool;
    const ingestQueue = this.interrupt.wrap('ingestQueue', { sendEvent: async (body: string) => this.notify(body) });
    return {
      ...this.common(),
      ingestQueue,
      inventory: spool,
      spool,
      markKey: 'key',
      orphanAfterMs,
      everyMs: orphanSweepEveryMs,
    };
  }
  private relayPorts() {
    const { slowRelayQueue, bounceQueue, spool, waiting } = this.wrapped();
    return {
      ...relayBeside(this),
      ...this.common(),
      board: this.boardView(),
      gate: gateOf({ ...this.common(), timer: this.clock, board: this.interrupt.wrap('board', this.board) }),
      ...{ spool, slowRelayQueue, bounceQueue, waiting },
      bounceService: this.interrupt.wrap('bounces', this.bounces),
      nextHop: (name: string) =>
        this.served.get(name) ?? this.interrupt.wrap('nextHop', this.others.get(name) ?? this.exchange),
      entropy: this.entropy,
      budget: byteBudget(batchBytesMax),
      ...{ markKey: 'key', leaseMs: smtpLeaseMs },
      srsSecrets: async () => this.srsSecrets,
      failures: this.failures.of(this, this.interrupt),
      outcomes: this.figures.tally,
    };
  }
  private feedbackPorts() {
    return { ...this.common(), outcomes: this.figures.tally, bounceQueue: this.wrapped().bounceQueue };
  }
  private bouncePorts() {
    return { ...this.common(), relayQueue: this.wrapped().relayQueue };
  }
  private async sweepOnce() {
    const ports = this.sweepPorts();
    await sweep(ports, NEVER);
    await publishLevels(ports, NEVER);
    await this.figures.publish(ports);
    await this.canaries.look(ports, this.interrupt, this.entropy);
  }
  private sweepPorts() {
    const { spool: _, ...queues } = this.wrapped();
    return {
      ...{ ...this.common(), ...queues },
      board: this.boardView(),
      ...{ lostAnywayMs: lostAnywayAfterMs, hourMs: expiryHourMs, hopTimes: hopTimes(1) },
      ...{ queues: watchedQueues(this), ...rightSes },
    };
  }
  private returnedPorts() {
    const { relayQueue, bounceQueue, spool } = this.wrapped();
    return {
      ...this.common(),
      routes: compileRoutes(this.settings.routes),
      outcomes: this.figures.tally,
      spool,
      relayQueue,
      bounceQueue,
      entropy: this.entropy,
      markKey: 'key',
      srsSecrets: async () => this.srsSecrets,
      leaseMs: feedbackLeaseMs,
    };
  }
  /** Each invocation is a function of its own. */
  private boardView() {
    const { clock, watch } = this;
    return new BoardView({ board: this.interrupt.wrap('board', this.board), clock, watch }, boardEveryMs);
  }
  private wrapped() {
    return {
      waiting: this.interrupt.wrap('waiting', this.waitingRows),
      relayQueue: this.interrupt.wrap('relayQueue', this.relayQueue),
      slowRelayQueue: this.interrupt.wrap('slowRelayQueue', this.slowRelayQueue),
      bounceQueue: this.interrupt.wrap('bounceQueue', this.bounceQueue),
      feedbackQueue: this.interrupt.wrap('feedbackQueue', this.feedbackQueue),
      spool: this.interrupt.wrap('spool', this.spool),
    };
  }
}

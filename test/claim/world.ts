// The whole of Everpost in virtual time: the production pipeline on memory ports, at least two workers of each stage,
// queues with SQS's promises, schedules, and a plan's troubles. Which worker goes on at which call hangs on how long
// each call takes, and that on the seed. It decides nothing that a stage should decide, and keeps what the checker asks
// for.

import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import { MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryFailures } from '#adapters/memory/failures.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { maxReceiveCount, orphanSweepEveryMs, purgeEveryMs, sweepEveryMs } from '#core/limits.ts';
import type { Transaction } from '#pipeline/ports.ts';
import { Chance, fractionOf, hashOf } from './chance.ts';
import type { Accepted, Evidence, Finding } from './evidence.ts';
import { isTroubled } from './expected.ts';
import { Faults } from './faults.ts';
import { Hops } from './hops.ts';
import { Mail } from './mail.ts';
import { DAY, type Death, HOUR, MINUTE, type Plan, SECOND, type Service, STAGES, START, type Stage } from './plan.ts';
import { type Around, Invocation } from './process.ts';
import { Schedule } from './schedule.ts';
import { type Body, type Received, SimQueue } from './sim-queue.ts';
import {
  type Environment,
  environment,
  type QueueStage,
  runJob,
  runScheduled,
  type ScheduledStage,
  TIMEOUTS_MS,
  VISIBILITY_MS,
} from './stages.ts';
import { WatchedLedger } from './watched-ledger.ts';

const WORKERS = 2;
const BATCH_MAX = 4;

type Worker = { readonly stage: Stage; readonly number: number; environment: Environment; busy: boolean };

export class World {
  readonly plan: Plan;
  readonly schedule = new Schedule(START);
  readonly faults: Faults;
  readonly ledger: WatchedLedger;
  readonly board = new MemoryBoard();
  readonly failures = new MemoryFailures();
  readonly spool = new MemorySpool();
  readonly hops: Hops;
  readonly bounces: MemoryBounceService;
  readonly queues: Readonly<Record<QueueStage, SimQueue>>;
  readonly mail: Mail;
  private waitsForPerson = 0;
  readonly seen: Finding[] = [];
  readonly entropy: MemoryEntropy;
  /** Lines of what happened, where somebody reads them. */
  readonly lines: string[] | null;
  private readonly workers: readonly Worker[];
  private readonly chance: Chance;
  private readonly around: Around;
  private sweepAt = START;

  constructor(plan: Plan, { verbose = false }: { readonly verbose?: boolean } = {}) {
    this.plan = plan;
    this.lines = verbose ? [] : null;
    this.faults = new Faults(plan);
    this.chance = new Chance(hashOf(plan.seed, 'world'));
    this.entropy = new MemoryEntropy(hashOf(plan.seed, 'entropy'));
    this.ledger = new WatchedLedger(
      (finding) => this.seen.push(finding),
      () => this.sweepSoon(),
    );
    this.queues = {
      ingest: this.queue('ingest'),
      relay: this.queue('relay'),
      slowRelay: this.queue('slowRelay'),
      bounce: this.queue('bounce'),
      feedback: this.queue('feedback'),
    };
    this.mail = new Mail(plan, this.spool, this.queues.ingest);
    this.bounces = new MemoryBounceService((call) => this.sendBounceSays(call));
    this.hops = new Hops({
      messageOf: (spoolId) => this.mail.planOf(spoolId),
      tell: (text, afterMs) => this.schedule.at(this.schedule.now + afterMs, () => this.queues.feedback.put({ text })),
      took: (nextHop, transaction) => this.took(nextHop, transaction),
    });
    this.around = this.aroundOf();
    const stages = STAGES;
    this.workers = stages.flatMap((stage) =>
      Array.from({ length: WORKERS }, (_, number) => ({ stage, number, environment: environment(), busy: false })),
    );
  }

  /** Lives until nothing is left to be done, or long after it should be. */
  async live(): Promise<void> {
    const { plan, schedule } = this;
    for (const message of plan.messages) schedule.at(START + message.at, () => this.mail.arrive(message, schedule.now));
    this.bringTroubles();
    this.every('orphans', orphanSweepEveryMs, () => this.isCalm() && this.nothingLost());
    this.every('purge', purgeEveryMs, () => this.isCalm() && this.nothingStored());
    schedule.at(START + plan.calmFrom, () => this.calmDown());
    await schedule.run(START + plan.calmFrom + this.patienceMs());
  }

  evidence(): Evidence {
    const accepted = this.mail.accepted;
    return {
      accepted,
      taken: this.hops.taken,
      serviceNotices: this.bounces.accepted.map(({ sesMessageId, forwardPath, action, status }) => ({
        spoolId: sesMessageId,
        forwardPath,
        action,
        status,
      })),
      rows: this.ledger.whole(),
      waitsForPerson: this.waitsForPerson,
      inDeadLetters: new Set(this.queues.ingest.deadLetters.flatMap((body) => this.mail.idsIn(body))),
      postmaster: ['exchange', 'ses-report'].map((nextHop) => ({
        nextHop,
        address: this.plan.settings.notices.postmaster,
      })),
      skewMs: Math.max(
        0,
        ...this.plan.troubles.map((trouble) => (trouble.kind === 'skew' ? Math.abs(trouble.byMs) : 0)),
      ),
      expiryExcused: isTroubled(this.plan),
      seen: this.seen,
    };
  }

  isCalm(): boolean {
    return this.schedule.now >= START + this.plan.calmFrom;
  }

  private patienceMs(): number {
    const { retry, retentionMs } = this.plan.settings;
    return 4 * retry.lifetimeMs + 2 * retentionMs.spool + 4 * DAY;
  }

  private queue(name: QueueStage): SimQueue {
    return new SimQueue({
      now: () => this.schedule.now,
      visibilityMs: VISIBILITY_MS[name],
      maxReceiveCount,
      fate: (number) => this.faults.ofJob(name, number, this.isCalm()),
      visible: (at) => this.poke(name, at),
      dead: () => this.log(() => `${name} has a dead letter`),
    });
  }

  private log(line: () => string): void {
    this.lines?.push(`${new Date(this.schedule.now).toISOString()} ${line()}`);
  }

  private aroundOf(): Around {
    return {
      plan: this.plan,
      schedule: this.schedule,
      faults: this.faults,
      isCalm: () => this.isCalm(),
      isAway: (service) => this.isAway(service),
      deathOf: (stage) => this.deathOf(stage),
      published: (metric, value) => {
        if (metric !== 'WaitsForPerson') return;
        this.waitsForPerson = value;
        this.ledger.isHeldTold = true;
      },
      log: (line) => this.log(line),
    };
  }

  private isAway(service: Service): boolean {
    const since = this.schedule.now - START;
    return this.plan.troubles.some(
      (trouble) =>
        trouble.kind === 'outage' && trouble.service === service && trouble.from <= since && since < trouble.until,
    );
  }

  /** How the function that is deployed just now dies; null: it does not. */
  private deathOf(stage: Stage): Death | null {
    const since = this.schedule.now - START;
    const bad = this.plan.troubles.find(
      (trouble) =>
        trouble.kind === 'bad-deploy' && trouble.stage === stage && trouble.from <= since && since < trouble.until,
    );
    return bad?.kind === 'bad-deploy' ? bad.dies : null;
  }

  private skewOf({ stage, number }: Worker): number {
    return this.plan.troubles.reduce(
      (sum, trouble) =>
        trouble.kind === 'skew' && trouble.stage === stage && trouble.worker === number ? sum + trouble.byMs : sum,
      0,
    );
  }

  // ── Functions that queues feed ──

  /** Something may be there for the stage at this instant. */
  private poke(stage: QueueStage, at: number): void {
    this.schedule.at(at + this.chance.whole(0, 200), () => this.dispatch(stage));
  }

  private dispatch(stage: QueueStage): void {
    if (this.isAway('queues')) return void this.schedule.at(this.schedule.now + MINUTE, () => this.dispatch(stage));
    for (const worker of this.workers) {
      if (worker.stage !== stage || worker.busy) continue;
      const batch = this.queues[stage].receive(this.chance.whole(1, BATCH_MAX), this.chance);
      if (batch.length === 0) return;
      void this.invoke(worker, stage, batch);
    }
  }

  private async invoke(worker: Worker, stage: QueueStage, batch: readonly Received[]): Promise<void> {
    worker.busy = true;
    const invocation = this.begin(worker);
    const done = new Set<number>();
    const one = async ({ id, body }: Received) => {
      try {
        await runJob(this, worker.environment, stage, invocation, body);
        done.add(id);
      } catch (error) {
        this.log(() => `${stage} failed: ${String(error)}`);
      }
    };
    const work = async () => {
      // As lambdas/stage.ts has it: what may have ended an earlier invocation runs last and alone.
      await Promise.all(batch.filter((each) => suspicion(each) === 0).map(one));
      for (const suspect of batch.filter((each) => suspicion(each) > 0).sort((a, b) => suspicion(a) - suspicion(b)))
        await one(suspect);
    };
    const ended = this.deathOf(stage) === 'at-start' ? 'died' : await Promise.race([work(), invocation.died]);
    if (ended === 'died') worker.environment = environment();
    else {
      invocation.end();
      for (const id of done) this.queues[stage].remove(id);
    }
    worker.busy = false;
    this.poke(stage, this.schedule.now);
  }

  private begin(worker: Worker): Invocation {
    return new Invocation(this.around, worker.stage, this.skewOf(worker), TIMEOUTS_MS[worker.stage]);
  }

  // ── Functions that a schedule starts ──

  private async start(stage: ScheduledStage): Promise<void> {
    const worker = this.workers.find((each) => each.stage === stage && !each.busy);
    if (worker === undefined || this.deathOf(stage) === 'at-start') return;
    worker.busy = true;
    const invocation = this.begin(worker);
    const work = runScheduled(this, stage, invocation).catch((error: unknown) => {
      this.log(() => `${stage} failed: ${String(error)}`);
    });
    const ended = await Promise.race([work, invocation.died]);
    if (ended !== 'died') invocation.end();
    worker.busy = false;
    if (stage === 'sweep') this.sweepSoon();
  }

  /** A sweep with nothing due does nothing, so only those minutes are played at which something is. */
  private sweepSoon(): void {
    const due = this.ledger.nextDueAt() ?? (this.ledger.isHeldTold ? null : this.schedule.now);
    if (due === null) return;
    const at = Math.max(this.schedule.now + 1, due);
    const minute = START + Math.ceil((at - START) / sweepEveryMs) * sweepEveryMs;
    if (this.sweepAt > this.schedule.now && this.sweepAt <= minute) return;
    this.sweepAt = minute;
    this.schedule.at(minute, () => {
      if (this.sweepAt > this.schedule.now) return;
      void this.start('sweep');
      if (this.chance.happens(0.1)) void this.start('sweep'); // EventBridge starts a run twice now and then
      this.schedule.at(this.schedule.now + sweepEveryMs - SECOND, () => this.sweepSoon());
    });
  }

  private every(stage: 'orphans' | 'purge', period: number, isOver: () => boolean): void {
    const again = (at: number) =>
      this.schedule.at(at, () => {
        void this.start(stage);
        if (!isOver()) again(at + period);
      });
    again(START + period);
  }

  /** Each message has a row, or its receipt is still on its way. */
  private nothingLost(): boolean {
    const rows = new Set(this.ledger.all().map(({ spoolId }) => spoolId));
    return (
      this.schedule.now > START + this.plan.calmFrom + 3 * HOUR &&
      this.mail.accepted.every(({ spoolId }) => rows.has(spoolId))
    );
  }

  private nothingStored(): boolean {
    const { retentionMs } = this.plan.settings;
    return this.schedule.now > START + this.plan.calmFrom + 2 * retentionMs.spool;
  }

  // ── Troubles ──

  private bringTroubles(): void {
    for (const trouble of this.plan.troubles) {
      if (trouble.kind === 'purge-queue')
        this.schedule.at(START + trouble.at, () =>
          this.queues[trouble.queue].purge((body) => this.mail.isOneOfSeveral(body)),
        );
      if (trouble.kind === 'content') this.mail.spoil(trouble, this.schedule);
    }
  }

  private calmDown(): void {
    if (this.plan.redrive) for (const queue of Object.values(this.queues)) queue.redrive();
    if (!this.plan.redrive) return;
    // What dies once more on its way down is redriven once more.
    this.schedule.at(this.schedule.now + DAY, () => {
      for (const queue of Object.values(this.queues)) queue.redrive();
    });
  }

  private sendBounceSays(call: number) {
    const at = fractionOf(this.plan.seed, `SendBounce ${call}`);
    if (at < 0.1) return 'busy' as const;
    if (at < 0.15) return 'refuse' as const;
    return at < 0.25 ? ({ fault: 'connection-lost', accepted: at < 0.2 } as const) : ('accept' as const);
  }

  /** A report comes back to where it left from. */
  private took(nextHop: string, transaction: Transaction): void {
    const report = this.mail.reportFor(nextHop, transaction);
    if (report !== null)
      this.schedule.at(this.schedule.now + report.afterMs, () => this.mail.comeBack(report, this.schedule.now));
  }

  /** Content is about to be hidden for good: everything must have come to its end. */
  removes(objectKey: string): void {
    const message = this.mail.accepted.find(({ spoolId }) => this.mail.objectKeys(spoolId).includes(objectKey));
    if (message === undefined) return;
    const open = openDelivery(message, this.ledger.all());
    if (open !== null)
      this.seen.push({
        kind: 'removed-early',
        spoolId: message.spoolId,
        says: `${objectKey} is removed while ${open}`,
      });
  }
}

function suspicion({ body, receives }: Received): number {
  const claims = 'job' in body ? (body.job.claims ?? 0) : 0;
  return Math.max(receives - 1, claims);
}

const FINAL = new Set(['relayed', 'confirmed', 'returned', 'unreturnable', 'discarded', 'removed']);

function openDelivery({ spoolId, deliveries }: Accepted, rows: readonly DeliveryRow[]): string | null {
  for (const due of deliveries) {
    const row = rows.find(
      (each) =>
        each.spoolId === spoolId &&
        each.kind === 'delivery' &&
        each.forwardPath === due.forwardPath &&
        each.action === due.action,
    );
    if (row === undefined) return `<${due.forwardPath}> has no row`;
    if (!FINAL.has(row.state)) return `<${due.forwardPath}> is ${row.state}`;
  }
  return null;
}

export type { Body };

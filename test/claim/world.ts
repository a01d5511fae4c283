// The whole of Everpost in virtual time: the production pipeline on memory ports, at least two workers of each stage,
// queues with SQS's promises, schedules, and a plan's troubles. Which worker goes on at which call hangs on how long
// each call takes, and that on the seed. It decides nothing that a stage should decide, and keeps what the checker asks
// for.

import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import { MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryFailures } from '#adapters/memory/failures.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { orphanSweepEveryMs, purgeEveryMs, sweepEveryMs } from '#core/limits.ts';
import type { Transaction } from '#pipeline/ports.ts';
import { Chance, fractionOf, hashOf } from './chance.ts';
import { Coverage } from './coverage.ts';
import type { Finding } from './evidence.ts';
import { Faults } from './faults.ts';
import { HopRecord } from './hop-record.ts';
import { Hops } from './hops.ts';
import { Mail } from './mail.ts';
import { Operator } from './operator.ts';
import { DAY, type Death, HOUR, MINUTE, type Plan, SECOND, type Service, STAGES, START, type Stage } from './plan.ts';
import { type Around, Invocation, type Process } from './process.ts';
import { Schedule } from './schedule.ts';
import { checkLevel } from './seen-as-it-runs.ts';
import { type Body, type Received, SimQueue } from './sim-queue.ts';
import {
  type Environment,
  environment,
  type QueueStage,
  RECEIVES_MAX,
  runJob,
  runScheduled,
  type ScheduledStage,
  TIMEOUTS_MS,
  VISIBILITY_MS,
} from './stages.ts';
import { WatchedBoard } from './watched-board.ts';
import { WatchedLedger } from './watched-ledger.ts';

const WORKERS = 2;
const BATCH_MAX = 4;

type Worker = { readonly stage: Stage; readonly number: number; environment: Environment; busy: boolean };

export class World {
  readonly plan: Plan;
  readonly schedule = new Schedule(START);
  readonly faults: Faults;
  readonly ledger: WatchedLedger;
  readonly coverage = new Coverage();
  readonly board = new WatchedBoard(this.coverage);
  readonly record: HopRecord;
  readonly operator: Operator;
  readonly failures = new MemoryFailures();
  readonly spool = new MemorySpool();
  readonly hops: Hops;
  readonly bounces: MemoryBounceService;
  readonly queues: Readonly<Record<QueueStage, SimQueue>>;
  readonly mail: Mail;
  waitsForPerson = 0;
  readonly seen: Finding[] = [];
  readonly entropy: MemoryEntropy;
  /** Lines of what happened, where somebody reads them. */
  readonly lines: string[] | null;
  private readonly workers: readonly Worker[];
  private readonly chance: Chance;
  private readonly around: Around;
  private sweepAt = START;
  /** Sweeps that change nothing come more and more seldom: they would do the same again. */
  private idleMs = 0;
  private sweptAt = 0;
  private functions = 0;

  constructor(plan: Plan, { verbose = false }: { readonly verbose?: boolean } = {}) {
    this.plan = plan;
    this.lines = verbose ? [] : null;
    this.faults = new Faults(plan);
    this.chance = new Chance(hashOf(plan.seed, 'world'));
    this.entropy = new MemoryEntropy(hashOf(plan.seed, 'entropy'));
    this.ledger = new WatchedLedger(
      (finding) => this.seen.push(finding),
      () => this.changed(),
      () => this.schedule.now,
    );
    this.operator = new Operator(this);
    this.record = new HopRecord(() => this.schedule.now);
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
      seed: plan.seed,
      sicknessOf: (nextHop) => this.sicknessOf(nextHop),
      after: (ms) => this.schedule.after(ms),
      record: this.record,
    });
    this.around = this.aroundOf();
    const stages = STAGES;
    this.workers = stages.flatMap((stage) =>
      Array.from({ length: WORKERS }, (_, number) => ({ stage, number, environment: this.environment(), busy: false })),
    );
  }

  /** Lives until nothing is left to be done, or long after it should be. */
  async live(): Promise<void> {
    const { plan, schedule } = this;
    for (const message of plan.messages) schedule.at(START + message.at, () => this.mail.arrive(message, schedule.now));
    this.bringTroubles();
    this.operator.begin();
    this.every('orphans', orphanSweepEveryMs, () => this.isCalm() && this.nothingLost());
    this.every('purge', purgeEveryMs, () => this.isCalm() && this.nothingStored());
    schedule.at(START + plan.calmFrom, () => this.calmDown());
    await schedule.run(START + plan.calmFrom + this.patienceMs());
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
      maxReceiveCount: RECEIVES_MAX[name],
      fate: (number) => this.faults.ofJob(name, number, this.isCalm()),
      visible: (at) => this.poke(name, at),
      dead: () => this.log(() => `${name} has a dead letter`),
    });
  }

  private environment(): Environment {
    this.functions += 1;
    return environment(this, this.plan.warm ? `function ${this.functions}` : null);
  }

  /** A command that an operator gives. */
  operatorsProcess(forMs: number): Invocation {
    return new Invocation(this.around, 'operator', 0, forMs);
  }

  private sicknessOf(nextHop: string) {
    const since = this.schedule.now - START;
    for (const each of this.plan.conditions)
      if (each.kind === 'sick' && each.nextHop === nextHop && each.from <= since && since < each.until) return each;
    return null;
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
        checkLevel(this, value);
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
  private deathOf(stage: Process): Death | null {
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
      await worker.environment.warm?.ended();
    };
    const ended = this.deathOf(stage) === 'at-start' ? 'died' : await Promise.race([work(), invocation.died]);
    if (ended === 'died') worker.environment = this.environment();
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
    const before = this.changes;
    const work = runScheduled(this, stage, invocation).catch((error: unknown) => {
      this.log(() => `${stage} failed: ${String(error)}`);
    });
    const ended = await Promise.race([work, invocation.died]);
    if (ended !== 'died') invocation.end();
    worker.busy = false;
    if (stage !== 'sweep') return;
    this.sweptAt = this.schedule.now;
    if (this.plan.warm && this.changes === before && ended !== 'died')
      this.idleMs = Math.min(15 * MINUTE, Math.max(MINUTE, 2 * this.idleMs));
    this.sweepSoon();
  }

  /** A sweep with nothing due does nothing, so only those minutes are played at which something is. */
  private sweepSoon(): void {
    const { now } = this.schedule;
    const due = this.nextDueAt();
    if (due === null) return;
    const at = Math.max(now + 1, due, due <= now ? this.sweptAt + this.idleMs : 0);
    const minute = START + Math.ceil((at - START) / sweepEveryMs) * sweepEveryMs;
    if (this.sweepAt > now && this.sweepAt <= minute) return;
    this.sweepAt = minute;
    this.schedule.at(minute, () => {
      if (this.sweepAt > this.schedule.now) return;
      void this.start('sweep');
      if (this.chance.happens(0.1)) void this.start('sweep'); // EventBridge starts a run twice now and then
      this.schedule.at(this.schedule.now + sweepEveryMs - SECOND, () => this.sweepSoon());
    });
  }

  private nextDueAt(): number | null {
    const due = this.ledger.nextDueAt();
    const untold = !this.ledger.isHeldTold || !this.operator.isTold();
    if (this.plan.warm && untold) return this.schedule.now;
    return due ?? (untold ? this.schedule.now : null);
  }

  private changed(): void {
    this.idleMs = 0;
    this.sweepSoon();
  }

  /** Something is new for the sweep beside the rows. */
  looksAgain(): void {
    this.changed();
  }

  private get changes(): number {
    return this.ledger.changes + this.board.writes;
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
          this.queues[trouble.queue].purge((body) => this.mail.isAllThereIs(body)),
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
}

function suspicion({ body, receives }: Received): number {
  const claims = 'job' in body ? (body.job.claims ?? 0) : 0;
  return Math.max(receives - 1, claims);
}

export type { Body };

// The wiring of every stage that a queue feeds: middy, the batch, its partial failures, the deadline. It is the only
// loop over Records. It names failed records by their SQS message id. The ready-made helpers pair results by position,
// or throw on a full failure (aws-contracts §8). An answer without the list, or with an empty one by accident, deletes
// unhandled mail (§4.2); the type `BatchAnswer` excludes the first.

import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { isKeepAlive } from '#core/delivery/keep-alive.ts';
import { deadlineMarginMs, maxReceiveCount } from '#core/limits.ts';
import type { FeedbackWork } from '#pipeline/feedback/feedback-job.ts';
import type { Finished } from '#pipeline/finished.ts';
import { type PlacesTerms, workOn } from '#pipeline/places.ts';
import type { Clock, Job, Timer, Watch } from '#pipeline/ports.ts';

declare const accounted: unique symbol;
/** Only `answer` makes one: an answer that forgot its records does not type-check. */
export type BatchAnswer = SQSBatchResponse & { readonly [accounted]: true };
export type StageHandler = (event: SQSEvent, context: Context) => Promise<BatchAnswer>;

/** A Watch that is told about invocations: metrics leave at the end of each. */
export interface StageWatch extends Watch {
  begin(awsRequestId: string): void;
  flush(): void;
}
/** The queue of a batch, from which a function that is held takes further records itself (pipeline/places.ts). */
export interface RecordQueue {
  /** At most so many, at once. */
  receive(max: number): Promise<readonly SQSRecord[]>;
  remove(record: SQSRecord): Promise<void>;
}
export type HeldTerms = Omit<PlacesTerms, 'until'> & {
  readonly clock: Clock;
  readonly timer: Timer;
  /** A record that was taken has at least so long until the deadline. */
  readonly leastMs: number;
  /** While the invocation lasts, metrics leave so often. */
  readonly flushEveryMs: number;
  /** Null: none is taken from the queue that this record came from. */
  readonly queueOf: (record: SQSRecord) => RecordQueue | null;
};
export type StageEnvironment = {
  readonly watch: StageWatch;
  readonly timeScale: number;
  /** Awaited before the work of each invocation; never rejects. */
  readonly ready?: () => Promise<void>;
  /** Awaited after the work of each invocation, before the function may be frozen; never rejects. */
  readonly ended?: () => Promise<unknown>;
  /** Of a stage whose records may take minutes. */
  readonly held?: HeldTerms;
};
export type Work = (record: SQSRecord, signal: AbortSignal) => Promise<Finished>;

/** `name` is the stage's verb. `work` handles one record and returns its result, or throws to receive it again. */
export function stage(name: string, environment: StageEnvironment, work: Work): StageHandler {
  const handle = async (event: SQSEvent, context: Context): Promise<BatchAnswer> => {
    const deadline = deadlineOf(context, environment);
    try {
      await environment.ready?.();
      const answered = await batch(name, environment, event.Records, work, deadline);
      await environment.ended?.();
      return answered;
    } finally {
      deadline.clear();
    }
  };
  return middy<SQSEvent, BatchAnswer, Error, Context>({ timeoutEarlyInMillis: 0 })
    .before((request) => environment.watch.begin(request.context.awsRequestId))
    .after(() => environment.watch.flush())
    .onError((request) => {
      environment.watch.error(`${name}.crashed`, { error: describe(request.error) });
      environment.watch.flush(); // and the error goes on: Lambda counts it, and SQS gives the whole batch again
    })
    .handler(handle) as unknown as StageHandler;
}

/** A stage that a schedule calls besides, each hour. What `look` throws, Lambda counts as a failure of the function. */
export function withKeepAlive(
  handle: StageHandler,
  { watch, look }: { readonly watch: StageWatch; readonly look: () => Promise<void> },
): (event: unknown, context: Context) => Promise<unknown> {
  return async (event, context) => {
    if (!isKeepAlive(event)) return handle(event as SQSEvent, context);
    watch.begin(context.awsRequestId);
    try {
      await look();
    } finally {
      watch.flush();
    }
    return event;
  };
}

/** Failed records are named by their SQS message id. SQS deletes all others. */
function answer(failed: ReadonlySet<string>): BatchAnswer {
  return { batchItemFailures: [...failed].map((itemIdentifier) => ({ itemIdentifier })) } as BatchAnswer;
}

type Deadline = {
  readonly signal: AbortSignal;
  readonly passed: Promise<'deadline'>;
  /** Milliseconds from the start of the invocation until `signal`. */
  readonly ms: number;
  readonly clear: () => void;
};

async function batch(
  name: string,
  environment: StageEnvironment,
  records: readonly SQSRecord[],
  work: Work,
  deadline: Deadline,
): Promise<BatchAnswer> {
  const failed = new Set(records.map((record) => record.messageId)); // failed until its work says otherwise
  const one = async (record: SQSRecord): Promise<Finished | null> => {
    const ended = await Promise.race([settle(work, record, deadline.signal), deadline.passed]);
    const isFailing = ended === 'deadline' || 'error' in ended;
    // Long before the dead-letter queue of a stage that outlives starved hours.
    if (isFailing && receives(record) >= maxReceiveCount) environment.watch.raise('JobFailing');
    if (ended === 'deadline') environment.watch.error(`${name}.deadline`, { sqsMessageId: record.messageId });
    else if ('error' in ended) {
      environment.watch.error(`${name}.failed`, {
        sqsMessageId: record.messageId,
        receives: receives(record),
        body: record.body.slice(0, 300),
        error: describe(ended.error),
      });
    } else {
      failed.delete(record.messageId);
      return ended;
    }
    return null;
  };
  // A record that may have ended an earlier invocation runs last and alone, so that it does not end other records.
  // Those were in the same invocation, so they are suspect too. One by one, only the record that ends the function is
  // claimed again. The least suspect go first.
  const fit = records.filter((record) => suspicion(record) === 0);
  const suspects = records.filter((record) => suspicion(record) > 0);
  const queue = fit[0] === undefined ? null : (environment.held?.queueOf(fit[0]) ?? null);
  if (environment.held === undefined || queue === null) {
    await Promise.all(fit.map(one));
    for (const record of leastSuspectFirst(suspects)) await one(record);
  } else {
    const taken = new Taken(name, { ...environment, held: environment.held }, queue, one);
    const terms = { ...environment.held, until: environment.held.clock.now() + deadline.ms - environment.held.leastMs };
    await workOn(fit, taken.ports(), terms);
    for (const record of leastSuspectFirst([...suspects, ...taken.suspects])) await taken.work(record);
  }
  return answer(failed);
}

function leastSuspectFirst(records: readonly SQSRecord[]): readonly SQSRecord[] {
  return [...records].sort((a, b) => suspicion(a) - suspicion(b));
}

/**
 * The records that an invocation takes from the queue itself. Those that are done are deleted here; SQS gives all
 * others again, as it does those of the batch.
 */
class Taken {
  readonly suspects: SQSRecord[] = [];
  readonly #name: string;
  readonly #environment: StageEnvironment & { readonly held: HeldTerms };
  readonly #queue: RecordQueue;
  readonly #one: (record: SQSRecord) => Promise<Finished | null>;
  readonly #mine = new Set<SQSRecord>();
  #flushedAt: number;
  #failures = 0;

  constructor(
    name: string,
    environment: StageEnvironment & { readonly held: HeldTerms },
    queue: RecordQueue,
    one: (record: SQSRecord) => Promise<Finished | null>,
  ) {
    this.#name = name;
    this.#environment = environment;
    this.#queue = queue;
    this.#one = one;
    this.#flushedAt = environment.held.clock.now();
  }

  ports() {
    const { clock, timer } = this.#environment.held;
    return { clock, timer, work: this.work, more: this.#more };
  }

  readonly work = async (record: SQSRecord): Promise<Finished | null> => {
    const ended = await this.#one(record);
    if (ended !== null && this.#mine.has(record)) await this.#remove(record);
    return ended;
  };

  readonly #more = async (max: number): Promise<readonly SQSRecord[]> => {
    this.#flush();
    if (this.suspects.length >= SUSPECTS_MAX || this.#failures >= FAILURES_MAX) return [];
    try {
      const records = await this.#queue.receive(max);
      for (const record of records) this.#mine.add(record);
      this.#failures = 0;
      this.suspects.push(...records.filter((record) => suspicion(record) > 0));
      return records.filter((record) => suspicion(record) === 0);
    } catch (error) {
      this.#failures += 1;
      this.#report('not-received', error, {});
      return [];
    }
  };

  async #remove(record: SQSRecord): Promise<void> {
    try {
      await this.#queue.remove(record);
    } catch (error) {
      this.#report('not-removed', error, { sqsMessageId: record.messageId }); // it comes again: at least once
    }
  }

  #report(what: string, error: unknown, fields: Readonly<Record<string, unknown>>): void {
    this.#environment.watch.error(`${this.#name}.${what}`, { ...fields, error: describe(error) });
  }

  #flush(): void {
    const { clock, flushEveryMs } = this.#environment.held;
    if (clock.now() - this.#flushedAt < flushEveryMs) return;
    this.#flushedAt = clock.now();
    this.#environment.watch.flush();
  }
}
/** They run one by one when all others are done: as many as a batch may have. */
const SUSPECTS_MAX = 10;
/** Calls in a row that failed, after which the invocation takes no more. */
const FAILURES_MAX = 3;

async function settle(
  work: Work,
  record: SQSRecord,
  signal: AbortSignal,
): Promise<Finished | { readonly error: unknown }> {
  try {
    return await work(record, signal);
  } catch (error) {
    return { error };
  }
}

// The signal comes early enough to record an outcome. The answer leaves before Lambda's time limit.
function deadlineOf(context: Context, environment: StageEnvironment): Deadline {
  const remaining = context.getRemainingTimeInMillis();
  const margin = Math.min(deadlineMarginMs / environment.timeScale, remaining / 4);
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<'deadline'>();
  const first = setTimeout(
    () => controller.abort(new Error('the function is about to run out of time')),
    remaining - margin,
  );
  const last = setTimeout(() => resolve('deadline'), remaining - margin / 4);
  return {
    signal: controller.signal,
    passed: promise,
    ms: remaining - margin,
    clear: () => {
      clearTimeout(first);
      clearTimeout(last);
    },
  };
}

/** Whether a record of a queue that has others' messages too is a job of ours. */
export function isJob(record: SQSRecord): boolean {
  try {
    return record.body.length <= JOB_CHARS_MAX && jobOf(record).version === 1;
  } catch {
    return false;
  }
}

/** What a job of the feedback queue asks for; null where an older version sent it. */
export function feedbackWorkOf(record: SQSRecord): FeedbackWork | null {
  const { work } = JSON.parse(record.body) as { readonly work?: unknown };
  return work === 'bounce' || work === 'returned' || work === 'canary' ? work : null;
}

/** A job of ours from a record's body. Throws on anything else, which then ends in the DLQ with an alarm. */
export function jobOf(record: SQSRecord): Job {
  const job: unknown = JSON.parse(record.body);
  if (
    typeof job === 'object' &&
    job !== null &&
    'version' in job &&
    job.version === 1 &&
    'spoolId' in job &&
    'deliveryKey' in job
  ) {
    const { spoolId, deliveryKey } = job;
    if (typeof spoolId === 'string' && spoolId !== '' && typeof deliveryKey === 'string' && deliveryKey !== '') {
      const nextHop = 'nextHop' in job && typeof job.nextHop === 'string' ? { nextHop: job.nextHop } : {};
      const probe = 'probe' in job && job.probe === true ? ({ probe: true } as const) : {};
      const inLine = 'inLine' in job && job.inLine === true ? ({ inLine: true } as const) : {};
      return { version: 1, spoolId, deliveryKey, ...nextHop, ...probe, ...inLine };
    }
  }
  throw new Error(`not a job: ${record.body.slice(0, 200)}`);
}

/**
 * How often it may have ended its function: by SQS's count, and by the ledger's, which the sweep puts into a job that
 * it sends again.
 */
function suspicion(record: SQSRecord): number {
  const claims = record.body.length > JOB_CHARS_MAX ? null : /"claims":(\d{1,6})\b/.exec(record.body);
  return Math.max(receives(record) - 1, Number(claims?.[1] ?? 0));
}
const JOB_CHARS_MAX = 1_000; // SES's notifications are longer

function receives(record: SQSRecord): number {
  return Number(record.attributes.ApproximateReceiveCount) || 1;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : String(error);
}

// An SQS event source mapping (docs/aws-contracts.md §4.2): batches, window, partial batch responses, back-off on
// function errors. Called by cloudformation/compute.ts. The queue wakes it; it never polls an empty queue. It never
// changes the visibility of a failed message, and deletes nothing that the function did not report as done.
//
// It differs from AWS in time only: AWS waits for the whole batching window even for a single message. Here a pause in
// the arrivals ends the window, because a person is waiting and no meaning depends on it.

import type { World } from '../world.ts';
import type { Invocation } from './invocation.ts';
import type { LambdaHost } from './lambda.ts';

export type SourceMessage = {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly md5OfBody: string;
  /**
   * ApproximateReceiveCount, SentTimestamp, SenderId, ApproximateFirstReceiveTimestamp, MessageGroupId,
   * DeadLetterQueueSourceArn…
   */
  readonly attributes: Readonly<Record<string, string>>;
  /** As SQS's JSON protocol gives them. */
  readonly messageAttributes: Readonly<
    Record<string, { readonly DataType?: string; readonly StringValue?: string; readonly BinaryValue?: string }>
  >;
};

/** A queue as the mapping sees it. Both calls act as the function's role and pass the gate. */
export type SourceQueue = {
  readonly arn: string;
  /** At most ten messages, at once; none when the queue shows none. */
  receive(max: number): Promise<readonly SourceMessage[]>;
  /** At most ten. */
  remove(receiptHandles: readonly string[]): Promise<void>;
  /** Calls back, in the same turn, whenever a message may have become visible. Returns a cancel function. */
  onVisible(callback: () => void): () => void;
};

export type EventSourceOptions = {
  readonly world: World;
  readonly host: LambdaHost;
  readonly queue: SourceQueue;
  readonly functionName: string;
  readonly batchSize: number;
  readonly windowMs: number;
  readonly concurrencyMax: number | null;
  readonly reportsItemFailures: boolean;
};

/** A mapping without its own limit starts with five batches at once. */
const CONCURRENCY = 5;
const LULL_MS = 20;
const BACK_OFF_MS = { first: 100, max: 5_000 } as const;
const RECEIVE_MAX = 10;

/** Starts the mapping; `stop` resolves when the batches in progress have ended. */
export function startEventSource(options: EventSourceOptions): { stop(): Promise<void> } {
  const { world, host, queue, functionName, batchSize } = options;
  const concurrencyMax = options.concurrencyMax ?? CONCURRENCY;
  const batches = new Set<Promise<void>>();
  let visible = false; // there may be messages that we have not asked for
  let pumping: Promise<void> | null = null;
  let backingOff = false;
  let errors = 0;
  let stopped = false;
  let cancelBackOff = (): void => {};

  const wake = (): void => {
    visible = true;
    go();
  };
  const cancel = queue.onVisible(wake);
  wake();

  function go(): void {
    if (pumping !== null || !mayStart()) return;
    // in the very turn of the wake-up: a visible message is due work
    const done = world.clock.busy(`${functionName}, fetching messages`);
    pumping = pump().finally(() => {
      pumping = null;
      done();
      go(); // messages that came between the pump's last look and its end
    });
  }

  function mayStart(): boolean {
    return visible && !stopped && !backingOff && batches.size < concurrencyMax;
  }

  async function pump(): Promise<void> {
    while (mayStart()) {
      const seat = await host.seat(functionName);
      if (!mayStart()) {
        seat.leave();
        return;
      }
      const messages = await gather().catch((error: Error) => {
        world.log(`${functionName}: receive from ${queue.arn}: ${error.message}`);
        backOff();
        return [];
      });
      if (messages.length === 0) {
        seat.leave();
        continue;
      }
      const done = world.clock.busy(`${functionName}, a batch of ${messages.length}`);
      const batch = seat
        .run(eventOf(messages, queue.arn, world.region))
        .finally(() => seat.leave())
        .then((result) => settle(messages, result))
        .finally(() => {
          batches.delete(batch);
          go();
          done();
        });
      batches.add(batch);
    }
  }

  /** One batch: the visible messages, and those that become visible within the window. */
  async function gather(): Promise<SourceMessage[]> {
    const messages: SourceMessage[] = [];
    const ends = performance.now() + options.windowMs;
    for (;;) {
      visible = false; // before the call: a message that arrives during it wakes us again
      const asked = queue.receive(Math.min(RECEIVE_MAX, batchSize - messages.length));
      const more = messages.length === 0 ? await asked : await asked.catch(() => []); // keep the first ones
      messages.push(...more);
      if (messages.length >= batchSize) visible = true;
      if (messages.length === 0 || messages.length >= batchSize || stopped) return messages;
      if (more.length === RECEIVE_MAX) continue;
      const left = ends - performance.now();
      if (left <= 0 || more.length === 0) {
        visible ||= more.length > 0;
        return messages;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(left, LULL_MS)));
    }
  }

  async function settle(messages: readonly SourceMessage[], result: Invocation): Promise<void> {
    const failed = failures(result, new Set(messages.map((it) => it.messageId)), options.reportsItemFailures);
    if (result.kind === 'returned') errors = 0;
    else backOff(); // reported item failures do not slow a mapping down, function errors and throttles do
    if (failed === 'all') {
      world.log(`${functionName}: batch of ${messages.length} failed: ${reasonOf(result)}`);
      return;
    }
    const handles = messages.filter((it) => !failed.has(it.messageId)).map((it) => it.receiptHandle);
    for (let at = 0; at < handles.length; at += RECEIVE_MAX) {
      await queue.remove(handles.slice(at, at + RECEIVE_MAX)).catch((error: Error) => {
        world.log(`${functionName}: delete from ${queue.arn}: ${error.message}`); // they come again: at least once
      });
    }
  }

  function backOff(): void {
    const ms = Math.min(BACK_OFF_MS.first * 2 ** errors, BACK_OFF_MS.max);
    errors++;
    visible = true;
    if (backingOff || stopped) return;
    backingOff = true;
    cancelBackOff = world.clock.at(world.clock.now() + ms, () => {
      backingOff = false;
      go();
    });
  }

  return {
    async stop() {
      stopped = true;
      cancel();
      cancelBackOff();
      await pumping;
      await Promise.allSettled(batches);
    },
  };
}

/**
 * Which messages of a batch stay in the queue. Without ReportBatchItemFailures: none after a return, all after an
 * error. With it: an absent, null or empty list (or response) is success; a list that is no list, an identifier that is
 * empty, null, absent or unknown, or a response that is no JSON object fails the whole batch.
 */
export function failures(
  result: Invocation,
  messageIds: ReadonlySet<string>,
  reportsItemFailures: boolean,
): ReadonlySet<string> | 'all' {
  if (result.kind !== 'returned') return 'all';
  const none: ReadonlySet<string> = new Set();
  if (!reportsItemFailures) return none;
  let response: unknown;
  try {
    response = JSON.parse(result.payload);
  } catch {
    return 'all';
  }
  if (response === null) return none;
  if (typeof response !== 'object' || Array.isArray(response)) return 'all';
  const list = (response as { batchItemFailures?: unknown }).batchItemFailures;
  if (list === undefined || list === null) return none;
  if (!Array.isArray(list)) return 'all';
  const failed = new Set<string>();
  for (const item of list as readonly unknown[]) {
    const id = (item as { itemIdentifier?: unknown } | null)?.itemIdentifier;
    if (typeof id !== 'string' || !messageIds.has(id)) return 'all';
    failed.add(id);
  }
  return failed;
}

function reasonOf(result: Invocation): string {
  if (result.kind === 'error') return result.errorMessage;
  return result.kind === 'refused' ? result.reason : 'the response is not valid';
}

function eventOf(messages: readonly SourceMessage[], arn: string, region: string): string {
  return JSON.stringify({
    Records: messages.map((it) => ({
      messageId: it.messageId,
      receiptHandle: it.receiptHandle,
      body: it.body,
      attributes: it.attributes,
      messageAttributes: Object.fromEntries(
        Object.entries(it.messageAttributes).map(([name, value]) => [
          name,
          {
            ...(value.StringValue === undefined ? {} : { stringValue: value.StringValue }),
            ...(value.BinaryValue === undefined ? {} : { binaryValue: value.BinaryValue }),
            stringListValues: [],
            binaryListValues: [],
            dataType: value.DataType ?? 'String',
          },
        ]),
      ),
      md5OfBody: it.md5OfBody,
      eventSource: 'aws:sqs',
      eventSourceARN: arn,
      awsRegion: region,
    })),
  });
}

// The calls of SQS, by HTTP and inside. Each passes the gate in its caller's name, and is answered when it is written.
// Opened by emulators.ts. message-flow.ts moves messages between the calls. Contract: docs/aws-contracts.md §4.

import { randomUUID } from 'node:crypto';
import type { Store } from '../store.ts';
import { type Access, AwsError, type Caller, type Principal, type World } from '../world.ts';
import { createMessageFlow } from './message-flow.ts';
import type { Message, MessageAttribute, MessageContent } from './queue.ts';
import { checkSpec, type OpenQueue, type QueueSpec, type ReceiveOptions, withDefaults } from './queue-spec.ts';
import * as rules from './validation.ts';

export type { OpenQueue, QueueSpec, ReceiveOptions } from './queue-spec.ts';

export type ReceivedMessage = {
  readonly sqsMessageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly md5OfBody: string;
  /** Every system attribute, as ReceiveMessage names them. */
  readonly systemAttributes: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, MessageAttribute>> | undefined;
};
export type Sent = {
  readonly sqsMessageId: string;
  readonly md5OfBody: string;
  readonly md5OfAttributes: string | undefined;
};
export type BatchEntry<T> = T & { readonly id: string };
export type BatchResult<T> = { readonly id: string } & ({ readonly done: T } | { readonly error: AwsError });
export type QueueCounts = {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly oldestAgeMs: number;
};

export type Queues = ReturnType<typeof createQueues>;

export function createQueues(world: World, store: Store) {
  const { clock, gate } = world;
  const flow = createMessageFlow(world, store);
  const { open } = flow;

  return {
    create,
    arnOf,
    find: (name: string) => open.get(arnOf(name)),
    all: () => [...open.values()],
    /** For the gate. */
    policyOf: (arn: string): unknown => open.get(arn)?.spec.policy ?? null,
    send,
    post,
    sendBatch,
    receive,
    delete: deleteMessage,
    deleteBatch,
    changeVisibility,
    changeVisibilityBatch,
    attributes,
    purge,
    /** The numbers for CloudWatch. No caller asks for them, so they pass no gate. */
    counts,
    /**
     * Calls back in the turn in which messages become visible, and once at the start if some are. The callback
     * receives until no message is left: one that stays is not announced again. Returns a function that stops it.
     */
    onMessage,
    /** For the message move task, which works inside SQS. */
    flow,
    pass,
  };

  // ── queues ──

  /**
   * Creates the queue, or takes it up again with the messages it held; the specification is the truth. Returns its ARN.
   */
  function create(spec: QueueSpec): string {
    const arn = arnOf(spec.name);
    if (open.has(arn)) throw new AwsError('QueueNameExists', 400, `A queue ${spec.name} already exists.`);
    const full = withDefaults(spec);
    checkSpec(full, arn, open.get(spec.redrive?.deadLetterTargetArn ?? ''));
    flow.openQueue(arn, full);
    return arn;
  }

  function arnOf(name: string): string {
    return `arn:${world.partition}:sqs:${world.region}:${world.account}:${name}`;
  }

  /** Passes the gate for one queue. Only a caller with the permission learns that a queue does not exist. */
  function pass<T>(by: Caller, arn: string, operation: string, action: string, work: (entry: OpenQueue) => Promise<T>) {
    const access: Access = { action: `sqs:${action}`, resource: arn, ...(by.context ? { context: by.context } : {}) };
    const call = {
      service: 'sqs' as const,
      operation,
      target: arn.slice(arn.lastIndexOf(':') + 1),
      principal: by.principal,
      access: [access],
      ...(by.kill ? { kill: by.kill } : {}),
    };
    return gate.pass(call, async () => {
      const entry = open.get(arn);
      if (entry === undefined) throw rules.noSuchQueue();
      flow.settle(entry);
      return work(entry);
    });
  }

  // ── sending ──

  async function send(by: Caller, arn: string, message: rules.Outgoing): Promise<Sent> {
    const sent = await post(by, arn, message);
    await store.flushed();
    return sent;
  }

  /**
   * A send that is committed with the other writes of this turn: a caller that acknowledges it waits for the store.
   */
  function post(by: Caller, arn: string, message: rules.Outgoing): Promise<Sent> {
    return pass(by, arn, 'SendMessage', 'SendMessage', async (entry) => {
      rules.checkOutgoing(message, entry.spec.messageBytesMax);
      return accept(entry, by.principal, message);
    });
  }

  function sendBatch(by: Caller, arn: string, entries: readonly BatchEntry<rules.Outgoing>[]) {
    return pass(by, arn, 'SendMessageBatch', 'SendMessage', async (entry) => {
      rules.checkBatch(entries);
      let bytes = 0;
      for (const message of entries) bytes += Buffer.byteLength(message.body);
      rules.checkBatchBytes(bytes);
      return each(entries, (message) => {
        rules.checkOutgoing(message, entry.spec.messageBytesMax);
        return accept(entry, by.principal, message);
      });
    });
  }

  function accept(entry: OpenQueue, sender: Principal, message: rules.Outgoing): Sent {
    const now = clock.now();
    const delayMs = (message.delaySeconds ?? entry.spec.delaySeconds) * 1_000;
    const content: MessageContent = {
      sqsMessageId: randomUUID(),
      body: message.body,
      senderId: senderId(sender, world.account),
      sentAt: now,
      ...(message.attributes === undefined ? {} : { attributes: message.attributes }),
      ...(message.groupId === undefined ? {} : { groupId: message.groupId }),
      ...(message.traceHeader === undefined ? {} : { traceHeader: message.traceHeader }),
    };
    flow.admit(entry, content, { place: delayMs > 0 ? 'delayed' : 'ready', visibleAt: now + delayMs });
    return {
      sqsMessageId: content.sqsMessageId,
      md5OfBody: rules.md5(content.body),
      md5OfAttributes: rules.md5OfAttributes(content.attributes),
    };
  }

  // ── receiving ──

  function receive(by: Caller, arn: string, options: ReceiveOptions = {}): Promise<readonly ReceivedMessage[]> {
    return pass(by, arn, 'ReceiveMessage', 'ReceiveMessage', async (entry) => {
      rules.checkRange('MaxNumberOfMessages', options.max ?? 1, 1, 10);
      rules.checkRange('VisibilityTimeout', options.visibilitySeconds ?? 0, 0, rules.visibilitySecondsMax);
      const waitMs = options.waitMs ?? entry.spec.receiveWaitSeconds * 1_000;
      rules.checkRange('WaitTimeSeconds', Math.ceil(waitMs / 1_000), 0, rules.waitSecondsMax);
      if (entry.queue.counts.inFlight >= rules.inFlightMax && waitMs === 0) {
        throw new AwsError(
          'OverLimit',
          403,
          `Too many messages in flight: the limit of ${rules.inFlightMax} is reached.`,
        );
      }
      let messages = options.signal?.aborted ? [] : flow.take(entry, options);
      if (messages.length === 0 && waitMs > 0) messages = await flow.poll(entry, options, waitMs);
      await store.flushed();
      if (options.signal?.aborted) messages = flow.giveBack(entry, messages);
      return messages.map((message) => present(entry, message));
    });
  }

  function present(entry: OpenQueue, { content, state }: Message): ReceivedMessage {
    return {
      sqsMessageId: content.sqsMessageId,
      receiptHandle: rules.receiptHandle(entry.spec.name, content.sqsMessageId, state.receipt),
      body: content.body,
      md5OfBody: rules.md5(content.body),
      attributes: content.attributes,
      systemAttributes: {
        SenderId: content.senderId,
        SentTimestamp: String(content.sentAt),
        ApproximateReceiveCount: String(state.receives),
        ApproximateFirstReceiveTimestamp: String(state.firstReceivedAt),
        ...(content.groupId === undefined ? {} : { MessageGroupId: content.groupId }),
        ...(content.traceHeader === undefined ? {} : { AWSTraceHeader: content.traceHeader }),
        ...(state.deadLetterSource === null ? {} : { DeadLetterQueueSourceArn: state.deadLetterSource }),
      },
    };
  }

  // ── deleting, changing the visibility ──

  function deleteMessage(by: Caller, arn: string, handle: string): Promise<void> {
    return pass(by, arn, 'DeleteMessage', 'DeleteMessage', async (entry) => {
      deleteOne(entry, handle);
      await store.flushed();
    });
  }

  function deleteBatch(by: Caller, arn: string, entries: readonly BatchEntry<{ readonly receiptHandle: string }>[]) {
    return pass(by, arn, 'DeleteMessageBatch', 'DeleteMessage', async (entry) => {
      rules.checkBatch(entries);
      return each(entries, ({ receiptHandle }) => deleteOne(entry, receiptHandle));
    });
  }

  /** An old handle succeeds and deletes nothing; a message already gone succeeds (SQS is idempotent here). */
  function deleteOne(entry: OpenQueue, handle: string): void {
    const { sqsMessageId, receipt } = rules.readHandle(handle, entry.spec.name);
    const message = entry.queue.messages.get(sqsMessageId);
    if (message !== undefined && message.state.receipt === receipt) flow.drop(entry, message);
  }

  function changeVisibility(by: Caller, arn: string, handle: string, seconds: number): Promise<void> {
    return pass(by, arn, 'ChangeMessageVisibility', 'ChangeMessageVisibility', async (entry) => {
      changeOne(entry, handle, seconds);
      await store.flushed();
    });
  }

  function changeVisibilityBatch(
    by: Caller,
    arn: string,
    entries: readonly BatchEntry<{ readonly receiptHandle: string; readonly visibilitySeconds: number }>[],
  ) {
    return pass(by, arn, 'ChangeMessageVisibilityBatch', 'ChangeMessageVisibility', async (entry) => {
      rules.checkBatch(entries);
      return each(entries, (one) => changeOne(entry, one.receiptHandle, one.visibilitySeconds));
    });
  }

  function changeOne(entry: OpenQueue, handle: string, seconds: number): void {
    rules.checkRange('VisibilityTimeout', seconds, 0, rules.visibilitySecondsMax);
    const { sqsMessageId, receipt } = rules.readHandle(handle, entry.spec.name);
    const message = entry.queue.messages.get(sqsMessageId);
    if (message === undefined) {
      throw rules.invalidValue(
        'ReceiptHandle',
        'Message does not exist or is not available for visibility timeout change',
      );
    }
    if (message.state.place !== 'in-flight' || message.state.receipt !== receipt) {
      throw new AwsError('MessageNotInflight', 400, "The specified message isn't in flight.");
    }
    const now = clock.now();
    const flownSeconds = ((now - message.state.receivedAt) * world.timeScale) / 1_000;
    if (flownSeconds + seconds > rules.visibilitySecondsMax) {
      throw rules.invalidValue(
        'VisibilityTimeout',
        `Total VisibilityTimeout for the message is beyond the limit [${rules.visibilitySecondsMax} seconds]`,
      );
    }
    if (seconds === 0) {
      message.state.visibleAt = now;
      entry.queue.release(message);
      flow.announce(entry);
    } else {
      entry.queue.hide(message, now + (seconds * 1_000) / world.timeScale);
    }
    flow.save(message);
    flow.arm(entry);
  }

  /** A batch answers per entry and never throws for one of them. */
  async function each<E extends { readonly id: string }, T>(
    entries: readonly E[],
    work: (entry: E) => T,
  ): Promise<BatchResult<T>[]> {
    const results = entries.map((entry): BatchResult<T> => {
      try {
        return { id: entry.id, done: work(entry) };
      } catch (error) {
        if (error instanceof AwsError) return { id: entry.id, error };
        throw error;
      }
    });
    await store.flushed();
    return results;
  }

  // ── looking, purging ──

  function attributes(by: Caller, arn: string): Promise<Readonly<Record<string, string>>> {
    return pass(by, arn, 'GetQueueAttributes', 'GetQueueAttributes', async ({ spec, queue, createdAt }) => ({
      QueueArn: arn,
      ApproximateNumberOfMessages: String(queue.counts.ready),
      ApproximateNumberOfMessagesNotVisible: String(queue.counts.inFlight),
      ApproximateNumberOfMessagesDelayed: String(queue.counts.delayed),
      CreatedTimestamp: String(Math.floor(createdAt / 1_000)),
      LastModifiedTimestamp: String(Math.floor(createdAt / 1_000)),
      VisibilityTimeout: String(spec.visibilityTimeoutSeconds),
      MaximumMessageSize: String(spec.messageBytesMax),
      MessageRetentionPeriod: String(spec.retentionSeconds),
      DelaySeconds: String(spec.delaySeconds),
      ReceiveMessageWaitTimeSeconds: String(spec.receiveWaitSeconds),
      SqsManagedSseEnabled: 'true',
      ...(spec.policy === undefined ? {} : { Policy: JSON.stringify(spec.policy) }),
      ...(spec.redrive === undefined ? {} : { RedrivePolicy: JSON.stringify(spec.redrive) }),
      ...(spec.redriveAllow === undefined ? {} : { RedriveAllowPolicy: JSON.stringify(spec.redriveAllow) }),
    }));
  }

  function purge(by: Caller, arn: string): Promise<void> {
    return pass(by, arn, 'PurgeQueue', 'PurgeQueue', async (entry) => {
      if (clock.now() - entry.purgedAt < rules.purgeIntervalMs) {
        throw new AwsError(
          'PurgeQueueInProgress',
          403,
          `Only one PurgeQueue operation on ${entry.spec.name} is allowed every 60 seconds.`,
        );
      }
      entry.purgedAt = clock.now();
      flow.forget(entry.queue.clear());
      await store.flushed();
    });
  }

  function counts(arn: string): QueueCounts {
    const entry = open.get(arn);
    if (entry === undefined) throw rules.noSuchQueue();
    flow.settle(entry);
    const { ready, inFlight, delayed } = entry.queue.counts;
    const oldest = entry.queue.oldest();
    return {
      visible: ready,
      inFlight,
      delayed,
      oldestAgeMs: oldest === undefined ? 0 : clock.now() - oldest.content.sentAt,
    };
  }

  function onMessage(arn: string, callback: () => void): () => void {
    const entry = open.get(arn);
    if (entry === undefined) throw rules.noSuchQueue();
    entry.listeners.add(callback);
    flow.settle(entry);
    if (entry.queue.counts.ready > 0) flow.announce(entry);
    return () => entry.listeners.delete(callback);
  }
}

function senderId(principal: Principal, account: string): string {
  if (principal.kind === 'root') return account;
  if (principal.kind === 'service') return principal.name;
  return `AROA${principal.arn.slice(principal.arn.lastIndexOf('/') + 1)}:${principal.functionName ?? 'session'}`;
}

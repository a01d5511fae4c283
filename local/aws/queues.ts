// The SQS engine: all queues of the account, long polls, redrive, retention on the virtual clock, state that survives kill -9.
// Every public call passes the gate in its caller's name, from HTTP and from inside alike; nothing is answered before it is
// written. FIFO queues are not emulated and say so. Contract: aws-contracts §4.

import { randomUUID } from 'node:crypto';
import type { Store } from '../store.ts';
import { type Access, AwsError, type Caller, type Principal, type World } from '../world.ts';
import {
  createMessage,
  createQueue,
  type Message,
  type MessageAttribute,
  type MessageContent,
  type MessageState,
  type Queue,
} from './queue.ts';
import * as rules from './sqs-rules.ts';

export type QueueSpec = {
  readonly name: string;
  readonly visibilityTimeoutSeconds?: number; // 30
  readonly delaySeconds?: number; // 0
  readonly retentionSeconds?: number; // 345,600: four days
  readonly messageBytesMax?: number; // 1 MiB
  readonly receiveWaitSeconds?: number; // 0
  readonly redrive?: { readonly deadLetterTargetArn: string; readonly maxReceiveCount: number };
  readonly redriveAllow?: {
    readonly redrivePermission: 'allowAll' | 'denyAll' | 'byQueue';
    readonly sourceQueueArns?: readonly string[];
  };
  /** The parsed policy document. */
  readonly policy?: unknown;
};

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
export type ReceiveOptions = {
  readonly max?: number; // 1 to 10; 1
  readonly waitMs?: number; // the queue's own
  readonly visibilitySeconds?: number; // the queue's own
  /** Ends a long poll. What it would have got stays in the queue. */
  readonly signal?: AbortSignal;
};
export type BatchEntry<T> = T & { readonly id: string };
export type BatchResult<T> = { readonly id: string } & ({ readonly done: T } | { readonly error: AwsError });
export type QueueCounts = {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly oldestAgeMs: number;
};

export type OpenQueue = {
  readonly arn: string;
  readonly spec: Required<Omit<QueueSpec, 'redrive' | 'redriveAllow' | 'policy'>> & QueueSpec;
  readonly queue: Queue;
  readonly createdAt: number;
  readonly pollers: Set<Poller>;
  readonly listeners: Set<() => void>;
  purgedAt: number;
  armedFor: number | null;
  disarm: () => void;
  dispatching: boolean;
};
type Poller = { readonly options: ReceiveOptions; readonly finish: (messages: readonly Message[]) => void };

export type Queues = ReturnType<typeof createQueues>;

export function createQueues(world: World, store: Store) {
  const { clock, gate, log } = world;
  const contents = store.table<MessageContent>('sqs_messages');
  const states = store.table<MessageState>('sqs_states');
  const open = new Map<string, OpenQueue>();
  const remembered = recall();

  return {
    create,
    arnOf,
    find: (name: string) => open.get(arnOf(name)),
    all: () => [...open.values()],
    /** For the gate. */
    policyOf: (arn: string): unknown => open.get(arn)?.spec.policy ?? null,
    send,
    sendBatch,
    receive,
    delete: deleteMessage,
    deleteBatch,
    changeVisibility,
    changeVisibilityBatch,
    attributes,
    purge,
    /** What CloudWatch would be told; no call of anybody, so no gate. */
    counts,
    /** Calls back whenever messages become visible, and once at the start if some are. Returns how to stop. */
    onMessage,
    // For the message move task, which works inside SQS.
    takeForMove,
    put: admit,
    drop,
    pass,
  };

  // ── queues ──

  /** Creates the queue, or takes it up again with the messages it held; the specification is the truth. Returns its ARN. */
  function create(spec: QueueSpec): string {
    if (!/^[A-Za-z0-9_-]{1,80}$/.test(spec.name)) {
      const reason = spec.name.endsWith('.fifo') ? 'FIFO queues are not emulated' : 'not a name for a queue';
      throw new AwsError(
        reason.startsWith('FIFO') ? 'NotImplemented' : 'InvalidParameterValue',
        501,
        `${spec.name}: ${reason}`,
      );
    }
    const arn = arnOf(spec.name);
    if (open.has(arn)) throw new AwsError('QueueNameExists', 400, `A queue ${spec.name} already exists.`);
    const full = withDefaults(spec);
    checkSpec(full);
    checkRedrive(arn, full);
    const entry: OpenQueue = {
      arn,
      spec: full,
      queue: createQueue(),
      createdAt: clock.now(),
      pollers: new Set(),
      listeners: new Set(),
      purgedAt: Number.NEGATIVE_INFINITY,
      armedFor: null,
      disarm: () => {},
      dispatching: false,
    };
    open.set(arn, entry);
    for (const { content, state } of remembered.get(spec.name) ?? []) {
      if (state.visibleAt <= clock.now()) state.place = 'ready';
      entry.queue.add(createMessage(content, state), content.sentAt + full.retentionSeconds * 1_000);
    }
    remembered.delete(spec.name);
    settle(entry);
    return arn;
  }

  function arnOf(name: string): string {
    return `arn:${world.partition}:sqs:${world.region}:${world.account}:${name}`;
  }

  function checkRedrive(arn: string, spec: QueueSpec): void {
    if (spec.redrive === undefined) return;
    rules.checkRange('maxReceiveCount', spec.redrive.maxReceiveCount, 1, 1_000);
    const target = open.get(spec.redrive.deadLetterTargetArn);
    if (target === undefined) throw rules.invalidValue('RedrivePolicy', 'Dead letter target does not exist');
    const allow = target.spec.redriveAllow;
    const refused =
      allow?.redrivePermission === 'denyAll' ||
      (allow?.redrivePermission === 'byQueue' && !(allow.sourceQueueArns ?? []).includes(arn));
    if (refused) throw rules.invalidValue('RedrivePolicy', 'the dead letter target does not allow this source');
  }

  /** Everything that was there when the process ended, by queue and in the order of becoming visible. */
  function recall(): Map<string, { content: MessageContent; state: MessageState }[]> {
    const known = new Map([...states.entries()]);
    const found = [...contents.entries()].flatMap(([id, content]) => {
      const state = known.get(id);
      return state === undefined ? [] : [{ content, state }];
    });
    found.sort((a, b) => a.state.visibleAt - b.state.visibleAt);
    return Map.groupBy(found, ({ state }) => state.queueName);
  }

  /** Passes the gate for one queue. A queue that does not exist is only told to who would be allowed to use it. */
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
      settle(entry);
      return work(entry);
    });
  }

  // ── sending ──

  function send(by: Caller, arn: string, message: rules.Outgoing): Promise<Sent> {
    return pass(by, arn, 'SendMessage', 'SendMessage', async (entry) => {
      rules.checkOutgoing(message, entry.spec.messageBytesMax);
      const sent = accept(entry, by.principal, message);
      await store.flushed();
      return sent;
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
    admit(entry, content, { place: delayMs > 0 ? 'delayed' : 'ready', visibleAt: now + delayMs });
    return {
      sqsMessageId: content.sqsMessageId,
      md5OfBody: rules.md5(content.body),
      md5OfAttributes: rules.md5OfAttributes(content.attributes),
    };
  }

  /** Puts a message into a queue and writes it down. */
  function admit(
    entry: OpenQueue,
    content: MessageContent,
    known: Partial<MessageState> & Pick<MessageState, 'place' | 'visibleAt'>,
  ): void {
    const state: MessageState = {
      receives: 0,
      receivesHere: 0,
      firstReceivedAt: null,
      receivedAt: 0,
      receipt: 0,
      deadLetterSource: null,
      ...known,
      queueName: entry.spec.name,
    };
    contents.put(content.sqsMessageId, content);
    states.put(content.sqsMessageId, state);
    entry.queue.add(createMessage(content, state), content.sentAt + entry.spec.retentionSeconds * 1_000);
    arm(entry);
    if (state.place === 'ready') announce(entry);
  }

  function drop(entry: OpenQueue, message: Message): void {
    entry.queue.remove(message);
    contents.delete(message.content.sqsMessageId);
    states.delete(message.content.sqsMessageId);
    arm(entry);
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
      let messages = options.signal?.aborted ? [] : take(entry, options);
      if (messages.length === 0 && waitMs > 0) messages = await poll(entry, options, waitMs);
      await store.flushed();
      if (options.signal?.aborted) messages = giveBack(entry, messages);
      return messages.map((message) => present(entry, message));
    });
  }

  /** Takes up to `max` ready messages in flight; those past their last receive go to the dead-letter queue instead. */
  function take(entry: OpenQueue, options: ReceiveOptions): readonly Message[] {
    const { queue, spec } = entry;
    const now = clock.now();
    const flightMs = ((options.visibilitySeconds ?? spec.visibilityTimeoutSeconds) * 1_000) / world.timeScale;
    const taken: Message[] = [];
    while (taken.length < (options.max ?? 1) && queue.counts.inFlight < rules.inFlightMax) {
      const message = queue.next();
      if (message === undefined) break;
      const { state } = message;
      if (spec.redrive !== undefined && state.receivesHere >= spec.redrive.maxReceiveCount) {
        moveToDeadLetters(entry, message, spec.redrive.deadLetterTargetArn);
        continue;
      }
      state.receives += 1;
      state.receivesHere += 1;
      state.receipt += 1;
      state.firstReceivedAt ??= now;
      state.receivedAt = now;
      queue.hide(message, now + flightMs);
      states.put(message.content.sqsMessageId, state);
      taken.push(message);
    }
    if (taken.length > 0) arm(entry);
    return taken;
  }

  /** Keeps id, enqueue time and receive count (aws-contracts §4.4). */
  function moveToDeadLetters(entry: OpenQueue, message: Message, targetArn: string): void {
    const target = open.get(targetArn);
    if (target === undefined) throw new Error(`${targetArn} was there when ${entry.arn} was created`);
    entry.queue.remove(message);
    const { content, state } = message;
    log(
      `sqs: ${content.sqsMessageId} moved to ${target.spec.name} after ${state.receivesHere} receives from ${entry.spec.name}`,
    );
    admit(target, content, {
      ...state,
      place: 'ready',
      visibleAt: clock.now(),
      receivesHere: 0,
      deadLetterSource: entry.arn,
    });
    settle(target);
  }

  function poll(entry: OpenQueue, options: ReceiveOptions, waitMs: number): Promise<readonly Message[]> {
    return new Promise((resolve) => {
      const finish = (messages: readonly Message[]) => {
        entry.pollers.delete(poller);
        cancelTimer();
        options.signal?.removeEventListener('abort', end);
        resolve(messages);
      };
      const end = () => finish([]);
      const poller: Poller = { options, finish };
      const cancelTimer = clock.at(clock.now() + waitMs, end);
      options.signal?.addEventListener('abort', end);
      if (options.signal?.aborted) return end();
      entry.pollers.add(poller);
    });
  }

  /** The caller hung up between take and answer: its receive did not happen. */
  function giveBack(entry: OpenQueue, messages: readonly Message[]): readonly Message[] {
    for (const message of messages.filter((taken) => !taken.gone)) {
      message.state.receives -= 1;
      message.state.receivesHere -= 1;
      message.state.visibleAt = clock.now();
      entry.queue.release(message);
      states.put(message.content.sqsMessageId, message.state);
    }
    announce(entry);
    return [];
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
    if (message !== undefined && message.state.receipt === receipt) drop(entry, message);
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
      announce(entry);
    } else {
      entry.queue.hide(message, now + (seconds * 1_000) / world.timeScale);
    }
    states.put(sqsMessageId, message.state);
    arm(entry);
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
      forget(entry.queue.clear());
      await store.flushed();
    });
  }

  function counts(arn: string): QueueCounts {
    const entry = open.get(arn);
    if (entry === undefined) throw rules.noSuchQueue();
    settle(entry);
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
    settle(entry);
    if (entry.queue.counts.ready > 0) announce(entry);
    return () => entry.listeners.delete(callback);
  }

  /** The next ready message, taken off the queue's line for a move task, which admits it elsewhere and drops it here. */
  function takeForMove(entry: OpenQueue): Message | undefined {
    settle(entry);
    return entry.queue.next();
  }

  // ── time ──

  function settle(entry: OpenQueue): void {
    const { awoken, expired } = entry.queue.settle(clock.now());
    if (expired.length > 0) {
      // AWS says nothing at this point; who runs it here should hear that mail was lost.
      log(
        `sqs: ${expired.length} messages of ${entry.spec.name} passed its retention of ${entry.spec.retentionSeconds} s and are gone`,
      );
      forget(expired);
    }
    arm(entry);
    if (awoken.length > 0) announce(entry);
  }

  function forget(messages: readonly Message[]): void {
    for (const { content } of messages) {
      contents.delete(content.sqsMessageId);
      states.delete(content.sqsMessageId);
    }
  }

  /** One timer per queue, for its next change. */
  function arm(entry: OpenQueue): void {
    const next = entry.queue.nextChangeAt();
    if (next === entry.armedFor) return;
    entry.disarm();
    entry.armedFor = next;
    entry.disarm =
      next === null
        ? () => {}
        : clock.at(next, () => {
            entry.armedFor = null;
            settle(entry);
          });
  }

  /** Serves long polls and tells listeners; once per turn, so that a batch arrives as one. */
  function announce(entry: OpenQueue): void {
    if (entry.dispatching) return;
    entry.dispatching = true;
    queueMicrotask(() => {
      entry.dispatching = false;
      for (const poller of [...entry.pollers]) {
        const messages = take(entry, poller.options);
        if (messages.length === 0) break;
        poller.finish(messages);
      }
      if (entry.queue.counts.ready > 0) for (const callback of [...entry.listeners]) callback();
    });
  }
}

function withDefaults(spec: QueueSpec): OpenQueue['spec'] {
  return {
    visibilityTimeoutSeconds: 30,
    delaySeconds: 0,
    retentionSeconds: 345_600,
    messageBytesMax: rules.messageBytesMax,
    receiveWaitSeconds: 0,
    ...spec,
  };
}

function checkSpec(spec: OpenQueue['spec']): void {
  rules.checkRange('VisibilityTimeout', spec.visibilityTimeoutSeconds, 0, rules.visibilitySecondsMax);
  rules.checkRange('DelaySeconds', spec.delaySeconds, 0, rules.delaySecondsMax);
  rules.checkRange(
    'MessageRetentionPeriod',
    spec.retentionSeconds,
    rules.retentionSecondsMin,
    rules.retentionSecondsMax,
  );
  rules.checkRange('MaximumMessageSize', spec.messageBytesMax, 1_024, rules.messageBytesMax);
  rules.checkRange('ReceiveMessageWaitTimeSeconds', spec.receiveWaitSeconds, 0, rules.waitSecondsMax);
}

function senderId(principal: Principal, account: string): string {
  if (principal.kind === 'root') return account;
  if (principal.kind === 'service') return principal.name;
  return `AROA${principal.arn.slice(principal.arn.lastIndexOf('/') + 1)}:${principal.functionName ?? 'session'}`;
}

// The ways of messages through open queues: stored, in flight, returned, moved to the dead-letter queue, expired, and
// given to long polls, on the virtual clock. Called by queues.ts. Every change is written; the caller waits for the
// disk. It asks for no permission: its callers do.

import type { Store } from '../store.ts';
import type { World } from '../world.ts';
import { createMessage, createQueue, type Message, type MessageContent, type MessageState } from './queue.ts';
import type { FullSpec, OpenQueue, Poller, ReceiveOptions } from './queue-spec.ts';
import * as rules from './validation.ts';

export type MessageFlow = ReturnType<typeof createMessageFlow>;

export function createMessageFlow(world: World, store: Store) {
  const { clock, log } = world;
  const contents = store.table<MessageContent>('sqs_messages');
  const states = store.table<MessageState>('sqs_states');
  const open = new Map<string, OpenQueue>();
  const remembered = recall();

  return { open, openQueue, admit, drop, forget, save, take, poll, giveBack, settle, arm, announce };

  /** Opens the queue, with the messages it held before a restart. */
  function openQueue(arn: string, spec: FullSpec): OpenQueue {
    const entry: OpenQueue = {
      arn,
      spec,
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
      entry.queue.add(createMessage(content, state), content.sentAt + spec.retentionSeconds * 1_000);
    }
    remembered.delete(spec.name);
    settle(entry);
    return entry;
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

  function save(message: Message): void {
    states.put(message.content.sqsMessageId, message.state);
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
      save(message);
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
      if (message.state.receives === 0) message.state.firstReceivedAt = null;
      message.state.visibleAt = clock.now();
      entry.queue.release(message);
      save(message);
    }
    announce(entry);
    return [];
  }

  // ── time ──

  function settle(entry: OpenQueue): void {
    const { awoken, expired } = entry.queue.settle(clock.now());
    if (expired.length > 0) {
      // AWS is silent here. The log line tells the developer that a message was lost.
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

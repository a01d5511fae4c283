// One standard queue in memory: which messages are ready, delayed or in flight, when the next change is due, and when
// each message expires. Called by message-flow.ts. No operation scans: 100,000 waiting messages cost as much as ten. It
// knows no caller, no policy and no store.

import type { Heap, HeapNode } from '../heap.ts';
import { createHeap } from '../heap.ts';

export type MessageAttribute = {
  readonly DataType: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string; // base64
};

/** The facts of a message that never change after its send. */
export type MessageContent = {
  readonly sqsMessageId: string;
  readonly body: string;
  readonly attributes?: Readonly<Record<string, MessageAttribute>>;
  readonly senderId: string;
  readonly groupId?: string;
  readonly traceHeader?: string;
  /** Virtual instant; retention counts from it, in a dead-letter queue too (aws-contracts §4.4). */
  readonly sentAt: number;
};

/** The state of a message. It is a plain row, and is stored exactly so. */
export type MessageState = {
  queueName: string;
  place: 'ready' | 'delayed' | 'in-flight';
  /** When it becomes visible; in the past once it is ready. */
  visibleAt: number;
  /** Over its whole life, dead-letter queue included: ApproximateReceiveCount. */
  receives: number;
  /** Receives in this queue, which are compared with maxReceiveCount. */
  receivesHere: number;
  firstReceivedAt: number | null;
  receivedAt: number;
  /** Counts handles given out; only the latest one is good. Never goes back, unlike `receives`. */
  receipt: number;
  deadLetterSource: string | null;
};

export type Message = {
  readonly content: MessageContent;
  readonly state: MessageState;
  /** Gone: deleted, expired or moved to another queue. The ready list may still hold it. */
  gone: boolean;
  wake: HeapNode<Message> | null;
  expiry: HeapNode<Message> | null;
};

export type Queue = {
  readonly messages: ReadonlyMap<string, Message>;
  readonly counts: { readonly ready: number; readonly delayed: number; readonly inFlight: number };
  /** Puts a message where its state says it is. */
  add(message: Message, expiresAt: number): void;
  /** Takes the next ready message off the list; its place is the caller's to set with `hide`, `release` or `remove`. */
  next(): Message | undefined;
  /** Puts it in flight (or moves the end of its flight) until `visibleAt`. */
  hide(message: Message, visibleAt: number): void;
  /** Makes it ready now, at the end of the line. */
  release(message: Message): void;
  remove(message: Message): void;
  /** Makes hidden messages ready that are due at `now`, and removes expired ones. Returns both. */
  settle(now: number): { readonly awoken: readonly Message[]; readonly expired: readonly Message[] };
  /** When `settle` has something to do next: a message becoming ready, or expiring. */
  nextChangeAt(): number | null;
  /** The message that was sent first, of all that are here. */
  oldest(): Message | undefined;
  clear(): readonly Message[];
};

export function createMessage(content: MessageContent, state: MessageState): Message {
  return { content, state, gone: false, wake: null, expiry: null };
}

export function createQueue(): Queue {
  const messages = new Map<string, Message>();
  const waiting: Heap<Message> = createHeap();
  const expiring: Heap<Message> = createHeap();
  const counts = { ready: 0, delayed: 0, inFlight: 0 };
  // A list with a moving head: shift() on an array of 100,000 would copy it.
  let line: (Message | undefined)[] = [];
  let head = 0;

  return {
    messages,
    counts,
    add(message, expiresAt) {
      messages.set(message.content.sqsMessageId, message);
      message.gone = false;
      message.expiry = expiring.add(expiresAt, message);
      count(message, 1);
      if (message.state.place === 'ready') line.push(message);
      else message.wake = waiting.add(message.state.visibleAt, message);
    },
    next,
    hide(message, visibleAt) {
      changePlace(message, 'in-flight');
      if (message.wake !== null) waiting.remove(message.wake);
      message.state.visibleAt = visibleAt;
      message.wake = waiting.add(visibleAt, message);
    },
    release,
    remove,
    settle(now) {
      const expired: Message[] = [];
      for (let m = expiring.takeDue(now); m !== undefined; m = expiring.takeDue(now)) {
        remove(m);
        expired.push(m);
      }
      const awoken: Message[] = [];
      for (let m = waiting.takeDue(now); m !== undefined; m = waiting.takeDue(now)) {
        release(m);
        awoken.push(m);
      }
      return { awoken, expired };
    },
    nextChangeAt() {
      const wakes = waiting.peek()?.at ?? Number.POSITIVE_INFINITY;
      const expires = expiring.peek()?.at ?? Number.POSITIVE_INFINITY;
      const first = Math.min(wakes, expires);
      return first === Number.POSITIVE_INFINITY ? null : first;
    },
    oldest: () => expiring.peek()?.value,
    clear() {
      const all = [...messages.values()];
      for (const message of all) remove(message);
      line = [];
      head = 0;
      return all;
    },
  };

  function next(): Message | undefined {
    for (;;) {
      const message = line[head];
      if (message === undefined) return undefined;
      line[head] = undefined;
      head += 1;
      if (head > 1_024 && head * 2 > line.length) {
        line = line.slice(head);
        head = 0;
      }
      if (!message.gone) return message;
    }
  }

  function release(message: Message): void {
    if (message.wake !== null) waiting.remove(message.wake);
    message.wake = null;
    changePlace(message, 'ready');
    line.push(message);
  }

  function remove(message: Message): void {
    if (message.gone) return;
    message.gone = true;
    messages.delete(message.content.sqsMessageId);
    count(message, -1);
    if (message.wake !== null) waiting.remove(message.wake);
    if (message.expiry !== null) expiring.remove(message.expiry);
    message.wake = null;
    message.expiry = null;
  }

  function changePlace(message: Message, place: MessageState['place']): void {
    count(message, -1);
    message.state.place = place;
    count(message, 1);
  }

  function count(message: Message, step: 1 | -1): void {
    if (message.state.place === 'ready') counts.ready += step;
    else if (message.state.place === 'delayed') counts.delayed += step;
    else counts.inFlight += step;
  }
}

// The events that SES publishes about mail that it sends (docs/aws-contracts.md §3.2). Called by outgoing.ts. They go
// to the destinations of the mail's configuration set. An event is stored before it is published, and is retried for a
// while where the topic does not take it; AWS does not document for how long. Order is not kept.

import { randomUUID } from 'node:crypto';
import type { Store } from '../store.ts';
import type { World } from '../world.ts';
import { type ConfigurationSets, type EventType, eventCaller } from './configuration-sets.ts';
import { headerSection } from './header-section.ts';
import type { Announce } from './receipt-actions.ts';

export type OutgoingMail = {
  readonly sesMessageId: string;
  /** '' is the null one, which only SendBounce has. */
  readonly reversePath: string;
  /** FromEmailAddress. */
  readonly source: string;
  readonly forwardPaths: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly configurationSet: string | null;
  readonly acceptedAt: number;
};

export type Events = {
  /** Resolves when the event is stored. `part` is the member beside `mail`: { bounce: … }. */
  publish(mail: OutgoingMail, content: Uint8Array, type: EventType, part: object): Promise<void>;
  /** Continues with the events that an earlier process kept. */
  resume(): void;
  stop(): void;
};

const WORDS: Readonly<Record<EventType, string>> = {
  send: 'Send',
  reject: 'Reject',
  bounce: 'Bounce',
  complaint: 'Complaint',
  delivery: 'Delivery',
  open: 'Open',
  click: 'Click',
  renderingFailure: 'Rendering Failure',
  deliveryDelay: 'DeliveryDelay',
  subscription: 'Subscription',
};
const SUBJECT = 'Amazon SES Email Event Notification';
const RETRY_MS = [1_000, 5_000, 30_000, 300_000, 1_800_000];
const HEADERS_BYTES_MAX = 10 * 1024; // above it SES cuts the list

type Kept = { readonly set: string; readonly topicArn: string; readonly message: string };

export function openEvents(world: World, store: Store, sets: ConfigurationSets, announce: Announce): Events {
  const kept = store.table<Kept>('ses_events');
  const remembered = [...kept.entries()];
  const timers = new Set<() => void>();
  let stopped = false;

  async function hand(key: string, event: Kept, tries: number): Promise<void> {
    const done = world.clock.busy('an event of SES');
    try {
      await announce(eventCaller(world, event.set), event.topicArn, SUBJECT, event.message);
      kept.delete(key);
    } catch (error) {
      later(key, event, tries, error instanceof Error ? error.message : String(error));
    } finally {
      done();
    }
  }

  function later(key: string, event: Kept, tries: number, why: string): void {
    if (stopped) return;
    const wait = RETRY_MS[tries];
    world.log(`ses: an event for ${event.topicArn} was not taken: ${why}${wait === undefined ? '; it is LOST' : ''}`);
    if (wait === undefined) return void kept.delete(key);
    const cancel: () => void = world.clock.at(world.clock.now() + wait, () => {
      timers.delete(cancel);
      void hand(key, event, tries + 1);
    });
    timers.add(cancel);
  }

  return {
    async publish(mail, content, type, part) {
      const set = mail.configurationSet === null ? null : sets.find(mail.configurationSet);
      const wanted = set?.destinations.filter((each) => each.enabled && each.types.includes(type)) ?? [];
      for (const { topicArn } of wanted) {
        const message = JSON.stringify({ eventType: WORDS[type], mail: mailMember(world, mail, content), ...part });
        const event: Kept = { set: mail.configurationSet ?? '', topicArn, message };
        const key = randomUUID();
        kept.put(key, event);
        void hand(key, event, 0);
      }
      if (wanted.length > 0) await store.flushed();
    },
    resume() {
      for (const [key, event] of remembered.splice(0)) void hand(key, event, 0);
    },
    stop() {
      stopped = true;
      for (const cancel of timers) cancel();
      timers.clear();
    },
  };
}

function mailMember(world: World, mail: OutgoingMail, content: Uint8Array): object {
  const headers: { readonly name: string; readonly value: string }[] = [];
  const section = headerSection(content);
  const header = content.subarray(0, section.end);
  for (const { start, end, valueStart } of section.fields) {
    const text = (from: number, to: number) => Buffer.from(header.subarray(from, to)).toString('utf8');
    headers.push({ name: text(start, valueStart).replace(/:\s*$/, ''), value: text(valueStart, end).trim() });
    if (end > HEADERS_BYTES_MAX) break;
  }
  const fieldNamed = (name: string) => headers.find((each) => each.name.toLowerCase() === name)?.value;
  const domain = mail.source.slice(mail.source.lastIndexOf('@') + 1);
  const tags = Object.entries(mail.tags).map(([name, value]) => [name, [value]] as const);
  return {
    timestamp: new Date(mail.acceptedAt).toISOString(),
    source: mail.source,
    sourceArn: `arn:${world.partition}:ses:${world.region}:${world.account}:identity/${domain}`,
    sendingAccountId: world.account,
    messageId: mail.sesMessageId,
    destination: mail.forwardPaths,
    headersTruncated: header.length > HEADERS_BYTES_MAX,
    headers,
    commonHeaders: {
      ...(fieldNamed('from') === undefined ? {} : { from: [fieldNamed('from')] }),
      ...(fieldNamed('to') === undefined ? {} : { to: [fieldNamed('to')] }),
      messageId: mail.sesMessageId,
      ...(fieldNamed('subject') === undefined ? {} : { subject: fieldNamed('subject') }),
    },
    tags: {
      'ses:configuration-set': [mail.configurationSet],
      'ses:source-ip': ['127.0.0.1'],
      'ses:from-domain': [domain],
      'ses:caller-identity': ['aws-local'],
      ...Object.fromEntries(tags),
    },
  };
}

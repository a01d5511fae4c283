// Recognises a canary among received mail (core/message/canary.ts), and makes its row. Called by ingest for each
// receipt, where `canary` is configured. Policy, loops, copies and the route's fallback do not apply to it; its route
// does. Whatever is in doubt is ordinary mail: another envelope, another body, a second message with the same id, one
// of another day, content that cannot be read.

import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { canaryKeyOf } from '#core/delivery/key.ts';
import { canaryBytesMax, canaryLifetimeMs } from '#core/limits.ts';
import { mailboxKey, parseMailbox } from '#core/message/address.ts';
import { bearsCanaryField, canaryIn, isInWindow } from '#core/message/canary.ts';
import type { HeaderField } from '#core/message/header.ts';
import { isFirstOf } from '#pipeline/canaries.ts';
import type { IngestPorts } from './ingest-ports.ts';
import { type Plan, rowFor } from './rows.ts';

export type Received = {
  readonly recipients: readonly string[];
  readonly headers: readonly HeaderField[];
  readonly facts: MessageFacts;
  readonly plans: readonly Plan[];
};

/** The row of a canary; null: it is ordinary mail. */
export async function canaryRowOf(
  ports: IngestPorts,
  received: Received,
  signal: AbortSignal,
): Promise<DeliveryRow | null> {
  const { facts } = received;
  const planned = plannedWay(ports, received);
  if (planned === null || !bearsCanaryField(received.headers)) return null;
  const id = await idIn(ports, facts, signal);
  if (id === null) return null;
  const row = rowOf(ports, facts, planned);
  if (await isFirstOf(ports.ledger, id, row)) return row;
  ports.watch.warn('ingest.second-canary', { spoolId: facts.spoolId, canary: id, reversePath: facts.reversePath });
  return null;
}

/** The one way that leads to a mailbox: what the configuration must have for a canary (config/canary-rules.ts). */
function plannedWay({ settings }: IngestPorts, { recipients, plans }: Received): Plan | null {
  const { canary, nextHops } = settings;
  const [recipient = '', another] = recipients;
  if (canary === null || another !== undefined || !isSameMailbox(recipient, canary.to)) return null;
  const [planned, further] = plans.filter(({ copy }) => !copy);
  if (planned === undefined || further !== undefined || planned.unrouted !== null) return null;
  const kind = nextHops[planned.via]?.kind;
  return kind === undefined || kind === 'refuse' || kind === 'discard' ? null : planned;
}

function isSameMailbox(a: string, b: string): boolean {
  const [one, other] = [parseMailbox(a), parseMailbox(b)];
  return one !== null && other !== null && mailboxKey(one) === mailboxKey(other);
}

async function idIn(
  { settings, spool, markKey }: IngestPorts,
  { objectKey, acceptedAt }: MessageFacts,
  signal: AbortSignal,
): Promise<string | null> {
  const head = await spool.head(objectKey, canaryBytesMax, signal);
  if (head.kind !== 'read' || head.size > canaryBytesMax) return null;
  const id = canaryIn(head.bytes, { markKey, to: settings.canary?.to ?? '' });
  return id !== null && isInWindow(id, acceptedAt) ? id : null;
}

function rowOf(ports: IngestPorts, facts: MessageFacts, planned: Plan): DeliveryRow {
  const row = rowFor(ports, facts, { ...planned, fallback: null }, { sole: true, reason: 'canary' });
  const expiresAt = facts.acceptedAt + canaryLifetimeMs;
  return { ...row, deliveryKey: canaryKeyOf(row.deliveryKey), expiresAt };
}

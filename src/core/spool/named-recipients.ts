// An operator's list of recipients for an orphan. It is the one job beside receipts and S3's events that the ingest
// queue may hold, so that rows are made in one place, by the deployed routes. Read strictly: only principals that may
// send to the queue can write one.

import { callerCharsMax, namedRecipientsMax, queueRetentionMs } from '#core/limits.ts';
import { parseMailbox } from '#core/message/address.ts';

export type NamedRecipients = {
  readonly kind: 'named-recipients';
  readonly version: 1;
  readonly spoolId: string;
  /** Mailboxes, as the operator wrote them. */
  readonly recipients: readonly string[];
  /** How long it is tried from then on, in milliseconds. */
  readonly lifetimeMs: number;
  /** The caller of the operator's command; a command of a version before has none. */
  readonly by?: string;
};

/** As the ingest queue holds it. `kind` comes first: by it the body is known without being parsed. */
export function namedRecipientsBody(named: Omit<NamedRecipients, 'kind' | 'version'>): string {
  const { spoolId, recipients, lifetimeMs, by } = named;
  return JSON.stringify({ kind: 'named-recipients', version: 1, spoolId, recipients, lifetimeMs, by });
}

/**
 * Null where the body is something else: a receipt. Throws on one of ours that is not sound; it then ends in the ingest
 * DLQ.
 */
export function readNamedRecipients(body: string): NamedRecipients | null {
  if (!/^\s*\{\s*"kind"\s*:\s*"named-recipients"/.test(body)) return null;
  const { version, spoolId, recipients, lifetimeMs, by } = JSON.parse(body) as Readonly<Record<string, unknown>>;
  if (version !== 1) throw new Error(`named recipients of version ${version}: deploy the version that wrote them`);
  if (typeof spoolId !== 'string' || !/^[\w.-]{1,200}$/.test(spoolId))
    throw new Error('named recipients without a spoolId');
  if (!Array.isArray(recipients) || recipients.length === 0 || recipients.length > namedRecipientsMax) {
    throw new Error(`named recipients: 1 to ${namedRecipientsMax} of them`);
  }
  const addresses = recipients.map((address: unknown) => {
    if (typeof address !== 'string' || parseMailbox(address) === null) throw new Error(`${address} is not a mailbox`);
    return address;
  });
  const sound = typeof lifetimeMs === 'number' && lifetimeMs > 0 && lifetimeMs < queueRetentionMs;
  if (!sound) throw new Error('named recipients without a lifetime, or with one as long as a queue keeps its jobs');
  const said = typeof by === 'string' ? { by: by.slice(0, callerCharsMax) } : {};
  return { kind: 'named-recipients', version: 1, spoolId, recipients: addresses, lifetimeMs, ...said };
}

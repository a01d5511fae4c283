// Orphans: objects of the spool without a row in the ledger. Which objects may be mail, what can be known of a message
// whose receipt never came, and the placeholder that holds it. Pure. The recipients are never guessed: the hints of the
// header section are shown to people, and nothing is sent by them.

import type { DeliveryRef, DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { discarded } from '#core/delivery/hold-release.ts';
import { heldAtBirth, newDelivery } from '#core/delivery/progress.ts';
import { traced } from '#core/delivery/trace.ts';
import { detailTextMax } from '#core/limits.ts';
import { parseMailbox, parseReversePath } from '#core/message/address.ts';
import { extractOf } from '#core/message/extract.ts';
import type { HeaderField } from '#core/message/header.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import { bearsNoticeMark } from '#core/message/trace-fields.ts';
import { outboundPrefix } from '#core/submission/submission.ts';
import { inboundPrefix, setupNotification } from './receipt.ts';

/**
 * The key of the row that stands for a message without a receipt. No forward-path has it (core/delivery/key.ts: 16 of
 * [a-z2-7]), and it comes before all that do, so that the first two keys of a message say whether it stands alone.
 */
export const placeholderKey = '0-receipt-missing';

export function isPlaceholder(ref: DeliveryRef): boolean {
  return ref.deliveryKey === placeholderKey;
}

/**
 * A part of the spool: the keys of `prefix` after `after`, up to and with `until`, in order of their bytes; null is no
 * bound.
 */
export type Shard = {
  readonly name: string;
  readonly prefix: string;
  readonly after: string | null;
  readonly until: string | null;
};

/** SES's ids are of [0-9a-z]: one shard for each first character. Together they hold every key, odd ones too. */
export const orphanShards: readonly Shard[] = shardsOf(inboundPrefix, '123456789abcdefghijklmnopqrstuvwxyz');
/** Of mail from our side, where there are submitters: it is listed by one. */
export const submissionShard: Shard = { name: outboundPrefix, prefix: outboundPrefix, after: null, until: null };

function shardsOf(prefix: string, bounds: string): Shard[] {
  return [...bounds, null].map((bound, index) => ({
    name: prefix + (bounds[index - 1] ?? ''),
    prefix,
    after: index === 0 ? null : prefix + bounds[index - 1],
    until: bound === null ? null : prefix + bound,
  }));
}

/**
 * The spoolId of received mail; null where the key is none that SES writes: its own test object, a folder's name,
 * somebody's file.
 */
export function spoolIdOf(objectKey: string): string | null {
  const name = objectKey.slice(inboundPrefix.length);
  return objectKey.startsWith(inboundPrefix) && /^[\w.-]{1,200}$/.test(name) && name !== setupNotification
    ? name
    : null;
}

export type Found = {
  readonly spoolId: string;
  readonly objectKey: string;
  readonly size: number;
  readonly storedAt: number;
  /** From the header section; null where it could not be read. */
  readonly headers: readonly HeaderField[] | null;
};
export type FactTerms = { readonly subject: boolean; readonly markKey: MarkKey; readonly configVersion: string };

/**
 * The known facts of a message without its receipt. Policy cannot judge it: the verdicts are in the receipt.
 */
export function orphanFacts(found: Found, terms: FactTerms): MessageFacts {
  const headers = found.headers ?? [];
  return {
    spoolId: found.spoolId,
    direction: 'inbound',
    reversePath: reversePathIn(headers) ?? '',
    objectKey: found.objectKey,
    size: found.size,
    objectVersion: null,
    extract: {
      ...extractOf(headers, { subject: terms.subject }),
      ...(bearsNoticeMark(terms.markKey, headers) ? { ownNotice: true } : {}),
    },
    verdicts: null,
    acceptedAt: found.storedAt,
    configVersion: terms.configVersion,
  };
}

/** SES's own Return-Path is the very first field; any other is the author's. Null: there is none. */
function reversePathIn([first]: readonly HeaderField[]): string | null {
  if (first?.name.toLowerCase() !== 'return-path') return null;
  const path = parseReversePath(first.value);
  return path === null ? '' : (path?.address ?? first.value);
}

/**
 * One of the recipients, from SES's own Received right below it (`… for bob@example.com; date`): it names one, however
 * many there were (docs/aws-contracts.md §1.6). '' where it names none that is a mailbox.
 */
export function recipientHint([first, second]: readonly HeaderField[]): string {
  if (first?.name.toLowerCase() !== 'return-path' || second?.name.toLowerCase() !== 'received') return '';
  return parseMailbox(lastPathIn(second.value) ?? '')?.address ?? '';
}

/** The word behind the last `for`, right before the date: the text before it is the peer's own. */
function lastPathIn(received: string): string | null {
  const before = received.slice(0, Math.max(0, received.lastIndexOf(';'))).trimEnd();
  let start = before.length;
  while (start > 0 && !/\s/.test(before.charAt(start - 1))) start -= 1;
  const lead = before.slice(0, start).trimEnd();
  if (lead.length === start || !/\sfor$/.test(lead.slice(-4))) return null;
  return /^<?([^<>;]+)>?$/.exec(before.slice(start))?.[1] ?? null;
}

/**
 * `rows-may-be-missing`: the message has rows, and a restore of the ledger may have lost others
 * (docs/decisions/restore.md). No receipt says that none is missing: a person ends it.
 */
export type PlaceholderReason = 'receipt-missing' | 'rows-may-be-missing';

/** A row that a person alone ends. */
export function isDoubt({ stateReason }: DeliveryRow): boolean {
  return stateReason === ('rows-may-be-missing' satisfies PlaceholderReason);
}

/**
 * The held row that stands for the message until its receipt comes, or an operator names its recipients. No route, no
 * attempt, no end by time.
 */
export function placeholderFor(
  facts: MessageFacts,
  headers: readonly HeaderField[] | null,
  unreadable: string | null,
  now: number,
  reason: PlaceholderReason = receiptMissing,
): DeliveryRow {
  const unknown = unknownOf(headers, unreadable);
  const detail = unknown?.slice(0, detailTextMax - reason.length - 2).toWellFormed() ?? null;
  return heldAtBirth(standIn(facts, headers, now), { because: receiptMissing, reason, detail }, now);
}

/** A canary whose receipt is lost is lost, and late: nobody needs it afterwards. Its row ends at once. */
export function lostCanary(facts: MessageFacts, headers: readonly HeaderField[], now: number): DeliveryRow {
  const row = standIn(facts, headers, now);
  const { row: ended, events } = discarded(row, 'canary', now);
  return { ...ended, trace: [...row.trace, ...events] };
}

function standIn(facts: MessageFacts, headers: readonly HeaderField[] | null, now: number): DeliveryRow {
  const hint = recipientHint(headers ?? []);
  const received = { attempt: null, status: null, reason: null, reply: null };
  return newDelivery(
    {
      spoolId: facts.spoolId,
      deliveryKey: placeholderKey,
      forwardPath: hint,
      route: -1,
      action: 0,
      nextHop: '',
      address: hint,
      copy: false,
      message: facts,
      acceptedAt: facts.acceptedAt,
      lifetimeMs: 0, // it never expires: a held row has no dueAt
      sweepAgainMs: 0,
      trace: [traced({ nextHop: '' }, 'RECEIVE', facts.acceptedAt, received, null)],
    },
    now,
  );
}

const receiptMissing = 'receipt-missing';

/** The facts that the row lacks, in one line for people; null where SES's own fields were all found. */
function unknownOf(headers: readonly HeaderField[] | null, unreadable: string | null): string | null {
  if (headers === null) return `the header section cannot be read, so that the reverse-path is unknown: ${unreadable}`;
  if (reversePathIn(headers) === null) return 'SES left no Return-Path, so that the reverse-path is unknown';
  return null;
}

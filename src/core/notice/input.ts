// What a notice is composed from: the ledger's knowledge of a delivery, and what is left of the original.
// Types, and the few derivations that every caller needs in the same way. Never reads anything itself.

import { createHash } from 'node:crypto';
import { type DeliveryRow, isHeldFailure, type MessageFacts, type NoticeKind } from '#core/delivery/delivery.ts';
import type { Mailbox } from '#core/message/address.ts';
import { inWords, reasonRow } from '#core/reply/reasons.ts';
import type { Reply } from '#core/reply/reply.ts';
import { parseStatus, type Status, statusClass, statusOf } from '#core/reply/status.ts';

/** One forward-path that the notice reports on. */
export type NoticeRecipient = {
  /** As the sender gave it to us: the only address of this recipient that the sender may see (RFC 3464 §2.3.2). */
  readonly forwardPath: string;
  /** ORCPT as submitted, `type;address`, xtext resolved; null where there was none. */
  readonly originalRecipient: string | null;
  /** The address that we gave in RCPT. It is scrubbed from everything that goes into the notice. */
  readonly routedAddress: string;
  readonly status: Status;
  /** The next hop's last reply; null where none came, and then nothing is claimed of a remote server. */
  readonly reply: Reply | null;
  /** The ledger's reason; absent where only the status is known. */
  readonly reason?: string | null;
  /** The row of the reply rules that decided on `reply`: its own words for the cause come first. */
  readonly rule?: string | null;
  /** One line for people, ours; shown where there is no reply. */
  readonly detail: string | null;
  readonly attempts: number;
  /** Milliseconds since the epoch. */
  readonly firstAttemptAt: number | null;
  readonly lastAttemptAt: number | null;
  /**
   * `reply` and `detail` are of another message's attempt, at `at`: the server has taken none since `since`. Absent:
   * they are its own.
   */
  readonly hopFailed?: { readonly since: number; readonly at: number };
  /** When we shall give up; shown only in a delay notice (RFC 3464 §2.3.9). */
  readonly willRetryUntil: number | null;
  /** It was refused, and is not tried again unless an operator says so; said in a delay notice alone. */
  readonly waitsForPerson?: true;
  /**
   * A remote report told of it: its words may name a further address behind the routed one, which the sender must not
   * learn either.
   */
  readonly reported?: true;
  /** It ended because its lifetime ran out, not by a refusal. */
  readonly expired: boolean;
  /** Its next hop had accepted it before, and an operator resubmitted it. */
  readonly relayedBefore?: true;
  /** The result of one of its attempts is not known: it may have arrived. */
  readonly mayHaveArrived?: true;
};

/**
 * What can be returned of the original. `bytes` may run on past the header section: only the header section is used of
 * `headers`.
 */
export type NoticeOriginal =
  | { readonly kind: 'headers'; readonly bytes: Uint8Array }
  | { readonly kind: 'full'; readonly bytes: Uint8Array }
  | { readonly kind: 'unavailable' };

export type NoticeInput = {
  readonly kind: NoticeKind;
  /** `notices.from`: an address a person reads (RFC 3464 §2). */
  readonly from: string;
  /**
   * The reverse-path of the original (never null here, see core/notice/permission.ts); for a postmaster's copy the
   * postmaster.
   */
  readonly to: Mailbox;
  readonly postmaster: string;
  /** Our host: Reporting-MTA, and how we present ourselves to the reader. */
  readonly reportingMta: string;
  /** From noticeMessageId. */
  readonly messageIdField: string;
  /** Value of X-Everpost-Notice, signed by the caller; '' leaves the field out. */
  readonly marker: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly message: MessageFacts;
  readonly recipients: readonly [NoticeRecipient, ...NoticeRecipient[]];
  readonly original: NoticeOriginal;
  /**
   * The whole notice, in bytes, where that is limited (core/notice/body.ts): then less of the header section is
   * returned.
   */
  readonly bytesMax?: number | null;
  /** The original transaction was SMTPUTF8 and the notice's next hop offers it (RFC 6533). */
  readonly smtputf8: boolean;
  /** The result of an earlier attempt at this very notice is unknown: it may be the second one. */
  readonly repeated?: boolean;
  /** Whether In-Reply-To and References are set, so that clients show the notice beside the original. */
  readonly threading: boolean;
};

/**
 * The notice's Message-ID. Deterministic, so that a notice composed again after a lost result is recognised as the same
 * one.
 */
export function noticeMessageId(of: { spoolId: string; deliveryKey: string; kind: NoticeKind; host: string }): string {
  const hash = createHash('sha256').update(`${of.spoolId}\0${of.deliveryKey}\0${of.kind}`).digest('hex').slice(0, 40);
  const host = of.host
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '')
    .slice(0, 253);
  return `<${of.kind}.${hash}@${host === '' ? 'everpost.invalid' : host}>`;
}

/**
 * The status that a notice reports: the last real one, also at expiry (RFC 3463 §3.5 on X.4.7, RFC 3464 §2.3.3); 4.4.7
 * only where no attempt gave any; 5.3.0 for what we could not open or process. A delay is always of class 4, a success
 * of class 2.
 */
export function noticeStatus(kind: NoticeKind, status: Status | null, reason: string | null): Status {
  if (kind === 'uncertain') return statusOf('4.0.0'); // the last one is of the send, which went well
  if (kind === 'delay') {
    if (status === null) return statusOf('4.0.0');
    return statusClass(status) === 4 ? status : (parseStatus(`4${status.slice(1)}`) ?? statusOf('4.0.0'));
  }
  if (kind === 'success') return status !== null && statusClass(status) === 2 ? status : statusOf('2.0.0');
  const atExpiry = reasonRow(reason)?.atExpiry ?? null;
  if (atExpiry !== null) return statusOf(atExpiry);
  if (status === null) return statusOf('4.4.7');
  return statusClass(status) === 2 ? statusOf('5.0.0') : status;
}

const UNCERTAIN = 'the mail service told of a bounce, and did not say of which kind';

/**
 * A ledger row as a recipient of its notice. For a fault of ours, an earlier reply of a next hop is left out.
 */
/** `until`: when its lifetime ends, with what pauses added to it; null: nobody knows, because one keeps it now. */
export function noticeRecipient(
  row: DeliveryRow,
  kind: NoticeKind,
  until: number | null = row.expiresAt,
): NoticeRecipient {
  const noted = asNoted(row, kind, until);
  return kind === 'uncertain' ? { ...noted, reason: row.stateReason, reply: null, detail: UNCERTAIN } : noted;
}

function asNoted(row: DeliveryRow, kind: NoticeKind, until: number | null): NoticeRecipient {
  const expired = row.state === 'expired';
  const reason = expired ? (row.stateReason ?? row.lastReason) : row.lastReason;
  const ours = (reasonRow(reason)?.atExpiry ?? null) !== null;
  const saysItself = reason === 'poison' || reasonRow(reason)?.forOperatorAlone === true;
  return {
    forwardPath: row.forwardPath,
    originalRecipient: row.dsn?.orcpt ?? null,
    routedAddress: row.address,
    status: noticeStatus(kind, row.lastStatus, reason),
    reply: ours ? null : row.lastReply,
    reason,
    ...(ours || row.lastReply === null || row.lastRule === undefined ? {} : { rule: row.lastRule }),
    detail: saysItself ? inWords(reason) : (row.lastDetail ?? inWords(reason)),
    attempts: row.attempts,
    firstAttemptAt: row.firstAttemptAt,
    lastAttemptAt: row.lastAttemptAt,
    willRetryUntil: kind === 'delay' && !isHeldFailure(row) ? until : null,
    ...(kind === 'delay' && isHeldFailure(row) ? { waitsForPerson: true as const } : {}),
    expired,
    ...(ours || row.hopFailed === undefined ? {} : { hopFailed: row.hopFailed }),
    ...(row.resubmitted === undefined ? {} : { relayedBefore: true as const }),
    ...(row.possibleDuplicate ? { mayHaveArrived: true as const } : {}),
    ...(row.lastReason === 'reported-failed' ? { reported: true as const } : {}),
  };
}

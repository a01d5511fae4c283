// The limit on refusals that no rule knows (DESIGN decision 28). A next hop that turns refuses everybody in the same
// words, and each sender would be told of a failure that is not theirs. After ten different recipients within an hour
// the rest is held. Relay counts, the ledger keeps the count. Pure. It never decides that a reply is a failure.

import { createHash } from 'node:crypto';
import { dayMs, failureLimitMs, failureLimitRecipients, failureWordsMax } from '#core/limits.ts';
import type { Failed, Outcome } from '#core/reply/outcome.ts';
import { become, hold, releasedFromOf, resumeFailure } from './become.ts';
import { delayNoticeAt } from './delay-success.ts';
import type { DeliveryRow } from './delivery.ts';
import { isCanary } from './key.ts';
import type { Progress } from './trace.ts';
import { traced } from './trace.ts';

/** Such failures at one next hop, in the same words: one record, which the ledger forgets an hour after the last. */
export type FailureCount = {
  /** Of next hop, code, status and words: `failureKey`. */
  readonly key: string;
  /** Counts writes; 0: no record stands. */
  readonly version: number;
  /**
   * The latest failure of each of the latest recipients, oldest first; at most `failureLimitRecipients`. The address is
   * a hash.
   */
  readonly failures: readonly { readonly address: string; readonly at: number }[];
};

export function noFailures(key: string): FailureCount {
  return { key, version: 0, failures: [] };
}

/**
 * Whether the failure counts: nothing but the stage decided it, and its sender would be told. Notices have no sender,
 * and nobody hears of the failure of a copy or a canary.
 */
export function countsAsFailure(row: DeliveryRow, outcome: Outcome): boolean {
  if (outcome.kind !== 'failed' || outcome.unrecognised !== true) return false;
  return row.kind === 'delivery' && !row.copy && !isCanary(row);
}

/** Ten different recipients were refused within the hour before: a further failure is held. */
export function isOverFailureLimit({ failures }: FailureCount, now: number, hourMs = failureLimitMs): boolean {
  return failures.filter(({ at }) => at > now - hourMs).length >= failureLimitRecipients;
}

/** The count with one more failure. The same recipient counts once, by its latest failure. */
export function withFailure(count: FailureCount, address: string, now: number): FailureCount {
  const others = count.failures.filter((each) => each.address !== address);
  return { ...count, failures: [...others, { address, at: now }].slice(-failureLimitRecipients) };
}

/** The count after an acceptance: it begins anew. Null where there is nothing to forget. */
export function withoutFailures(count: FailureCount): FailureCount | null {
  return count.failures.length === 0 ? null : { ...count, failures: [] };
}

/** One for all failures at one next hop with the same code, status and words. Nobody can read it back. */
export function failureKey(
  row: Pick<DeliveryRow, 'nextHop' | 'address'>,
  outcome: Pick<Failed, 'reply' | 'status' | 'detail'>,
): string {
  const { reply, status, detail } = outcome;
  const words = constantWords(reply?.text ?? detail, row.address);
  return digest([row.nextHop, String(reply?.code ?? ''), reply?.status ?? status, words]);
}

/** The recipient that the next hop was asked about. Nobody can read it back. */
export function failedAddress({ address }: DeliveryRow): string {
  const at = address.lastIndexOf('@');
  return digest([address.slice(0, at), address.slice(at + 1).toLowerCase()]).slice(0, 16);
}

/**
 * The words of a reply that do not differ from message to message: no address, no name of the recipient, nothing with a
 * digit, and no id such as `kXyZ`. Linear in the text, of which the first `failureWordsMax` characters are read.
 */
export function constantWords(text: string, address: string): string {
  const at = address.lastIndexOf('@');
  const own = new Set([address.slice(0, at).toLowerCase(), address.slice(at + 1).toLowerCase()]);
  return text
    .slice(0, failureWordsMax)
    .split(SEPARATORS)
    .map((word) => word.replace(/\.$/, ''))
    .filter((word) => word !== '' && !VARIES.test(word) && !own.has(word.toLowerCase()))
    .map((word) => word.toLowerCase())
    .join(' ');
}
const SEPARATORS = /[\s<>()[\]{},;:"'=/|]/;
const VARIES = /[@\p{N}]|\p{Ll}\p{Lu}/u;

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('base64url');
}

/** Why it is held, in ledgers and traces. */
const BECAUSE = 'failure-limit';

/** A failed row above the limit: held with the facts of its failure. Its sender hears of the delay first. */
export function afterFailureHeld({ row, events }: Progress, now: number, delayNoticeMs: number | null): Progress {
  const reason = `${BECAUSE}: ${row.lastReason}`;
  const event = traced(row, 'HOLD', now, { attempt: null, status: row.lastStatus, reason, reply: row.lastReply });
  const held = hold(row, 'notice-failed', BECAUSE, { reason: BECAUSE, leaseUntil: null, now });
  return { events: [...events, event], row: { ...held, dueAt: heldFailureDue(held, delayNoticeMs, now) } };
}

/** When the sweep must look at it: for the delay notice, then for the end of its lifetime, and daily as at all held. */
export function heldFailureDue(row: DeliveryRow, delayNoticeMs: number | null, now: number): number {
  return Math.min(delayNoticeAt(row, delayNoticeMs) ?? row.expiresAt, row.expiresAt, now + dayMs);
}

/** Its NDR goes: it had failed, and is failed again. An operator releases it, or its lifetime is over. */
export function heldFailureReturned(
  row: DeliveryRow,
  why: 'released' | 'lifetime-over',
  terms: { readonly now: number; readonly sweepAgainMs: number },
): Progress {
  const reason = why === 'released' ? row.stateReason : `${BECAUSE}: ${why}`;
  const event = traced(row, 'RELEASE', terms.now, { attempt: null, status: row.lastStatus, reason, reply: null }, null);
  const change = { reason: row.lastReason, leaseUntil: null, dueAt: terms.now + terms.sweepAgainMs };
  return { events: [event], row: resumeFailure(row, 'failed', change) };
}

/**
 * An operator has it tried again. It keeps its attempts. Its lifetime stood still while it was held; where none was
 * left it has `lifetimeMs` from now on, and always the time for one attempt.
 */
export function heldFailureRetried(
  row: DeliveryRow,
  terms: { readonly now: number; readonly lifetimeMs: number; readonly sweepAgainMs: number },
): Progress {
  const { now } = terms;
  const { lastJobSent: _, ...kept } = row;
  const left = row.expiresAt - (row.lastAttemptAt ?? row.acceptedAt);
  const event = traced(row, 'RELEASE', now, { attempt: null, status: null, reason: `${BECAUSE}: retry`, reply: null });
  const change = {
    reason: null,
    claims: 0,
    nextAttemptAt: now,
    expiresAt: now + (left > 0 ? Math.max(left, terms.sweepAgainMs) : terms.lifetimeMs),
    leaseUntil: null,
    releasedFrom: [...new Set([...releasedFromOf(row), BECAUSE] as const)],
    dueAt: now + terms.sweepAgainMs,
  };
  return { events: [event], row: become(kept, 'released', change) };
}

// Decides what the sweep does with a row whose `dueAt` has passed, and how the sweep shares its room in the relay queue
// among next hops. The sweep calls it. Pure. Enqueuing moves `dueAt` forward in the same write, so that no row is
// enqueued again each minute.

import { claimsMax, dayMs } from '#core/limits.ts';
import { delayNoticeAt, isSuccessNoticeDue, isUncertainNoticeDue } from './delay-success.ts';
import type { DeliveryRow, TraceEvent } from './delivery.ts';
import { isHeldFailure, isSettled, isUnderWay } from './delivery.ts';
import { quoting } from './expiry.ts';
import { isSuspectExpiry } from './expiry-limit.ts';
import { heldFailureDue } from './failure-limit.ts';
import { discarded } from './hold-release.ts';
import { traced } from './trace.ts';
import { dueWhileWaiting, type HopDown, lastAttempt } from './waiting.ts';

/** The row's next hop, for the decision. */
export type HopTerms = {
  readonly takesMail: boolean;
  /** Where it takes none: the failed attempt behind which a row may expire. */
  readonly down: HopDown | null;
  /** Jobs that were sent before this instant may have been given back, and are not lost. Null: none were. */
  readonly resumedAt: number | null;
  /** Jobs that were sent before this instant may stand in line for their turn, and are not lost. 0: none ever did. */
  readonly lineEndsAt: number;
  /** Jobs that found no place at it are in a queue until this instant. 0: none ever was. */
  readonly queuedUntil: number;
};

export type SweepTerms = {
  readonly now: number;
  readonly sweepAgainMs: number;
  /** The relay queue holds visible jobs: a row never claimed is then merely waiting its turn. */
  readonly backlog: boolean;
  /** With a backlog too, a job that no worker claimed for so long counts as lost. */
  readonly lostAnywayMs: number;
  readonly delayNoticeMs: number | null;
  readonly lifetimeMs: number;
  readonly hop: HopTerms;
  readonly pause: PauseTerms;
};
/** What the pauses say of the row (core/delivery/pause.ts). */
export type PauseTerms = {
  /** No attempt is made now. */
  readonly kept: boolean;
  /** Its lifetime's end, as pauses have extended it. */
  readonly expiresAt: number;
  /** Jobs sent before this instant were given back, and are not lost; null: none was. */
  readonly resumedAt: number | null;
};
export type SweepDecision =
  | { readonly kind: 'leave' }
  /** Only look again later. */
  | { readonly kind: 'wait'; readonly row: DeliveryRow }
  | {
      readonly kind: 'relay';
      readonly row: DeliveryRow;
      readonly events: readonly TraceEvent[];
      readonly lost: boolean;
    }
  /**
   * Its lifetime is over. Where the expiry is suspect, the limit (core/delivery/expiry-limit.ts) decides first. `down`:
   * its next hop takes nothing, and an attempt at it that failed just now stands for the last one of this row.
   */
  | { readonly kind: 'expire'; readonly suspect: boolean; readonly down: HopDown | null }
  /** The failure limit held it, and its lifetime is over: its sender is told. */
  | { readonly kind: 'return' }
  /** Its quarantine is over. */
  | { readonly kind: 'discard'; readonly row: DeliveryRow; readonly events: readonly TraceEvent[] }
  /**
   * A bounce job: for a failure's notice, for that of a success or of a bounce that says nothing, or (under way) for
   * the notice of the delay.
   */
  | { readonly kind: 'bounce' | 'delay'; readonly row: DeliveryRow };

export function sweepDecision(row: DeliveryRow, terms: SweepTerms): SweepDecision {
  const { now } = terms;
  if (row.dueAt === null || row.dueAt > now) return { kind: 'leave' };
  const again = now + terms.sweepAgainMs;
  if (row.state === 'failed' || row.state === 'expired') return { kind: 'bounce', row: { ...row, dueAt: again } };
  if (isSuccessNoticeDue(row) || isUncertainNoticeDue(row)) return { kind: 'bounce', row: { ...row, dueAt: again } };
  if (row.state === 'quarantined') return { kind: 'discard', ...discarded(row, 'quarantine-over', now) };
  if (isHeldFailure(row)) return heldFailure(row, terms);
  if (row.state === 'held' && !isSettled(row)) return { kind: 'wait', row: { ...row, dueAt: now + dayMs } };
  if (!isUnderWay(row.state)) return { kind: 'wait', row: { ...row, dueAt: null } };
  // An expiry too needs a free lease: the attempt under way may be the one that succeeds.
  if (row.leaseUntil !== null && row.leaseUntil > now) return { kind: 'wait', row: { ...row, dueAt: row.leaseUntil } };
  if (terms.pause.expiresAt <= now) return atExpiry(row, terms);
  const waits = row.claims >= claimsMax || row.nextAttemptAt > now || !terms.hop.takesMail || terms.pause.kept;
  return waits ? waiting(row, terms) : enqueue(row, terms, terms.pause.expiresAt);
}

/** The failure limit holds it: its sender hears of the delay, and at the end of its lifetime of the failure. */
function heldFailure(row: DeliveryRow, terms: SweepTerms): SweepDecision {
  const { now } = terms;
  if (row.expiresAt <= now) return { kind: 'return' };
  const dueAt = heldFailureDue(row, terms.delayNoticeMs, now);
  if (dueAt > now) return { kind: 'wait', row: { ...row, dueAt } };
  return { kind: 'delay', row: { ...row, dueAt: Math.min(now + terms.sweepAgainMs, row.expiresAt) } };
}

/**
 * Nothing to attempt for now: poison, deferred, kept by a pause, or a next hop that takes nothing. A delay notice may
 * be due.
 */
function waiting(row: DeliveryRow, terms: SweepTerms): SweepDecision {
  const { now, pause } = terms;
  const again = now + terms.sweepAgainMs;
  const next = row.claims >= claimsMax ? pause.expiresAt : nextLook(row, terms);
  const delayAt = delayNoticeAt(row, terms.delayNoticeMs, pause.expiresAt);
  if (delayAt === null) return { kind: 'wait', row: { ...row, dueAt: next } };
  if (delayAt > now) return { kind: 'wait', row: { ...row, dueAt: next > now ? Math.min(next, delayAt) : delayAt } };
  // Until the row says that the notice is written it is asked for again, should the job be lost.
  return { kind: 'delay', row: { ...row, dueAt: next > now ? Math.min(again, next) : again } };
}

function nextLook(row: DeliveryRow, terms: SweepTerms): number {
  const { now, pause } = terms;
  return Math.min(
    row.nextAttemptAt > now ? row.nextAttemptAt : dueWhileWaiting(row, { ...terms, endsAt: pause.expiresAt }),
    pause.expiresAt,
  );
}

function enqueue(row: DeliveryRow, terms: SweepTerms, until: number): SweepDecision {
  const { now } = terms;
  const again = now + terms.sweepAgainMs;
  const interrupted = row.claims > 0;
  // A first job is sent by ingest; from then on `dueAt` lies past `nextAttemptAt` exactly when the sweep has sent one.
  const unclaimed = !interrupted && (row.attempts === 0 || (row.dueAt ?? 0) > row.nextAttemptAt);
  const waitsUnclaimed = unclaimed && !mayBeGivenBack(row, terms);
  const lostAnyway = now - row.nextAttemptAt >= terms.lostAnywayMs;
  const queued = terms.hop.queuedUntil > now;
  if (waitsUnclaimed && (queued || terms.backlog) && !lostAnyway)
    return { kind: 'wait', row: { ...row, dueAt: Math.min(again, until) } };
  const lost = interrupted || waitsUnclaimed;
  const events = lost ? [resubmit(row, now, interrupted ? 'lease-ran-out' : 'job-lost')] : [];
  return { kind: 'relay', row: { ...row, dueAt: Math.min(again, until) }, events, lost };
}

/**
 * Relay finishes jobs of a next hop that takes nothing or is paused, and those for which its line is too long; their
 * rows wait. Others may still stand in that line.
 */
function mayBeGivenBack({ dueAt }: DeliveryRow, { hop, pause, sweepAgainMs }: SweepTerms): boolean {
  const until = Math.max(hop.resumedAt ?? 0, pause.resumedAt ?? 0, hop.lineEndsAt);
  return until > 0 && (dueAt ?? 0) <= until + sweepAgainMs;
}

/**
 * An attempt that began and did not end is no outcome. Mail that was never attempted gets one attempt, unless its next
 * hop takes nothing and an attempt of another message has just found that.
 */
function atExpiry(row: DeliveryRow, terms: SweepTerms): SweepDecision {
  const { now, hop, pause } = terms;
  const again = now + terms.sweepAgainMs;
  if (!hop.takesMail && !pause.kept && row.claims < claimsMax) return behindOpen(row, hop.down);
  if (row.claims > 0 && row.claims < claimsMax) return enqueue(row, terms, again);
  const tried = row.attempts > 0 || row.claims > 0 || row.lastJobSent === true;
  if (!tried) {
    const lost = !mayBeGivenBack(row, terms);
    return { kind: 'relay', row: { ...row, lastJobSent: true, dueAt: again }, events: [lastAttempt(row, now)], lost };
  }
  return { kind: 'expire', suspect: isSuspectExpiry(row), down: null };
}

/**
 * It expires by the failure of another message's attempt, or by an attempt of its own after its lifetime. That one may
 * have shown nothing of the next hop: content that cannot be opened is our own fault, and the expiry limit weighs it.
 */
function behindOpen(row: DeliveryRow, down: HopDown | null): SweepDecision {
  const isQuoted = down !== null && quoting(row, down) !== row;
  if (isQuoted) return { kind: 'expire', suspect: false, down };
  const isTried = row.claims === 0 && row.lastAttemptAt !== null && row.lastAttemptAt >= row.expiresAt;
  if (down === null && !isTried) return { kind: 'leave' };
  return { kind: 'expire', suspect: isSuspectExpiry(row), down };
}

function resubmit(row: DeliveryRow, now: number, reason: string): TraceEvent {
  return traced(row, 'RESUBMIT', now, { attempt: null, status: null, reason, reply: null });
}

/**
 * Divides `total` places among those who want some, none more than it wants: one that wants less than an even share
 * leaves the rest to the others (max-min fairness). Whole numbers; the sum is at most `total`.
 */
export function fairShares(wanted: ReadonlyMap<string, number>, total: number): Map<string, number> {
  const shares = new Map<string, number>();
  let left = total;
  const modestFirst = [...wanted].sort(([, a], [, b]) => a - b);
  modestFirst.forEach(([name, want], index) => {
    const share = Math.min(want, Math.floor(left / (modestFirst.length - index)));
    shares.set(name, share);
    left -= share;
  });
  return shares;
}

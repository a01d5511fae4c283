// Deliveries that wait because their next hop takes no mail now, and what ends that wait. The sweep calls it. It
// decides by the entry of the due index whether a row must be looked at, so that what waits costs no read and no write.
// Pure. Instants are milliseconds since the epoch. It never decides what health is: next-hop-health.ts does.

import { claimsMax, freshFailureMs, probeAwaitedMs, resumeWithinMs, settleMs, sweepLineMs } from '#core/limits.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import type { DeliveryRow, TraceEvent } from './delivery.ts';
import { isUnderWay } from './delivery.ts';
import type { Health, HopFailure } from './next-hop-health.ts';
import { traced } from './trace.ts';

/**
 * `settling`: it takes mail again, and not every function knows it yet. A job that was sent now might be given back.
 */
export type Standing = 'takes' | 'slow' | 'settling' | 'open';

/** How long things take; the local runtime divides all of them by its scale. */
export type HopTimes = {
  readonly settleMs: number;
  readonly freshFailureMs: number;
  readonly resumeWithinMs: number;
  readonly probeAwaitedMs: number;
  readonly sweepLineMs: number;
};

export function hopTimes(timeScale: number): HopTimes {
  return {
    settleMs: settleMs / timeScale,
    freshFailureMs: freshFailureMs / timeScale,
    resumeWithinMs: resumeWithinMs / timeScale,
    probeAwaitedMs: probeAwaitedMs / timeScale,
    sweepLineMs: sweepLineMs / timeScale,
  };
}

export function hopStandingOf(health: Health, now: number, times: HopTimes): Standing {
  if (health.state === 'open') return 'open';
  const resumedAt = resumedAtOf(health, times);
  if (resumedAt !== null && now < resumedAt) return 'settling';
  return health.state === 'slow' ? 'slow' : 'takes';
}

/** From when on every function knows that it takes mail again; null where it was never open. */
export function resumedAtOf({ recoveredAt }: Health, times: HopTimes): number | null {
  return recoveredAt === null ? null : recoveredAt + times.settleMs;
}

export function takesMail(standing: Standing): boolean {
  return standing === 'takes' || standing === 'slow';
}

/** An open next hop, as the notice of what expires behind it quotes it. */
export type HopDown = {
  /** It has taken nothing since. */
  readonly since: number;
  readonly failure: HopFailure;
};

/** Null where no attempt failed just now: then a row needs an attempt of its own before it may expire. */
export function freshFailureOf(health: Health, now: number, times: HopTimes): HopDown | null {
  const { state, lastFailure, failingSince, since } = health;
  if (state !== 'open' || lastFailure === null || lastFailure.at < now - times.freshFailureMs) return null;
  return { since: Math.min(failingSince ?? since, lastFailure.at), failure: lastFailure };
}

/** What the due index says of a row. */
export type WaitingEntry = Pick<DeliveryRow, 'nextAttemptAt' | 'expiresAt'> & { readonly dueAt: number };

export type WaitingTerms = {
  readonly now: number;
  readonly sweepAgainMs: number;
  readonly lifetimeMs: number;
  readonly delayNoticeMs: number | null;
  /** The row's lifetime's end, as pauses have extended it. */
  readonly endsAt: number;
};

/**
 * Whether the sweep must read a row whose next hop takes no mail now: its delay notice is due, or its lifetime is over
 * and `mayExpire`. All others are left by the index alone. `isOver`: with what pauses added to its lifetime.
 */
export function mustLook(
  entry: WaitingEntry,
  terms: WaitingTerms,
  { isOver, mayExpire }: { readonly isOver: boolean; readonly mayExpire: boolean },
): boolean {
  if (isOver) return mayExpire;
  const until = delayLooksUntil(entry, terms);
  return until !== null && entry.dueAt <= until;
}

/** The delay notice is asked for again as long, should its job be lost. In times of `sweepAgainMs`. */
const DELAY_LOOKS = 4;

/**
 * A row whose `dueAt` lies past this instant is not looked at for its delay notice any more. Null: none is due yet, by
 * what the index knows of the row, or none will ever be.
 */
function delayLooksUntil({ expiresAt }: Pick<WaitingEntry, 'expiresAt'>, terms: WaitingTerms): number | null {
  if (terms.delayNoticeMs === null) return null;
  const at = expiresAt - terms.lifetimeMs + terms.delayNoticeMs;
  return at > terms.now || at >= terms.endsAt ? null : at + DELAY_LOOKS * terms.sweepAgainMs;
}

/** A row that waits, and is ready for an attempt, is due by then at the latest. */
export function waitsUntil({ now, sweepAgainMs, delayNoticeMs }: Omit<WaitingTerms, 'lifetimeMs' | 'endsAt'>): number {
  return now + Math.max(DELAY_LOOKS * sweepAgainMs + 1, delayNoticeMs ?? 0);
}

/** The `dueAt` of a row that waits and needs no look before its expiry: as it is, where that says so already. */
export function dueWhileWaiting(row: DeliveryRow, terms: WaitingTerms): number {
  const until = delayLooksUntil(row, terms);
  const due = row.dueAt ?? terms.now;
  return until === null || due > until ? due : Math.max(terms.now, until + 1);
}

/**
 * Whether one attempt may go out to an open next hop. `early`: also before its instant where our credentials were
 * refused, since relay sees whether they have changed, and makes no attempt where they have not.
 */
export function wantsProbe({ state, opened, probe, lastFailure }: Health, now: number, early: boolean): boolean {
  if (state !== 'open' || opened === null || (probe !== null && probe.until > now)) return false;
  return now >= opened.nextProbeAt || (early && lastFailure?.secretVersion !== undefined);
}

/**
 * Whether the answer to the one attempt may be there in a moment. It was sent `sweepAgainMs` before it counts as lost.
 * One that is not answered soon is lost, or takes minutes: the run of the next minute sees its end.
 */
export function isProbeAwaited(
  { probe }: Pick<Health, 'probe'>,
  { now, sweepAgainMs }: { readonly now: number; readonly sweepAgainMs: number },
  { probeAwaitedMs: awaitedMs }: HopTimes,
): boolean {
  return probe !== null && probe.until > now && now < probe.until - sweepAgainMs + awaitedMs;
}

/**
 * The row whose job finds out whether an open next hop takes mail again; null where it cannot be that one. It is not
 * due for some time, so that the next one is another.
 */
export function asProbe(
  row: DeliveryRow,
  terms: { readonly now: number; readonly sweepAgainMs: number; readonly isOver: boolean },
): { readonly row: DeliveryRow; readonly events: readonly TraceEvent[] } | null {
  const { now, sweepAgainMs, isOver } = terms;
  if (!isUnderWay(row.state) || row.claims >= claimsMax) return null;
  if (row.leaseUntil !== null && row.leaseUntil > now) return null;
  if (row.nextAttemptAt > now && !isOver) return null;
  const events = isOver && row.lastJobSent !== true ? [lastAttempt(row, now)] : [];
  const sent = { ...row, nextAttemptAt: Math.min(row.nextAttemptAt, now), dueAt: now + sweepAgainMs };
  return { row: isOver ? { ...sent, lastJobSent: true } : sent, events };
}

export function lastAttempt(row: DeliveryRow, now: number): TraceEvent {
  return traced(row, 'RESUBMIT', now, { attempt: null, status: null, reason: 'last-attempt', reply: null });
}

export type Resumption = {
  /** From when on every function knows that mail is taken again. */
  readonly at: number;
  /** Attempts before this instant failed with the next hop's fault, and need not wait for their schedule. */
  readonly attemptsBefore: number | null;
};
export type ResumptionTerms = { readonly now: number; readonly sweepAgainMs: number };

/** By the index: whether the row may have waited, and is not due yet. */
export function mayBeMadeDue(
  entry: WaitingEntry & Pick<DeliveryRow, 'state'>,
  resumption: Resumption,
  terms: ResumptionTerms,
): boolean {
  if (!isUnderWay(entry.state) || entry.dueAt <= terms.now) return false;
  return (
    isGivenBack(entry, resumption, terms) || (resumption.attemptsBefore !== null && entry.nextAttemptAt > terms.now)
  );
}

/** The row, due at once; null where it stays as it is. */
export function madeDue(row: DeliveryRow, resumption: Resumption, terms: ResumptionTerms): DeliveryRow | null {
  const { now } = terms;
  const { dueAt } = row;
  if (dueAt === null || row.claims >= claimsMax || (row.leaseUntil !== null && row.leaseUntil > now)) return null;
  if (!mayBeMadeDue({ ...row, dueAt }, resumption, terms)) return null;
  if (!isGivenBack({ ...row, dueAt }, resumption, terms) && !waitsForSchedule(row, resumption)) return null;
  return { ...row, nextAttemptAt: Math.min(row.nextAttemptAt, now), dueAt: now };
}

/** Its job was sent before mail was taken again, and relay finished it without an attempt. */
function isGivenBack(
  { nextAttemptAt, dueAt }: WaitingEntry,
  { at }: Resumption,
  { now, sweepAgainMs }: ResumptionTerms,
): boolean {
  return nextAttemptAt <= now && dueAt <= at + sweepAgainMs;
}

function waitsForSchedule({ lastAttemptAt, lastReason }: DeliveryRow, { attemptsBefore }: Resumption): boolean {
  const fault = reasonRow(lastReason)?.fault;
  const byNextHop = fault === 'next-hop' || fault === 'operator';
  return byNextHop && lastAttemptAt !== null && attemptsBefore !== null && lastAttemptAt < attemptsBefore;
}

// The health of a next hop, as the ledger keeps it: one record for each, shared by all functions (DESIGN decision 31).
// Relay and the sweep read it through pipeline/next-hop-board.ts. It decides what health becomes after an attempt.
// Pure. Instants are milliseconds since the epoch. It never says whether a delivery may run: a pause may stop one at a
// healthy next hop.

import { credentialsProbesMs, openAfterFailures, openProbesMs, slowAfterMs } from '#core/limits.ts';
import type { Reply } from '#core/reply/reply.ts';
import type { DeliveryRef } from './delivery.ts';

/**
 * `slow`: an attempt timed out or took ten seconds, so that its jobs go to the slow lane. `open`: it takes nothing, and
 * one attempt at a time finds out when it does again.
 */
export type HealthState = 'healthy' | 'slow' | 'open';

/** The last attempt that failed by the fault of the next hop or the operator. */
export type HopFailure = {
  readonly at: number;
  /** A reason of core/reply/reasons.ts. */
  readonly reason: string;
  readonly reply: Reply | null;
  /** One line for people; never a secret. */
  readonly detail: string;
  /** Who must act before the next attempt can succeed. */
  readonly waitsFor: 'next-hop' | 'operator';
  /** The version of the secret that was refused; absent where no login was. */
  readonly secretVersion?: string;
};

export type Health = {
  readonly nextHop: string;
  /** Counts writes; 0: no record stands. */
  readonly version: number;
  /** When it first accepted a message. Null: it never did, and it is `new` (DESIGN decision 27). */
  readonly firstAcceptedAt: number | null;
  readonly state: HealthState;
  /** When it became so. */
  readonly since: number;
  /** Who must act before it takes mail again; null where it is not open. */
  readonly waitsFor: 'next-hop' | 'operator' | null;
  /** The first failure by its own or the operator's fault since the last acceptance that is known; null: none. */
  readonly failingSince: number | null;
  /** Attempts in a row that got no answer to MAIL or anything after it. Each of them ended its connection. */
  readonly streak: number;
  readonly lastFailure: HopFailure | null;
  /** Where it is open: when that began, how many attempts have gone out since, and when the next one may. */
  readonly opened: { readonly at: number; readonly probes: number; readonly nextProbeAt: number } | null;
  /** The one attempt that is out while it is open; lost where `until` has passed. */
  readonly probe: (DeliveryRef & { readonly until: number }) | null;
  /** When it was last open and took mail again. */
  readonly recoveredAt: number | null;
};

/** Of a next hop about which nothing is recorded. */
export function unknownHealth(nextHop: string): Health {
  return {
    nextHop,
    version: 0,
    firstAcceptedAt: null,
    state: 'healthy',
    since: 0,
    waitsFor: null,
    failingSince: null,
    streak: 0,
    lastFailure: null,
    opened: null,
    probe: null,
    recoveredAt: null,
  };
}

/** How long things take; the local runtime divides all of them by its scale. */
export type HealthTerms = {
  readonly slowAfterMs: number;
  /** After the first, second, … attempt that failed while it was open; the last one repeats. */
  readonly probesMs: readonly number[];
  /** The same where our credentials were refused. */
  readonly credentialsProbesMs: readonly number[];
};

export function healthTerms(timeScale: number): HealthTerms {
  return {
    slowAfterMs: slowAfterMs / timeScale,
    probesMs: openProbesMs.map((each) => each / timeScale),
    credentialsProbesMs: credentialsProbesMs.map((each) => each / timeScale),
  };
}

/** What an attempt showed of its next hop (core/delivery/attempt-sight.ts). */
export type Sight = {
  /**
   * `accepted`: it took the message. `answered`: a reply to MAIL or to what comes after it. `unanswered`: it failed
   * before MAIL, or gave no answer. `credentials`: it refused ours, or we have none.
   */
  readonly kind: 'accepted' | 'answered' | 'unanswered' | 'credentials';
  /** Its own fault or the operator's; null where the attempt failed by nobody's of the two, or did not fail. */
  readonly failure: HopFailure | null;
  readonly tookMs: number;
  readonly timedOut: boolean;
  /** In the slow lane. */
  readonly apart: boolean;
  /** The one attempt that is out while it is open. */
  readonly probe: boolean;
};

/** The health after an attempt; null: nothing is to be written. `now` is the attempt's end. */
export function healthAfter(health: Health, sight: Sight, terms: HealthTerms, now: number): Health | null {
  switch (sight.kind) {
    case 'accepted':
    case 'answered':
      return changed(health, afterAnswer(health, sight, terms, now));
    case 'unanswered':
      return changed(health, afterSilence(health, sight, terms, now));
    case 'credentials':
      return changed(health, afterRefusal(health, sight, terms, now));
  }
}

/** An attempt has taken ten seconds, and is not over. */
export function markedSlow(health: Health, now: number): Health | null {
  return health.state === 'healthy' ? { ...health, state: 'slow', since: now } : null;
}

/** The attempt that was to find out was not made: another may go out. */
export function probeReturned(health: Health, probe: DeliveryRef): Health | null {
  return isProbe(health, probe) ? { ...health, probe: null } : null;
}

export function isProbe({ probe }: Health, ref: DeliveryRef): boolean {
  return probe !== null && probe.spoolId === ref.spoolId && probe.deliveryKey === ref.deliveryKey;
}

function afterAnswer(health: Health, sight: Sight, terms: HealthTerms, now: number): Health {
  const accepted = sight.kind === 'accepted';
  const failingSince = accepted ? null : (health.failingSince ?? sight.failure?.at ?? null);
  const heard: Health = {
    ...health,
    firstAcceptedAt: health.firstAcceptedAt ?? (accepted ? now : null),
    failingSince,
    lastFailure: health.failingSince === null && sight.failure !== null ? sight.failure : health.lastFailure,
    streak: 0,
  };
  if (health.state === 'open') return recovered(heard, now);
  const quick = sight.tookMs < terms.slowAfterMs;
  if (health.state === 'slow' && quick && sight.apart) return { ...heard, state: 'healthy', since: now };
  return quick ? heard : (markedSlow(heard, now) ?? heard);
}

function recovered(health: Health, now: number): Health {
  const closed = { waitsFor: null, opened: null, probe: null, recoveredAt: now } as const;
  return { ...health, ...closed, state: 'healthy', since: now };
}

function afterSilence(health: Health, sight: Sight, terms: HealthTerms, now: number): Health {
  const failed = withFailure(health, sight, now);
  if (health.state === 'open') return sight.probe ? afterProbe(failed, terms.probesMs, now) : health;
  const streak = health.streak + 1;
  const counted: Health = { ...failed, streak };
  if (streak >= openAfterFailures)
    return open(counted, isOperators(sight) ? 'operator' : 'next-hop', terms.probesMs, now);
  const slow = sight.timedOut || sight.tookMs >= terms.slowAfterMs;
  return slow ? (markedSlow(counted, now) ?? counted) : counted;
}

function afterRefusal(health: Health, sight: Sight, terms: HealthTerms, now: number): Health {
  const failed = withFailure(health, sight, now);
  if (health.state !== 'open') return open(failed, 'operator', terms.credentialsProbesMs, now);
  return sight.probe ? afterProbe({ ...failed, waitsFor: 'operator' }, terms.credentialsProbesMs, now) : health;
}

function withFailure(health: Health, { failure }: Sight, now: number): Health {
  return { ...health, failingSince: health.failingSince ?? now, lastFailure: failure ?? health.lastFailure };
}

function isOperators({ failure }: Sight): boolean {
  return failure?.waitsFor === 'operator';
}

function open(health: Health, waitsFor: 'next-hop' | 'operator', pauses: readonly number[], now: number): Health {
  const opened = { at: now, probes: 0, nextProbeAt: now + pauseAfter(pauses, 0) };
  return { ...health, state: 'open', since: now, waitsFor, opened, probe: null };
}

function afterProbe(health: Health, pauses: readonly number[], now: number): Health {
  const probes = (health.opened?.probes ?? 0) + 1;
  const opened = { at: health.opened?.at ?? now, probes, nextProbeAt: now + pauseAfter(pauses, probes) };
  return { ...health, opened, probe: null };
}

function pauseAfter(pauses: readonly number[], probes: number): number {
  return pauses[Math.min(probes, pauses.length - 1)] ?? 0;
}

/** Null where nothing differs: a healthy next hop costs no write. */
function changed(before: Health, after: Health): Health | null {
  const fields = Object.keys(before) as (keyof Health)[];
  return fields.some((field) => before[field] !== after[field]) ? after : null;
}

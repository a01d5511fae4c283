// Whether an expiry is the next hop's doing or ours, and the limit on those that are ours (DESIGN decision 4): one bad
// deploy must not mail a report to every sender. Pure: how many expired in the hour is counted by the ledger.

import type { Settings } from '#config/settings.ts';
import { claimsMax, suspectExpiriesPerHourMax, suspectExpiriesShareMax } from '#core/limits.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import { hold } from './become.ts';
import type { DeliveryRow } from './delivery.ts';
import { canFallBack } from './fallback.ts';
import { expiryReason } from './progress.ts';
import type { Progress } from './trace.ts';
import { traced, withDoubt } from './trace.ts';

/**
 * Its last outcome is no next hop's reply and no network error: it crashed us, could not be read, or never had an
 * attempt.
 */
export function isSuspectExpiry(row: DeliveryRow): boolean {
  return row.claims >= claimsMax || row.attempts === 0 || row.lastReason === null || countsAsOurs(row.lastReason);
}

function countsAsOurs(reason: string): boolean {
  return reasonRow(reason)?.countsAsOurs === true;
}

/**
 * Whether an expiry can mail its sender a report, which is all that the limit is for. A notice's makes its delivery
 * held, a copy answers to nobody, and a fallback still to be tried takes over. `expired` is the row as it would be
 * then.
 */
export function mayReport(expired: DeliveryRow, nextHops: Settings['nextHops']): boolean {
  if (expired.kind === 'notice' || expired.copy) return false;
  return !canFallBack(expired) || expired.fallback === null || nextHops[expired.fallback] === undefined;
}

/** Both counts are of the hour so far, this one included. */
export type ExpiryCount = { readonly total: number; readonly suspect: number };

/** Above max(100, 5 %) of an hour's expiries that may mail a report, suspect ones are held instead of returned. */
export function isOverExpiryLimit(count: ExpiryCount): boolean {
  return count.suspect > Math.max(suspectExpiriesPerHourMax, suspectExpiriesShareMax * count.total);
}

/** Held by the limit: its lifetime is over, and an operator decides. The row keeps what it knew. */
export function afterExpiryHeld(row: DeliveryRow, now: number): Progress {
  const reason = `expiry-limit: ${expiryReason(row)}`;
  const event = traced(row, 'HOLD', now, { attempt: null, status: row.lastStatus, reason, reply: row.lastReply });
  const held = hold(row, 'held', 'expiry-limit', { reason: 'expiry-limit', leaseUntil: null, dueAt: null });
  return withDoubt({ events: [event], row: held }, row.claims, now);
}

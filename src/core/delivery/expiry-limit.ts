// Whether an expiry is the next hop's fault or ours, and the limit on those that are ours (DESIGN decision 4): one bad
// deploy must not send a report to every sender. The sweep uses it. Pure: the ledger counts the expiries of the hour.

import type { Settings } from '#config/settings.ts';
import { claimsMax, suspectExpiriesPerHourMax, suspectExpiriesShareMax } from '#core/limits.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import { hold } from './become.ts';
import type { DeliveryRow } from './delivery.ts';
import { expiryReason } from './expiry.ts';
import { canFallBack } from './fallback.ts';
import { isCanary } from './key.ts';
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
 * Whether an expiry can send its sender a report: the limit counts only such expiries. A notice that expires becomes
 * held, no notice follows the failure of a copy or a canary, and a fallback that was not tried yet takes over.
 * `expired` is the row after the expiry.
 */
export function mayReport(expired: DeliveryRow, nextHops: Settings['nextHops']): boolean {
  if (expired.kind === 'notice' || expired.copy || isCanary(expired)) return false;
  return !canFallBack(expired) || expired.fallback === null || nextHops[expired.fallback] === undefined;
}

/** Both counts are of the hour so far, this one included. */
export type ExpiryCount = { readonly total: number; readonly suspect: number };

/** Above max(100, 5 %) of an hour's expiries that may mail a report, suspect ones are held instead of returned. */
export function isOverExpiryLimit(count: ExpiryCount): boolean {
  return count.suspect > Math.max(suspectExpiriesPerHourMax, suspectExpiriesShareMax * count.total);
}

/** Held by the limit: its lifetime is over, and an operator decides. The row keeps its facts. */
export function afterExpiryHeld(row: DeliveryRow, now: number): Progress {
  const reason = `expiry-limit: ${expiryReason(row)}`;
  const event = traced(row, 'HOLD', now, { attempt: null, status: row.lastStatus, reason, reply: row.lastReply });
  const held = hold(row, 'held', 'expiry-limit', { reason: 'expiry-limit', leaseUntil: null, now });
  return withDoubt({ events: [event], row: held }, row.claims, now);
}

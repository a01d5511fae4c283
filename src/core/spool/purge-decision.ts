// Whether a stored message may leave the spool: only when every row that it has is final, copies and notices too
// (DESIGN decision 6). Called by the purge. Pure. In doubt the message stays: an object that is kept too long costs a
// little, one that is removed too early is a lost message.

import type { Settings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { isFinal, isSettled } from '#core/delivery/delivery.ts';
import { destinationOf } from '#core/delivery/destination.ts';
import { type Pauses, pausedMsSince } from '#core/delivery/pause.ts';
import { sesFeedbackMs, settleMarginMs } from '#core/limits.ts';

/**
 * Why it stays. `no-rows`: an orphan, which is the hourly sweep's. `kept`: held or quarantined. `feedback`: SES may
 * still report on it. `no-end`: a row should have ended long ago, and has not.
 */
export type KeptBecause = 'no-rows' | 'no-end' | 'under-way' | 'feedback' | 'kept';
export type PurgeDecision =
  | { readonly kind: 'remove' }
  /** `row`: the one that prevents it; null where there is none. */
  | { readonly kind: 'keep'; readonly because: KeptBecause; readonly row: DeliveryRow | null };

export function purgeDecision(
  rows: readonly DeliveryRow[],
  settings: Pick<Settings, 'nextHops' | 'retry'>,
  pauses: Pauses,
): PurgeDecision {
  if (rows.length === 0) return { kind: 'keep', because: 'no-rows', row: null };
  for (const row of rows) {
    const because = openBecause(row, settings, pauses);
    if (because !== null) return { kind: 'keep', because, row };
  }
  return { kind: 'remove' };
}

function openBecause(
  row: DeliveryRow,
  settings: Pick<Settings, 'nextHops' | 'retry'>,
  pauses: Pauses,
): KeptBecause | null {
  const { now } = pauses;
  // A worker has its lease, or the sweep will look at it: whatever its state says, it has not ended.
  if (isFinal(row.state) && (row.dueAt !== null || (row.leaseUntil ?? 0) > now)) return 'under-way';
  switch (row.state) {
    case 'queued':
    case 'deferred':
    case 'failed':
    case 'expired':
      return now > endOf(row, settings, pauses) ? 'no-end' : 'under-way';
    case 'quarantined':
      return 'kept';
    case 'held':
      return isSettled(row) ? null : 'kept';
    case 'relayed':
      return mayBeReported(row.nextHop, settings) && (row.lastAttemptAt ?? now) + sesFeedbackMs > now
        ? 'feedback'
        : null;
    case 'confirmed':
    case 'returned':
    case 'unreturnable':
    case 'discarded':
    case 'removed':
      return null;
  }
}

/**
 * Everything of it has ended by then: its lifetime, its notice's, and all that any pause since its acceptance may have
 * added to the two.
 */
function endOf({ expiresAt, acceptedAt }: DeliveryRow, { retry }: Pick<Settings, 'retry'>, pauses: Pauses): number {
  return expiresAt + retry.lifetimeMs + settleMarginMs + pausedMsSince(acceptedAt, pauses);
}

/** By SES; or by a next hop that the configuration does not know any more, and that may have been SES. */
function mayBeReported(nextHop: string, { nextHops }: Pick<Settings, 'nextHops'>): boolean {
  const destination = destinationOf({ nextHop });
  if (destination === 'ses-bounce' || destination === 'ses-report') return true;
  return (nextHops[nextHop]?.kind ?? 'ses') === 'ses';
}

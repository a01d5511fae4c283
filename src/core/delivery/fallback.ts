// The fallback of a route: a delivery that expired at its next hop goes to the route's fallback, with the same address
// and a new lifetime (DESIGN decision 13). The bounce stage calls it. Pure. A permanent refusal never uses the
// fallback: its sender is told.

import { reasonRow } from '#core/reply/reasons.ts';
import { become } from './become.ts';
import type { DeliveryRow } from './delivery.ts';
import type { Progress } from './trace.ts';
import { traced } from './trace.ts';

/**
 * Whether the delivery has a next hop still to be tried. Content that cannot be opened, or that crashes us, is no
 * better at another one.
 */
export function canFallBack(row: DeliveryRow): boolean {
  return row.state === 'expired' && row.fallback !== null && reasonRow(row.stateReason)?.fallback !== false;
}

/**
 * The same delivery, queued for its fallback; null where it has none. It stays one row, so that (forward-path, action)
 * stays one delivery and there is one NDR at the most. Attempts count anew, because the schedule does; the trace has
 * all of them.
 */
export function redirected(
  row: DeliveryRow,
  terms: { readonly now: number; readonly lifetimeMs: number; readonly sweepAgainMs: number },
): Progress | null {
  const { uncertain: _, lastJobSent: __, ...kept } = row; // a fact about the next hop that it leaves
  const { fallback } = row;
  if (fallback === null || !canFallBack(row)) return null;
  const { now } = terms;
  const reason = `expired at ${row.nextHop}`;
  const event = traced(row, 'REDIRECT', now, { attempt: null, status: row.lastStatus, reason, reply: null }, fallback);
  return {
    events: [event],
    row: become(kept, 'redirected', {
      reason: null,
      nextHop: fallback,
      fallback: null,
      attempts: 0,
      claims: 0,
      nextAttemptAt: now,
      expiresAt: now + terms.lifetimeMs,
      leaseUntil: null,
      dueAt: now + terms.sweepAgainMs,
    }),
  };
}

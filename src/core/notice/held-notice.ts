// Releases the notice of a delivery that is held because the configuration holds notices (`notices.mode`: a migration).
// The notice is sent, whatever the configuration says by then. It never releases a message for another attempt:
// core/delivery/hold-release.ts does.

import { heldBecauseOf, resumeFailure } from '#core/delivery/become.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import type { Progress } from '#core/delivery/trace.ts';
import { traced } from '#core/delivery/trace.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import { statusClass } from '#core/reply/status.ts';

/** Whether its notice is held: the delivery itself failed, and that is settled. */
export function hasHeldNotice(row: DeliveryRow): boolean {
  return row.kind === 'delivery' && row.state === 'held' && heldBecauseOf(row) === 'notices-held';
}

/**
 * Failed or expired as it was, for bounce to continue with; the sweep finds it should its bounce job be lost.
 */
export function noticeReleased(row: DeliveryRow, now: number, sweepAgainMs: number): Progress {
  const what = { attempt: null, status: row.lastStatus, reason: row.stateReason, reply: null };
  return {
    events: [traced(row, 'RELEASE', now, what, null)],
    row: resumeFailure(row, hadExpired(row) ? 'expired' : 'failed', {
      reason: row.lastReason,
      dueAt: now + sweepAgainMs,
      // A notice that was decided on: bounce gives it without asking once more whether it may
      // (pipeline/bounce/bounce.ts).
      notice: { kind: 'ndr', state: 'queued', via: null, to: null, messageIdField: null, at: now, reason: null },
      leaseUntil: null,
    }),
  };
}

/**
 * Held rows do not say how they ended. A refusal has a status of class 5; so has a delivery that expired by our own
 * fault.
 */
function hadExpired({ lastStatus, lastReason }: DeliveryRow): boolean {
  if (lastStatus === null || statusClass(lastStatus) !== 5) return true;
  return (reasonRow(lastReason)?.atExpiry ?? null) !== null;
}

// Mail that a next hop had accepted and then lost, relayed once more on an operator's word, as long as the spool has it
// (docs/decisions/resubmit.md). It says what may be resubmitted and what the row becomes. Pure; it never looks at
// content. Whoever had the mail all the same gets it twice, so it is marked: in the row, in the trace and in the
// message itself.

import { isSesHost } from '#core/message/ses-use.ts';
import { become } from './become.ts';
import { isSuccessNoticeDue } from './delay-success.ts';
import type { AttemptedKind, DeliveryRow } from './delivery.ts';
import type { Progress } from './trace.ts';
import { traced } from './trace.ts';

/** In the trace's RESUBMIT. */
export const resubmittedByOperator = 'resubmitted-by-operator';

/** Why it cannot be resubmitted, one line for people; null where it can, as far as its row tells. */
export function whyNotResubmitted(row: DeliveryRow): string | null {
  if (row.kind === 'notice') return 'it is a notice: what it reports on has its own end';
  if (row.state !== 'relayed' && row.state !== 'confirmed') return `it is ${row.state}, neither relayed nor confirmed`;
  if (isSuccessNoticeDue(row)) return 'its sender is being told of its success at this moment: try again in a minute';
  return null;
}

/**
 * What speaks for a recipient having it already, for people who decide; null where nothing does but the next hop's
 * acceptance.
 */
export function doubtAbout(row: DeliveryRow): string | null {
  if (row.state === 'confirmed') return 'its arrival was confirmed: the recipient will have it twice';
  if (attemptedByOf(row) === 'ses') return 'it went by SES, which reports what it loses: the recipient may have it';
  return null;
}

/** Rows that older versions wrote do not say it; of SES they have the endpoint's name in its reply. */
function attemptedByOf({ attemptedBy, lastReply }: DeliveryRow): AttemptedKind | null {
  return attemptedBy ?? (isSesHost(lastReply?.host ?? '') ? 'ses' : null);
}

/**
 * Queued as if it had just been accepted: attempts, schedule and lifetime begin anew, and what the next hop said the
 * first time is the trace's alone, so that an expiry without an attempt does not report a success. The sweep looks at
 * it should its job be lost.
 */
export function resubmitted(
  row: DeliveryRow,
  terms: { readonly now: number; readonly lifetimeMs: number; readonly sweepAgainMs: number },
): Progress {
  const { now } = terms;
  const { uncertain: _, lastJobSent: __, attemptedBy: ___, ...kept } = row;
  const confirmed = row.state === 'confirmed' || row.resubmitted?.from === 'confirmed';
  const what = { attempt: null, status: null, reason: resubmittedByOperator, reply: null };
  return {
    events: [traced(row, 'RESUBMIT', now, what)],
    row: become(kept, 'resubmitted', {
      reason: null,
      attempts: 0,
      claims: 0,
      firstAttemptAt: null,
      lastAttemptAt: null,
      nextAttemptAt: now,
      expiresAt: now + terms.lifetimeMs,
      leaseUntil: null,
      dueAt: now + terms.sweepAgainMs,
      lastReply: null,
      lastStatus: null,
      lastReason: null,
      lastDetail: null,
      possibleDuplicate: true,
      resubmitted: { at: now, from: confirmed ? 'confirmed' : 'relayed' },
    }),
  };
}

// Relays again, at an operator's command, mail that a next hop accepted and then lost, while the spool has it
// (docs/decisions/resubmit.md). It decides which rows may be resubmitted and what they become. Pure; it never looks at
// content. A recipient who did have the mail gets it twice, so the row, the trace and the message are marked.

import { isSesHost } from '#core/message/ses-use.ts';
import { become } from './become.ts';
import { isSuccessNoticeDue } from './delay-success.ts';
import type { AttemptedKind, DeliveryRow } from './delivery.ts';
import type { Progress } from './trace.ts';
import { traced } from './trace.ts';

/** In the trace's RESUBMIT. */
export const resubmittedByOperator = 'resubmitted-by-operator';

/** Why it cannot be resubmitted, one line for people; null where it can, as far as its row says. */
export function whyNotResubmitted(row: DeliveryRow): string | null {
  if (row.kind === 'notice') return 'it is a notice: what it reports on has its own end';
  if (row.state !== 'relayed' && row.state !== 'confirmed') return `it is ${row.state}, neither relayed nor confirmed`;
  if (isSuccessNoticeDue(row)) return 'its sender is being told of its success at this moment: try again in a minute';
  return null;
}

/**
 * The evidence that a recipient already has it, for the operator who decides; null where there is none but the next
 * hop's acceptance.
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
 * Queued as if it had just been accepted: attempts, schedule and lifetime begin anew. Only the trace keeps the next
 * hop's first reply, so that an expiry without an attempt does not report a success. If its job is lost, the sweep
 * finds it.
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

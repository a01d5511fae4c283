// Our own word on an attempt, come after somebody else settled the row: another worker, once our lease had run out, or
// what SES said of the message before we had written its 200 down (DESIGN decision 12). The row's word stands; what we
// know is added. Pure.

import type { Outcome } from '#core/reply/outcome.ts';
import type { DeliveryRow } from './delivery.ts';
import type { Progress } from './trace.ts';
import { traced } from './trace.ts';

export type OvertakenTerms = { readonly startedAt: number; readonly now: number; readonly openMs: number };

/** `claimed` is the row as this attempt took it. */
export function afterOvertakenOutcome(
  current: DeliveryRow,
  claimed: DeliveryRow,
  outcome: Outcome,
  { startedAt, now, openMs }: OvertakenTerms,
): Progress {
  const { reply } = outcome;
  const what = { status: reply?.status ?? null, reply };
  if (outcome.kind === 'relayed' && isAboutThisAttempt(current, claimed)) {
    const sent = traced(current, 'SEND', now, { ...what, attempt: current.attempts, reason: null });
    return {
      row: { ...current, firstAttemptAt: claimed.firstAttemptAt ?? startedAt, lastAttemptAt: startedAt },
      events: [{ ...sent, latency: { openMs, totalMs: now - startedAt } }],
    };
  }
  const late = { ...what, attempt: null, reason: `late-${outcome.kind}` };
  return { row: { ...current, possibleDuplicate: true }, events: [traced(current, 'POSSIBLE_DUPLICATE', now, late)] };
}

/**
 * What settled the row was said of this very attempt: it counted it (core/feedback/fact.ts), and there was no other
 * claim whose result could be the one that was spoken of. Another worker's outcome would have marked a possible
 * duplicate.
 */
function isAboutThisAttempt(current: DeliveryRow, claimed: DeliveryRow): boolean {
  return current.attempts === claimed.attempts + 1 && current.claims === 0 && !current.possibleDuplicate;
}

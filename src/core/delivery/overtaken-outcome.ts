// Records the outcome of our attempt after another writer settled the row: another worker once our lease had expired,
// or a SES event that came before we wrote its 200 (DESIGN decision 12). Relay calls it. The row keeps its state, and
// the trace gets our outcome. Pure.

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
 * The fact that settled the row was about this very attempt: it counted it (core/feedback/fact.ts), and no other claim
 * had a result to report. Another worker's outcome would have marked a possible duplicate.
 */
function isAboutThisAttempt(current: DeliveryRow, claimed: DeliveryRow): boolean {
  return current.attempts === claimed.attempts + 1 && current.claims === 0 && !current.possibleDuplicate;
}

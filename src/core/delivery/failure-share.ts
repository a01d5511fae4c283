// What share of an hour's outcomes at a next hop are permanent failures, whose senders are told. Relay and feedback
// count, the ledger keeps the counts, and the sweep asks for the worst share. docs/decisions/failure-share.md says by
// whose fault a failure counts, and why. Pure. It decides nothing about a delivery.

import { failureShareFailuresMin } from '#core/limits.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import type { DeliveryRow, Direction } from './delivery.ts';
import { isCanary } from './key.ts';

export type OutcomeCount = { readonly failed: number; readonly accepted: number };
export type HopOutcomes = OutcomeCount & { readonly nextHop: string };

/** It was counted as accepted before: SES reports later what became of the mail. */
export const failedAfterAcceptance: OutcomeCount = { failed: 1, accepted: -1 };

/** What an attempt counts as; null: nothing. */
export function outcomeCount(row: DeliveryRow, direction: Direction, outcome: Outcome): OutcomeCount | null {
  if (!countsInShare(row)) return null;
  if (outcome.kind === 'relayed') return { failed: 0, accepted: 1 };
  return outcome.kind === 'failed' && isTold(outcome.reason, direction) ? { failed: 1, accepted: 0 } : null;
}

/** Notices, copies and canaries have no sender who is told. */
export function countsInShare(row: DeliveryRow): boolean {
  return row.kind === 'delivery' && !row.copy && !isCanary(row);
}

/** Strangers' mail that is refused for what it is, is mostly spam: refusing it is the next hop's ordinary work. */
function isTold(reason: string, direction: Direction): boolean {
  return direction === 'outbound' || reasonRow(reason)?.fault !== 'message';
}

/** The next hop with the highest share of failures, in whole percent; null: none has as many failures as it takes. */
export function worstShare(
  counts: readonly HopOutcomes[],
): { readonly nextHop: string; readonly percent: number } | null {
  const byHop = new Map<string, OutcomeCount>();
  for (const { nextHop, ...each } of counts) {
    const before = byHop.get(nextHop) ?? { failed: 0, accepted: 0 };
    byHop.set(nextHop, { failed: before.failed + each.failed, accepted: before.accepted + each.accepted });
  }
  const shares = [...byHop]
    .filter(([, count]) => count.failed >= failureShareFailuresMin)
    .map(([nextHop, count]) => {
      const total = count.failed + Math.max(0, count.accepted);
      return { nextHop, percent: Math.floor((100 * count.failed) / total) };
    });
  return shares.sort((a, b) => b.percent - a.percent)[0] ?? null;
}

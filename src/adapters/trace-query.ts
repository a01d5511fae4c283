// Whether a message matches a trace query: the part of the search for which there is no index. Every ledger calls it,
// and so do the operator's verbs. Pure.

import { heldBecauseOf } from '#core/delivery/become.ts';
import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import type { TraceQuery } from '#pipeline/ports.ts';

/**
 * All terms given must hold. Addresses match without regard to case, which people do not remember; Message-IDs exactly.
 */
export function answers(query: TraceQuery, message: MessageFacts, rows: readonly DeliveryRow[]): boolean {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const { forwardPath } = query;
  return (
    (query.spoolId === undefined || query.spoolId === message.spoolId) &&
    (query.messageIdField === undefined || query.messageIdField === message.extract.messageIdField) &&
    (query.reversePath === undefined || same(query.reversePath, message.reversePath)) &&
    (forwardPath === undefined || rows.some((row) => row.kind === 'delivery' && same(row.forwardPath, forwardPath))) &&
    (query.since === undefined || message.acceptedAt >= query.since) &&
    (query.row === undefined || rows.some((row) => isMeant(row, query.row ?? {})))
  );
}

/** Whether a row is all that is asked for. */
export function isMeant(row: DeliveryRow, wanted: NonNullable<TraceQuery['row']>): boolean {
  const { states, reason, nextHop, attempted, resubmittedBefore } = wanted;
  const at = row.lastAttemptAt;
  return (
    (states === undefined || states.includes(row.state)) &&
    (reason === undefined || isFor(row, reason)) &&
    (nextHop === undefined || row.nextHop === nextHop) &&
    (attempted === undefined || (at !== null && at >= attempted.from && at < attempted.until)) &&
    (resubmittedBefore === undefined || row.resubmitted === undefined || row.resubmitted.at < resubmittedBefore)
  );
}

/** Why it is held, or its reason: the whole of it, the part before a colon, or its first word. */
function isFor(row: DeliveryRow, wanted: string): boolean {
  const { stateReason } = row;
  if (heldBecauseOf(row) === wanted || stateReason === wanted) return true;
  return stateReason?.split(':', 1)[0] === wanted || stateReason?.split(/[:\s]/, 1)[0] === wanted;
}
